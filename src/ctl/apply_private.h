// SPDX-License-Identifier: MIT
/* What carrying out a migration needs on every database (apply.c). */
#pragma once

#include "base/clock.h"
#include "ctl/apply.h"
#include "ctl/facts.h"

enum {
    EF_RUN_LOCK_WAIT_MS = 2000, /* of one try: writers may queue behind us that long */
    EF_RUN_PAUSE_MS = 500,      /* between tries: they get through */
};

struct ef_run {
    struct ef_db *db;
    const struct ef_script *script;
    const struct ef_migration *migration;
    struct ef_apply_result *result;
    struct ef_vars vars;
    struct ef_buf sql; /* scratch */
    ef_mono deadline;
    /* Runs a step's statements, which are in run->sql. */
    bool (*execute)(struct ef_run *run, struct ef_error *err);
};

int64_t ef_run_left_ms(const struct ef_run *run);
void ef_run_pause(void);
/* Facts, variables and findings of this try; ret_facts may be NULL, else the caller frees them. */
EF_MUST_CHECK bool ef_run_plan(struct ef_run *run, struct ef_facts *ret_facts,
                               struct ef_error *err);
EF_MUST_CHECK bool ef_run_is_done(struct ef_run *run, const struct ef_step *step, bool *ret,
                                  struct ef_error *err);
/* Look, do, look again, and a line in the report. */
EF_MUST_CHECK bool ef_run_step(struct ef_run *run, const struct ef_step *step,
                               struct ef_error *err);
void ef_run_report(struct ef_run *run, const struct ef_step *step, const char *verb);
/* Puts "could not make <what>" before an error that is about a step. Returns false. */
bool ef_run_step_error(struct ef_run *run, const struct ef_step *step, struct ef_error *err);
/* Appends who holds locks, as one text of a query (with names after a colon). */
void ef_run_name_blockers(struct ef_run *run, const char *sql, struct ef_error *err);

EF_MUST_CHECK bool ef_apply_postgres(struct ef_run *run, struct ef_error *err);
EF_MUST_CHECK bool ef_apply_mysql(struct ef_run *run, struct ef_error *err);
