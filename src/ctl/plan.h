// SPDX-License-Identifier: MIT
/*
 * What one outbox needs: from what was asked for and what the database has to the variables that
 * fill and choose the SQL steps, and to what people should know. Pure. Thread: the program's only
 * one.
 */
#pragma once

#include "config/config.h"
#include "ctl/script.h"

/* Version of our objects, written to schema_version. */
enum { EF_SCHEMA_VERSION = 1 };

/* Bytes of a name: 63 on PostgreSQL, on MySQL 64 characters. */
enum { EF_TABLE_NAME_MAX = 256 };

struct ef_table { /* MySQL's databases are schemas here */
    char schema[EF_TABLE_NAME_MAX + 1];
    char table[EF_TABLE_NAME_MAX + 1];
};

/* What is asked for. All pointers are borrowed and outlive the migration. */
struct ef_migration {
    enum ef_dialect dialect;
    struct ef_table table;
    const char *schema;                  /* of our objects; not on MySQL: the table's database */
    bool custom;                         /* layout: custom; its table is made by the application */
    bool debezium;                       /* layout: debezium; a table is given what it lacks */
    bool existing_pending;               /* rows that are there before are to be sent */
    const struct ef_column_map *columns; /* EF_COL_COUNT of them; NULL: the default mapping */
    const char *order_column;            /* NULL: id */
    bool archive;
    int64_t retention_ms;      /* 0: for ever */
    int64_t archive_max_bytes; /* 0: no limit */
    const char *channel;       /* NULL: the table's name */
    bool doorbell;
    bool remove_doorbell;              /* nothing but that */
    const char *relay_role, *app_role; /* NULL: no grants. MySQL: accounts (ctl/account.h) */
};

struct ef_facts;

/* Sentences for people, one each. */
struct ef_findings {
    struct ef_strings warnings; /* the exit code is 2 */
    struct ef_strings notes;
};

/*
 * Fill vars (inited by the caller). A refusal is of class CONFIG: nothing must be changed then.
 * facts may be NULL: a database in which there is nothing yet.
 */
EF_MUST_CHECK bool ef_plan_make(const struct ef_migration *migration, const struct ef_facts *facts,
                                struct ef_vars *vars, struct ef_findings *findings,
                                struct ef_error *err);
void ef_findings_done(struct ef_findings *findings);
void ef_plan_say(struct ef_strings *list, const char *fmt, ...) EF_PRINTF(2, 3);

/* "public.outbox", parts quoted only where they must be. */
enum { EF_PLAN_TABLE_SIZE = 4 * EF_TABLE_NAME_MAX + 8 };
void ef_plan_table_name(const struct ef_migration *migration, char out[EF_PLAN_TABLE_SIZE]);
