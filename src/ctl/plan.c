// SPDX-License-Identifier: MIT
#include "ctl/plan_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 65536 };

/* What 50_outbox.sql makes, in enum ef_column's order: columns and their types as an archive has
 * them. MySQL keeps a JSON column as JSON, for which MariaDB has only a name. */
static const struct {
    const char *name, *postgres, *mysql;
    bool required; /* of a table that was there before, to be an outbox at all */
} default_columns[EF_COL_COUNT] = {
    [EF_COL_ID] = {"id", "bigint", "BIGINT", true},
    [EF_COL_MESSAGE_ID] = {"message_id", "uuid", "CHAR(36)", false},
    [EF_COL_AGGREGATE_TYPE] = {"aggregate_type", "character varying", "VARCHAR(255)", false},
    [EF_COL_AGGREGATE_ID] = {"aggregate_id", "character varying", "VARCHAR(255)", true},
    [EF_COL_TOPIC] = {"topic", "character varying", "VARCHAR(255)", true},
    [EF_COL_KEY] = {"key", "text", "TEXT", false},
    [EF_COL_PAYLOAD] = {"payload", "jsonb", "/*M! LONGTEXT */ /*!80000 JSON */", true},
    [EF_COL_HEADERS] = {"headers", "jsonb", "/*M! LONGTEXT */ /*!80000 JSON */", false},
    [EF_COL_TRACE_ID] = {"trace_id", "character varying", "VARCHAR(64)", false},
    [EF_COL_PARTITION] = {"kafka_partition", "integer", "INT", false},
    [EF_COL_STATUS] = {"status", "smallint", "TINYINT", true},
    [EF_COL_ATTEMPTS] = {"attempts", "integer", "INT", true},
    [EF_COL_NEXT_RETRY_AT] = {"next_retry_at", "timestamp with time zone", "DATETIME(3)", true},
    [EF_COL_CLAIMED_AT] = {"claimed_at", "timestamp with time zone", "DATETIME(3)", false},
    [EF_COL_CREATED_AT] = {"created_at", "timestamp with time zone", "DATETIME(3)", false},
    [EF_COL_PROCESSED_AT] = {"processed_at", "timestamp with time zone", "DATETIME(3)", false},
    [EF_COL_LAST_ERROR] = {"last_error", "text", "TEXT", false},
};

/* Columns that the relay writes. */
static const enum ef_column settled[] = {EF_COL_STATUS,        EF_COL_ATTEMPTS,
                                         EF_COL_NEXT_RETRY_AT, EF_COL_CLAIMED_AT,
                                         EF_COL_PROCESSED_AT,  EF_COL_LAST_ERROR};

void ef_plan_table_name(const struct ef_migration *migration, char out[EF_PLAN_TABLE_SIZE])
{
    struct ef_buf name;
    ef_buf_init(&name, EF_PLAN_TABLE_SIZE - 1);
    ef_put_name(&name, migration->table.schema);
    ef_buf_puts(&name, ".");
    ef_put_name(&name, migration->table.table);
    snprintf(out, EF_PLAN_TABLE_SIZE, "%s", name.data);
    ef_buf_done(&name);
}

void ef_plan_say(struct ef_strings *list, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = ef_xvprintf(fmt, ap);
    va_end(ap);
    list->items = ef_xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count++] = text;
}

void ef_findings_done(struct ef_findings *findings)
{
    struct ef_strings *lists[] = {&findings->warnings, &findings->notes};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < lists[i]->count; j++)
            free(lists[i]->items[j]);
        free(lists[i]->items);
        *lists[i] = (struct ef_strings){0};
    }
}

static bool refuse_kind(const struct ef_facts *facts, const char *table, struct ef_error *err)
{
    const char *what = facts->kind == 'v'   ? "a view"
                       : facts->kind == 'm' ? "a materialized view"
                       : facts->kind == 'f' ? "a foreign table"
                                            : "not a table";
    if (facts->kind == 'r' || facts->kind == 'p')
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG, "cannot use %s as an outbox: it is %s", table, what);
}

/* Nothing is mapped but what Debezium's documentation has and what is added to it. */
static bool is_documented(const struct ef_migration *migration)
{
    static const enum ef_column own[] = {EF_COL_TOPIC,       EF_COL_KEY,       EF_COL_HEADERS,
                                         EF_COL_TRACE_ID,    EF_COL_PARTITION, EF_COL_CLAIMED_AT,
                                         EF_COL_PROCESSED_AT};
    static const enum ef_column needed[] = {EF_COL_MESSAGE_ID, EF_COL_AGGREGATE_TYPE,
                                            EF_COL_AGGREGATE_ID, EF_COL_LAST_ERROR};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (migration->columns[own[i]].column)
            return false;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!migration->columns[needed[i]].column)
            return false;
    return true;
}

bool ef_plan_refuse(const struct ef_plan *plan, const char *table, struct ef_error *err)
{
    const struct ef_migration *migration = plan->migration;
    const struct ef_facts *facts = plan->facts;
    bool mysql = migration->dialect == EF_DIALECT_MYSQL;
    const char *where = mysql ? "database" : "schema";
    if (facts->version > EF_SCHEMA_VERSION)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "the objects in %s '%s' are of version %d, this program knows %d: use "
                            "the eventferryctl that made them",
                            where, mysql ? migration->table.schema : migration->schema,
                            facts->version, EF_SCHEMA_VERSION);
    if (facts->missing_role)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            mysql ? "account %s does not exist: create it first (CREATE USER ...)"
                                  : "role '%s' does not exist: create it first (CREATE ROLE ... "
                                    "LOGIN)",
                            facts->missing_role);
    if (!facts->schema_exists)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "%s '%s' does not exist: create it first, or correct the table's name",
                            where, migration->table.schema);
    if (!facts->exists && migration->custom)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "table %s does not exist: with layout 'custom' the application makes it", table);
    if (!facts->exists && migration->debezium && !is_documented(migration))
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "table %s does not exist, and with other columns than Debezium "
                            "documents the application makes it",
                            table);
    if (migration->archive && facts->archive_user)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot make the archive of %s: its name is taken by that of %s", table,
                            facts->archive_user);
    return !facts->exists || refuse_kind(facts, table, err);
}

/* The column that serves `which`, whether the table has it or not; NULL: a constant or nothing. */
static const char *mapped_name(const struct ef_migration *migration, enum ef_column which)
{
    return migration->columns ? migration->columns[which].column : default_columns[which].name;
}

static bool must_exist(const struct ef_migration *migration, enum ef_column which)
{
    if (migration->debezium && (which == EF_COL_MESSAGE_ID || which == EF_COL_AGGREGATE_TYPE ||
                                which == EF_COL_AGGREGATE_ID || which == EF_COL_PAYLOAD))
        return true;
    if (migration->debezium)
        return migration->columns[which].named;
    return migration->custom ? migration->columns[which].named : default_columns[which].required;
}

static bool added_here(const struct ef_migration *migration, enum ef_column which)
{
    if (migration->debezium)
        return which == EF_COL_ID || which == EF_COL_STATUS || which == EF_COL_ATTEMPTS ||
               which == EF_COL_NEXT_RETRY_AT || which == EF_COL_LAST_ERROR ||
               which == EF_COL_CREATED_AT;
    return !migration->custom && (which == EF_COL_PARTITION || which == EF_COL_LAST_ERROR);
}

static const char *default_type(const struct ef_migration *migration, int which)
{
    return migration->dialect == EF_DIALECT_MYSQL ? default_columns[which].mysql
                                                  : default_columns[which].postgres;
}

static bool resolve_columns(struct ef_plan *plan, struct ef_error *err)
{
    const struct ef_migration *migration = plan->migration;
    char missing[512] = "", table[EF_PLAN_TABLE_SIZE];
    for (int i = 0; i < EF_COL_COUNT; i++) {
        const char *name = mapped_name(migration, i);
        const struct ef_fact_column *found =
            name && !plan->new_table ? ef_facts_column(plan->facts, name) : NULL;
        if (!name)
            continue;
        if (plan->new_table || (!found && added_here(migration, i)))
            plan->columns[i] = (struct ef_plan_column){name, default_type(migration, i)};
        else if (found)
            plan->columns[i] = (struct ef_plan_column){found->name, found->type};
        else if (must_exist(migration, i)) {
            size_t used = strlen(missing);
            snprintf(missing + used, sizeof(missing) - used, "%s'%s'", used ? ", " : "", name);
        }
    }
    if (!missing[0])
        return true;
    ef_plan_table_name(migration, table);
    return ef_error_set(err, EF_CLASS_CONFIG, "cannot use %s as an outbox: it has no column %s%s",
                        table, missing,
                        migration->columns ? "" : " (layout 'custom' maps other names to them)");
}

static bool resolve_order(struct ef_plan *plan, struct ef_error *err)
{
    const char *name = plan->migration->order_column;
    if (!name || plan->migration->debezium) /* there it is the id, and may still be missing */
        return true;
    for (int i = 0; i < EF_COL_COUNT; i++)
        if (plan->columns[i].name && strcmp(plan->columns[i].name, name) == 0)
            return true;
    const struct ef_fact_column *found =
        plan->new_table ? NULL : ef_facts_column(plan->facts, name);
    if (!found)
        return ef_error_set(err, EF_CLASS_CONFIG, "the table has no order_column '%s'", name);
    plan->columns[EF_COL_COUNT] = (struct ef_plan_column){found->name, found->type};
    return true;
}

bool ef_plan_resolve(struct ef_plan *plan, struct ef_error *err)
{
    return resolve_columns(plan, err) && resolve_order(plan, err);
}

const char *ef_plan_id(const struct ef_plan *plan)
{
    const char *order = plan->migration->order_column;
    return order && !plan->migration->debezium ? order : plan->columns[EF_COL_ID].name;
}

static bool archived_before(const struct ef_plan *plan, const char *name)
{
    for (size_t i = 0; plan->facts && i < plan->facts->archive_column_count; i++)
        if (strcmp(plan->facts->archive_columns[i].name, name) == 0)
            return true;
    return false;
}

/* Two roles may share a column. */
static bool listed_before(const struct ef_plan *plan, int which)
{
    for (int i = 0; i < which; i++)
        if (plan->columns[i].name && strcmp(plan->columns[i].name, plan->columns[which].name) == 0)
            return true;
    return false;
}

/* additions: for ALTER TABLE, what an archive that is there lacks. */
static void archive_list(const struct ef_plan *plan, bool additions, const char *after_id,
                         const char *after_other, struct ef_buf *out)
{
    for (int i = 0; i <= EF_COL_COUNT; i++) {
        const struct ef_plan_column *column = &plan->columns[i];
        if (!column->name || listed_before(plan, i) ||
            (additions && archived_before(plan, column->name)))
            continue;
        ef_buf_puts(out, out->len ? ",\n    " : "");
        ef_buf_puts(out, additions ? "ADD COLUMN " : "");
        ef_put_ident(out, column->name);
        bool is_id = strcmp(column->name, ef_plan_id(plan)) == 0;
        ef_buf_printf(out, " %s%s", column->type, is_id ? after_id : after_other);
    }
}

bool ef_plan_set_archive(const struct ef_plan *plan, const char *after_id, const char *after_other,
                         struct ef_vars *vars, struct ef_error *err)
{
    struct ef_buf list;
    for (int i = 0; i <= EF_COL_COUNT; i++)
        if (plan->columns[i].name && strcmp(plan->columns[i].name, "archived_at") == 0)
            return ef_error_set(err, EF_CLASS_CONFIG,
                                "cannot archive a mapped column named 'archived_at': the archive "
                                "has one of its own");
    ef_buf_init(&list, LIST_MAX);
    archive_list(plan, false, after_id, after_other, &list);
    ef_vars_set(vars, "archive_columns", list.data);
    ef_buf_clear(&list);
    archive_list(plan, true, after_id, after_other, &list);
    if (plan->facts && plan->facts->archive_exists && list.len)
        ef_vars_set(vars, "archive_additions", list.data);
    ef_buf_done(&list);
    return true;
}

void ef_plan_set_settled(const struct ef_plan *plan, struct ef_vars *vars)
{
    struct ef_buf names, literals;
    char count[16];
    int n = 0;
    ef_buf_init(&names, 8192);
    ef_buf_init(&literals, 8192);
    for (size_t i = 0; i < sizeof(settled) / sizeof(settled[0]); i++) {
        const char *name = plan->columns[settled[i]].name;
        if (!name || listed_before(plan, (int)settled[i]))
            continue;
        struct ef_vars one;
        ef_vars_init(&one, vars->dialect);
        ef_vars_set(&one, "name", name);
        ef_buf_puts(&names, n ? ", " : "");
        ef_buf_puts(&literals, n ? ", " : "");
        ef_put_ident(&names, name);
        if (!ef_vars_expand(&one, ":'name'", &literals, NULL))
            abort();
        ef_vars_done(&one);
        n++;
    }
    snprintf(count, sizeof(count), "%d", n);
    ef_vars_set(vars, "settle_columns", n ? names.data : NULL);
    ef_vars_set(vars, "settle_literals", literals.data);
    ef_vars_set(vars, "settle_count", count);
    ef_buf_done(&names);
    ef_buf_done(&literals);
}

void ef_plan_find_payload(const struct ef_plan *plan, const char *remedy,
                          struct ef_findings *findings)
{
    const char *payload = plan->columns[EF_COL_PAYLOAD].name;
    const struct ef_fact_column *column = payload ? ef_facts_column(plan->facts, payload) : NULL;
    if (column && column->not_null)
        ef_plan_say(&findings->notes,
                    "column '%s' is NOT NULL and stays so: to send tombstones, run ALTER TABLE ... "
                    "%s",
                    payload, remedy);
}

static const struct ef_fact_column *found(const struct ef_plan *plan, enum ef_column which)
{
    const char *name = plan->columns[which].name;
    return name && plan->facts && plan->facts->exists ? ef_facts_column(plan->facts, name) : NULL;
}

/* A column of that name from before would say of each old row what it says, and their number 0
 * would make one row of them. */
bool ef_plan_check_debezium(const struct ef_plan *plan, struct ef_findings *findings,
                            struct ef_error *err)
{
    const struct ef_migration *migration = plan->migration;
    if (!migration->debezium || !plan->facts || !plan->facts->exists)
        return true;
    /* in MySQL a migration may have stopped in its middle; these come before status */
    bool begun = migration->dialect == EF_DIALECT_MYSQL && found(plan, EF_COL_ATTEMPTS) &&
                 found(plan, EF_COL_NEXT_RETRY_AT);
    if (!found(plan, EF_COL_ID) && found(plan, EF_COL_STATUS) && !begun)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "the table has a column '%s' but none '%s': map another name to status "
                            "under `columns`, and migrate adds it",
                            plan->columns[EF_COL_STATUS].name, ef_plan_id(plan));
    if (!found(plan, EF_COL_ID) && !migration->existing_pending)
        ef_plan_say(&findings->notes,
                    "rows that are in the table by now count as sent and never go again "
                    "(--existing pending sends them)");
    return true;
}

void ef_plan_set_debezium(const struct ef_plan *plan, struct ef_vars *vars)
{
    const struct ef_migration *migration = plan->migration;
    const struct ef_plan_column *columns = plan->columns;
    bool on = migration->debezium;
    ef_vars_set(vars, "debezium", on ? "yes" : NULL);
    ef_vars_set(vars, "existing_pending", on && migration->existing_pending ? "yes" : NULL);
    ef_vars_set(vars, "existing_sent", on && !migration->existing_pending ? "yes" : NULL);
    ef_vars_set(vars, "event_id", on ? columns[EF_COL_MESSAGE_ID].name : NULL);
    ef_vars_set(vars, "event_type", on ? columns[EF_COL_AGGREGATE_TYPE].name : NULL);
    ef_vars_set(vars, "payload", columns[EF_COL_PAYLOAD].name);
    ef_vars_set(vars, "attempts", columns[EF_COL_ATTEMPTS].name);
    ef_vars_set(vars, "next_retry_at", columns[EF_COL_NEXT_RETRY_AT].name);
    ef_vars_set(vars, "last_error", columns[EF_COL_LAST_ERROR].name);
    ef_vars_set(vars, "created_at", columns[EF_COL_CREATED_AT].name);
}

bool ef_plan_make(const struct ef_migration *migration, const struct ef_facts *facts,
                  struct ef_vars *vars, struct ef_findings *findings, struct ef_error *err)
{
    struct ef_plan plan = {.migration = migration, .facts = facts};
    plan.new_table = !migration->custom && !(facts && facts->exists);
    if (!facts && migration->custom)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "cannot show the SQL for a table of layout 'custom' without its database: "
            "add --url");
    return migration->dialect == EF_DIALECT_MYSQL
               ? ef_plan_make_mysql(&plan, vars, findings, err)
               : ef_plan_make_postgres(&plan, vars, findings, err);
}
