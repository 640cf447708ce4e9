// SPDX-License-Identifier: MIT
/* eight bytes at a time, faster than uthash's default on short keys */
#include <stddef.h>
#define HASH_FUNCTION(key, len, hash) ((hash) = lane_hash((key), (len)))
static unsigned lane_hash(const void *key, size_t len);
#include "outbox/lane.h"

#include <stdlib.h>
#include <utlist.h>

enum { LANE_KEY_MAX = 1 << 20 };
enum { SHARE = 4, SHARE_ROWS_MIN = 16 };

static unsigned lane_hash(const void *key, size_t len)
{
    uint64_t h = len, v = 0;
    const char *p = key;
    for (; len >= 8; len -= 8, p += 8) {
        memcpy(&v, p, 8);
        h = (h ^ v) * UINT64_C(0x9fb21c651e98df25);
        h ^= h >> 29;
    }
    v = 0;
    memcpy(&v, p, len);
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(h >> 32);
}

void ef_lanes_init(struct ef_lanes *lanes, bool order_by_type)
{
    *lanes = (struct ef_lanes){
        .order_by_type = order_by_type, .max_rows = INT64_MAX, .max_bytes = INT64_MAX};
    ef_buf_init(&lanes->key, LANE_KEY_MAX);
}

void ef_lanes_done(struct ef_lanes *lanes)
{
    ef_buf_done(&lanes->key);
}

static struct ef_slice key_of(struct ef_lanes *lanes, const struct ef_row *row)
{
    if (!lanes->order_by_type)
        return row->aggregate_id;
    ef_buf_clear(&lanes->key);
    ef_buf_add(&lanes->key, row->aggregate_type.p, row->aggregate_type.len);
    ef_buf_add(&lanes->key, "", 1);
    ef_buf_add(&lanes->key, row->aggregate_id.p, row->aggregate_id.len);
    return (struct ef_slice){lanes->key.data, lanes->key.len};
}

struct ef_lane *ef_lanes_get(struct ef_lanes *lanes, const struct ef_row *row)
{
    if (!row->aggregate_id.p)
        return NULL;
    struct ef_slice key = key_of(lanes, row);
    struct ef_lane *lane = NULL;
    HASH_FIND(hh, lanes->by_key, key.p, key.len, lane);
    if (lane)
        return lane;
    lane = ef_xcalloc(1, sizeof(*lane) + key.len + 1);
    lane->key_len = key.len;
    if (key.len)
        memcpy(lane->key, key.p, key.len);
    HASH_ADD_KEYPTR(hh, lanes->by_key, lane->key, key.len, lane);
    return lane;
}

static void free_lane(struct ef_lanes *lanes, struct ef_lane *lane)
{
    if (lane->closed)
        return; /* until it is opened */
    HASH_DEL(lanes->by_key, lane);
    free(lane);
}

/* --- shares --- */

static bool above(const struct ef_lanes *lanes, const struct ef_lane *lane, int parts)
{
    int64_t rows = (lanes->max_rows - lanes->held) / parts;
    int64_t bytes = (lanes->max_bytes - lanes->held_bytes) / parts;
    return (lane->held > SHARE_ROWS_MIN && lane->held > rows) ||
           (lane->held > 1 && lane->held_bytes > bytes);
}

void ef_lane_count_held(struct ef_lanes *lanes, struct ef_entry *e, int by)
{
    int64_t bytes = by * (int64_t)ef_row_bytes(e->row);
    e->lane->held += by;
    e->lane->held_bytes += bytes;
    lanes->held += by;
    lanes->held_bytes += bytes;
}

void ef_lane_close_if_full(struct ef_lanes *lanes, struct ef_lane *lane)
{
    if (!lane || lane->closed || !above(lanes, lane, SHARE))
        return;
    lane->closed = true;
    lane->first_refused = INT64_MAX;
    DL_APPEND(lanes->closed, lane);
}

/* A row that came late, below rows of the lane that are here, has its place before them. */
bool ef_lane_refuses(struct ef_lane *lane, int64_t id)
{
    bool late = lane->tail && id < lane->tail->id && id < lane->first_refused;
    if (!lane->closed || late)
        return false;
    if (id < lane->first_refused)
        lane->first_refused = id;
    return true;
}

int64_t ef_lane_open(struct ef_lanes *lanes, struct ef_lane *lane)
{
    int64_t refused = lane->first_refused;
    lane->closed = false;
    DL_DELETE(lanes->closed, lane);
    if (!lane->head)
        free_lane(lanes, lane);
    return refused;
}

int64_t ef_lanes_reopen(struct ef_lanes *lanes)
{
    int64_t lowest = INT64_MAX;
    struct ef_lane *lane, *next;
    DL_FOREACH_SAFE (lanes->closed, lane, next) {
        if (above(lanes, lane, 2 * SHARE))
            continue;
        int64_t refused = ef_lane_open(lanes, lane);
        lowest = refused < lowest ? refused : lowest;
    }
    return lowest;
}

void ef_lanes_forget_refused(struct ef_lanes *lanes)
{
    while (lanes->closed)
        ef_lane_open(lanes, lanes->closed);
}

/* --- order --- */

bool ef_lane_stops_at(enum ef_entry_state state)
{
    return state == EF_ENTRY_FAILED || state == EF_ENTRY_ASIDE || state == EF_ENTRY_FATED ||
           state == EF_ENTRY_DECIDING;
}

static bool same_route(const struct ef_row *a, const struct ef_row *b)
{
    return a->partition == b->partition && ef_slice_eq(a->topic, b->topic) &&
           ef_slice_eq(a->key, b->key);
}

bool ef_lane_may_go(const struct ef_entry *e)
{
    const struct ef_entry *prev = e->lane_prev;
    if (!prev)
        return true;
    if (prev->state != EF_ENTRY_IN_FLIGHT && prev->state != EF_ENTRY_READY)
        return false;
    return same_route(prev->row, e->row) && !prev->alone && !e->alone;
}

bool ef_lane_insert(struct ef_lane *lane, struct ef_entry *e)
{
    bool in_order = true;
    struct ef_entry *after = lane->tail;
    e->lane = lane;
    while (after && after->id > e->id) {
        if (after->state != EF_ENTRY_HELD && after->state != EF_ENTRY_READY) {
            in_order = false;
            break;
        }
        after = after->lane_prev;
    }
    e->lane_prev = after;
    e->lane_next = after ? after->lane_next : lane->head;
    if (e->lane_next)
        e->lane_next->lane_prev = e;
    else
        lane->tail = e;
    if (after)
        after->lane_next = e;
    else
        lane->head = e;
    return in_order;
}

void ef_lane_remove(struct ef_lanes *lanes, struct ef_entry *e)
{
    struct ef_lane *lane = e->lane;
    if (!lane)
        return;
    if (e->state == EF_ENTRY_IN_FLIGHT)
        lane->in_flight--;
    if (e->state == EF_ENTRY_HELD)
        ef_lane_count_held(lanes, e, -1);
    lane->standing -= ef_lane_stops_at(e->state);
    if (e->lane_prev)
        e->lane_prev->lane_next = e->lane_next;
    else
        lane->head = e->lane_next;
    if (e->lane_next)
        e->lane_next->lane_prev = e->lane_prev;
    else
        lane->tail = e->lane_prev;
    e->lane = NULL;
    e->lane_prev = e->lane_next = NULL;
    if (!lane->head)
        free_lane(lanes, lane);
}
