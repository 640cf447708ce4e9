// SPDX-License-Identifier: MIT
/* A blocking session (ctl/db.h) with a database of the configuration. Thread: the program's only
 * one. */
#pragma once

#include "config/config.h"
#include "ctl/db.h"

/*
 * With the configuration's URL, password file and TLS, as the relay connects; or, url not NULL,
 * there and as whom that says. plain: as in struct ef_db_options. A server that is too old is a
 * CONFIG error. NULL: err says why.
 */
struct ef_db *ef_ctl_open(const struct ef_config_database *database, const char *url, bool mysql,
                          bool plain, struct ef_error *err);
