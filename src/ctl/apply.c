// SPDX-License-Identifier: MIT
#include "ctl/apply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/facts.h"

enum {
    LOCK_WAIT_MS = 2000,    /* of one try: writers may queue behind us that long */
    PAUSE_MS = 500,         /* between tries: they get through */
    STATEMENT_MAX = 1 << 18 /* bytes of one step's SQL */
};

/* Two migrations at once would both find that something is missing and both make it. Number: "ef".
 */
static const char one_at_a_time[] = "SELECT pg_advisory_xact_lock(25958, 1)";

struct run {
    struct ef_ctl_pg *pg;
    const struct ef_script *script;
    const struct ef_migration *migration;
    struct ef_apply_result *result;
    struct ef_vars vars;
    struct ef_buf sql;
    ef_mono deadline;
};

const char ef_step_leftover_sql[] =
    "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))"
    " AND c.relname = :'index' AND NOT i.indisvalid AND NOT EXISTS"
    " (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid))";

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

static int64_t left_ms(const struct run *run)
{
    int64_t left = (run->deadline.us - ef_clock_mono().us) / 1000;
    return left > 0 ? left : 0;
}

static void describe(struct run *run, const struct ef_step *step, struct ef_buf *out)
{
    struct ef_error err;
    if (!ef_vars_describe(&run->vars, step->what, out, &err))
        ef_buf_puts(out, step->what);
}

static bool is_done(struct run *run, const struct ef_step *step, bool *ret, struct ef_error *err)
{
    *ret = false;
    if (!step->unless)
        return true;
    return ef_step_expand(step, &run->vars, step->unless, &run->sql, err) &&
           ef_ctl_pg_true(run->pg, run->sql.data, ret, err);
}

static void report(struct run *run, const struct ef_step *step, const char *verb)
{
    ef_buf_printf(&run->result->report, "  %-8s ", verb);
    describe(run, step, &run->result->report);
    ef_buf_puts(&run->result->report, "\n");
}

/* "could not <do> <what>: <reason>", and what usually mends it. */
static bool step_error(struct run *run, const struct ef_step *step, struct ef_error *err)
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

static bool do_step(struct run *run, const struct ef_step *step, struct ef_error *err)
{
    bool done;
    if (!is_done(run, step, &done, err))
        return step_error(run, step, err);
    if (done) {
        if (!step->quiet)
            report(run, step, "exists");
        return true;
    }
    if (!ef_step_expand(step, &run->vars, step->sql, &run->sql, err) ||
        !ef_ctl_pg_run(run->pg, run->sql.data, err))
        return step_error(run, step, err);
    /* A GRANT by somebody who may not give it is only a warning. */
    if (step->unless) {
        if (!is_done(run, step, &done, err))
            return step_error(run, step, err);
        if (!done) {
            ef_error_set(err, EF_CLASS_CONFIG, "it had no effect; its owner can do it");
            return step_error(run, step, err);
        }
    }
    report(run, step, step->verb);
    run->result->changes++;
    return true;
}

static void start_over(struct run *run)
{
    ef_buf_clear(&run->result->report);
    ef_findings_done(&run->result->findings);
    ef_vars_done(&run->vars);
    run->result->changes = 0;
}

static bool plan(struct run *run, struct ef_error *err)
{
    struct ef_facts facts;
    if (!ef_facts_load(run->pg, run->migration, &facts, err))
        return ef_error_prefix(err, "could not look at what is there");
    bool ok = ef_plan_make(run->migration, &facts, &run->vars, &run->result->findings, err);
    ef_facts_free(&facts);
    return ok;
}

static bool try_transaction(struct run *run, struct ef_error *err)
{
    char begin[128];
    int64_t wait = left_ms(run) < LOCK_WAIT_MS ? left_ms(run) + 1 : LOCK_WAIT_MS;
    start_over(run);
    snprintf(begin, sizeof(begin), "BEGIN; SET LOCAL lock_timeout = %" PRId64, wait);
    bool ok = ef_ctl_pg_run(run->pg, begin, err) && ef_ctl_pg_run(run->pg, one_at_a_time, err) &&
              plan(run, err);
    for (size_t i = 0; ok && i < run->script->count; i++) {
        const struct ef_step *step = &run->script->steps[i];
        if (!step->index && ef_step_wanted(step, &run->vars))
            ok = do_step(run, step, err);
    }
    if (ok)
        return ef_ctl_pg_run(run->pg, "COMMIT", err);
    struct ef_error ignored;
    if (!ef_ctl_pg_run(run->pg, "ROLLBACK", &ignored) && err->class != EF_CLASS_OUTAGE)
        *err = ignored;
    return false;
}

static void pause_a_moment(void)
{
    struct timespec moment = {.tv_nsec = PAUSE_MS * 1000000L};
    nanosleep(&moment, NULL);
}

/* Who holds locks on the table or an old snapshot: what a person needs to know next. */
static void name_blockers(struct run *run, struct ef_error *err)
{
    static const char sql[] =
        "SELECT string_agg(s, ', ') FROM (SELECT format('process %s (%s, %s%s)', a.pid,"
        " coalesce(nullif(a.application_name, ''), 'unnamed'), coalesce(a.state, 'state hidden'),"
        " ' for ' || date_trunc('second', clock_timestamp() - a.xact_start)) AS s"
        " FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND (a.pid IN (SELECT l.pid FROM"
        " pg_locks l WHERE l.granted AND l.relation IN ("
        "  to_regclass(format('%I.%I', :'table_schema', :'table')),"
        "  to_regclass(format('%I.lease', :'schema')), to_regclass(format('%I.outbox', "
        ":'schema'))))"
        " OR a.backend_xmin IS NOT NULL AND a.backend_type = 'client backend')"
        " ORDER BY a.xact_start LIMIT 3) t";
    struct ef_error ignored;
    char *who = NULL;
    ef_buf_clear(&run->sql);
    ef_vars_set(&run->vars, "schema", run->migration->schema);
    ef_vars_set(&run->vars, "table_schema", run->migration->table.schema);
    ef_vars_set(&run->vars, "table", run->migration->table.table);
    if (ef_vars_expand(&run->vars, sql, &run->sql, &ignored) &&
        ef_ctl_pg_text(run->pg, run->sql.data, &who, &ignored) && who) {
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, "; held by %s", who);
    }
    free(who);
}

static bool transaction(struct run *run, struct ef_error *err)
{
    while (!try_transaction(run, err)) {
        if (err->class != EF_CLASS_BUSY)
            return false;
        if (left_ms(run) <= PAUSE_MS) {
            name_blockers(run, err);
            return false;
        }
        pause_a_moment();
    }
    return true;
}

static bool set_lock_timeout(struct run *run, int64_t ms, struct ef_error *err)
{
    char set[64];
    snprintf(set, sizeof(set), "SET lock_timeout = %" PRId64, ms);
    return ef_ctl_pg_run(run->pg, set, err);
}

/* What an earlier build left behind is of no use to anybody, but costs every writer. */
static bool drop_leftover(struct run *run, const struct ef_step *step, struct ef_error *err)
{
    bool there;
    if (!ef_step_expand(step, &run->vars, ef_step_leftover_sql, &run->sql, err) ||
        !ef_ctl_pg_true(run->pg, run->sql.data, &there, err))
        return false;
    if (!there)
        return true;
    if (!ef_step_expand(step, &run->vars, "DROP INDEX CONCURRENTLY :\"table_schema\".:\"index\"",
                        &run->sql, err) ||
        !ef_ctl_pg_run(run->pg, run->sql.data, err))
        return ef_error_prefix(err, "could not remove the unfinished index");
    report(run, step, "removed");
    return true;
}

static bool build_index(struct run *run, const struct ef_step *step, struct ef_error *err)
{
    bool done;
    if (!is_done(run, step, &done, err))
        return false;
    if (done) {
        report(run, step, "exists");
        return true;
    }
    if (!set_lock_timeout(run, left_ms(run) + 1, err) || !drop_leftover(run, step, err))
        return false;
    if (!ef_step_expand(step, &run->vars, step->sql, &run->sql, err) ||
        !ef_ctl_pg_run(run->pg, run->sql.data, err)) {
        struct ef_error again;
        if (err->class != EF_CLASS_OUTAGE && set_lock_timeout(run, LOCK_WAIT_MS, &again) &&
            !drop_leftover(run, step, &again)) {
            size_t used = strlen(err->text);
            snprintf(err->text + used, sizeof(err->text) - used, "; %s", again.text);
        }
        return false;
    }
    if (!is_done(run, step, &done, err))
        return false;
    if (!done)
        return ef_error_set(err, EF_CLASS_CONFIG, "it is there but not usable");
    report(run, step, step->verb);
    run->result->changes++;
    return true;
}

static bool indexes(struct run *run, struct ef_error *err)
{
    for (size_t i = 0; i < run->script->count; i++) {
        const struct ef_step *step = &run->script->steps[i];
        struct ef_buf name;
        if (!step->index || !ef_step_wanted(step, &run->vars))
            continue;
        ef_buf_init(&name, 256);
        if (!ef_vars_describe(&run->vars, step->index, &name, err)) {
            ef_buf_done(&name);
            return false;
        }
        ef_vars_set(&run->vars, "index", name.data);
        ef_buf_done(&name);
        while (!build_index(run, step, err)) {
            if (err->class != EF_CLASS_BUSY || left_ms(run) <= PAUSE_MS) {
                if (err->class == EF_CLASS_BUSY)
                    name_blockers(run, err);
                run->result->indexes_missing = true;
                return step_error(run, step, err);
            }
            pause_a_moment();
        }
    }
    return true;
}

bool ef_apply(struct ef_ctl_pg *pg, const struct ef_script *script,
              const struct ef_migration *migration, int64_t wait_ms, struct ef_apply_result *result,
              struct ef_error *err)
{
    struct run run = {
        .pg = pg,
        .script = script,
        .migration = migration,
        .result = result,
        .deadline = {ef_clock_mono().us + wait_ms * EF_MS_US},
    };
    ef_vars_init(&run.vars);
    ef_buf_init(&run.sql, STATEMENT_MAX);
    bool ok = transaction(&run, err) && indexes(&run, err);
    ef_buf_done(&run.sql);
    ef_vars_done(&run.vars);
    return ok;
}
