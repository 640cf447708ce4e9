// SPDX-License-Identifier: MIT
/*
 * What one outbox needs: from what was asked for and what the database has to the variables that
 * fill and choose the SQL steps, and to what people should know. Pure. Thread: the program's only
 * one.
 */
#pragma once

#include "config/config.h"
#include "ctl/script.h"
#include "store/pg_names.h"

/* Version of our objects, written to schema_version. */
enum { EF_SCHEMA_VERSION = 1 };

/* What is asked for. All pointers are borrowed and outlive the migration. */
struct ef_migration {
    struct ef_pg_table table;
    const char *schema;                  /* of our objects */
    bool custom;                         /* layout: custom; its table is made by the application */
    const struct ef_column_map *columns; /* EF_COL_COUNT of them; NULL: the default mapping */
    const char *order_column;            /* NULL: id */
    bool archive;
    int64_t retention_ms;      /* 0: for ever */
    int64_t archive_max_bytes; /* 0: no limit */
    const char *channel;       /* NULL: the table's name */
    bool doorbell;
    bool remove_doorbell;              /* nothing but that */
    const char *relay_role, *app_role; /* NULL: no grants */
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

/* "public.outbox", parts quoted only where they must be. */
enum { EF_PLAN_TABLE_SIZE = 2 * EF_PG_QUOTED_SIZE };
void ef_plan_table_name(const struct ef_migration *migration, char out[EF_PLAN_TABLE_SIZE]);
