// SPDX-License-Identifier: MIT
/* PostgreSQL: everything but concurrent indexes is one transaction. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/apply_private.h"

/* Two migrations at once would both find that something is missing and both make it. Number: "ef".
 */
static const char one_at_a_time[] = "SELECT pg_advisory_xact_lock(25958, 1)";

const char ef_step_leftover_sql[] =
    "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))"
    " AND c.relname = :'index' AND NOT i.indisvalid AND NOT EXISTS"
    " (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid))";

/* Who holds locks on the table or an old snapshot: what a person needs to know next. */
static const char blockers_sql[] =
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

static bool execute(struct ef_run *run, struct ef_error *err)
{
    return ef_db_run(run->db, run->sql.data, err);
}

static void start_over(struct ef_run *run)
{
    ef_buf_clear(&run->result->report);
    ef_findings_done(&run->result->findings);
    ef_vars_done(&run->vars);
    run->result->changes = 0;
}

static bool try_transaction(struct ef_run *run, struct ef_error *err)
{
    char begin[128];
    int64_t wait =
        ef_run_left_ms(run) < EF_RUN_LOCK_WAIT_MS ? ef_run_left_ms(run) + 1 : EF_RUN_LOCK_WAIT_MS;
    start_over(run);
    snprintf(begin, sizeof(begin), "BEGIN; SET LOCAL lock_timeout = %" PRId64, wait);
    bool ok = ef_db_run(run->db, begin, err) && ef_db_run(run->db, one_at_a_time, err) &&
              ef_run_plan(run, NULL, err);
    for (size_t i = 0; ok && i < run->script->count; i++) {
        const struct ef_step *step = &run->script->steps[i];
        if (!step->index && !step->repeat && ef_step_wanted(step, &run->vars))
            ok = ef_run_step(run, step, err);
    }
    if (ok)
        return ef_db_run(run->db, "COMMIT", err);
    struct ef_error ignored;
    if (!ef_db_run(run->db, "ROLLBACK", &ignored) && err->class != EF_CLASS_OUTAGE)
        *err = ignored;
    return false;
}

static bool transaction(struct ef_run *run, struct ef_error *err)
{
    while (!try_transaction(run, err)) {
        if (err->class != EF_CLASS_BUSY)
            return false;
        if (ef_run_left_ms(run) <= EF_RUN_PAUSE_MS) {
            ef_run_name_blockers(run, blockers_sql, err);
            return false;
        }
        ef_run_pause();
    }
    return true;
}

static bool set_lock_timeout(struct ef_run *run, int64_t ms, struct ef_error *err)
{
    char set[64];
    snprintf(set, sizeof(set), "SET lock_timeout = %" PRId64, ms);
    return ef_db_run(run->db, set, err);
}

/* What an earlier build left behind is of no use to anybody, but costs every writer. */
static bool drop_leftover(struct ef_run *run, const struct ef_step *step, struct ef_error *err)
{
    bool there;
    if (!ef_step_expand(step, &run->vars, ef_step_leftover_sql, &run->sql, err) ||
        !ef_db_true(run->db, run->sql.data, &there, err))
        return false;
    if (!there)
        return true;
    if (!ef_step_expand(step, &run->vars, "DROP INDEX CONCURRENTLY :\"table_schema\".:\"index\"",
                        &run->sql, err) ||
        !ef_db_run(run->db, run->sql.data, err))
        return ef_error_prefix(err, "could not remove the unfinished index");
    ef_run_report(run, step, "removed");
    return true;
}

static bool build_index(struct ef_run *run, const struct ef_step *step, struct ef_error *err)
{
    bool done;
    if (!ef_run_is_done(run, step, &done, err))
        return false;
    if (done) {
        ef_run_report(run, step, "exists");
        return true;
    }
    if (!set_lock_timeout(run, ef_run_left_ms(run) + 1, err) || !drop_leftover(run, step, err))
        return false;
    if (!ef_step_expand(step, &run->vars, step->sql, &run->sql, err) ||
        !ef_db_run(run->db, run->sql.data, err)) {
        struct ef_error again;
        if (err->class != EF_CLASS_OUTAGE && set_lock_timeout(run, EF_RUN_LOCK_WAIT_MS, &again) &&
            !drop_leftover(run, step, &again)) {
            size_t used = strlen(err->text);
            snprintf(err->text + used, sizeof(err->text) - used, "; %s", again.text);
        }
        return false;
    }
    if (!ef_run_is_done(run, step, &done, err))
        return false;
    if (!done)
        return ef_error_set(err, EF_CLASS_CONFIG, "it is there but not usable");
    ef_run_report(run, step, step->verb);
    run->result->changes++;
    return true;
}

static bool repeat(struct ef_run *run, const struct ef_step *step, struct ef_error *err)
{
    bool done;
    int times = 0;
    for (;; times++) {
        if (!ef_run_is_done(run, step, &done, err))
            return false;
        if (done)
            break;
        if (!ef_step_expand(step, &run->vars, step->sql, &run->sql, err) ||
            !ef_db_run(run->db, run->sql.data, err))
            return ef_run_step_error(run, step, err);
    }
    ef_run_report(run, step, times ? step->verb : "exists");
    run->result->changes += times > 0;
    return true;
}

/* What takes long goes on while others write. */
static bool slow_steps(struct ef_run *run, struct ef_error *err)
{
    for (size_t i = 0; i < run->script->count; i++) {
        const struct ef_step *step = &run->script->steps[i];
        struct ef_buf name;
        if (step->repeat && ef_step_wanted(step, &run->vars) && !repeat(run, step, err)) {
            run->result->partly = true;
            return false;
        }
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
            if (err->class != EF_CLASS_BUSY || ef_run_left_ms(run) <= EF_RUN_PAUSE_MS) {
                if (err->class == EF_CLASS_BUSY)
                    ef_run_name_blockers(run, blockers_sql, err);
                run->result->indexes_missing = true;
                return ef_run_step_error(run, step, err);
            }
            ef_run_pause();
        }
    }
    return true;
}

bool ef_apply_postgres(struct ef_run *run, struct ef_error *err)
{
    run->execute = execute;
    return transaction(run, err) && slow_steps(run, err);
}
