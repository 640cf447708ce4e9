// SPDX-License-Identifier: MIT
/*
 * What a database has of an outbox before a migration: read from the catalogs, nothing is changed
 * or locked. Owns its strings. Thread: the program's only one. Life: ef_facts_load ..
 * ef_facts_free.
 */
#pragma once

#include "ctl/db.h"
#include "ctl/plan.h"

/* What a number more or less would not change. */
enum { EF_FACTS_ROWS_MAX = 10001 };

struct ef_fact_column {
    char *name;
    /* As an archive has it. PostgreSQL: without length or precision, for an archive sets no limits
     * (bpchar, not character). MySQL: with them, character set and collation. */
    char *type;
    bool not_null;
};

struct ef_facts {
    bool exists;
    bool schema_exists; /* of the table */
    char kind; /* as pg_class.relkind: r table, p partitioned, v view, f foreign, else no table */
    struct ef_fact_column *columns;
    size_t column_count;
    bool fold_columns; /* 'ID' and 'id' name the same column */
    bool archive_exists;
    struct ef_fact_column *archive_columns;
    size_t archive_column_count;
    char *archive_user; /* another outbox whose archive has this name; NULL: none */
    int version;        /* of our objects; 0: none there */
    char *missing_role; /* the first of the roles to grant to that does not exist; NULL */

    /* --- PostgreSQL --- */
    bool unlogged;
    bool is_partition;
    char *owner;
    bool may_alter;  /* this session has the owner's rights */
    bool superuser;  /* this session is one, so archive_maintain would run as one */
    char *sequences; /* quoted and comma separated: what column defaults call; NULL: none */
    char *sequence_literals;

    /* --- MySQL --- */
    char *engine;          /* of the table */
    int rows;              /* of a table of layout debezium: at most EF_FACTS_ROWS_MAX */
    bool procedure_exists; /* eventferry_archive_maintain, of whatever text */
};

EF_MUST_CHECK bool ef_facts_load(struct ef_db *db, const struct ef_migration *migration,
                                 struct ef_facts *ret, struct ef_error *err);
void ef_facts_free(struct ef_facts *facts);

const struct ef_fact_column *ef_facts_column(const struct ef_facts *facts, const char *name);

/* --- for the two loaders --- */

struct ef_fact_look {
    const char *sql; /* with names after a colon */
    ef_db_row *take;
    void *arg;
};

struct ef_fact_list {
    struct ef_fact_column **items;
    size_t *count;
};

/* ef_db_row for rows of name, type, not null; arg is a struct ef_fact_list. */
void ef_facts_take_column(void *arg, char **values);
bool ef_facts_yes(const char *text);

EF_MUST_CHECK bool ef_facts_look(struct ef_db *db, const struct ef_vars *vars,
                                 const struct ef_fact_look *look, struct ef_error *err);
EF_MUST_CHECK bool ef_facts_text(struct ef_db *db, const struct ef_vars *vars, const char *sql,
                                 char **ret, struct ef_error *err);

/* Fill facts, of which the caller frees what is there even after an error. */
EF_MUST_CHECK bool ef_facts_load_postgres(struct ef_db *db, const struct ef_migration *migration,
                                          struct ef_vars *vars, struct ef_facts *facts,
                                          struct ef_error *err);
EF_MUST_CHECK bool ef_facts_load_mysql(struct ef_db *db, const struct ef_migration *migration,
                                       struct ef_vars *vars, struct ef_facts *facts,
                                       struct ef_error *err);
