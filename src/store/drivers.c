// SPDX-License-Identifier: MIT
#include "store/drivers.h"

#include "store/my_dial.h"
#include "store/my_names.h"
#include "store/my_url.h"
#include "store/mysql.h"
#include "store/pg_names.h"
#include "store/postgres.h"

struct ef_store *ef_store_new(struct ef_loop *loop, struct ef_resolver *resolver,
                              const struct ef_config *config, const struct ef_config_outbox *outbox,
                              const struct ef_store_user *user, void *user_arg)
{
    switch (ef_config_database(config, outbox->database)->driver) {
    case EF_DRIVER_MYSQL:
        return ef_mysql_new(loop, resolver, config, outbox, user, user_arg);
    default:
        return ef_postgres_new(loop, resolver, config, outbox, user, user_arg);
    }
}

static bool check_table(enum ef_driver driver, const char *table, struct ef_error *err)
{
    return driver == EF_DRIVER_MYSQL ? ef_my_table_check(table, err)
                                     : ef_pg_table_check(table, err);
}

/* libpq reads its URLs itself, when it connects. */
static bool check_url(enum ef_driver driver, const char *url, struct ef_error *err)
{
    struct ef_my_url parsed;
    if (driver != EF_DRIVER_MYSQL)
        return true;
    if (!ef_my_url_parse(url, &parsed, err))
        return false;
    ef_my_url_done(&parsed);
    return true;
}

const struct ef_config_driver_checks ef_store_config_checks = {
    .table = check_table,
    .url = check_url,
};

bool ef_store_lingers(void)
{
    return ef_my_dial_lingers();
}
