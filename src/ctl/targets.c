// SPDX-License-Identifier: MIT
#include "ctl/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ctl/account.h"
#include "store/my_names.h"
#include "store/pg_names.h"

enum { DEFAULT_RETENTION_MS = 24 * 3600 * 1000 }; /* as outboxes.*.retention */

static bool is_limit(const char *name)
{
    return name && (name[0] == '\0' || strlen(name) > EF_PG_NAME_MAX);
}

static bool is_mysql(const char *url)
{
    return strncasecmp(url, "mysql://", 8) == 0 || strncasecmp(url, "mariadb://", 10) == 0;
}

/* By the URL's scheme, the configuration's driver, --driver. */
static bool take_dialect(struct ef_migration *migration,
                         const struct ef_migrate_arguments *arguments,
                         const struct ef_config_database *database, struct ef_error *err)
{
    bool configured = database && database->driver == EF_DRIVER_MYSQL;
    bool mysql = arguments->url ? is_mysql(arguments->url)
                 : database     ? configured
                                : arguments->mysql;
    migration->dialect = mysql ? EF_DIALECT_MYSQL : EF_DIALECT_POSTGRES;
    if (database && mysql != configured)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "--url is not of the driver of database '%s' in the configuration",
                            database->name);
    return true;
}

static bool take_table(struct ef_migration *migration, const char *text, struct ef_error *err)
{
    struct ef_table *table = &migration->table;
    struct ef_pg_table pg;
    struct ef_my_table my;
    bool mysql = migration->dialect == EF_DIALECT_MYSQL;
    if (mysql ? !ef_my_table_parse(text, &my, err) : !ef_pg_table_parse(text, &pg, err))
        return false;
    snprintf(table->schema, sizeof(table->schema), "%s", mysql ? my.database : pg.schema);
    snprintf(table->table, sizeof(table->table), "%s", mysql ? my.table : pg.table);
    return true;
}

static bool check_roles(struct ef_migration *migration,
                        const struct ef_migrate_arguments *arguments, struct ef_error *err)
{
    const char *roles[] = {arguments->grant_to, arguments->app_role};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        struct ef_account account;
        if (!roles[i])
            continue;
        if (migration->dialect == EF_DIALECT_MYSQL) {
            if (!ef_account_parse(roles[i], &account, err))
                return false;
        } else if (is_limit(roles[i])) {
            return ef_error_set(err, EF_CLASS_CONFIG, "'%s' is no name: it has no or over %d bytes",
                                roles[i], EF_PG_NAME_MAX);
        }
    }
    migration->relay_role = arguments->grant_to;
    migration->app_role = arguments->app_role;
    return true;
}

/* What the command line says about every outbox. */
static bool add_target(struct ef_targets *targets, const struct ef_migrate_arguments *arguments,
                       const char *table, const struct ef_config_database *database)
{
    struct ef_error err;
    struct ef_target target = {.database = database};
    struct ef_migration *migration = &target.migration;
    if (!take_dialect(migration, arguments, database, &err) ||
        !take_table(migration, table, &err) || !check_roles(migration, arguments, &err)) {
        ef_ctl_complain("%s", err.text);
        return false;
    }
    migration->schema = database && database->schema ? database->schema : "eventferry";
    if (is_limit(migration->schema)) {
        ef_ctl_complain("'%s' is no name: it has no or over %d bytes", migration->schema,
                        EF_PG_NAME_MAX);
        return false;
    }
    migration->archive = true;
    migration->retention_ms = DEFAULT_RETENTION_MS;
    migration->doorbell = !arguments->no_doorbell;
    migration->remove_doorbell = arguments->remove_doorbell;
    targets->items = ef_xrealloc(targets->items, (targets->count + 1) * sizeof(*targets->items));
    targets->items[targets->count++] = target;
    return true;
}

bool ef_targets_add(struct ef_targets *targets, const struct ef_migrate_arguments *arguments,
                    const struct ef_config *config, const struct ef_config_outbox *outbox)
{
    const struct ef_config_database *database = ef_config_database(config, outbox->database);
    if (!add_target(targets, arguments, outbox->table, database))
        return false;
    struct ef_migration *migration = &targets->items[targets->count - 1].migration;
    migration->custom = outbox->layout == EF_LAYOUT_CUSTOM;
    migration->debezium = outbox->layout == EF_LAYOUT_DEBEZIUM;
    migration->existing_pending = arguments->existing_pending;
    migration->columns = outbox->layout == EF_LAYOUT_EVENTFERRY ? NULL : outbox->columns;
    migration->order_column = outbox->order_column;
    migration->archive = outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE;
    migration->retention_ms = outbox->retention_ms;
    migration->archive_max_bytes = outbox->archive_max_bytes;
    migration->channel = outbox->channel;
    return true;
}

static bool choose_from_config(struct ef_targets *targets,
                               const struct ef_migrate_arguments *arguments,
                               const struct ef_config *config)
{
    for (size_t i = 0; i < config->outbox_count; i++) {
        const struct ef_config_outbox *outbox = &config->outboxes[i];
        if (arguments->outbox && strcmp(arguments->outbox, outbox->name) != 0)
            continue;
        if (!ef_targets_add(targets, arguments, config, outbox))
            return false;
    }
    if (targets->count == 0) {
        ef_ctl_complain(arguments->outbox ? "'%s' has no outbox named '%s'"
                                          : "'%s' has no outboxes",
                        config->path, arguments->outbox);
        return false;
    }
    for (size_t i = 1; arguments->url && i < targets->count; i++)
        if (targets->items[i].database != targets->items[0].database) {
            ef_ctl_complain("--url is one database, the outboxes are in several: name one with "
                            "--outbox");
            return false;
        }
    return true;
}

/* --table: the configuration only says where, and only if --url does not. */
static bool choose_table(struct ef_targets *targets, const struct ef_migrate_arguments *arguments,
                         const struct ef_config *config)
{
    if (config && config->database_count != 1) {
        ef_ctl_complain("'%s' has %zu databases: say which one with --url", config->path,
                        config->database_count);
        return false;
    }
    return add_target(targets, arguments, arguments->table, config ? &config->databases[0] : NULL);
}

/* Loads the configuration if it is needed. */
bool ef_targets_choose(struct ef_ctl *ctl, struct ef_migrate_arguments *arguments,
                       struct ef_config **ret_config, struct ef_targets *targets, int *ret_code)
{
    bool connects = !arguments->print && !arguments->url;
    *ret_code = EF_CTL_USAGE;
    if (arguments->print && !arguments->outbox && !arguments->table && !ctl->config_given &&
        access(ctl->config_path, R_OK) != 0)
        arguments->table = arguments->mysql ? "shop.outbox" : "public.outbox";
    if (arguments->table && !connects && !ctl->config_given)
        return choose_table(targets, arguments, NULL);
    *ret_config = ef_ctl_load_config(ctl, connects, ret_code);
    if (!*ret_config)
        return false;
    *ret_code = EF_CTL_USAGE;
    return arguments->table ? choose_table(targets, arguments, *ret_config)
                            : choose_from_config(targets, arguments, *ret_config);
}
