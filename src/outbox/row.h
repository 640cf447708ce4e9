// SPDX-License-Identifier: MIT
/*
 * A row of an outbox table as a store reads it, and the batch whose memory holds it.
 *
 * A batch owns its arena; rows borrow from it. Batches are reference-counted: the store's callback
 * hands over one reference, each row that stays in the window or with the publisher holds one.
 * Thread: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

enum ef_status { /* contract.md, Table */
                 EF_STATUS_PENDING = 0,
                 EF_STATUS_PROCESSING = 1, /* set by other relays only */
                 EF_STATUS_DONE = 2,
                 EF_STATUS_FAILED = 3, /* waits for next_retry_at */
                 EF_STATUS_DEAD = 4,
};

enum ef_payload_kind { EF_PAYLOAD_JSON, EF_PAYLOAD_TEXT, EF_PAYLOAD_BYTES };

struct ef_row {
    int64_t id;            /* order within the outbox */
    int64_t created_at_us; /* wall clock of the database, microseconds since 1970 UTC */
    struct ef_slice message_id;
    struct ef_slice aggregate_type;
    struct ef_slice aggregate_id; /* NULL: no order */
    struct ef_slice topic;
    struct ef_slice key;
    struct ef_slice payload; /* NULL: tombstone, or not loaded (payload_bytes > 0) */
    struct ef_slice headers; /* JSON text as the server prints it */
    struct ef_slice trace_id;
    int64_t payload_bytes; /* > 0 and payload NULL: too large, was not loaded */
    int32_t partition;     /* -1: none given */
    int16_t status;
    bool held_back; /* of status 3 and not due yet, or behind a row of status 3 of its aggregate: it
                       only tells that it is there, and has no payload, headers or status */
    enum ef_payload_kind payload_kind;
    int32_t attempts;
};

/* Bytes of its texts, by which a read is cut into chunks. */
size_t ef_row_bytes(const struct ef_row *row);

struct ef_batch {
    int refs;
    struct ef_arena arena;
    struct ef_row *rows; /* in the arena */
    int count, size;
    bool foreign;         /* of a fetch: what `foreign` in its answer will be (read.h) */
    int window_rows;      /* rows in the window (window.c) */
    int64_t window_bytes; /* what the window counted for it */
};

struct ef_batch *ef_batch_new(int size);
struct ef_batch *ef_batch_ref(struct ef_batch *batch);
void ef_batch_unref(struct ef_batch *batch);
/* Memory the batch holds, and what its rows take elsewhere while they are under way. */
size_t ef_batch_bytes(const struct ef_batch *batch);
