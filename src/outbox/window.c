// SPDX-License-Identifier: MIT
#include "outbox/window.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/str.h"
#include "outbox/idtable.h"
#include "outbox/lane.h"

struct ef_window {
    unsigned life; /* times the table was emptied or rewritten */
    struct ef_idtable by_id;
    struct ef_lanes lanes;
    struct ef_entry *lists[EF_ENTRY_STATES];
    struct ef_window_stats stats;
    /* unsent rows that decisions took out: the lowest, INT64_MAX: none */
    int64_t lowest_dropped, lowest_held_back; /* the latter behind a row that waits now */
    bool unsorted;          /* READY entries are not in id order: sort before the next is given */
    struct ef_entry *spare; /* freed entries, kept */
    int spare_count;
    struct ef_window_run *runs;
    struct ef_entry **sorted;
    int run_size;
};

enum { SPARE_MAX = 4096 };

struct ef_window *ef_window_new(bool order_by_type)
{
    struct ef_window *w = ef_xcalloc(1, sizeof(*w));
    w->lowest_dropped = w->lowest_held_back = INT64_MAX;
    ef_lanes_init(&w->lanes, order_by_type);
    ef_idtable_init(&w->by_id);
    return w;
}

/* --- entries --- */

static void set_state(struct ef_window *w, struct ef_entry *e, enum ef_entry_state state)
{
    if (e->lane)
        e->lane->standing += ef_lane_stops_at(state) - ef_lane_stops_at(e->state);
    DL_DELETE(w->lists[e->state], e);
    w->stats.count[e->state]--;
    e->state = state;
    DL_APPEND(w->lists[state], e);
    w->stats.count[state]++;
}

static void drop_batch(struct ef_window *w, struct ef_entry *e)
{
    struct ef_batch *batch = e->batch;
    if (!batch)
        return;
    if (--batch->window_rows == 0)
        w->stats.bytes -= batch->window_bytes;
    e->batch = NULL;
    e->row = NULL;
    ef_batch_unref(batch);
}

static void free_entry(struct ef_window *w, struct ef_entry *e)
{
    free(e->error);
    if (w->spare_count < SPARE_MAX) {
        e->next = w->spare;
        w->spare = e;
        w->spare_count++;
    } else {
        free(e);
    }
}

static void forget_id(struct ef_window *w, const struct ef_entry *e)
{
    if (!e->superseded)
        ef_idtable_remove(&w->by_id, e->id);
}

/* --- lanes --- */

/* Rows of the lane that may go now become READY: the first of the waiting ones, and those behind it
 * on the same way. */
static void promote(struct ef_window *w, struct ef_lane *lane)
{
    if (!lane)
        return;
    for (struct ef_entry *e = lane->head; e && lane->held > 0; e = e->lane_next) {
        if (e->state == EF_ENTRY_HELD) {
            if (!ef_lane_may_go(e))
                return;
            ef_lane_count_held(&w->lanes, e, -1);
            set_state(w, e, EF_ENTRY_READY);
        } else if (ef_lane_stops_at(e->state)) {
            return;
        }
    }
}

/* Rows behind a point that may no longer go wait again. */
static void demote_after(struct ef_window *w, struct ef_entry *from)
{
    for (struct ef_entry *e = from ? from->lane_next : NULL; e; e = e->lane_next)
        if (e->state == EF_ENTRY_READY) {
            set_state(w, e, EF_ENTRY_HELD);
            ef_lane_count_held(&w->lanes, e, 1);
        }
}

static void insert(struct ef_window *w, struct ef_lane *lane, struct ef_entry *e)
{
    if (!ef_lane_insert(lane, e))
        w->stats.regressions++; /* the application did not serialise its writers */
    if (!e->lane_next)
        return;
    demote_after(w, e); /* those behind it must not go before it */
    w->unsorted = true;
}

/* --- rows in --- */

static uint64_t identity_of(const struct ef_row *row)
{
    uint64_t h = ef_hash64(row->message_id.p, row->message_id.len);
    return h ^ (uint64_t)row->created_at_us * UINT64_C(0x9e3779b97f4a7c15);
}

static struct ef_entry *new_entry(struct ef_window *w)
{
    struct ef_entry *e = w->spare;
    if (!e)
        return ef_xcalloc(1, sizeof(*e));
    w->spare = e->next;
    w->spare_count--;
    memset(e, 0, sizeof(*e));
    return e;
}

/* The row that had this id before is gone from the table, whatever becomes of its message. */
static void supersede(struct ef_window *w, struct ef_entry *old)
{
    forget_id(w, old);
    old->superseded = true;
    if (old->state == EF_ENTRY_HELD || old->state == EF_ENTRY_READY ||
        old->state == EF_ENTRY_FAILED || old->state == EF_ENTRY_FATED ||
        old->state == EF_ENTRY_DELIVERED || old->state == EF_ENTRY_SETTLED) {
        struct ef_lane *lane = old->lane;
        bool last = lane && lane->head == old && lane->tail == old;
        ef_lane_remove(&w->lanes, old);
        DL_DELETE(w->lists[old->state], old);
        w->stats.count[old->state]--;
        w->stats.rows -= old->state != EF_ENTRY_SETTLED;
        drop_batch(w, old);
        free_entry(w, old);
        if (!last)
            promote(w, lane);
    }
}

/* Its place in its lane; the state it begins in. It may go at once only where nothing in the lane
 * waits or stands still. */
static enum ef_entry_state enter_lane(struct ef_window *w, struct ef_lane *lane, struct ef_entry *e)
{
    e->state = EF_ENTRY_HELD;
    if (!lane)
        return EF_ENTRY_READY;
    insert(w, lane, e);
    bool blocked = lane->held > 0 || lane->standing > 0;
    if (!blocked && ef_lane_may_go(e))
        return EF_ENTRY_READY;
    ef_lane_count_held(&w->lanes, e, 1);
    return EF_ENTRY_HELD;
}

enum ef_admitted ef_window_admit(struct ef_window *w, struct ef_batch *batch,
                                 const struct ef_row *row, ef_mono now, struct ef_entry **ret)
{
    enum ef_admitted answer = EF_ADMITTED;
    struct ef_entry *known = ef_idtable_get(&w->by_id, row->id);
    uint64_t identity = identity_of(row);
    if (known) {
        if (known->identity == identity)
            return EF_ADMIT_KNOWN;
        supersede(w, known);
        answer = EF_ADMIT_REPLACED;
    }
    struct ef_lane *lane = ef_lanes_get(&w->lanes, row);
    if (lane && ef_lane_refuses(lane, row->id))
        return EF_ADMIT_REFUSED;
    struct ef_entry *e = new_entry(w);
    e->id = row->id;
    e->created_us = row->created_at_us;
    e->life = w->life;
    e->identity = identity;
    e->row = row;
    e->batch = ef_batch_ref(batch);
    if (batch->window_rows++ == 0) {
        batch->window_bytes = (int64_t)ef_batch_bytes(batch);
        w->stats.bytes += batch->window_bytes;
    }
    e->durable = row->status != EF_STATUS_PENDING;
    e->attempts = row->attempts;
    e->seen_at = now;
    ef_idtable_add(&w->by_id, e->id, e);
    w->stats.rows++;
    e->state = enter_lane(w, lane, e);
    DL_APPEND(w->lists[e->state], e);
    w->stats.count[e->state]++;
    if (e->lane_next) /* it came below others, which wait behind it now */
        promote(w, e->lane);
    ef_lane_close_if_full(&w->lanes, lane);
    *ret = e;
    return answer;
}

void ef_window_set_limits(struct ef_window *w, int64_t max_rows, int64_t max_bytes)
{
    w->lanes.max_rows = max_rows;
    w->lanes.max_bytes = max_bytes;
}

int64_t ef_window_reopen(struct ef_window *w)
{
    return ef_lanes_reopen(&w->lanes);
}

void ef_window_rewritten(struct ef_window *w)
{
    w->life++;
}

/* --- producing --- */

static int by_id(const struct ef_entry *a, const struct ef_entry *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

struct ef_entry *ef_window_next(struct ef_window *w)
{
    if (w->unsorted) {
        DL_SORT(w->lists[EF_ENTRY_READY], by_id);
        w->unsorted = false;
    }
    return w->lists[EF_ENTRY_READY];
}

void ef_window_sent(struct ef_window *w, struct ef_entry *e, ef_mono now)
{
    set_state(w, e, EF_ENTRY_IN_FLIGHT);
    e->produced_at = now;
    if (e->lane)
        e->lane->in_flight++;
}

void ef_window_delivered(struct ef_window *w, struct ef_entry *e, ef_mono now)
{
    e->acked_at = now;
    if (e->durable && !e->superseded) {
        if (e->lane && e->state == EF_ENTRY_IN_FLIGHT)
            e->lane->in_flight--;
        e->fate = EF_ENTRY_DELIVERED_DURABLY;
        set_state(w, e, EF_ENTRY_FATED);
        demote_after(w, e);
        return;
    }
    struct ef_lane *lane = e->lane;
    bool last = lane && lane->head == e && lane->tail == e;
    ef_lane_remove(&w->lanes, e);
    if (e->superseded) {
        DL_DELETE(w->lists[e->state], e);
        w->stats.count[e->state]--;
        w->stats.rows--;
        drop_batch(w, e);
        free_entry(w, e);
    } else {
        set_state(w, e, EF_ENTRY_DELIVERED);
        drop_batch(w, e);
    }
    if (!last)
        promote(w, lane);
}

void ef_window_returned(struct ef_window *w, struct ef_entry *e, bool alone)
{
    struct ef_lane *lane = e->lane;
    if (lane && e->state == EF_ENTRY_IN_FLIGHT)
        lane->in_flight--;
    e->alone = e->alone || alone;
    if (!lane) {
        set_state(w, e, EF_ENTRY_READY);
    } else {
        set_state(w, e, EF_ENTRY_HELD);
        ef_lane_count_held(&w->lanes, e, 1);
        demote_after(w, e);
        promote(w, lane);
    }
    w->unsorted = true;
}

void ef_window_alone(struct ef_window *w, struct ef_entry *e)
{
    e->alone = true;
    demote_after(w, e);
    if (!e->lane || ef_lane_may_go(e))
        return;
    set_state(w, e, EF_ENTRY_HELD);
    ef_lane_count_held(&w->lanes, e, 1);
}

void ef_window_failed(struct ef_window *w, struct ef_entry *e, const struct ef_error *err)
{
    if (e->lane && e->state == EF_ENTRY_IN_FLIGHT)
        e->lane->in_flight--;
    set_state(w, e, EF_ENTRY_FAILED);
    demote_after(w, e);
    if (!err)
        return;
    if (!e->error)
        e->error = ef_xmalloc(sizeof(*e->error));
    *e->error = *err;
}

void ef_window_aside(struct ef_window *w, struct ef_entry *e)
{
    set_state(w, e, EF_ENTRY_ASIDE);
}

void ef_window_fated(struct ef_window *w, struct ef_entry *e, enum ef_entry_fate fate, int attempts,
                     int64_t delay_ms)
{
    e->fate = fate;
    e->attempts = attempts;
    e->delay_ms = delay_ms;
    set_state(w, e, EF_ENTRY_FATED);
}

struct ef_entry *ef_window_first(const struct ef_window *w, enum ef_entry_state state)
{
    return w->lists[state];
}

/* --- settling --- */

static int by_id_indirect(const void *a, const void *b)
{
    return by_id(*(struct ef_entry *const *)a, *(struct ef_entry *const *)b);
}

static void reserve_runs(struct ef_window *w, int count)
{
    if (count <= w->run_size)
        return;
    w->run_size = count;
    w->runs = ef_xrealloc(w->runs, (size_t)count * sizeof(*w->runs));
    w->sorted = ef_xrealloc(w->sorted, (size_t)count * sizeof(struct ef_entry *));
}

int ef_window_settle(struct ef_window *w, int64_t below_id, int max_rows,
                     const struct ef_window_run **ret_runs, int *ret_rows)
{
    int count = 0, runs = 0;
    struct ef_entry *next;
    reserve_runs(w, max_rows);
    for (struct ef_entry *e = w->lists[EF_ENTRY_DELIVERED]; e && count < max_rows; e = next) {
        next = e->next;
        if (e->id >= below_id)
            continue;
        set_state(w, e, EF_ENTRY_SETTLING);
        w->sorted[count++] = e;
    }
    qsort(w->sorted, (size_t)count, sizeof(struct ef_entry *), by_id_indirect);
    for (int i = 0; i < count; i++) {
        const struct ef_entry *e = w->sorted[i];
        struct ef_window_run *run = runs ? &w->runs[runs - 1] : NULL;
        /* created_at bounds around rows of two lives of the table would hold others' too */
        if (!run || run->last + 1 != e->id || w->sorted[i - 1]->life != e->life) {
            w->runs[runs++] = (struct ef_window_run){e->id, e->id, e->created_us, e->created_us};
            continue;
        }
        run->last = e->id;
        if (e->created_us < run->created_min_us)
            run->created_min_us = e->created_us;
        if (e->created_us > run->created_max_us)
            run->created_max_us = e->created_us;
    }
    *ret_runs = w->runs;
    *ret_rows = count;
    return runs;
}

static void forget_settled(struct ef_window *w, struct ef_entry *e)
{
    DL_DELETE(w->lists[e->state], e);
    w->stats.count[e->state]--;
    forget_id(w, e);
    free_entry(w, e);
}

void ef_window_settled(struct ef_window *w, bool confirmed, bool read_open)
{
    while (w->lists[EF_ENTRY_SETTLING]) {
        struct ef_entry *e = w->lists[EF_ENTRY_SETTLING];
        if (!confirmed && !e->superseded) {
            set_state(w, e, EF_ENTRY_DELIVERED);
            continue;
        }
        w->stats.rows--;
        if (read_open)
            set_state(w, e, EF_ENTRY_SETTLED);
        else
            forget_settled(w, e);
    }
}

void ef_window_read_ended(struct ef_window *w)
{
    while (w->lists[EF_ENTRY_SETTLED])
        forget_settled(w, w->lists[EF_ENTRY_SETTLED]);
}

/* --- the fate barrier --- */

/* Everything before it in its lane has gone, and nothing behind it is under way. */
static bool stands_alone(const struct ef_entry *e)
{
    return !e->lane || (e->lane->head == e && e->lane->in_flight == 0);
}

static bool needs_barrier(const struct ef_entry *e)
{
    return e->durable || e->fate != EF_ENTRY_DEAD;
}

bool ef_window_barrier_wanted(struct ef_window *w)
{
    for (const struct ef_entry *e = w->lists[EF_ENTRY_FATED]; e; e = e->next)
        if (needs_barrier(e) && stands_alone(e))
            return true;
    return false;
}

/* Take an unsent row out, as if it had not been read. */
static void drop_unsent(struct ef_window *w, struct ef_entry *e)
{
    ef_lane_remove(&w->lanes, e);
    DL_DELETE(w->lists[e->state], e);
    w->stats.count[e->state]--;
    w->stats.rows--;
    forget_id(w, e);
    drop_batch(w, e);
    free_entry(w, e);
}

/* Unsent rows behind a decision leave; a later failure of the lane keeps its place. */
static void drop_behind(struct ef_window *w, const struct ef_entry *e)
{
    struct ef_entry *behind, *after;
    for (behind = e->lane ? e->lane_next : NULL; behind; behind = after) {
        after = behind->lane_next;
        if (behind->state != EF_ENTRY_HELD && behind->state != EF_ENTRY_READY)
            continue;
        /* a row that came late may stand behind one with a higher id, which does not hold it */
        bool held = e->fate == EF_ENTRY_RETRY && behind->id > e->id;
        int64_t *lowest = held ? &w->lowest_held_back : &w->lowest_dropped;
        *lowest = behind->id < *lowest ? behind->id : *lowest;
        drop_unsent(w, behind);
    }
}

int ef_window_decide(struct ef_window *w, struct ef_entry **ret, int max, bool barrier)
{
    int count = 0;
    struct ef_entry *next;
    for (struct ef_entry *e = w->lists[EF_ENTRY_FATED]; e && count < max; e = next) {
        next = e->next;
        if (!stands_alone(e) || (needs_barrier(e) && !barrier))
            continue;
        set_state(w, e, EF_ENTRY_DECIDING);
        ret[count++] = e;
        if (needs_barrier(e))
            drop_behind(w, e);
    }
    return count;
}

/*
 * It has been written. A pending row that is dead holds nothing back: what is behind it goes on,
 * unless the row was not found, and somebody else may have decided about it. A read that is open
 * has passed what its lane has refused: the lane stays closed until the next one
 * (ef_window_reopen). Returns the lowest id to read again because of it, INT64_MAX: none.
 */
static int64_t leave_decided(struct ef_window *w, struct ef_entry *e, bool all_there,
                             bool read_open)
{
    struct ef_lane *lane = e->lane, *closed = lane && lane->closed ? lane : NULL;
    bool goes_on = !needs_barrier(e) && all_there;
    int64_t lowest = goes_on || (all_there && e->fate == EF_ENTRY_RETRY) ? INT64_MAX : e->id;
    if (!goes_on)
        drop_behind(w, e);
    bool last = lane && lane->head == e && lane->tail == e;
    ef_lane_remove(&w->lanes, e);
    if (goes_on && !last)
        promote(w, lane);
    if (closed && !goes_on && !closed->head) {
        /* what it has refused may come with what is behind */
        int64_t refused = ef_lane_open(&w->lanes, closed);
        if (refused < e->id)
            lowest = refused;
    }
    w->stats.rows--;
    drop_batch(w, e);
    set_state(w, e, EF_ENTRY_SETTLED);
    if (!read_open)
        forget_settled(w, e);
    return lowest;
}

int64_t ef_window_decided(struct ef_window *w, bool confirmed, bool all_there, bool read_open)
{
    int64_t lowest = INT64_MAX;
    while (w->lists[EF_ENTRY_DECIDING]) {
        struct ef_entry *e = w->lists[EF_ENTRY_DECIDING];
        if (!confirmed) {
            set_state(w, e, EF_ENTRY_FATED);
            continue;
        }
        int64_t from = leave_decided(w, e, all_there, read_open);
        lowest = from < lowest ? from : lowest;
    }
    lowest = w->lowest_dropped < lowest ? w->lowest_dropped : lowest;
    if (!all_there && w->lowest_held_back < lowest)
        lowest = w->lowest_held_back;
    if (confirmed)
        w->lowest_dropped = w->lowest_held_back = INT64_MAX;
    return lowest;
}

int64_t ef_window_drop_unsent(struct ef_window *w)
{
    static const enum ef_entry_state unsent[] = {EF_ENTRY_HELD, EF_ENTRY_READY};
    int64_t lowest = INT64_MAX;
    for (size_t i = 0; i < sizeof(unsent) / sizeof(unsent[0]); i++) {
        struct ef_entry *e, *next;
        DL_FOREACH_SAFE (w->lists[unsent[i]], e, next) {
            if (e->lane && e->lane->in_flight > 0)
                continue; /* a later row may come back, and must not be the first then */
            lowest = e->id < lowest ? e->id : lowest;
            drop_unsent(w, e);
        }
    }
    return lowest;
}

/* --- end --- */

void ef_window_clear(struct ef_window *w)
{
    for (int state = 0; state < EF_ENTRY_STATES; state++) {
        while (w->lists[state]) {
            struct ef_entry *e = w->lists[state];
            ef_lane_remove(&w->lanes, e);
            DL_DELETE(w->lists[state], e);
            forget_id(w, e);
            if (state == EF_ENTRY_IN_FLIGHT || state == EF_ENTRY_ASIDE) {
                e->orphan = true; /* the publisher still reads its bytes */
                w->stats.orphans++;
                continue;
            }
            drop_batch(w, e);
            free_entry(w, e);
        }
        w->stats.count[state] = 0;
    }
    ef_lanes_forget_refused(&w->lanes);
    w->stats.rows = 0;
    w->lowest_dropped = w->lowest_held_back = INT64_MAX;
    w->unsorted = false;
}

void ef_window_release(struct ef_window *w, struct ef_entry *e)
{
    if (w) {
        w->stats.orphans--;
        drop_batch(w, e);
    } else {
        ef_batch_unref(e->batch);
    }
    free(e->error);
    free(e);
}

void ef_window_free(struct ef_window *w)
{
    if (!w)
        return;
    ef_window_clear(w);
    while (w->spare) {
        struct ef_entry *e = w->spare;
        w->spare = e->next;
        free(e);
    }
    ef_idtable_done(&w->by_id);
    ef_lanes_done(&w->lanes);
    free(w->runs);
    free(w->sorted);
    free(w);
}

const struct ef_window_stats *ef_window_stats(const struct ef_window *w)
{
    return &w->stats;
}
