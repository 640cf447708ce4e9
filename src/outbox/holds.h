// SPDX-License-Identifier: MIT
/*
 * What an operator holds back in an outbox: topics and aggregates, each with who and why. The
 * database keeps them (table `hold`); this is what the owner knows of it. Pure.
 *
 * Owns copies. Thread: the loop's. Life: ef_holds_init .. ef_holds_clear.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { EF_HOLDS_MAX = 1000 }; /* in all, of one outbox */

struct ef_hold {
    bool topic;           /* name is a topic's; else an aggregate's */
    struct ef_slice name; /* never NULL */
    const char *actor, *reason;
    int64_t at_us; /* wall clock of the database */
};

struct ef_held;

struct ef_holds {
    struct ef_held *by_name; /* uthash */
    int count, topics;
};

void ef_holds_init(struct ef_holds *holds);
void ef_holds_clear(struct ef_holds *holds);
/* These and no others; copies. */
void ef_holds_set(struct ef_holds *holds, const struct ef_hold *items, int count);
/* What holds a row of this topic and aggregate (p NULL: of none), or NULL. Valid until the next
 * change. */
const struct ef_hold *ef_holds_of(const struct ef_holds *holds, struct ef_slice topic,
                                  struct ef_slice aggregate);
/* The i-th, from 0; NULL past the end. */
const struct ef_hold *ef_holds_at(const struct ef_holds *holds, int i);
