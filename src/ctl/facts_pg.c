// SPDX-License-Identifier: MIT
/* The catalogs of PostgreSQL. The look-ups name what they look for as the steps do. */
#include <stdlib.h>

#include "ctl/facts.h"
#include "store/pg_names.h"

static void take_table(void *arg, char **values)
{
    struct ef_facts *facts = arg;
    facts->exists = true;
    facts->kind = values[0][0];
    facts->unlogged = values[1][0] == 'u';
    facts->is_partition = ef_facts_yes(values[2]);
    facts->owner = ef_xstrdup(values[3]);
    facts->may_alter = ef_facts_yes(values[4]);
}

static void take_session(void *arg, char **values)
{
    struct ef_facts *facts = arg;
    facts->schema_exists = ef_facts_yes(values[0]);
    facts->superuser = ef_facts_yes(values[1]);
    facts->archive_exists = ef_facts_yes(values[2]);
    facts->missing_role = ef_xstrdup(values[3]);
}

static void take_sequences(void *arg, char **values)
{
    struct ef_facts *facts = arg;
    facts->sequences = ef_xstrdup(values[0]);
    facts->sequence_literals = ef_xstrdup(values[1]);
}

static const char session_sql[] =
    "SELECT to_regnamespace(quote_ident(:'table_schema')) IS NOT NULL,"
    " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
    " to_regclass(format('%I.%I', :'schema', :'archive')) IS NOT NULL,"
    " (SELECT r FROM unnest(ARRAY[:'relay_role', :'app_role']) r WHERE r IS NOT NULL"
    "  AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) LIMIT 1)";

static const char table_sql[] =
    "SELECT c.relkind, c.relpersistence, c.relispartition, pg_get_userbyid(c.relowner),"
    " pg_has_role(c.relowner, 'USAGE') FROM pg_class c"
    " WHERE c.oid = to_regclass(format('%I.%I', :'table_schema', :'table'))";

static const char columns_sql[] =
    "SELECT attname, format_type(atttypid, -1), attnotnull FROM pg_attribute"
    " WHERE attrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))"
    " AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

static const char archive_columns_sql[] =
    "SELECT attname, format_type(atttypid, -1), attnotnull FROM pg_attribute"
    " WHERE attrelid = to_regclass(format('%I.%I', :'schema', :'archive'))"
    " AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

static const char sequences_sql[] =
    "SELECT string_agg(format('%I.%I', n.nspname, s.relname), ', ' ORDER BY s.oid),"
    " string_agg(quote_literal(format('%I.%I', n.nspname, s.relname)), ', ' ORDER BY s.oid)"
    " FROM (SELECT DISTINCT d.refobjid FROM pg_attrdef a JOIN pg_depend d"
    "   ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid"
    "   AND d.refclassid = 'pg_class'::regclass"
    "   WHERE a.adrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))) u"
    " JOIN pg_class s ON s.oid = u.refobjid AND s.relkind = 'S'"
    " JOIN pg_namespace n ON n.oid = s.relnamespace";

/* Our objects, where they are there to be asked. */
static bool load_own(struct ef_db *db, const struct ef_vars *vars, struct ef_facts *facts,
                     struct ef_error *err)
{
    char *text = NULL;
    bool ok = ef_facts_text(
        db, vars, "SELECT to_regclass(format('%I.schema_version', :'schema')) IS NOT NULL", &text,
        err);
    if (ok && ef_facts_yes(text)) {
        ok = ef_facts_text(db, vars, "SELECT max(version) FROM :\"schema\".schema_version", &text,
                           err);
        facts->version = ok && text ? atoi(text) : 0;
    }
    free(text);
    if (!ok || facts->version != EF_SCHEMA_VERSION)
        return ok;
    return ef_facts_text(db, vars,
                         "SELECT format('%I.%I', table_schema, table_name)"
                         " FROM :\"schema\".outbox WHERE archive_name = :'archive'"
                         " AND (table_schema, table_name) <> (:'table_schema', :'table')",
                         &facts->archive_user, err);
}

bool ef_facts_load_postgres(struct ef_db *db, const struct ef_migration *migration,
                            struct ef_vars *vars, struct ef_facts *facts, struct ef_error *err)
{
    struct ef_fact_list columns = {&facts->columns, &facts->column_count};
    struct ef_fact_list archived = {&facts->archive_columns, &facts->archive_column_count};
    const struct ef_fact_look looks[] = {
        {session_sql, take_session, facts},
        {table_sql, take_table, facts},
        {columns_sql, ef_facts_take_column, &columns},
        {archive_columns_sql, ef_facts_take_column, &archived},
        {sequences_sql, take_sequences, facts},
    };
    char archive[EF_PG_NAME_MAX + 1];
    ef_pg_object_name(archive, "archive", migration->table.schema, migration->table.table);
    ef_vars_set(vars, "schema", migration->schema);
    ef_vars_set(vars, "archive", archive);
    ef_vars_set(vars, "relay_role", migration->relay_role);
    ef_vars_set(vars, "app_role", migration->app_role);
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
        if (!ef_facts_look(db, vars, &looks[i], err))
            return false;
    return load_own(db, vars, facts, err);
}
