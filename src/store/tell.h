// SPDX-License-Identifier: MIT
/*
 * What a store's check found out, for tools that ask the same database in their own session: names
 * as SQL, and the texts of the statements that the relay will run. Thread: the store's. Life: what
 * is given out is borrowed until the store's next check or its end.
 */
#pragma once

#include "store/store.h"

struct ef_store_names { /* quoted, ready for SQL */
    int outbox_id;
    const char *table;
    const char *ours;                  /* schema or database of our own tables */
    const char *lease, *registry;      /* names of our tables in it */
    const char *id, *status, *payload; /* columns */
    const char *topic;                 /* column; NULL: a constant, or none */
    bool payload_is_json;
};

/* False before a check has succeeded. */
bool ef_store_names(struct ef_store *store, struct ef_store_names *ret);

/*
 * PostgreSQL only: each statement as it is prepared, and the settings it runs under (one SELECT).
 * False before a check has succeeded, and on other databases, whose statements are written anew
 * each time.
 */
bool ef_store_statements(struct ef_store *store,
                         void (*fn)(void *arg, const char *name, const char *sql), void *arg,
                         char *settings, size_t size);
