// SPDX-License-Identifier: MIT
#include "outbox/idtable.h"

#include <assert.h>
#include <stdlib.h>

#include "base/str.h"

struct ef_idslot {
    int64_t id;
    void *value;
};

enum { SIZE_MIN = 64 };

/*
 * Eight ids of a sequence are neighbours; where a group of eight lies is scattered, so that ids
 * which step by a power of two (a sequence's INCREMENT BY) do not pile up.
 */
static size_t home(const struct ef_idtable *table, int64_t id)
{
    uint64_t group = (uint64_t)id >> 3;
    group *= UINT64_C(0x9e3779b97f4a7c15); /* 2^64 divided by the golden ratio */
    return (size_t)((group >> 29 << 3) + ((uint64_t)id & 7)) & (table->size - 1);
}

void ef_idtable_init(struct ef_idtable *table)
{
    *table = (struct ef_idtable){0};
}

void ef_idtable_done(struct ef_idtable *table)
{
    free(table->slots);
    *table = (struct ef_idtable){0};
}

/* Where the id is, or the free slot where it would go. */
static size_t place(const struct ef_idtable *table, int64_t id)
{
    size_t i = home(table, id);
    while (table->slots[i].value && table->slots[i].id != id)
        i = (i + 1) & (table->size - 1);
    return i;
}

void *ef_idtable_get(const struct ef_idtable *table, int64_t id)
{
    return table->size ? table->slots[place(table, id)].value : NULL;
}

static void grow(struct ef_idtable *table)
{
    struct ef_idtable former = *table;
    table->size = former.size ? former.size * 2 : SIZE_MIN;
    table->slots = ef_xcalloc(table->size, sizeof(*table->slots));
    for (size_t i = 0; i < former.size; i++)
        if (former.slots[i].value)
            table->slots[place(table, former.slots[i].id)] = former.slots[i];
    free(former.slots);
}

void ef_idtable_add(struct ef_idtable *table, int64_t id, void *value)
{
    if (table->count * 2 >= table->size)
        grow(table);
    size_t i = place(table, id);
    assert(!table->slots[i].value);
    table->slots[i] = (struct ef_idslot){id, value};
    table->count++;
}

/* Those behind it move up where the gap would hide them from a search. */
void ef_idtable_remove(struct ef_idtable *table, int64_t id)
{
    size_t mask = table->size - 1, gap = place(table, id);
    assert(table->slots[gap].value);
    table->slots[gap].value = NULL;
    table->count--;
    for (size_t i = (gap + 1) & mask; table->slots[i].value; i = (i + 1) & mask) {
        size_t at = home(table, table->slots[i].id);
        if (((i - at) & mask) < ((i - gap) & mask))
            continue; /* found without passing the gap */
        table->slots[gap] = table->slots[i];
        table->slots[i].value = NULL;
        gap = i;
    }
}
