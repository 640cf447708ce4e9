// SPDX-License-Identifier: MIT
#include "ctl/plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/facts.h"

/* Partition names are <stem>_YYYYMMDDHH24 or <stem>_default. */
enum { ARCHIVE_STEM_MAX = EF_PG_NAME_MAX - 11 };

/* What 50_outbox.sql makes: columns and their types without lengths, in enum ef_column's order. */
static const struct {
    const char *name, *type;
    bool required; /* of a table that was there before, to be an outbox at all */
} default_columns[EF_COL_COUNT] = {
    [EF_COL_ID] = {"id", "bigint", true},
    [EF_COL_MESSAGE_ID] = {"message_id", "uuid", false},
    [EF_COL_AGGREGATE_TYPE] = {"aggregate_type", "character varying", false},
    [EF_COL_AGGREGATE_ID] = {"aggregate_id", "character varying", true},
    [EF_COL_TOPIC] = {"topic", "character varying", true},
    [EF_COL_KEY] = {"key", "text", false},
    [EF_COL_PAYLOAD] = {"payload", "jsonb", true},
    [EF_COL_HEADERS] = {"headers", "jsonb", false},
    [EF_COL_TRACE_ID] = {"trace_id", "character varying", false},
    [EF_COL_PARTITION] = {"kafka_partition", "integer", false},
    [EF_COL_STATUS] = {"status", "smallint", true},
    [EF_COL_ATTEMPTS] = {"attempts", "integer", true},
    [EF_COL_NEXT_RETRY_AT] = {"next_retry_at", "timestamp with time zone", true},
    [EF_COL_CLAIMED_AT] = {"claimed_at", "timestamp with time zone", false},
    [EF_COL_CREATED_AT] = {"created_at", "timestamp with time zone", false},
    [EF_COL_PROCESSED_AT] = {"processed_at", "timestamp with time zone", false},
    [EF_COL_LAST_ERROR] = {"last_error", "text", false},
};

/* Columns that the relay writes. */
static const enum ef_column settled[] = {EF_COL_STATUS,        EF_COL_ATTEMPTS,
                                         EF_COL_NEXT_RETRY_AT, EF_COL_CLAIMED_AT,
                                         EF_COL_PROCESSED_AT,  EF_COL_LAST_ERROR};

/* A column that the outbox has, or will have after this migration. */
struct column {
    const char *name; /* NULL: none */
    const char *type;
};

struct plan {
    const struct ef_migration *migration;
    const struct ef_facts *facts; /* NULL: nothing there */
    bool new_table;
    struct column columns[EF_COL_COUNT + 1]; /* the last: order_column, if it is not mapped */
};

void ef_plan_table_name(const struct ef_migration *migration, char out[EF_PLAN_TABLE_SIZE])
{
    char schema[EF_PG_QUOTED_SIZE], name[EF_PG_QUOTED_SIZE];
    ef_pg_display_name(schema, migration->table.schema);
    ef_pg_display_name(name, migration->table.table);
    snprintf(out, EF_PLAN_TABLE_SIZE, "%s.%s", schema, name);
}

static void say(struct ef_strings *list, const char *fmt, ...) EF_PRINTF(2, 3);
static void say(struct ef_strings *list, const char *fmt, ...)
{
    char *text;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
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

/* Things that stop a migration before it has changed anything. */
static bool check_facts(const struct plan *plan, struct ef_error *err)
{
    const struct ef_migration *migration = plan->migration;
    const struct ef_facts *facts = plan->facts;
    char table[EF_PLAN_TABLE_SIZE];
    ef_plan_table_name(migration, table);
    if (facts->version > EF_SCHEMA_VERSION)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "the objects in schema '%s' are of version %d, this program knows %d: use "
            "the eventferryctl that made them",
            migration->schema, facts->version, EF_SCHEMA_VERSION);
    if (facts->missing_role)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "role '%s' does not exist: create it first (CREATE ROLE ... LOGIN)",
                            facts->missing_role);
    if (!facts->schema_exists)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "schema '%s' does not exist: create it first, or correct the table's name",
            migration->table.schema);
    if (!facts->exists && migration->custom)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "table %s does not exist: with layout 'custom' the application makes it", table);
    if (migration->archive && facts->archive_user)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot make the archive of %s: its name is taken by that of %s", table,
                            facts->archive_user);
    if (!facts->exists)
        return true;
    if (!refuse_kind(facts, table, err))
        return false;
    if (!facts->may_alter)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot change %s: it belongs to role '%s', run migrate as that role",
                            table, facts->owner);
    return true;
}

/* The column that serves `which`, whether the table has it or not; NULL: a constant or nothing. */
static const char *mapped_name(const struct ef_migration *migration, enum ef_column which)
{
    return migration->columns ? migration->columns[which].column : default_columns[which].name;
}

static bool must_exist(const struct ef_migration *migration, enum ef_column which)
{
    return migration->custom ? migration->columns[which].named : default_columns[which].required;
}

static bool added_here(const struct ef_migration *migration, enum ef_column which)
{
    return !migration->custom && (which == EF_COL_PARTITION || which == EF_COL_LAST_ERROR);
}

static bool resolve_columns(struct plan *plan, struct ef_error *err)
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
            plan->columns[i] = (struct column){name, default_columns[i].type};
        else if (found)
            plan->columns[i] = (struct column){found->name, found->type};
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
                        migration->custom ? "" : " (layout 'custom' maps other names to them)");
}

static bool resolve_order(struct plan *plan, struct ef_error *err)
{
    const char *name = plan->migration->order_column;
    if (!name)
        return true;
    for (int i = 0; i < EF_COL_COUNT; i++)
        if (plan->columns[i].name && strcmp(plan->columns[i].name, name) == 0)
            return true;
    const struct ef_fact_column *found =
        plan->new_table ? NULL : ef_facts_column(plan->facts, name);
    if (!found)
        return ef_error_set(err, EF_CLASS_CONFIG, "the table has no order_column '%s'", name);
    plan->columns[EF_COL_COUNT] = (struct column){found->name, found->type};
    return true;
}

static bool archived_before(const struct plan *plan, const char *name)
{
    for (size_t i = 0; plan->facts && i < plan->facts->archive_column_count; i++)
        if (strcmp(plan->facts->archive_columns[i].name, name) == 0)
            return true;
    return false;
}

/* Two roles may share a column. */
static bool listed_before(const struct plan *plan, int which)
{
    for (int i = 0; i < which; i++)
        if (plan->columns[i].name && strcmp(plan->columns[i].name, plan->columns[which].name) == 0)
            return true;
    return false;
}

static void add_ident(struct ef_buf *out, const char *name)
{
    char quoted[EF_PG_QUOTED_SIZE];
    if (!ef_pg_quote_ident(quoted, sizeof(quoted), name))
        abort(); /* names come from the catalogs or are checked: at most 63 bytes */
    ef_buf_puts(out, quoted);
}

/* additions: for ALTER TABLE, what an archive that is there lacks. */
static void archive_list(const struct plan *plan, bool additions, struct ef_buf *out)
{
    for (int i = 0; i <= EF_COL_COUNT; i++) {
        const struct column *column = &plan->columns[i];
        if (!column->name || listed_before(plan, i) ||
            (additions && archived_before(plan, column->name)))
            continue;
        ef_buf_puts(out, out->len ? ",\n    " : "");
        ef_buf_puts(out, additions ? "ADD COLUMN " : "");
        add_ident(out, column->name);
        ef_buf_printf(out, " %s", column->type);
    }
}

static bool set_archive(const struct plan *plan, struct ef_vars *vars, struct ef_error *err)
{
    const struct ef_migration *migration = plan->migration;
    char archive[EF_PG_NAME_MAX + 1], stem[EF_PG_NAME_MAX + 1], fallback[EF_PG_NAME_MAX + 1];
    char text[64] = "";
    ef_vars_set(vars, "archive", NULL);
    ef_vars_set(vars, "archive_additions", NULL);
    if (!migration->archive)
        return true;
    for (int i = 0; i <= EF_COL_COUNT; i++)
        if (plan->columns[i].name && strcmp(plan->columns[i].name, "archived_at") == 0)
            return ef_error_set(err, EF_CLASS_CONFIG,
                                "cannot archive a mapped column named 'archived_at': the archive "
                                "has one of its own");
    ef_pg_object_name(archive, "archive", migration->table.schema, migration->table.table);
    ef_pg_derived_name(stem, archive, "", ARCHIVE_STEM_MAX);
    ef_pg_derived_name(fallback, stem, "_default", EF_PG_NAME_MAX);
    ef_vars_set(vars, "archive", archive);
    ef_vars_set(vars, "archive_stem", stem);
    ef_vars_set(vars, "archive_default", fallback);
    struct ef_buf list;
    ef_buf_init(&list, 65536);
    archive_list(plan, false, &list);
    ef_vars_set(vars, "archive_columns", list.data);
    ef_buf_clear(&list);
    archive_list(plan, true, &list);
    if (plan->facts && plan->facts->archive_exists && list.len)
        ef_vars_set(vars, "archive_additions", list.data);
    ef_buf_done(&list);
    if (migration->retention_ms)
        snprintf(text, sizeof(text), "%.15g hours", (double)migration->retention_ms / 3600000);
    ef_vars_set(vars, "retention", text[0] ? text : NULL);
    snprintf(text, sizeof(text), "%" PRId64, migration->archive_max_bytes);
    ef_vars_set(vars, "max_bytes", migration->archive_max_bytes ? text : NULL);
    return true;
}

static void set_settled(const struct plan *plan, struct ef_vars *vars)
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
        ef_vars_init(&one);
        ef_vars_set(&one, "name", name);
        ef_buf_puts(&names, n ? ", " : "");
        ef_buf_puts(&literals, n ? ", " : "");
        add_ident(&names, name);
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

static void set_names(const struct plan *plan, struct ef_vars *vars)
{
    const struct ef_migration *migration = plan->migration;
    const char *table = migration->table.table;
    char name[EF_PG_NAME_MAX + 1];
    ef_vars_set(vars, "schema", migration->schema);
    ef_vars_set(vars, "table_schema", migration->table.schema);
    ef_vars_set(vars, "table", table);
    snprintf(name, sizeof(name), "%d", EF_SCHEMA_VERSION);
    ef_vars_set(vars, "version", name);
    ef_pg_derived_name(name, table, "_unfinished", EF_PG_NAME_MAX);
    ef_vars_set(vars, "index_unfinished", name);
    ef_pg_derived_name(name, table, "_waiting", EF_PG_NAME_MAX);
    ef_vars_set(vars, "index_waiting", name);
    ef_pg_derived_name(name, table, "_message_id_key", EF_PG_NAME_MAX);
    ef_vars_set(vars, "index_message_id", name);
    ef_vars_set(vars, "id",
                migration->order_column ? migration->order_column : plan->columns[EF_COL_ID].name);
    ef_vars_set(vars, "status", plan->columns[EF_COL_STATUS].name);
    ef_vars_set(vars, "aggregate_id", plan->columns[EF_COL_AGGREGATE_ID].name);
    ef_vars_set(vars, "message_id",
                migration->custom ? NULL : plan->columns[EF_COL_MESSAGE_ID].name);
}

static void set_doorbell(const struct plan *plan, struct ef_vars *vars)
{
    const struct ef_migration *migration = plan->migration;
    char bell[EF_PG_NAME_MAX + 1];
    struct ef_buf qualified;
    ef_pg_object_name(bell, "bell", migration->table.schema, migration->table.table);
    ef_buf_init(&qualified, 1024);
    add_ident(&qualified, migration->schema);
    ef_buf_puts(&qualified, ".");
    add_ident(&qualified, bell);
    ef_vars_set(vars, "bell", bell);
    ef_vars_set(vars, "bell_qualified", qualified.data);
    ef_vars_set(vars, "channel", migration->channel ? migration->channel : migration->table.table);
    ef_vars_set(vars, "doorbell", migration->doorbell ? "yes" : NULL);
    ef_vars_set(vars, "remove_doorbell", migration->remove_doorbell ? "yes" : NULL);
    ef_buf_done(&qualified);
}

static void set_conditions(const struct plan *plan, struct ef_vars *vars)
{
    const struct ef_migration *migration = plan->migration;
    const struct ef_facts *facts = plan->facts;
    ef_vars_set(vars, "new_table", plan->new_table ? "yes" : NULL);
    ef_vars_set(vars, "old_table", plan->new_table ? NULL : "yes");
    ef_vars_set(vars, "own_layout", migration->custom ? NULL : "yes");
    ef_vars_set(vars, "can_index", facts && facts->kind == 'p' ? NULL : "yes");
    ef_vars_set(vars, "relay_role", migration->relay_role);
    ef_vars_set(vars, "app_role", migration->app_role);
    ef_vars_set(vars, "app_sequences", facts ? facts->sequences : NULL);
    ef_vars_set(vars, "app_sequence_literals", facts ? facts->sequence_literals : NULL);
}

static void find(const struct plan *plan, struct ef_findings *findings)
{
    const struct ef_facts *facts = plan->facts;
    if (!facts)
        return;
    if (facts->unlogged)
        say(&findings->warnings,
            "the table is unlogged: a crash of the server empties it, and events "
            "are lost (ALTER TABLE ... SET LOGGED)");
    if (facts->kind == 'p')
        say(&findings->warnings,
            "the table is partitioned, and an index cannot be made on such a "
            "table without holding up its writers: see to its indexes by hand");
    if (facts->superuser)
        say(&findings->notes, "run by a superuser, so archive_maintain will run with a superuser's "
                              "rights; better let the table's owner run migrate");
    if (facts->is_partition && plan->migration->doorbell)
        say(&findings->notes,
            "the table is a partition: rows inserted through its parent do not ring "
            "the doorbell, the relay finds them by polling");
    const char *payload = plan->columns[EF_COL_PAYLOAD].name;
    const struct ef_fact_column *column = payload ? ef_facts_column(facts, payload) : NULL;
    if (column && column->not_null)
        say(&findings->notes,
            "column '%s' is NOT NULL and stays so: to send tombstones, run ALTER "
            "TABLE ... ALTER COLUMN ... DROP NOT NULL",
            payload);
}

bool ef_plan_make(const struct ef_migration *migration, const struct ef_facts *facts,
                  struct ef_vars *vars, struct ef_findings *findings, struct ef_error *err)
{
    struct plan plan = {.migration = migration, .facts = facts};
    plan.new_table = !migration->custom && !(facts && facts->exists);
    if (strstr(migration->schema, "$eventferry$"))
        return ef_error_set(err, EF_CLASS_CONFIG, "the name of schema '%s' cannot be used",
                            migration->schema);
    if (migration->channel && strlen(migration->channel) > EF_PG_NAME_MAX)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "channel '%s' has over %d bytes: every INSERT would fail while the bell "
            "is armed",
            migration->channel, EF_PG_NAME_MAX);
    if (!facts && migration->custom)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "cannot show the SQL for a table of layout 'custom' without its database: "
            "add --url");
    if (facts && !check_facts(&plan, err))
        return false;
    if (migration->remove_doorbell) {
        set_names(&plan, vars);
        set_doorbell(&plan, vars);
        return true;
    }
    if (!resolve_columns(&plan, err) || !resolve_order(&plan, err) ||
        !set_archive(&plan, vars, err))
        return false;
    set_names(&plan, vars);
    set_doorbell(&plan, vars);
    set_settled(&plan, vars);
    set_conditions(&plan, vars);
    find(&plan, findings);
    return true;
}
