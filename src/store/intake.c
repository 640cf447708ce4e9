// SPDX-License-Identifier: MIT
#include "store/intake.h"

enum { BATCH_ROWS_MIN = 16, BATCH_ROWS_MAX = 256 };

void ef_intake_begin(struct ef_intake *r, const struct ef_fetch *fetch)
{
    *r = (struct ef_intake){
        .after = fetch->after, .max_bytes = fetch->max_bytes, .max_rows = fetch->max_rows};
}

static void hand_over(struct ef_intake *r, struct ef_store *store, bool paused)
{
    struct ef_batch *batch = r->batch;
    r->batch = NULL;
    ef_store_did_rows(store, batch, paused);
}

/* Rows come with ids ascending, gap part first: the plan has no other way, and this is the proof.
 */
static bool in_order(struct ef_intake *r, int64_t id)
{
    bool gap = id <= r->after;
    if (gap && r->main_rows > 0)
        return false;
    if ((r->gap_rows > 0 || r->main_rows > 0) && id <= r->last_id)
        return false;
    if (gap)
        r->gap_rows++;
    else
        r->main_rows++;
    r->last_id = id;
    return true;
}

struct ef_row *ef_intake_row(struct ef_intake *r, int64_t id, struct ef_arena **arena)
{
    if (r->discard)
        return NULL;
    if (!in_order(r, id)) {
        r->out_of_order = r->discard = true;
        return NULL;
    }
    if (r->last_id > r->after && r->gap_rows >= r->max_rows) {
        /* an earlier row of the same aggregate may be among the gap rows that were cut off */
        r->main_rows--;
        return NULL;
    }
    if (!r->batch) /* small at first: most reads of an idle table bring a row or two */
        r->batch = ef_batch_new(r->result.rows < BATCH_ROWS_MIN ? BATCH_ROWS_MIN : BATCH_ROWS_MAX);
    r->batch->foreign = r->result.foreign;
    *arena = &r->batch->arena;
    return &r->batch->rows[r->batch->count++];
}

void ef_intake_took(struct ef_intake *r, struct ef_store *store, const struct ef_row *row,
                    void (*pause)(struct ef_store *store))
{
    r->result.rows++;
    r->bytes_since_pause += (int64_t)ef_row_bytes(row);
    if (r->bytes_since_pause >= r->max_bytes) {
        r->bytes_since_pause = 0;
        r->paused = true;
        pause(store);
        hand_over(r, store, true);
    } else if (r->batch->count == r->batch->size) {
        hand_over(r, store, false);
    }
}

/* Why the read is of no use, or NULL. */
static const struct ef_error *refusal(const struct ef_intake *r, const struct ef_error *err,
                                      struct ef_error *own)
{
    if (err) {
        *own = *err;
        if (own->class == EF_CLASS_UNCERTAIN) /* a read that was lost has done nothing */
            own->class = EF_CLASS_OUTAGE;
    } else if (r->fenced) {
        ef_error_set(own, EF_CLASS_FENCED, "the lease is not ours any more");
    } else if (r->misshapen) { /* the check that follows looks at the table's columns again */
        ef_error_set(own, EF_CLASS_CONFIG,
                     "the rows read have other columns than the statement: the table was altered, "
                     "or something between the relay and the server changes answers");
    } else if (r->out_of_order || (!r->header_seen && !r->discard)) {
        ef_error_set(own, EF_CLASS_FATAL,
                     "rows did not come in the order of their ids; nothing was taken");
    } else if (r->rewritten) {
        ef_error_set(own, EF_CLASS_BUSY,
                     "the table was emptied or rewritten; reading it from the beginning");
        ef_error_code(own, 0, EF_STORE_REWRITTEN);
    } else if (r->discard) {
        ef_error_set(own, EF_CLASS_BUSY, "read given up");
    } else {
        return NULL;
    }
    return own;
}

void ef_intake_end(struct ef_intake *r, struct ef_store *store, const struct ef_error *err)
{
    struct ef_error own;
    r->paused = false;
    err = refusal(r, err, &own);
    if (!err && r->batch)
        hand_over(r, store, false);
    if (r->batch) {
        ef_batch_unref(r->batch);
        r->batch = NULL;
    }
    r->result.gaps_full = r->gap_rows >= r->max_rows;
    r->result.full = r->main_rows >= r->max_rows;
    ef_store_did_fetch(store, err ? NULL : &r->result, err);
}
