// SPDX-License-Identifier: MIT
/*
 * MariaDB and MySQL: step by step, since each CREATE or ALTER is a transaction of its own. What was
 * made stays, and the next migration finds it done.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/apply_private.h"
#include "ctl/my.h"

/* Two migrations at once would both find that something is missing and both make it. */
static const char one_at_a_time[] = "SELECT GET_LOCK('eventferryctl migrate', %" PRId64 ")";
static const char done_with_it[] = "DO RELEASE_LOCK('eventferryctl migrate')";

/* Open transactions hold the tables they have looked at. */
static const char blockers_sql[] =
    "SELECT GROUP_CONCAT(s ORDER BY seconds DESC SEPARATOR ', ') FROM (SELECT p.TIME AS seconds,"
    " CONCAT('session ', p.ID, ' (', p.USER, ', ', p.COMMAND, ' for ', p.TIME, ' s)') AS s"
    " FROM information_schema.INNODB_TRX t"
    " JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id"
    " WHERE p.ID <> CONNECTION_ID() ORDER BY p.TIME DESC LIMIT 3) x";

static const char instant[] = "ALGORITHM = INSTANT";
static const char in_place[] = "ALGORITHM = INPLACE, LOCK = NONE";

/* The statement without what we ask of the server: for people to run in a quiet hour. */
static bool refuse(const char *sql, const char *clause, struct ef_error *err)
{
    const char *end = strstr(sql, clause);
    size_t len = (size_t)(end - sql);
    while (len && strchr(" ,\n", sql[len - 1]))
        len--;
    char *statement = ef_xstrndup(sql, len);
    for (char *p = statement; *p; p++)
        if (*p == '\n')
            *p = ' ';
    char *reason = ef_xstrdup(err->text);
    ef_error_set(err, EF_CLASS_CONFIG,
                 "the server cannot do it while the table is written to (%s); run it yourself in a "
                 "quiet hour: %s",
                 reason, statement);
    free(reason);
    free(statement);
    return false;
}

/* Instantly, else in place with writers going on, else not at all. */
static bool execute(struct ef_run *run, struct ef_error *err)
{
    const char *sql = run->sql.data;
    const char *clause = strstr(sql, instant);
    if (ef_db_run(run->db, sql, err))
        return true;
    if (!ef_my_is_unsupported(err))
        return false;
    if (!clause)
        return strstr(sql, in_place) ? refuse(sql, in_place, err) : false;
    char *slower =
        ef_xprintf("%.*s%s%s", (int)(clause - sql), sql, in_place, clause + sizeof(instant) - 1);
    bool ok = ef_db_run(run->db, slower, err);
    if (!ok && ef_my_is_unsupported(err))
        refuse(slower, in_place, err);
    free(slower);
    return ok;
}

static bool step(struct ef_run *run, const struct ef_step *step, struct ef_error *err)
{
    while (!ef_run_step(run, step, err)) {
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

static bool all_steps(struct ef_run *run, struct ef_error *err)
{
    struct ef_facts facts;
    bool replaced = false, ok = ef_run_plan(run, &facts, err);
    if (!ok)
        return false;
    for (size_t i = 0; ok && i < run->script->count; i++) {
        const struct ef_step *each = &run->script->steps[i];
        int before = run->result->changes;
        if (!ef_step_wanted(each, &run->vars))
            continue;
        ok = step(run, each, err);
        if (ok && run->result->changes > before && facts.procedure_exists &&
            strstr(each->sql, "CREATE PROCEDURE"))
            replaced = true;
    }
    ef_facts_free(&facts);
    if (replaced && !run->migration->relay_role)
        ef_plan_say(&run->result->findings.warnings,
                    "a new procedure has taken the place of the old one, and with that went the "
                    "right to run it: run migrate --grant-to for the account of eventferryd");
    return ok;
}

bool ef_apply_mysql(struct ef_run *run, struct ef_error *err)
{
    char lock[96];
    char *got = NULL;
    struct ef_error ignored;
    run->execute = execute;
    snprintf(lock, sizeof(lock), one_at_a_time, ef_run_left_ms(run) / 1000);
    if (!ef_db_text(run->db, lock, &got, err))
        return false;
    bool ok = got && strcmp(got, "1") == 0;
    free(got);
    if (!ok)
        return ef_error_set(err, EF_CLASS_BUSY, "another migration is running on this server");
    ok = all_steps(run, err);
    run->result->partly = !ok && run->result->changes > 0;
    return ef_db_run(run->db, done_with_it, ok ? err : &ignored) && ok;
}
