// SPDX-License-Identifier: MIT
/*
 * The window: every row that was read and is not yet settled, in memory, and the order within
 * aggregates.
 *
 * Rows of one aggregate form a lane, in id order. Several of a lane may be in flight only while
 * they go to the same topic with the same key and partition; otherwise the later waits for the
 * earlier's acknowledgement. A row whose fate has to be written (failed, dead, or delivered after
 * it had waited in status 1 or 3) stands still in its lane, and everything behind it too, until the
 * decision is durable. Where status 3 is entered or left that takes the fate barrier, and the rows
 * behind leave the window unsent, to be read again; a pending row that becomes dead hides and shows
 * no other row, so it needs none and those behind it go on. Of an aggregate whose rows wait in
 * great number further ones are refused, so that others have room; none is taken before the refused
 * ones are read again. An id stays recognised until its settle is confirmed and every read that was
 * open then has ended.
 *
 * Owns its entries and lanes; an entry holds a reference to its row's batch until the row is
 * acknowledged. An entry in flight belongs to the publisher's report: after ef_window_clear it is
 * an orphan, freed by ef_window_release; until then it is counted, for it fills memory like any
 * other. Pure. Thread: the loop's. Life: _new .. _clear .. _free
 * (orphans may outlive it).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "outbox/row.h"

struct ef_window;
struct ef_lane;

enum ef_entry_state {
    EF_ENTRY_HELD,      /* waits behind another row of its lane */
    EF_ENTRY_READY,     /* may be produced */
    EF_ENTRY_IN_FLIGHT, /* with the publisher */
    EF_ENTRY_ASIDE,     /* its dead letter is with the publisher */
    EF_ENTRY_FAILED,    /* stopped; its dead letter or decision is still to come */
    EF_ENTRY_FATED,     /* decision made, waits for the barrier */
    EF_ENTRY_DECIDING,  /* decision is being written */
    EF_ENTRY_DELIVERED, /* waits to be settled */
    EF_ENTRY_SETTLING,
    EF_ENTRY_SETTLED, /* confirmed, but a read from before may still show it */
    EF_ENTRY_STATES,
};

enum ef_entry_fate { EF_ENTRY_RETRY, EF_ENTRY_DEAD, EF_ENTRY_DELIVERED_DURABLY };

struct ef_entry {
    int64_t id;
    int64_t created_us;
    const struct ef_row *row; /* NULL once acknowledged */
    struct ef_batch *batch;
    enum ef_entry_state state;
    bool alone;        /* send it by itself */
    bool send_time;    /* its own timestamp was refused */
    bool probe;        /* probes a paused topic */
    bool superseded;   /* its id came back as another row: never settle it */
    unsigned life;     /* of the table, counted by ef_window_rewritten */
    bool orphan;       /* the window forgot it while it was in flight */
    bool durable;      /* had status 1 or 3 in the table: leaving that needs the barrier */
    uint64_t identity; /* of message id and created_at */
    ef_mono seen_at, produced_at, acked_at;
    /* the decision */
    enum ef_entry_fate fate;
    int attempts;
    int64_t delay_ms;
    struct ef_error *error; /* owned; why it failed */
    /* private */
    struct ef_lane *lane;
    struct ef_entry *lane_prev, *lane_next;
    struct ef_entry *prev, *next;
};

enum ef_admitted {
    EF_ADMITTED,       /* new */
    EF_ADMIT_KNOWN,    /* already here */
    EF_ADMIT_REPLACED, /* its id was here as another row (ids began again); admitted as new */
    EF_ADMIT_REFUSED,  /* its aggregate holds its share of the window: to be read again later */
};

struct ef_window_stats {
    int64_t rows, bytes; /* bytes: with those of orphans */
    int64_t orphans;
    int64_t count[EF_ENTRY_STATES];
    uint64_t regressions; /* rows that came below one of their aggregate already sent */
};

struct ef_window_run { /* consecutive delivered ids */
    int64_t first, last, created_min_us, created_max_us;
};

struct ef_window *ef_window_new(bool order_by_type);
void ef_window_free(struct ef_window *window);
/* Forget everything; entries in flight become orphans. */
void ef_window_clear(struct ef_window *window);
/* The report of an orphan came: free it. window: the one that forgot it, NULL if that is gone. */
void ef_window_release(struct ef_window *window, struct ef_entry *entry);

/* The window's size (reading keeps to it): an aggregate's waiting rows may fill only a share. */
void ef_window_set_limits(struct ef_window *window, int64_t max_rows, int64_t max_bytes);
/* Between reads: aggregates of which rows were refused are open again where they hold less now.
 * Returns the lowest id refused, to read again from there; INT64_MAX if none. */
int64_t ef_window_reopen(struct ef_window *window);

/* Take a row in; *ret is its entry unless KNOWN or REFUSED. */
enum ef_admitted ef_window_admit(struct ef_window *window, struct ef_batch *batch,
                                 const struct ef_row *row, ef_mono now, struct ef_entry **ret);
/* The table was emptied or rewritten: ids read from now on may be others' of before. */
void ef_window_rewritten(struct ef_window *window);
/* The first row that may be produced, or NULL. It must be sent, failed or put off before the next
 * call. */
struct ef_entry *ef_window_next(struct ef_window *window);
void ef_window_sent(struct ef_window *window, struct ef_entry *entry, ef_mono now);
void ef_window_delivered(struct ef_window *window, struct ef_entry *entry, ef_mono now);
/* Not its fault: ready again, in id order with its lane. */
void ef_window_returned(struct ef_window *window, struct ef_entry *entry, bool alone);
/* A READY one has to go by itself: READY still, or HELD until what is before it has gone. */
void ef_window_alone(struct ef_window *window, struct ef_entry *entry);
/* It stands still (READY, IN_FLIGHT or ASIDE before); its lane behind it too. err is copied. */
void ef_window_failed(struct ef_window *window, struct ef_entry *entry, const struct ef_error *err);
/* Its dead letter is on its way / its fate is clear. */
void ef_window_aside(struct ef_window *window, struct ef_entry *entry);
void ef_window_fated(struct ef_window *window, struct ef_entry *entry, enum ef_entry_fate fate,
                     int attempts, int64_t delay_ms);
/* First entry of a state in the order in which they came to it, or NULL. */
struct ef_entry *ef_window_first(const struct ef_window *window, enum ef_entry_state state);

/* --- settling --- */
/* Cut delivered rows with ids below below_id (at most max_rows) into runs; they are SETTLING then.
 * Returns the number of runs; *ret_runs is borrowed until the next call, *ret_rows says how many
 * rows they hold. */
int ef_window_settle(struct ef_window *window, int64_t below_id, int max_rows,
                     const struct ef_window_run **ret_runs, int *ret_rows);
/* The settle ended: confirmed, or to be repeated. read_open: a read that may show the rows is under
 * way. */
void ef_window_settled(struct ef_window *window, bool confirmed, bool read_open);
/* Every read that was open has ended: settled ids are forgotten. */
void ef_window_read_ended(struct ef_window *window);

/* --- the fate barrier --- */
/* True if some decision that needs the barrier may be taken: nothing before or behind it in its
 * lane is in flight. */
bool ef_window_barrier_wanted(struct ef_window *window);
/* These decisions (at most max) are DECIDING now, those that need the barrier only behind it. Rows
 * behind the latter leave the window. */
int ef_window_decide(struct ef_window *window, struct ef_entry **ret, int max, bool barrier);
/*
 * Written: the entries are gone, or stay recognised as long as a read is open. Not written: FATED
 * again. Returns the lowest id to read again from, INT64_MAX if none: what stands behind a row that
 * is put to wait is held back by it in the table, and read when that one leaves status 3.
 * all_there: each decision has found its row, else nothing may hold back what was behind it; a read
 * that is open is to be given up then.
 */
int64_t ef_window_decided(struct ef_window *window, bool confirmed, bool all_there, bool read_open);

/* Rows not sent yet leave, to be read again later, but those of lanes with something in flight: ask
 * again when that has come back. Returns the lowest id among them, INT64_MAX if
 * none. */
int64_t ef_window_drop_unsent(struct ef_window *window);

const struct ef_window_stats *ef_window_stats(const struct ef_window *window);
