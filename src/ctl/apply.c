// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/apply_private.h"
#include "ctl/my.h"

enum { STATEMENT_MAX = 1 << 18 }; /* bytes of one step's SQL */

bool ef_step_wanted(const struct ef_step *step, const struct ef_vars *vars)
{
    static const char removal[] = "remove_doorbell";
    bool removing = ef_vars_hold(vars, removal);
    if (removing != (strcmp(step->conditions, removal) == 0))
        return false;
    return ef_vars_hold(vars, step->conditions);
}

bool ef_step_expand(const struct ef_step *step, struct ef_vars *vars, const char *text,
                    struct ef_buf *out, struct ef_error *err)
{
    char id[9];
    ef_step_text_id(step, id);
    ef_vars_set(vars, "text_id", id);
    ef_buf_clear(out);
    return ef_vars_expand(vars, text, out, err);
}

int64_t ef_run_left_ms(const struct ef_run *run)
{
    int64_t left = (run->deadline.us - ef_clock_mono().us) / 1000;
    return left > 0 ? left : 0;
}

static void describe(struct ef_run *run, const struct ef_step *step, struct ef_buf *out)
{
    struct ef_error err;
    if (!ef_vars_describe(&run->vars, step->what, out, &err))
        ef_buf_puts(out, step->what);
}

bool ef_run_is_done(struct ef_run *run, const struct ef_step *step, bool *ret, struct ef_error *err)
{
    *ret = false;
    if (!step->unless)
        return true;
    if (!ef_step_expand(step, &run->vars, step->unless, &run->sql, err))
        return false;
    return ef_db_true(run->db, run->sql.data, ret, err) || ef_my_is_denied(err);
}

void ef_run_report(struct ef_run *run, const struct ef_step *step, const char *verb)
{
    ef_buf_printf(&run->result->report, "  %-8s ", verb);
    describe(run, step, &run->result->report);
    ef_buf_puts(&run->result->report, "\n");
}

/* "could not <do> <what>: <reason>", and what usually mends it. */
bool ef_run_step_error(struct ef_run *run, const struct ef_step *step, struct ef_error *err)
{
    struct ef_buf what;
    if (err->class != EF_CLASS_CONFIG && err->class != EF_CLASS_BUSY)
        return false;
    ef_buf_init(&what, sizeof(err->text) / 2);
    describe(run, step, &what);
    ef_error_prefix(err, "could not make %s", what.data);
    ef_buf_done(&what);
    return false;
}

bool ef_run_step(struct ef_run *run, const struct ef_step *step, struct ef_error *err)
{
    bool done;
    if (!ef_run_is_done(run, step, &done, err))
        return ef_run_step_error(run, step, err);
    if (done) {
        if (!step->quiet)
            ef_run_report(run, step, "exists");
        return true;
    }
    if (!ef_step_expand(step, &run->vars, step->sql, &run->sql, err) || !run->execute(run, err))
        return ef_run_step_error(run, step, err);
    /* To PostgreSQL a GRANT by somebody who may not give it is only a warning. To MySQL it is an
     * error, and not everybody may see what was granted. */
    bool visible =
        run->migration->dialect == EF_DIALECT_POSTGRES || strcmp(step->verb, "granted") != 0;
    if (step->unless && visible) {
        if (!ef_run_is_done(run, step, &done, err))
            return ef_run_step_error(run, step, err);
        if (!done) {
            ef_error_set(err, EF_CLASS_CONFIG, "it had no effect; its owner can do it");
            return ef_run_step_error(run, step, err);
        }
    }
    ef_run_report(run, step, step->verb);
    run->result->changes++;
    return true;
}

bool ef_run_plan(struct ef_run *run, struct ef_facts *ret_facts, struct ef_error *err)
{
    struct ef_facts facts;
    if (!ef_facts_load(run->db, run->migration, &facts, err))
        return ef_error_prefix(err, "could not look at what is there");
    bool ok = ef_plan_make(run->migration, &facts, &run->vars, &run->result->findings, err);
    if (ok && ret_facts)
        *ret_facts = facts;
    else
        ef_facts_free(&facts);
    return ok;
}

void ef_run_pause(void)
{
    struct timespec moment = {.tv_nsec = EF_RUN_PAUSE_MS * 1000000L};
    nanosleep(&moment, NULL);
}

void ef_run_name_blockers(struct ef_run *run, const char *sql, struct ef_error *err)
{
    struct ef_error ignored;
    char *who = NULL;
    ef_buf_clear(&run->sql);
    ef_vars_set(&run->vars, "schema", run->migration->schema);
    ef_vars_set(&run->vars, "table_schema", run->migration->table.schema);
    ef_vars_set(&run->vars, "table", run->migration->table.table);
    if (ef_vars_expand(&run->vars, sql, &run->sql, &ignored) &&
        ef_db_text(run->db, run->sql.data, &who, &ignored) && who) {
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, "; held by %s", who);
    }
    free(who);
}

bool ef_apply(struct ef_db *db, const struct ef_script *script,
              const struct ef_migration *migration, int64_t wait_ms, struct ef_apply_result *result,
              struct ef_error *err)
{
    struct ef_run run = {
        .db = db,
        .script = script,
        .migration = migration,
        .result = result,
        .deadline = {ef_clock_mono().us + wait_ms * EF_MS_US},
    };
    ef_vars_init(&run.vars, migration->dialect);
    ef_buf_init(&run.sql, STATEMENT_MAX);
    bool ok = migration->dialect == EF_DIALECT_MYSQL ? ef_apply_mysql(&run, err)
                                                     : ef_apply_postgres(&run, err);
    ef_buf_done(&run.sql);
    ef_vars_done(&run.vars);
    return ok;
}
