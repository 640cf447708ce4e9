// SPDX-License-Identifier: MIT
/*
 * What listeners of /events are told: every second the parts of the page that have changed, as one
 * event of a text/event-stream whose data is JSON: {"run", "layout", "parts": {id: html}}; "run"
 * names this start of the program, "layout" (ef_page_layout) is there if it changed. The first
 * event has everything. Rendered once for all listeners, and only while there are any.
 *
 * Owns: its listeners and what they have not read yet (bounded each). A listener that does not read
 * for 10 s, or is too far behind, is dropped. Borrows: loop, admin. Knows no sockets and no HTTP
 * library. Thread: the loop's. Life: ef_events_new .. ef_events_free, when all listeners have left.
 */
#pragma once

#include <sys/types.h>

#include "admin/admin.h"

enum { EF_EVENTS_LISTENERS_MAX = 16 };

struct ef_events;
struct ef_listener;

/* For a listener, with its arg; never called from inside ef_events_join or ef_listener_read. */
struct ef_events_calls {
    void (*ready)(void *arg); /* there is something to read, or the end */
    void (*drop)(void *arg);  /* it is too slow: close its connection */
};

struct ef_events *ef_events_new(struct ef_loop *loop, struct ef_admin *admin,
                                const struct ef_events_calls *calls);
/* All listeners read their end from now on, and each is told by ready(). */
void ef_events_end(struct ef_events *events);
void ef_events_free(struct ef_events *events);

/* NULL: there are EF_EVENTS_LISTENERS_MAX already. */
struct ef_listener *ef_events_join(struct ef_events *events, void *arg);
void ef_events_leave(struct ef_listener *listener);
/* How often listeners are told, by the number of outboxes. */
int64_t ef_events_every_us(int outboxes);
int ef_events_count(const struct ef_events *events);

/* Bytes copied; 0: nothing for now; -1: the end. */
ssize_t ef_listener_read(struct ef_listener *listener, char *out, size_t size);
