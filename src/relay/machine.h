// SPDX-License-Identifier: MIT
/*
 * The relay's state machine as data: from, event, to, action, and the sentence for the log. Pure
 * table; relay.c drives it, tests and diagrams are made from it. An event without a row in a state
 * is ignored on purpose.
 */
#pragma once

#include <stddef.h>

#include "relay/relay.h"

enum ef_relay_event {
    EF_EVENT_START,
    EF_EVENT_DB_UP,
    EF_EVENT_DB_DOWN,
    EF_EVENT_CHECK_OK,
    EF_EVENT_CHECK_BAD,
    EF_EVENT_LOOK_AGAIN,
    EF_EVENT_LEASE_GRANTED,
    EF_EVENT_LEASE_LOST,
    EF_EVENT_FOREIGN_GONE,
    EF_EVENT_PAUSE,
    EF_EVENT_RESUME,
    EF_EVENT_STOP,
    EF_EVENT_DRAINED,
    EF_EVENT_RELEASED,
    EF_EVENT_COUNT,
};

struct ef_relay_edge {
    enum ef_relay_state from;
    enum ef_relay_event event;
    enum ef_relay_state to;
    void (*action)(struct ef_relay *relay); /* runs after the state has changed; may be NULL */
    const char *sentence;
};

extern const struct ef_relay_edge ef_relay_edges[];
extern const size_t ef_relay_edge_count;

const char *ef_relay_event_name(enum ef_relay_event event);
/* NULL: the event means nothing in this state. */
const struct ef_relay_edge *ef_relay_edge(enum ef_relay_state from, enum ef_relay_event event);
