// SPDX-License-Identifier: MIT
/*
 * Where reading stands: the cursor, the known gaps below it, and when to sweep from zero
 * (claim-and-order.md, Reading). Pure: told of reads and rows, it says what to ask next.
 *
 * A gap is an id at or below the cursor that this owner has not seen: its transaction may still
 * commit. Gaps are kept as runs and asked for again in every read, so whoever sees a later row of
 * an aggregate also sees an earlier one that committed late. A run is dropped once a read proves
 * that nobody can still bring it: GRACE after it was noted (an id is drawn before its transaction
 * gets a number) a read notes the next transaction number, and a later one finds that every
 * transaction below it has ended. (The number must not be taken earlier: a transaction that drew
 * the id but had no number yet would lie above it.)
 *
 * Rows held back by one of status 3 come without their contents and count as seen: only their owner
 * takes that one out of status 3, and reads again from there when it does. Nobody need look at them
 * until then, however many they are.
 *
 * Rows behind one of status 1 are hidden, and another kind of relay may finish that one whenever it
 * likes. So no gap is dropped by a read whose snapshot holds such a row; and where ids are read
 * again that were seen before, those which a read of such a snapshot passes over are gaps again.
 *
 * A sweep looks for rows that nobody knows of (ids drawn long ago, or set by hand). The first one
 * of an owner is how it reads the table at all, and so is one after trouble; a later one goes
 * beside the cursor, a piece with every other read: what waits may be millions of rows, and new
 * ones must not wait for a look at all of them.
 *
 * Owns: the runs. Thread: the loop's. Life: _init .. _done; _reset forgets everything (new owner,
 * new server).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "outbox/read.h"

struct ef_gap {
    int64_t first, last;
    int64_t noted_us; /* monotonic */
    uint64_t xmax;    /* of the first read that began GRACE later; 0: there was none yet */
};

struct ef_cursor {
    int64_t after;       /* the next read asks for ids above it */
    int64_t tracked;     /* ids up to here are accounted for: seen, or a gap, or a dropped gap */
    struct ef_gap *gaps; /* ascending, disjoint */
    int gap_count, gap_size;
    struct ef_run *runs; /* the same as a request's borrowed array */
    int run_size;
    int64_t unsure; /* ids above it, up to `tracked`, were seen, left the window unsent and are to
                       be read again; INT64_MAX: none */
    int64_t back;   /* asked to go back to while a read is open; INT64_MAX: nowhere */
    /* the open read */
    bool reading;
    int64_t read_began_us;
    bool max_id_asked;
    bool foreign_asked, foreign;   /* are there rows of status 1; as far as is known, yes */
    int64_t watched_from, watched; /* it reads again from there, and has come to there */
    int64_t watched_to;            /* `tracked` when it began */
    struct ef_run *unseen;         /* passed over between these */
    int unseen_count, unseen_size;
    int64_t foreign_asked_us; /* when a read asked last so that gaps may be dropped */
    /* sweeps */
    bool sweeping;
    bool beside;      /* in pieces, of which every other read is one; else `after` itself goes */
    bool piece;       /* the open or last read is one */
    int64_t sweep_at; /* the pieces have come to there */
    int64_t sweep_spent_us, sweep_next_us; /* next 0: at once, and before anything else is read */
    uint64_t sweeps, dropped, overflowed, regressed;
};

/* Bounds of the protocol. */
#define EF_CURSOR_GRACE_US (10 * EF_S_US)
enum { EF_CURSOR_GAPS_MAX = 10000 };

void ef_cursor_init(struct ef_cursor *cursor);
void ef_cursor_done(struct ef_cursor *cursor);
/* Forget all and begin with a sweep. */
void ef_cursor_reset(struct ef_cursor *cursor);

/* Fill after, gaps and want_max_id of a read that starts now. */
void ef_cursor_begin(struct ef_cursor *cursor, ef_mono now, struct ef_fetch *fetch);
/* The open read's snapshot holds rows of status 1. Told before its first row. */
void ef_cursor_foreign(struct ef_cursor *cursor);
/* A row of the open read, in the order in which rows come. */
void ef_cursor_saw(struct ef_cursor *cursor, int64_t id);
/* The open read ended well; its snapshot may let gaps go. */
void ef_cursor_end(struct ef_cursor *cursor, ef_mono now, const struct ef_fetched *fetched);
/* The open read failed or was given up: what it showed stays noted, nothing more is concluded. */
void ef_cursor_abort(struct ef_cursor *cursor);

/* Read again everything above id (a row below was decided). */
void ef_cursor_back(struct ef_cursor *cursor, int64_t id);
/* Read again this one row, which was seen before. */
void ef_cursor_ask(struct ef_cursor *cursor, ef_mono now, int64_t id);
/* Sweep from the next read on, before anything else is read. */
void ef_cursor_sweep(struct ef_cursor *cursor);
/* True if a sweep is due by the budget of 5 % of the time. */
bool ef_cursor_sweep_due(const struct ef_cursor *cursor, ef_mono now);
