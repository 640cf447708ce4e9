// SPDX-License-Identifier: MIT
#include "outbox/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* "As often as 5 % of the time allows, at least hourly"; and not more often than every second. */
enum { SWEEP_BUDGET = 20 };
#define SWEEP_MIN_US EF_S_US
#define SWEEP_MAX_US (3600 * EF_S_US)

/* Whether rows of status 1 are there costs a look at all that wait: not for every gap anew. */
#define FOREIGN_EVERY_US EF_S_US

static const int64_t nothing = INT64_MIN, nowhere = INT64_MAX;

void ef_cursor_init(struct ef_cursor *c)
{
    *c = (struct ef_cursor){
        .after = nothing, .tracked = nothing, .unsure = nowhere, .back = nowhere};
}

void ef_cursor_done(struct ef_cursor *c)
{
    free(c->gaps);
    free(c->runs);
    free(c->unseen);
    ef_cursor_init(c);
}

void ef_cursor_reset(struct ef_cursor *c)
{
    c->after = c->tracked = nothing;
    c->unsure = c->back = nowhere;
    c->gap_count = 0;
    c->unseen_count = 0;
    c->reading = c->sweeping = c->piece = false;
    c->sweep_next_us = 0;
}

/* --- gap runs --- */

static void insert_at(struct ef_cursor *c, int i, struct ef_gap gap)
{
    if (c->gap_count == c->gap_size) {
        c->gap_size = c->gap_size ? c->gap_size * 2 : 64;
        c->gaps = ef_xrealloc(c->gaps, (size_t)c->gap_size * sizeof(*c->gaps));
    }
    memmove(&c->gaps[i + 1], &c->gaps[i], (size_t)(c->gap_count - i) * sizeof(*c->gaps));
    c->gaps[i] = gap;
    c->gap_count++;
}

static void remove_at(struct ef_cursor *c, int i)
{
    c->gap_count--;
    memmove(&c->gaps[i], &c->gaps[i + 1], (size_t)(c->gap_count - i) * sizeof(*c->gaps));
}

/* New gaps are always above the others. Beyond the bound the oldest are left to the sweep. */
static void note(struct ef_cursor *c, int64_t first, int64_t last)
{
    if (first > last)
        return;
    if (c->gap_count == EF_CURSOR_GAPS_MAX) {
        remove_at(c, 0);
        c->overflowed++;
    }
    insert_at(c, c->gap_count,
              (struct ef_gap){.first = first, .last = last, .noted_us = c->read_began_us});
}

/* The first run that does not end below id. */
static int gap_from(const struct ef_cursor *c, int64_t id)
{
    int low = 0, high = c->gap_count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (c->gaps[mid].last < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void seen_below(struct ef_cursor *c, int64_t id)
{
    int low = gap_from(c, id);
    if (low == c->gap_count || c->gaps[low].first > id)
        return;
    struct ef_gap *gap = &c->gaps[low];
    struct ef_gap upper = *gap;
    upper.first = id + 1;
    gap->last = id - 1;
    bool lower_left = gap->first <= gap->last, upper_left = upper.first <= upper.last;
    if (lower_left && upper_left)
        insert_at(c, low + 1, upper);
    else if (upper_left)
        *gap = upper;
    else if (!lower_left)
        remove_at(c, low);
}

/* --- ids that are read again --- */

static void add_unseen(struct ef_cursor *c, int64_t first, int64_t last)
{
    if (first > last)
        return;
    if (c->unseen_count == c->unseen_size) {
        c->unseen_size = c->unseen_size ? c->unseen_size * 2 : 64;
        c->unseen = ef_xrealloc(c->unseen, (size_t)c->unseen_size * sizeof(*c->unseen));
    }
    c->unseen[c->unseen_count++] = (struct ef_run){first, last};
}

/* The read has come to `id`: what lies between it and the row before was passed over. */
static void come_to(struct ef_cursor *c, int64_t id)
{
    if (id <= c->watched || c->watched >= c->watched_to)
        return;
    add_unseen(c, c->watched + 1, id <= c->watched_to ? id - 1 : c->watched_to);
    c->watched = id < c->watched_to ? id : c->watched_to;
}

/* Ids that were passed over are gaps, from now on; they replace what was known of them. */
static void note_unseen(struct ef_cursor *c)
{
    int old = c->gap_count, count = 0, i = 0;
    struct ef_gap *before = c->gaps;
    c->gap_size = old + c->unseen_count + 1; /* one more: a gap may be cut in two */
    c->gaps = ef_xcalloc((size_t)c->gap_size, sizeof(*c->gaps));
    for (; i < old && before[i].first <= c->watched_from; i++) {
        c->gaps[count] = before[i];
        if (before[i].last > c->watched_from)
            c->gaps[count].last = c->watched_from;
        count++;
    }
    for (int k = 0; k < c->unseen_count; k++)
        c->gaps[count++] = (struct ef_gap){
            .first = c->unseen[k].first, .last = c->unseen[k].last, .noted_us = c->read_began_us};
    if (i > 0 && before[i - 1].last > c->watched)
        i--; /* it began below, and goes on above */
    for (; i < old; i++) {
        if (before[i].last <= c->watched)
            continue;
        c->gaps[count] = before[i];
        if (before[i].first <= c->watched)
            c->gaps[count].first = c->watched + 1;
        count++;
    }
    free(before);
    c->gap_count = count;
    while (c->gap_count > EF_CURSOR_GAPS_MAX) {
        remove_at(c, 0);
        c->overflowed++;
    }
}

static void begin_watch(struct ef_cursor *c)
{
    c->foreign = false;
    c->unseen_count = 0;
    c->watched_to = c->tracked;
    c->watched_from = c->unsure == nowhere ? c->tracked : c->unsure;
    if (c->watched_from < c->after)
        c->watched_from = c->after;
    c->watched = c->watched_from;
}

static void end_watch(struct ef_cursor *c)
{
    if (c->unsure == nowhere)
        return;
    if (c->foreign && c->watched > c->watched_from)
        note_unseen(c);
    c->unsure = c->watched < c->watched_to ? c->watched : nowhere;
}

/* --- reads --- */

bool ef_cursor_sweep_due(const struct ef_cursor *c, ef_mono now)
{
    return !c->sweeping && now.us >= c->sweep_next_us;
}

void ef_cursor_sweep(struct ef_cursor *c)
{
    c->sweep_next_us = 0;
    c->sweeping = false; /* one that is under way has passed rows which may have come back since */
}

/* One that this read's snapshot may let go. */
static bool some_gap_is_old(const struct ef_cursor *c)
{
    for (int i = 0; i < c->gap_count; i++)
        if (c->gaps[i].xmax != 0)
            return true;
    return false;
}

static void begin_sweep(struct ef_cursor *c)
{
    c->sweeping = true;
    c->sweep_spent_us = 0;
    c->sweeps++;
    c->piece = false; /* the open read is the first one */
    c->beside = c->sweep_next_us != 0 && c->tracked != nothing;
    if (c->beside)
        c->sweep_at = nothing;
    else
        c->after = nothing;
}

/* The gaps at or below `from`: those above it are read anyway. */
static void ask_from(struct ef_cursor *c, int64_t from, struct ef_fetch *fetch)
{
    int count = 0;
    if (c->run_size < c->gap_count) {
        c->run_size = c->gap_count;
        c->runs = ef_xrealloc(c->runs, (size_t)c->run_size * sizeof(*c->runs));
    }
    for (int i = 0; i < c->gap_count && c->gaps[i].first <= from; i++)
        c->runs[count++] =
            (struct ef_run){c->gaps[i].first, c->gaps[i].last < from ? c->gaps[i].last : from};
    fetch->after = from;
    fetch->gaps = c->runs;
    fetch->gap_count = count;
    fetch->all_gaps = count == c->gap_count && (count == 0 || c->gaps[count - 1].last <= from);
}

void ef_cursor_begin(struct ef_cursor *c, ef_mono now, struct ef_fetch *fetch)
{
    bool sweep = ef_cursor_sweep_due(c, now);
    c->reading = true;
    c->read_began_us = now.us;
    if (sweep)
        begin_sweep(c);
    c->piece =
        c->sweeping && c->beside && !c->piece && c->after >= c->tracked && c->unsure == nowhere;
    c->max_id_asked = (sweep && !c->beside) || c->piece;
    ask_from(c, c->piece ? c->sweep_at : c->after, fetch);
    fetch->want_max_id = c->max_id_asked;
    begin_watch(c);
    c->foreign_asked = some_gap_is_old(c) && now.us - c->foreign_asked_us >= FOREIGN_EVERY_US;
    if (c->foreign_asked)
        c->foreign_asked_us = now.us;
    c->foreign_asked = c->foreign_asked || c->unsure != nowhere;
    fetch->want_foreign = c->foreign_asked;
}

void ef_cursor_foreign(struct ef_cursor *c)
{
    c->foreign = true;
}

void ef_cursor_saw(struct ef_cursor *c, int64_t id)
{
    come_to(c, id);
    if (id > c->tracked) {
        note(c, c->tracked == nothing ? nothing + 1 : c->tracked + 1, id - 1);
        c->tracked = id;
    } else {
        seen_below(c, id);
    }
    if (id > c->after)
        c->after = id;
    if (c->piece && id > c->sweep_at)
        c->sweep_at = id;
}

/*
 * An id may be drawn before its transaction has a number; after GRACE it has one, below the xmax of
 * the first read that begins then. Once xmin has reached that, the transaction has ended.
 */
static void drop_old(struct ef_cursor *c, const struct ef_fetched *f)
{
    int64_t xmax_at_us = f->xmax_at_us ? f->xmax_at_us : c->read_began_us;
    bool cut = f->gaps_full || (c->piece && f->full); /* it has not come to all of them */
    bool may_drop = c->foreign_asked && !c->foreign && !cut;
    int kept = 0;
    for (int i = 0; i < c->gap_count; i++) {
        struct ef_gap gap = c->gaps[i];
        /* a gap part that was cut may not have come to this gap's rows */
        if (gap.xmax != 0 && f->xmin >= gap.xmax && may_drop) {
            c->dropped++;
            continue;
        }
        if (gap.xmax == 0 && xmax_at_us - gap.noted_us >= EF_CURSOR_GRACE_US)
            gap.xmax = f->xmax;
        c->gaps[kept++] = gap;
    }
    c->gap_count = kept;
}

/* Ids began again below the cursor (TRUNCATE ... RESTART IDENTITY): what lies above is not to come
 * any more. */
static void begin_again_below(struct ef_cursor *c, int64_t max_id)
{
    c->regressed++;
    if (c->piece) /* it began above what has come since */
        ef_cursor_sweep(c);
    c->tracked = max_id;
    c->after = c->after > max_id ? max_id : c->after;
    while (c->gap_count > 0 && c->gaps[c->gap_count - 1].first > max_id)
        remove_at(c, c->gap_count - 1);
    /* a run that only spans max_id keeps its lower part: those ids may still come */
    if (c->gap_count > 0 && c->gaps[c->gap_count - 1].last > max_id)
        c->gaps[c->gap_count - 1].last = max_id;
}

static void go_back(struct ef_cursor *c)
{
    if (c->back < c->after) {
        c->after = c->back;
        if (c->back < c->unsure)
            c->unsure = c->back;
    }
    c->back = nowhere;
}

static void end_sweep(struct ef_cursor *c, ef_mono now)
{
    c->sweeping = false;
    int64_t pause = c->sweep_spent_us * SWEEP_BUDGET;
    pause = pause < SWEEP_MIN_US ? SWEEP_MIN_US : pause > SWEEP_MAX_US ? SWEEP_MAX_US : pause;
    c->sweep_next_us = now.us + pause;
}

static void conclude(struct ef_cursor *c, ef_mono now, const struct ef_fetched *f)
{
    bool sweeps = c->sweeping && (c->piece || !c->beside);
    drop_old(c, f);
    if (sweeps)
        c->sweep_spent_us += now.us - c->read_began_us;
    if (c->max_id_asked && f->max_id != INT64_MIN && c->tracked != nothing &&
        f->max_id < c->tracked && !f->full)
        begin_again_below(c, f->max_id);
    if (f->full || f->gaps_full)
        return;
    if (c->after < c->tracked)
        c->after = c->tracked;
    if (sweeps && c->sweeping)
        end_sweep(c, now);
}

void ef_cursor_end(struct ef_cursor *c, ef_mono now, const struct ef_fetched *f)
{
    c->reading = false;
    c->foreign = c->foreign || f->foreign;
    if (!f->full && !f->gaps_full)
        come_to(c, nowhere);
    end_watch(c);
    conclude(c, now, f);
    go_back(c);
}

void ef_cursor_abort(struct ef_cursor *c)
{
    c->reading = false;
    end_watch(c);
    go_back(c);
}

void ef_cursor_ask(struct ef_cursor *c, ef_mono now, int64_t id)
{
    int i = gap_from(c, id);
    if (id > c->tracked || (i < c->gap_count && c->gaps[i].first <= id))
        return; /* it is to be read anyway */
    if (c->gap_count == EF_CURSOR_GAPS_MAX)
        ef_cursor_back(c, id - 1);
    else
        insert_at(c, i, (struct ef_gap){.first = id, .last = id, .noted_us = now.us});
}

void ef_cursor_back(struct ef_cursor *c, int64_t id)
{
    if (id < c->back)
        c->back = id;
    if (!c->reading) /* the open read moves `after` with every row: the next one goes back */
        go_back(c);
}
