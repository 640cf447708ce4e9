// SPDX-License-Identifier: MIT
#include "outbox/holds.h"

#include <stdlib.h>

#include "base/hash.h"

struct ef_held {
    UT_hash_handle hh;
    struct ef_hold hold;
    char key[]; /* 't' or 'a', then the name */
};

enum { KEY_MAX_BYTES = 1025 };

void ef_holds_init(struct ef_holds *holds)
{
    *holds = (struct ef_holds){0};
}

void ef_holds_clear(struct ef_holds *holds)
{
    struct ef_held *held, *next;
    HASH_ITER (hh, holds->by_name, held, next) {
        HASH_DEL(holds->by_name, held);
        free((char *)held->hold.actor);
        free((char *)held->hold.reason);
        free(held);
    }
    *holds = (struct ef_holds){0};
}

static struct ef_held *find(const struct ef_holds *holds, bool topic, struct ef_slice name)
{
    char key[KEY_MAX_BYTES];
    struct ef_held *held = NULL;
    if (!name.p || name.len + 1 > sizeof(key))
        return NULL;
    key[0] = topic ? 't' : 'a';
    memcpy(key + 1, name.p, name.len);
    HASH_FIND(hh, holds->by_name, key, name.len + 1, held);
    return held;
}

static void add(struct ef_holds *holds, const struct ef_hold *hold)
{
    if (hold->name.len + 1 > KEY_MAX_BYTES || find(holds, hold->topic, hold->name))
        return;
    struct ef_held *held = ef_xcalloc(1, sizeof(*held) + hold->name.len + 1);
    held->hold = *hold;
    held->hold.actor = ef_xstrdup(hold->actor ? hold->actor : "");
    held->hold.reason = ef_xstrdup(hold->reason ? hold->reason : "");
    held->key[0] = hold->topic ? 't' : 'a';
    memcpy(held->key + 1, hold->name.p, hold->name.len);
    held->hold.name = (struct ef_slice){held->key + 1, hold->name.len};
    HASH_ADD(hh, holds->by_name, key, hold->name.len + 1, held);
    holds->count++;
    holds->topics += hold->topic;
}

void ef_holds_set(struct ef_holds *holds, const struct ef_hold *items, int count)
{
    ef_holds_clear(holds);
    for (int i = 0; i < count && holds->count < EF_HOLDS_MAX; i++)
        add(holds, &items[i]);
}

const struct ef_hold *ef_holds_of(const struct ef_holds *holds, struct ef_slice topic,
                                  struct ef_slice aggregate)
{
    struct ef_held *held = NULL;
    if (holds->topics > 0)
        held = find(holds, true, topic);
    if (!held && holds->count > holds->topics)
        held = find(holds, false, aggregate);
    return held ? &held->hold : NULL;
}

const struct ef_hold *ef_holds_at(const struct ef_holds *holds, int i)
{
    const struct ef_held *held = holds->by_name;
    while (held && i-- > 0)
        held = held->hh.next;
    return held ? &held->hold : NULL;
}
