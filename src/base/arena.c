// SPDX-License-Identifier: MIT
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct ef_arena_chunk {
    struct ef_arena_chunk *next;
    size_t size;
    _Alignas(8) char data[];
};

void ef_arena_init(struct ef_arena *arena, size_t chunk_bytes)
{
    *arena = (struct ef_arena){.chunk_bytes = chunk_bytes};
}

void ef_arena_done(struct ef_arena *arena)
{
    struct ef_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct ef_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct ef_arena){.chunk_bytes = arena->chunk_bytes};
}

void ef_arena_reset(struct ef_arena *arena)
{
    struct ef_arena_chunk *keep = NULL, *next;
    for (struct ef_arena_chunk *chunk = arena->chunks; chunk; chunk = next) {
        next = chunk->next;
        if (!keep && chunk->size == arena->chunk_bytes)
            keep = chunk;
        else
            free(chunk);
    }
    *arena = (struct ef_arena){.chunk_bytes = arena->chunk_bytes};
    if (!keep)
        return;
    keep->next = NULL;
    arena->chunks = keep;
    arena->next = keep->data;
    arena->left = keep->size;
    arena->total_bytes = sizeof(*keep) + keep->size;
}

static struct ef_arena_chunk *add_chunk(struct ef_arena *arena, size_t size)
{
    struct ef_arena_chunk *chunk = ef_xmalloc(sizeof(*chunk) + size);
    chunk->size = size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->total_bytes += sizeof(*chunk) + size;
    return chunk;
}

void *ef_arena_alloc(struct ef_arena *arena, size_t size)
{
    size = size ? (size + 7) & ~(size_t)7 : 8; /* two empty pieces are still two places */
    if (size > arena->left) {
        if (size > arena->chunk_bytes / 2) /* keep what is left of the current chunk in use */
            return add_chunk(arena, size)->data;
        struct ef_arena_chunk *chunk = add_chunk(arena, arena->chunk_bytes);
        arena->next = chunk->data;
        arena->left = chunk->size;
    }
    void *p = arena->next;
    arena->next += size;
    arena->left -= size;
    return p;
}

char *ef_arena_copy(struct ef_arena *arena, const void *data, size_t len)
{
    char *p = ef_arena_alloc(arena, len + 1);
    if (len)
        memcpy(p, data, len);
    p[len] = '\0';
    return p;
}
