// SPDX-License-Identifier: MIT
/*
 * The open read of a driver, whatever its database: rows into batches, batches to the relay, chunk
 * by chunk, and what the end of a read means. The driver decodes the rows, reads the header of the
 * snapshot, and stops and goes on taking rows.
 *
 * Owns: the batch being filled. Thread: the loop's. Life: _begin, then _row and _took for each row,
 * then _end.
 */
#pragma once

#include "store/store.h"

struct ef_intake {
    /* the driver's to set */
    bool discard;                        /* rows that still come are not wanted */
    bool header_seen, fenced, rewritten; /* what the header said */
    bool misshapen;                      /* columns came that were not asked for */
    bool paused;
    struct ef_fetched result;
    /* private */
    int64_t after, max_bytes;
    int max_rows;
    struct ef_batch *batch;
    int64_t bytes_since_pause;
    int gap_rows, main_rows;
    int64_t last_id;
    bool out_of_order;
};

void ef_intake_begin(struct ef_intake *intake, const struct ef_fetch *fetch);
/* Room for the row with this id, to be filled from *arena; NULL: it is not wanted. */
struct ef_row *ef_intake_row(struct ef_intake *intake, int64_t id, struct ef_arena **arena);
/* The row is filled. When a chunk is full, `pause` is called and the chunk handed over. */
void ef_intake_took(struct ef_intake *intake, struct ef_store *store, const struct ef_row *row,
                    void (*pause)(struct ef_store *store));
/* Completes the fetch; err: the statement's own, or NULL. */
void ef_intake_end(struct ef_intake *intake, struct ef_store *store, const struct ef_error *err);
