// SPDX-License-Identifier: MIT
/*
 * The in-memory driver: carries a store's verbs to a memory database (memory_db.h) and the answers
 * back, each leg with its own delay, and loses either when told to. For the contract suite and the
 * simulation.
 *
 * A server stands for the database's side: statements on their way belong to it, and one that has
 * been sent happens even if its store's connection breaks or its process is gone. Stores are the
 * relays' side, each perhaps with a loop of its own. Thread: the loops'. Life: ef_memory_server_new
 * .. stores .. ef_memory_server_free .. ef_memory_free.
 */
#pragma once

#include "loop/loop.h"
#include "store/memory_db.h"
#include "store/store.h"

struct ef_memory_server;

struct ef_memory_server *ef_memory_server_new(struct ef_loop *loop, struct ef_memory *db);
/* Statements still on their way never happen. */
void ef_memory_server_free(struct ef_memory_server *server);

/* Connected from the start, for the first `open`. */
struct ef_store *ef_memory_store_new(struct ef_loop *loop, struct ef_memory_server *server,
                                     const char *name, const struct ef_store_user *user,
                                     void *user_arg);

/* --- faults; `store` is one of ours --- */

/* How long a leg takes, asked for each: to the database, or back (for a fetch: each chunk). NULL:
 * no time, yet never inside the call. */
void ef_memory_store_delays(struct ef_store *store,
                            int64_t (*delay_us)(void *arg, enum ef_store_verb verb, bool back),
                            void *arg);

enum ef_memory_loss {
    EF_MEMORY_NEVER_ARRIVES, /* statements on their way are lost */
    EF_MEMORY_ARRIVES_LATE,  /* they happen late_us from now, though nobody hears of it */
};
/* The connection breaks: what is under way is answered UNCERTAIN (reads: OUTAGE), then `down`. */
void ef_memory_store_break(struct ef_store *store, enum ef_memory_loss loss, int64_t late_us);
/* It can be reached again: `up`. */
void ef_memory_store_connect(struct ef_store *store);
/* The next statement of this verb happens, then the connection breaks instead of the answer. */
void ef_memory_store_lose_answer(struct ef_store *store, enum ef_store_verb verb);
/* The next statement of this verb is answered with this error and changes nothing. */
void ef_memory_store_fail(struct ef_store *store, enum ef_store_verb verb,
                          const struct ef_error *err);
