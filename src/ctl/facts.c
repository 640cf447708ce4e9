// SPDX-License-Identifier: MIT
#include "ctl/facts.h"

#include <stdlib.h>
#include <string.h>

/* The look-ups name what they look for as the steps do. */
static bool query(const struct ef_vars *vars, const char *sql, struct ef_buf *out,
                  struct ef_error *err)
{
    ef_buf_clear(out);
    return ef_vars_expand(vars, sql, out, err);
}

static char *copy(const char *text)
{
    return ef_xstrdup(text);
}

static bool yes(const char *text)
{
    return text && strcmp(text, "t") == 0;
}

static void take_table(void *arg, char **values)
{
    struct ef_facts *facts = arg;
    facts->exists = true;
    facts->kind = values[0][0];
    facts->unlogged = values[1][0] == 'u';
    facts->is_partition = yes(values[2]);
    facts->owner = copy(values[3]);
    facts->may_alter = yes(values[4]);
}

static void take_session(void *arg, char **values)
{
    struct ef_facts *facts = arg;
    facts->schema_exists = yes(values[0]);
    facts->superuser = yes(values[1]);
    facts->archive_exists = yes(values[2]);
    facts->missing_role = copy(values[3]);
}

static void take_sequences(void *arg, char **values)
{
    struct ef_facts *facts = arg;
    facts->sequences = copy(values[0]);
    facts->sequence_literals = copy(values[1]);
}

struct column_list {
    struct ef_fact_column **items;
    size_t *count;
};

static void take_column(void *arg, char **values)
{
    struct column_list *list = arg;
    *list->items = ef_xrealloc(*list->items, (*list->count + 1) * sizeof(**list->items));
    (*list->items)[(*list->count)++] = (struct ef_fact_column){
        .name = copy(values[0]), .type = copy(values[1]), .not_null = yes(values[2])};
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
static bool load_own(struct ef_ctl_pg *pg, const struct ef_vars *vars, struct ef_facts *facts,
                     struct ef_buf *sql, struct ef_error *err)
{
    bool there;
    char *version = NULL;
    if (!query(vars, "SELECT to_regclass(format('%I.schema_version', :'schema')) IS NOT NULL", sql,
               err) ||
        !ef_ctl_pg_true(pg, sql->data, &there, err))
        return false;
    if (there && (!query(vars, "SELECT max(version) FROM :\"schema\".schema_version", sql, err) ||
                  !ef_ctl_pg_text(pg, sql->data, &version, err)))
        return false;
    facts->version = version ? atoi(version) : 0;
    free(version);
    if (facts->version != EF_SCHEMA_VERSION)
        return true;
    return query(vars,
                 "SELECT format('%I.%I', table_schema, table_name) FROM :\"schema\".outbox"
                 " WHERE archive_name = :'archive'"
                 " AND (table_schema, table_name) <> (:'table_schema', :'table')",
                 sql, err) &&
           ef_ctl_pg_text(pg, sql->data, &facts->archive_user, err);
}

bool ef_facts_load(struct ef_ctl_pg *pg, const struct ef_migration *migration, struct ef_facts *ret,
                   struct ef_error *err)
{
    struct ef_facts facts = {0};
    struct column_list columns = {&facts.columns, &facts.column_count};
    struct column_list archived = {&facts.archive_columns, &facts.archive_column_count};
    const struct {
        const char *sql;
        ef_ctl_pg_row *take;
        void *arg;
    } looks[] = {
        {session_sql, take_session, &facts},     {table_sql, take_table, &facts},
        {columns_sql, take_column, &columns},    {archive_columns_sql, take_column, &archived},
        {sequences_sql, take_sequences, &facts},
    };
    char archive[EF_PG_NAME_MAX + 1];
    ef_pg_object_name(archive, "archive", migration->table.schema, migration->table.table);
    struct ef_vars vars;
    struct ef_buf sql;
    ef_vars_init(&vars);
    ef_buf_init(&sql, 65536);
    ef_vars_set(&vars, "schema", migration->schema);
    ef_vars_set(&vars, "table_schema", migration->table.schema);
    ef_vars_set(&vars, "table", migration->table.table);
    ef_vars_set(&vars, "archive", archive);
    ef_vars_set(&vars, "relay_role", migration->relay_role);
    ef_vars_set(&vars, "app_role", migration->app_role);
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof(looks) / sizeof(looks[0]); i++)
        ok = query(&vars, looks[i].sql, &sql, err) &&
             ef_ctl_pg_rows(pg, sql.data, looks[i].take, looks[i].arg, err);
    ok = ok && load_own(pg, &vars, &facts, &sql, err);
    ef_buf_done(&sql);
    ef_vars_done(&vars);
    if (ok)
        *ret = facts;
    else
        ef_facts_free(&facts);
    return ok;
}

static void free_columns(struct ef_fact_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(columns[i].name);
        free(columns[i].type);
    }
    free(columns);
}

void ef_facts_free(struct ef_facts *facts)
{
    free(facts->owner);
    free_columns(facts->columns, facts->column_count);
    free_columns(facts->archive_columns, facts->archive_column_count);
    free(facts->sequences);
    free(facts->sequence_literals);
    free(facts->archive_user);
    free(facts->missing_role);
    *facts = (struct ef_facts){0};
}

const struct ef_fact_column *ef_facts_column(const struct ef_facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->column_count; i++)
        if (strcmp(facts->columns[i].name, name) == 0)
            return &facts->columns[i];
    return NULL;
}
