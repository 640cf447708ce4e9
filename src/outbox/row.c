// SPDX-License-Identifier: MIT
#include "outbox/row.h"

#include <assert.h>
#include <stdlib.h>

/* What a row takes beside its batch while it is under way: its entry in the window, and the message
 * with its headers in librdkafka 2.0 (590 were measured with five headers). */
enum { BESIDE_BYTES = 600 };

/* Holds some dozen small rows, so that little of the last one stays empty; a large payload gets a
 * chunk of its own (arena.h). */
enum { BATCH_CHUNK_BYTES = 16 * 1024 };

size_t ef_row_bytes(const struct ef_row *row)
{
    return row->message_id.len + row->aggregate_type.len + row->aggregate_id.len + row->topic.len +
           row->key.len + row->payload.len + row->headers.len + row->trace_id.len;
}

struct ef_batch *ef_batch_new(int size)
{
    struct ef_batch *batch = ef_xcalloc(1, sizeof(*batch));
    batch->refs = 1;
    batch->size = size;
    ef_arena_init(&batch->arena, BATCH_CHUNK_BYTES);
    batch->rows = ef_arena_alloc(&batch->arena, (size_t)size * sizeof(*batch->rows));
    return batch;
}

struct ef_batch *ef_batch_ref(struct ef_batch *batch)
{
    batch->refs++;
    return batch;
}

void ef_batch_unref(struct ef_batch *batch)
{
    if (!batch)
        return;
    assert(batch->refs > 0);
    if (--batch->refs > 0)
        return;
    ef_arena_done(&batch->arena);
    free(batch);
}

size_t ef_batch_bytes(const struct ef_batch *batch)
{
    return sizeof(*batch) + batch->arena.total_bytes + (size_t)batch->count * BESIDE_BYTES;
}
