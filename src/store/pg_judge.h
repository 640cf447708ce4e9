// SPDX-License-Identifier: MIT
/*
 * What is asked of a PostgreSQL server, and of an outbox's table there, about things that go wrong
 * slowly; and what the answers mean. The doctor asks over a session of its own, a running relay
 * over its settling one: the questions and the verdicts are the same.
 *
 * Pure: texts in, texts out. Owns: the questions. Thread: any. Life: always there.
 */
#pragma once

#include "base/report.h"

enum { EF_PG_JUDGE_COLUMNS = 7 }; /* at most, of an answer */

struct ef_pg_judged {
    int64_t old_ms;    /* a transaction open for longer is a finding */
    const char *table; /* quoted and qualified, for the questions about it */
    bool statements;   /* may show what others run */
};

struct ef_pg_question {
    const char *id;   /* of its findings */
    const char *fine; /* where no row comes; NULL: a row says that it is fine */
    bool of_table;    /* else of the server: its subject is the database */
    /* The caller's. Runs with search_path = pg_catalog. */
    char *(*sql)(const struct ef_pg_judged *judged);
    unsigned given; /* bit n: value n is never null */
    /* One row, which has what is given; values are texts, or NULL for a null. */
    void (*take)(const struct ef_pg_judged *judged, char *const *values, struct ef_report *report);
};

enum { EF_PG_ASK_TRANSACTIONS, EF_PG_ASK_XMIN, EF_PG_ASK_VACUUM, EF_PG_QUESTION_COUNT };
extern const struct ef_pg_question ef_pg_questions[EF_PG_QUESTION_COUNT];

/* False: the row is no answer to the question. */
bool ef_pg_judge_row(const struct ef_pg_question *question, const struct ef_pg_judged *judged,
                     char *const *values, struct ef_report *report);

/* wake: notify. heard: a notification of our own came back. */
void ef_pg_judge_notify(bool heard, const char *config_path, const char *database,
                        struct ef_report *report);
