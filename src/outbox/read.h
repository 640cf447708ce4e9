// SPDX-License-Identifier: MIT
/*
 * One read of an outbox as a question and its answer: what the cursor asks and a store tells. Plain
 * values.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ef_run { /* ids first..last, both included */
    int64_t first, last;
};

struct ef_fetch {
    int64_t epoch;
    int64_t after;             /* rows with id > after ... */
    const struct ef_run *gaps; /* ... and rows in these runs (all <= after) */
    int gap_count;
    bool all_gaps;     /* no gap is known beside these (those above `after` are not asked for) */
    int max_rows;      /* of each of the two parts */
    int64_t max_bytes; /* a chunk is handed over when it holds this much, and reading pauses */
    bool want_max_id;
    bool want_foreign; /* say whether rows of status 1 are in the snapshot */
};

struct ef_fetched {
    int rows;       /* handed over by `rows` */
    bool gaps_full; /* the gap part was cut by max_rows: rows beyond `after` were not given */
    bool full;      /* the part beyond `after` was cut by max_rows */
    /* If wanted: the snapshot holds rows of status 1. Another kind of relay may finish them at any
     * time, and the rows behind them, which this read did not show, appear. */
    bool foreign;
    /* Every transaction numbered below xmin had ended at the snapshot; xmax is above every number
     * given out until then (PostgreSQL's pg_snapshot_xmax is not: it is one above the highest that
     * has ended). A database that shows no such numbers counts reads instead: of the transactions
     * that may bring a row of the gaps asked for, those which a read before xmin met have ended. */
    uint64_t xmin, xmax;
    int64_t xmax_at_us; /* monotonic time at which xmax was asked for; 0: with this read */
    int64_t max_id;     /* if wanted and the table has rows, else INT64_MIN */
};
