// SPDX-License-Identifier: MIT
/*
 * MariaDB's and MySQL's kind of session (ctl/db.h), and what their migrations share. The options'
 * TLS modes are those of databases.*.tls.
 */
#pragma once

#include "ctl/db.h"

/* In the session double quotes are around names, backslashes are plain characters and times UTC. */
EF_MUST_CHECK struct ef_db *ef_ctl_my_open(const struct ef_db_options *options,
                                           struct ef_error *err);

/* What sets that, as a script: both servers understand it. */
extern const char ef_my_session_script[];

/* Numbers of errors that the migration answers to. */
bool ef_my_is_denied(const struct ef_error *err);      /* this account may not look */
bool ef_my_is_undefined(const struct ef_error *err);   /* no such table, column or database */
bool ef_my_is_unsupported(const struct ef_error *err); /* not with that ALGORITHM or LOCK */
