// SPDX-License-Identifier: MIT
/*
 * Lanes: the rows of one aggregate in the window, in id order, and how much of the window one may
 * hold.
 *
 * Rows that wait behind others of their aggregate must not fill the window: a lane may hold a
 * quarter of the room that waiting rows have left, so some is left however many lanes wait. Beyond
 * it the lane is closed: further rows of it are refused, and none is taken before the refused ones
 * are read again.
 *
 * Owns the lanes, not the entries in them; which state an entry is in is the window's business
 * (window.c). Pure. Thread: the loop's. Life: ef_lanes_init .. ef_lanes_done; a lane lives while
 * it has rows or is closed.
 */
#pragma once

#include "base/hash.h"
#include "base/str.h"
#include "outbox/window.h"

struct ef_lane {
    struct ef_entry *head, *tail; /* ascending ids */
    int in_flight, held, standing;
    int64_t held_bytes;
    bool closed;                 /* holds its share: more of it is refused until it has less */
    int64_t first_refused;       /* lowest id refused since; INT64_MAX: none */
    struct ef_lane *prev, *next; /* in the list of closed lanes */
    UT_hash_handle hh;
    size_t key_len;
    char key[];
};

struct ef_lanes {
    bool order_by_type;
    struct ef_lane *by_key, *closed;
    int64_t max_rows, max_bytes; /* the window's, of which a lane may hold a share */
    int64_t held, held_bytes;    /* of all lanes */
    struct ef_buf key;
};

void ef_lanes_init(struct ef_lanes *lanes, bool order_by_type);
void ef_lanes_done(struct ef_lanes *lanes);
/* The lane of a row, made if it is the first; NULL: a row without order. */
struct ef_lane *ef_lanes_get(struct ef_lanes *lanes, const struct ef_row *row);
/* Lanes that hold less now are open again. Returns the lowest id that they have refused. */
int64_t ef_lanes_reopen(struct ef_lanes *lanes);
/* What was refused is forgotten. */
void ef_lanes_forget_refused(struct ef_lanes *lanes);

/* Puts an entry in its place; false: above one that was sent or stands still, and has a higher id.
 */
bool ef_lane_insert(struct ef_lane *lane, struct ef_entry *entry);
/* Takes it out. The lane may be gone afterwards. */
void ef_lane_remove(struct ef_lanes *lanes, struct ef_entry *entry);
/* An entry of a lane begins (by 1) or ends (by -1) to wait in it. */
void ef_lane_count_held(struct ef_lanes *lanes, struct ef_entry *entry, int by);
/* Those before it have gone, or go before it on the same way. */
bool ef_lane_may_go(const struct ef_entry *entry);
/* Nothing behind an entry of this state may go. */
bool ef_lane_stops_at(enum ef_entry_state state);

void ef_lane_close_if_full(struct ef_lanes *lanes, struct ef_lane *lane);
/* True: the lane is closed for this id, which is remembered. */
bool ef_lane_refuses(struct ef_lane *lane, int64_t id);
/* Returns the lowest id that it has refused. */
int64_t ef_lane_open(struct ef_lanes *lanes, struct ef_lane *lane);
