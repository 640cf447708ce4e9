// SPDX-License-Identifier: MIT
/* Which driver a database of the configuration has: the only door the daemon goes through. */
#pragma once

#include "config/config.h"
#include "loop/loop.h"
#include "loop/resolver.h"
#include "store/store.h"

/* The store of an outbox, by its database's driver; as ef_postgres_new and ef_mysql_new. */
struct ef_store *ef_store_new(struct ef_loop *loop, struct ef_resolver *resolver,
                              const struct ef_config *config, const struct ef_config_outbox *outbox,
                              const struct ef_store_user *user, void *user_arg);

/* Threads of attempts to connect go on after every store has ended (my_dial.h): end by _exit(). */
bool ef_store_lingers(void);

/* For ef_config_use_driver_checks. */
extern const struct ef_config_driver_checks ef_store_config_checks;
