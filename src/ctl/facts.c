// SPDX-License-Identifier: MIT
#include "ctl/facts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LOOK_MAX = 65536 };

bool ef_facts_yes(const char *text)
{
    return text && (text[0] == 't' || text[0] == '1');
}

void ef_facts_take_column(void *arg, char **values)
{
    struct ef_fact_list *list = arg;
    *list->items = ef_xrealloc(*list->items, (*list->count + 1) * sizeof(**list->items));
    (*list->items)[(*list->count)++] = (struct ef_fact_column){.name = ef_xstrdup(values[0]),
                                                               .type = ef_xstrdup(values[1]),
                                                               .not_null = ef_facts_yes(values[2])};
}

bool ef_facts_look(struct ef_db *db, const struct ef_vars *vars, const struct ef_fact_look *look,
                   struct ef_error *err)
{
    struct ef_buf sql;
    ef_buf_init(&sql, LOOK_MAX);
    bool ok = ef_vars_expand(vars, look->sql, &sql, err) &&
              ef_db_rows(db, sql.data, look->take, look->arg, err);
    ef_buf_done(&sql);
    return ok;
}

static void take_text(void *arg, char **values)
{
    char **text = arg;
    free(*text);
    *text = ef_xstrdup(values[0]);
}

bool ef_facts_text(struct ef_db *db, const struct ef_vars *vars, const char *sql, char **ret,
                   struct ef_error *err)
{
    struct ef_fact_look look = {sql, take_text, ret};
    return ef_facts_look(db, vars, &look, err);
}

bool ef_facts_load(struct ef_db *db, const struct ef_migration *migration, struct ef_facts *ret,
                   struct ef_error *err)
{
    struct ef_facts facts = {0};
    struct ef_vars vars;
    ef_vars_init(&vars, migration->dialect);
    ef_vars_set(&vars, "table_schema", migration->table.schema);
    ef_vars_set(&vars, "table", migration->table.table);
    bool ok = migration->dialect == EF_DIALECT_MYSQL
                  ? ef_facts_load_mysql(db, migration, &vars, &facts, err)
                  : ef_facts_load_postgres(db, migration, &vars, &facts, err);
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
    free(facts->engine);
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
        if ((facts->fold_columns ? strcasecmp : strcmp)(facts->columns[i].name, name) == 0)
            return &facts->columns[i];
    return NULL;
}
