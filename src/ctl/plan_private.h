// SPDX-License-Identifier: MIT
/* What the plans for the databases share (plan.c). */
#pragma once

#include "ctl/facts.h"
#include "ctl/plan.h"

/* A column that the outbox has, or will have after this migration. */
struct ef_plan_column {
    const char *name; /* NULL: none */
    const char *type;
};

struct ef_plan {
    const struct ef_migration *migration;
    const struct ef_facts *facts; /* NULL: nothing there */
    bool new_table;
    struct ef_plan_column columns[EF_COL_COUNT + 1]; /* the last: order_column, if not mapped */
};

/* Refusals that do not depend on the database; table is for the texts. */
EF_MUST_CHECK bool ef_plan_refuse(const struct ef_plan *plan, const char *table,
                                  struct ef_error *err);
EF_MUST_CHECK bool ef_plan_resolve(struct ef_plan *plan, struct ef_error *err);

/* Names of the archive's columns and what is said about each: archive_columns, and for one that is
 * there archive_additions. after_id and after_other follow the types. */
EF_MUST_CHECK bool ef_plan_set_archive(const struct ef_plan *plan, const char *after_id,
                                       const char *after_other, struct ef_vars *vars,
                                       struct ef_error *err);
/* settle_columns, settle_literals, settle_count. */
void ef_plan_set_settled(const struct ef_plan *plan, struct ef_vars *vars);
/* Refuses a table whose rows could not be told apart; a note on what becomes of them. */
EF_MUST_CHECK bool ef_plan_check_debezium(const struct ef_plan *plan, struct ef_findings *findings,
                                          struct ef_error *err);
void ef_plan_set_debezium(const struct ef_plan *plan, struct ef_vars *vars);
/* The column by which rows are in order. */
const char *ef_plan_id(const struct ef_plan *plan);
/* "a warning about NOT NULL payloads" */
void ef_plan_find_payload(const struct ef_plan *plan, const char *remedy,
                          struct ef_findings *findings);

EF_MUST_CHECK bool ef_plan_make_postgres(struct ef_plan *plan, struct ef_vars *vars,
                                         struct ef_findings *findings, struct ef_error *err);
EF_MUST_CHECK bool ef_plan_make_mysql(struct ef_plan *plan, struct ef_vars *vars,
                                      struct ef_findings *findings, struct ef_error *err);
