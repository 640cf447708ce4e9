// SPDX-License-Identifier: MIT
/*
 * Carries out one outbox's migration, or shows the SQL of it. On PostgreSQL everything but
 * concurrent indexes is one transaction: all of it or nothing. MySQL ends a transaction at each
 * CREATE or ALTER, so there each step stands alone. Locks are waited for a moment at a time, again
 * and again, so that the queue behind a waiting migration stays short.
 *
 * Owns nothing beyond the call. Thread: the program's only one.
 */
#pragma once

#include "ctl/db.h"
#include "ctl/plan.h"

struct ef_apply_result {
    struct ef_buf report; /* a line for each step; inited and freed by the caller */
    struct ef_findings findings;
    int changes;          /* steps that had something to do */
    bool indexes_missing; /* all else is there, an index was not made after it */
    bool partly;          /* MySQL: what the report says is there, the rest is not */
};

/*
 * Errors: OUTAGE, BUSY (locks were not to be had within wait_ms), CONFIG. Unless indexes_missing
 * or partly says otherwise nothing was changed.
 */
EF_MUST_CHECK bool ef_apply(struct ef_db *db, const struct ef_script *script,
                            const struct ef_migration *migration, int64_t wait_ms,
                            struct ef_apply_result *result, struct ef_error *err);

/* What was printed before, so that objects which outboxes share are printed once. */
struct ef_show_memory {
    uint64_t *hashes;
    size_t count;
};

/* db NULL: as against a database in which there is nothing yet. Only reads. */
EF_MUST_CHECK bool ef_show(struct ef_db *db, const struct ef_script *script,
                           const struct ef_migration *migration, struct ef_show_memory *memory,
                           struct ef_buf *out, struct ef_findings *findings, struct ef_error *err);

/* --- shared by the two --- */

/* The step belongs to this migration. */
bool ef_step_wanted(const struct ef_step *step, const struct ef_vars *vars);
/* Expand one of a step's texts; text_id is set for it. */
EF_MUST_CHECK bool ef_step_expand(const struct ef_step *step, struct ef_vars *vars,
                                  const char *text, struct ef_buf *out, struct ef_error *err);
/* One of a step's questions, by somebody who only looks: what cannot be seen is not there. db and
 * query may be NULL: false. */
EF_MUST_CHECK bool ef_step_ask(struct ef_db *db, const struct ef_step *step, struct ef_vars *vars,
                               const char *query, struct ef_buf *scratch, bool *ret,
                               struct ef_error *err);
/* PostgreSQL: query for an index of that name which an interrupted concurrent build left behind
 * unusable. */
extern const char ef_step_leftover_sql[];
