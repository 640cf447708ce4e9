// SPDX-License-Identifier: MIT
/*
 * Bump allocator for one batch of rows: the rows live in the batch's memory and go together.
 * Owns its chunks. Thread: the loop's. Life: init .. done; reset keeps the first chunk.
 */
#pragma once

#include <stddef.h>

struct ef_arena_chunk;

struct ef_arena {
    struct ef_arena_chunk *chunks; /* newest first */
    char *next;
    size_t left;
    size_t chunk_bytes; /* size of a normal chunk; larger requests get a chunk of their own */
    size_t total_bytes; /* memory held */
};

void ef_arena_init(struct ef_arena *arena, size_t chunk_bytes);
void ef_arena_done(struct ef_arena *arena);
/* Forget everything in it; one normal chunk is kept, so that scratch memory costs no allocation. */
void ef_arena_reset(struct ef_arena *arena);
/* 8-byte aligned, not zeroed. Never NULL. */
void *ef_arena_alloc(struct ef_arena *arena, size_t size);
/* Copy of bytes plus a NUL. */
char *ef_arena_copy(struct ef_arena *arena, const void *data, size_t len);
