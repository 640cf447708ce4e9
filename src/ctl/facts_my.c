// SPDX-License-Identifier: MIT
/* information_schema of MariaDB and MySQL. The look-ups name what they look for as the steps do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/account.h"
#include "ctl/facts.h"
#include "ctl/my.h"
#include "store/my_names.h"

static void take_session(void *arg, char **values)
{
    struct ef_facts *facts = arg;
    facts->schema_exists = ef_facts_yes(values[0]);
    facts->archive_exists = ef_facts_yes(values[1]);
    facts->procedure_exists = ef_facts_yes(values[2]);
}

static void take_table(void *arg, char **values)
{
    struct ef_facts *facts = arg;
    facts->exists = true;
    facts->kind = values[0][0];
    facts->engine = ef_xstrdup(values[1]);
}

static const char session_sql[] =
    "SELECT EXISTS (SELECT 1 FROM information_schema.SCHEMATA"
    "  WHERE SCHEMA_NAME = :'table_schema'),"
    " EXISTS (SELECT 1 FROM information_schema.TABLES"
    "  WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'archive'),"
    " EXISTS (SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = :'table_schema'"
    "  AND ROUTINE_NAME = 'eventferry_archive_maintain')";

static const char table_sql[] =
    "SELECT CASE WHEN TABLE_TYPE LIKE '%VIEW' THEN 'v'"
    " WHEN TABLE_TYPE NOT IN ('BASE TABLE', 'SYSTEM VERSIONED') THEN '?'"
    " WHEN CREATE_OPTIONS LIKE '%partitioned%' THEN 'p' ELSE 'r' END, ENGINE"
    " FROM information_schema.TABLES"
    " WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'";

#define COLUMN_LIST(table)                                                                         \
    "SELECT COLUMN_NAME, CONCAT(COLUMN_TYPE, COALESCE(CONCAT(' CHARACTER SET ',"                   \
    " CHARACTER_SET_NAME, ' COLLATE ', COLLATION_NAME), '')), IS_NULLABLE = 'NO'"                  \
    " FROM information_schema.COLUMNS"                                                             \
    " WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = " table " ORDER BY ORDINAL_POSITION"

static const char columns_sql[] = COLUMN_LIST(":'table'");
static const char archive_columns_sql[] = COLUMN_LIST(":'archive'");

/* Our objects, where they are there to be asked. */
static bool load_own(struct ef_db *db, const struct ef_vars *vars, struct ef_facts *facts,
                     struct ef_error *err)
{
    char *text = NULL;
    bool ok = ef_facts_text(db, vars,
                            "SELECT EXISTS (SELECT 1 FROM information_schema.TABLES"
                            " WHERE TABLE_SCHEMA = :'table_schema'"
                            " AND TABLE_NAME = 'eventferry_schema_version')",
                            &text, err);
    if (ok && ef_facts_yes(text)) {
        ok = ef_facts_text(db, vars,
                           "SELECT MAX(version)"
                           " FROM :\"table_schema\".eventferry_schema_version",
                           &text, err);
        facts->version = ok && text ? atoi(text) : 0;
    }
    free(text);
    if (!ok || facts->version != EF_SCHEMA_VERSION)
        return ok;
    return ef_facts_text(db, vars,
                         "SELECT CONCAT(table_schema, '.', table_name)"
                         " FROM :\"table_schema\".eventferry_outbox WHERE archive_name = :'archive'"
                         " AND NOT (table_schema = :'table_schema' AND table_name = :'table')",
                         &facts->archive_user, err);
}

/* Adding numbers holds writers up for as long as the table is large. */
static bool count_rows(struct ef_db *db, const struct ef_migration *migration,
                       const struct ef_vars *vars, struct ef_facts *facts, struct ef_error *err)
{
    char *text = NULL, sql[128];
    if (!migration->debezium || !facts->exists)
        return true;
    snprintf(sql, sizeof(sql),
             "SELECT COUNT(*) FROM (SELECT 1 FROM :\"table_schema\".:\"table\" LIMIT %d) x",
             EF_FACTS_ROWS_MAX);
    bool ok = ef_facts_text(db, vars, sql, &text, err);
    facts->rows = ok && text ? atoi(text) : 0;
    free(text);
    return ok;
}

/* Who may not read the grant tables learns it from the GRANT. */
static bool find_account(struct ef_db *db, const char *given, struct ef_facts *facts,
                         struct ef_error *err)
{
    struct ef_account account;
    struct ef_vars vars;
    char *text = NULL;
    if (!given || facts->missing_role)
        return true;
    if (!ef_account_parse(given, &account, err))
        return false;
    ef_vars_init(&vars, EF_DIALECT_MYSQL);
    ef_vars_set(&vars, "user", account.user);
    ef_vars_set(&vars, "host", account.host);
    bool ok = ef_facts_text(db, &vars,
                            "SELECT EXISTS (SELECT 1 FROM mysql.user"
                            " WHERE User = :'user' AND Host = :'host')",
                            &text, err);
    if (ok && !ef_facts_yes(text))
        facts->missing_role = ef_xstrdup(account.text);
    free(text);
    ef_vars_done(&vars);
    return ok || ef_my_is_denied(err);
}

bool ef_facts_load_mysql(struct ef_db *db, const struct ef_migration *migration,
                         struct ef_vars *vars, struct ef_facts *facts, struct ef_error *err)
{
    struct ef_fact_list columns = {&facts->columns, &facts->column_count};
    struct ef_fact_list archived = {&facts->archive_columns, &facts->archive_column_count};
    const struct ef_fact_look looks[] = {
        {session_sql, take_session, facts},
        {table_sql, take_table, facts},
        {columns_sql, ef_facts_take_column, &columns},
        {archive_columns_sql, ef_facts_take_column, &archived},
    };
    char archive[EF_MY_NAME_MAX + 1];
    ef_my_derived_name(archive, migration->table.table, "_archive");
    ef_vars_set(vars, "archive", archive);
    facts->fold_columns = true;
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
        if (!ef_facts_look(db, vars, &looks[i], err))
            return false;
    return count_rows(db, migration, vars, facts, err) && load_own(db, vars, facts, err) &&
           find_account(db, migration->relay_role, facts, err) &&
           find_account(db, migration->app_role, facts, err);
}
