// SPDX-License-Identifier: MIT
/*
 * The MySQL and MariaDB driver's only public door. Borrows loop, resolver and config for the
 * store's life. Needs MySQL 8.0 or MariaDB 10.6, or later ones.
 */
#pragma once

#include "config/config.h"
#include "loop/loop.h"
#include "loop/resolver.h"
#include "store/store.h"

struct ef_store *ef_mysql_new(struct ef_loop *loop, struct ef_resolver *resolver,
                              const struct ef_config *config, const struct ef_config_outbox *outbox,
                              const struct ef_store_user *user, void *user_arg);
/* libmariadb's version as mysql_get_client_version gives it: 30320 for 3.3.20. */
unsigned long ef_mysql_library_version(void);
