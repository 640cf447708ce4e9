// SPDX-License-Identifier: MIT
/* What an outbox needs in PostgreSQL. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/plan_private.h"
#include "store/pg_names.h"

/* Partition names are <stem>_YYYYMMDDHH24 or <stem>_default. */
enum { ARCHIVE_STEM_MAX = EF_PG_NAME_MAX - 11 };

static bool check_facts(const struct ef_plan *plan, struct ef_error *err)
{
    const struct ef_facts *facts = plan->facts;
    char table[EF_PLAN_TABLE_SIZE];
    ef_plan_table_name(plan->migration, table);
    if (!ef_plan_refuse(plan, table, err))
        return false;
    if (facts->exists && !facts->may_alter)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot change %s: it belongs to role '%s', run migrate as that role",
                            table, facts->owner);
    return true;
}

static bool set_archive(const struct ef_plan *plan, struct ef_vars *vars, struct ef_error *err)
{
    const struct ef_migration *migration = plan->migration;
    char archive[EF_PG_NAME_MAX + 1], stem[EF_PG_NAME_MAX + 1], fallback[EF_PG_NAME_MAX + 1];
    char text[64] = "";
    ef_vars_set(vars, "archive", NULL);
    ef_vars_set(vars, "archive_additions", NULL);
    if (!migration->archive)
        return true;
    ef_pg_object_name(archive, "archive", migration->table.schema, migration->table.table);
    ef_pg_derived_name(stem, archive, "", ARCHIVE_STEM_MAX);
    ef_pg_derived_name(fallback, stem, "_default", EF_PG_NAME_MAX);
    ef_vars_set(vars, "archive", archive);
    ef_vars_set(vars, "archive_stem", stem);
    ef_vars_set(vars, "archive_default", fallback);
    if (migration->retention_ms)
        snprintf(text, sizeof(text), "%.15g hours", (double)migration->retention_ms / 3600000);
    ef_vars_set(vars, "retention", text[0] ? text : NULL);
    snprintf(text, sizeof(text), "%" PRId64, migration->archive_max_bytes);
    ef_vars_set(vars, "max_bytes", migration->archive_max_bytes ? text : NULL);
    return ef_plan_set_archive(plan, "", "", vars, err);
}

static void set_names(const struct ef_plan *plan, struct ef_vars *vars)
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
    ef_vars_set(vars, "id", ef_plan_id(plan));
    ef_vars_set(vars, "status", plan->columns[EF_COL_STATUS].name);
    ef_vars_set(vars, "aggregate_id", plan->columns[EF_COL_AGGREGATE_ID].name);
    ef_vars_set(vars, "message_id",
                migration->columns ? NULL : plan->columns[EF_COL_MESSAGE_ID].name);
    ef_pg_derived_name(name, table, "_id_order", EF_PG_NAME_MAX);
    ef_vars_set(vars, "index_id", name);
}

static void set_doorbell(const struct ef_plan *plan, struct ef_vars *vars)
{
    const struct ef_migration *migration = plan->migration;
    char bell[EF_PG_NAME_MAX + 1];
    struct ef_buf qualified;
    ef_pg_object_name(bell, "bell", migration->table.schema, migration->table.table);
    ef_buf_init(&qualified, 1024);
    ef_put_ident(&qualified, migration->schema);
    ef_buf_puts(&qualified, ".");
    ef_put_ident(&qualified, bell);
    ef_vars_set(vars, "bell", bell);
    ef_vars_set(vars, "bell_qualified", qualified.data);
    ef_vars_set(vars, "channel", migration->channel ? migration->channel : migration->table.table);
    ef_vars_set(vars, "doorbell", migration->doorbell ? "yes" : NULL);
    ef_vars_set(vars, "remove_doorbell", migration->remove_doorbell ? "yes" : NULL);
    ef_buf_done(&qualified);
}

static void set_conditions(const struct ef_plan *plan, struct ef_vars *vars)
{
    const struct ef_migration *migration = plan->migration;
    const struct ef_facts *facts = plan->facts;
    ef_vars_set(vars, "new_table", plan->new_table ? "yes" : NULL);
    ef_vars_set(vars, "old_table", plan->new_table ? NULL : "yes");
    ef_vars_set(vars, "own_layout", migration->columns ? NULL : "yes");
    ef_vars_set(vars, "can_index", facts && facts->kind == 'p' ? NULL : "yes");
    ef_vars_set(vars, "relay_role", migration->relay_role);
    ef_vars_set(vars, "app_role", migration->app_role);
    ef_vars_set(vars, "app_sequences", facts ? facts->sequences : NULL);
    ef_vars_set(vars, "app_sequence_literals", facts ? facts->sequence_literals : NULL);
}

static void find(const struct ef_plan *plan, struct ef_findings *findings)
{
    const struct ef_facts *facts = plan->facts;
    if (!facts)
        return;
    if (facts->unlogged)
        ef_plan_say(&findings->warnings,
                    "the table is unlogged: a crash of the server empties it, and events "
                    "are lost (ALTER TABLE ... SET LOGGED)");
    if (facts->kind == 'p')
        ef_plan_say(&findings->warnings,
                    "the table is partitioned, and an index cannot be made on such a "
                    "table without holding up its writers: see to its indexes by hand");
    if (facts->superuser)
        ef_plan_say(&findings->notes,
                    "run by a superuser, so archive_maintain will run with a superuser's "
                    "rights; better let the table's owner run migrate");
    if (facts->is_partition && plan->migration->doorbell)
        ef_plan_say(&findings->notes,
                    "the table is a partition: rows inserted through its parent do not ring "
                    "the doorbell, the relay finds them by polling");
    ef_plan_find_payload(plan, "ALTER COLUMN ... DROP NOT NULL", findings);
}

bool ef_plan_make_postgres(struct ef_plan *plan, struct ef_vars *vars, struct ef_findings *findings,
                           struct ef_error *err)
{
    const struct ef_migration *migration = plan->migration;
    if (strstr(migration->schema, "$eventferry$"))
        return ef_error_set(err, EF_CLASS_CONFIG, "the name of schema '%s' cannot be used",
                            migration->schema);
    if (migration->channel && strlen(migration->channel) > EF_PG_NAME_MAX)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "channel '%s' has over %d bytes: every INSERT would fail while the bell "
            "is armed",
            migration->channel, EF_PG_NAME_MAX);
    if (plan->facts && !check_facts(plan, err))
        return false;
    if (migration->remove_doorbell) {
        set_names(plan, vars);
        set_doorbell(plan, vars);
        return true;
    }
    if (!ef_plan_resolve(plan, err) || !set_archive(plan, vars, err) ||
        !ef_plan_check_debezium(plan, findings, err))
        return false;
    if (migration->debezium && plan->facts && plan->facts->kind == 'p')
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot number the rows of a partitioned table: identity columns are "
                            "not supported there");
    if (migration->debezium && strstr(migration->table.table, "$eventferry$"))
        return ef_error_set(err, EF_CLASS_CONFIG, "the name of the table cannot be used");
    set_names(plan, vars);
    set_doorbell(plan, vars);
    ef_plan_set_settled(plan, vars);
    ef_plan_set_debezium(plan, vars);
    set_conditions(plan, vars);
    find(plan, findings);
    return true;
}
