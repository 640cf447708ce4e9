// SPDX-License-Identifier: MIT
/* The PostgreSQL driver's only public door. Borrows loop, resolver and config for the store's life.
 */
#pragma once

#include "config/config.h"
#include "loop/loop.h"
#include "loop/resolver.h"
#include "store/store.h"

struct ef_store *ef_postgres_new(struct ef_loop *loop, struct ef_resolver *resolver,
                                 const struct ef_config *config,
                                 const struct ef_config_outbox *outbox,
                                 const struct ef_store_user *user, void *user_arg);
