// SPDX-License-Identifier: MIT
/*
 * What the doctor would say, asked while the relay runs: the questions of pg_judge.c one after the
 * other over the settling connection, then whether a notification of our own arrives.
 */
#include "store/pg_store.h"

#include <stdlib.h>

#include "store/pg_judge.h"
#include "store/warnings.h"

static void ask(struct ef_pg_store *s);

static void end(struct ef_pg_store *s, const struct ef_error *err)
{
    struct ef_report report = s->examine.report;
    s->examine.report = (struct ef_report){0};
    s->examine.listens = false;
    ef_store_did_examine(&s->store, err ? NULL : &report, err); /* which may begin the next */
    ef_report_done(&report);
}

void ef_pg_examine_heard(struct ef_pg_store *s)
{
    if (!s->examine.listens)
        return;
    ef_pg_judge_notify(s->store.wakeup_works, s->config->path, s->database->name,
                       &s->examine.report);
    end(s, NULL);
}

/* Without a LISTEN in force the time is waited for all the same: its connection may be on the way.
 */
static void listen_for_probe(struct ef_pg_store *s)
{
    if (s->outbox->wake != EF_WAKE_NOTIFY) {
        end(s, NULL);
        return;
    }
    s->examine.listens = true;
    if (s->listening)
        ef_pg_probe(s);
    else
        ef_timer_start(&s->probe_timer, EF_PG_PROBE_US);
}

static struct ef_pg_judged judged(const struct ef_pg_store *s)
{
    return (struct ef_pg_judged){.old_ms = s->examine.old_ms, .table = s->layout.table};
}

static bool take_rows(struct ef_pg_store *s, const PGresult *res)
{
    const struct ef_pg_question *question = &ef_pg_questions[s->examine.question];
    struct ef_pg_judged about = judged(s);
    char *values[EF_PG_JUDGE_COLUMNS] = {NULL};
    int columns = PQnfields(res) < EF_PG_JUDGE_COLUMNS ? PQnfields(res) : EF_PG_JUDGE_COLUMNS;
    ef_report_subject(&s->examine.report, question->of_table ? "outbox %s" : "database %s",
                      question->of_table ? s->outbox->name : s->database->name);
    for (int row = 0; row < PQntuples(res); row++) {
        for (int col = 0; col < columns; col++)
            values[col] = PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
        if (!ef_pg_judge_row(question, &about, values, &s->examine.report))
            return false;
    }
    return true;
}

static void got_answer(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    if (err) {
        end(s, err);
        return;
    }
    if (!take_rows(s, res)) {
        struct ef_error own;
        ef_error_set(&own, EF_CLASS_CONFIG, "the answer about %s lacks what was asked for",
                     ef_pg_questions[s->examine.question].id);
        end(s, &own);
        return;
    }
    s->examine.question++;
    ask(s);
}

static void ask(struct ef_pg_store *s)
{
    if (s->examine.question == EF_PG_QUESTION_COUNT) {
        ef_report_subject(&s->examine.report, "outbox %s", s->outbox->name);
        listen_for_probe(s);
        return;
    }
    struct ef_pg_judged about = judged(s);
    free(s->examine.sql);
    s->examine.sql = ef_pg_questions[s->examine.question].sql(&about);
    struct ef_pg_request *req = ef_pg_request_new(NULL, s->examine.sql, got_answer, s);
    req->text = true;
    ef_pg_conn_submit(&s->settle, req);
}

void ef_pg_examine(struct ef_store *store, const struct ef_examine *examine)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    s->examine.old_ms = examine->old_ms;
    s->examine.question = 0;
    ef_report_done(&s->examine.report);
    ef_report_subject(&s->examine.report, "outbox %s", s->outbox->name);
    ef_store_warnings_judge(s->info.warnings, &s->examine.report);
    ask(s);
}

void ef_pg_examine_end(struct ef_pg_store *s)
{
    struct ef_error err;
    if (!s->examine.listens)
        return;
    ef_error_set(&err, EF_CLASS_BUSY, "the store is being closed");
    end(s, &err);
}
