// SPDX-License-Identifier: MIT
#include "relay/relay_private.h"

static const char *const state_names[EF_RELAY_STATE_COUNT] = {
    [EF_RELAY_STOPPED] = "stopped",   [EF_RELAY_CONNECTING] = "connecting",
    [EF_RELAY_CHECKING] = "checking", [EF_RELAY_MISCONFIGURED] = "misconfigured",
    [EF_RELAY_STANDBY] = "standby",   [EF_RELAY_FOREIGN] = "foreign",
    [EF_RELAY_RUNNING] = "running",   [EF_RELAY_PAUSED] = "paused",
    [EF_RELAY_DRAINING] = "draining", [EF_RELAY_RELEASING] = "releasing",
};

static const char *const event_names[EF_EVENT_COUNT] = {
    [EF_EVENT_START] = "start",
    [EF_EVENT_DB_UP] = "database up",
    [EF_EVENT_DB_DOWN] = "database down",
    [EF_EVENT_CHECK_OK] = "check passed",
    [EF_EVENT_CHECK_BAD] = "check failed",
    [EF_EVENT_LOOK_AGAIN] = "look again",
    [EF_EVENT_LEASE_GRANTED] = "lease granted",
    [EF_EVENT_LEASE_LOST] = "lease lost",
    [EF_EVENT_FOREIGN_GONE] = "foreign relay gone",
    [EF_EVENT_PAUSE] = "pause",
    [EF_EVENT_RESUME] = "resume",
    [EF_EVENT_STOP] = "stop",
    [EF_EVENT_DRAINED] = "drained",
    [EF_EVENT_RELEASED] = "released",
};

#define EDGE(FROM, EVENT, TO, ACTION, SENTENCE)                                                    \
    {                                                                                              \
        .from = EF_RELAY_##FROM, .event = EF_EVENT_##EVENT, .to = EF_RELAY_##TO, .action = ACTION, \
        .sentence = SENTENCE                                                                       \
    }

const struct ef_relay_edge ef_relay_edges[] = {
    EDGE(STOPPED, START, CONNECTING, ef_relay_do_open, "relay starts"),

    EDGE(CONNECTING, DB_UP, CHECKING, ef_relay_do_check,
         "database connected, looking at the table"),
    EDGE(CONNECTING, STOP, RELEASING, ef_relay_do_close, "relay stops before it had a database"),

    EDGE(CHECKING, CHECK_OK, STANDBY, ef_relay_do_stand_by, "table is fit, asking for its lease"),
    EDGE(CHECKING, CHECK_BAD, MISCONFIGURED, ef_relay_do_wait_for_operator,
         "outbox cannot be relayed as it is"),
    EDGE(CHECKING, DB_DOWN, CONNECTING, NULL, "database lost while looking at the table"),
    EDGE(CHECKING, STOP, RELEASING, ef_relay_do_close, "relay stops while looking at the table"),

    EDGE(MISCONFIGURED, LOOK_AGAIN, CHECKING, ef_relay_do_check, NULL),
    EDGE(MISCONFIGURED, DB_DOWN, CONNECTING, NULL, "database lost"),
    EDGE(MISCONFIGURED, STOP, RELEASING, ef_relay_do_close, "relay stops"),

    EDGE(STANDBY, LEASE_GRANTED, FOREIGN, ef_relay_do_look_for_foreign, "owner of the table now"),
    EDGE(STANDBY, CHECK_BAD, MISCONFIGURED, ef_relay_do_wait_for_operator,
         "outbox cannot be relayed as it is"),
    EDGE(STANDBY, DB_DOWN, CONNECTING, NULL, "database lost while standing by"),
    EDGE(STANDBY, STOP, RELEASING, ef_relay_do_close, "relay stops while standing by"),

    EDGE(FOREIGN, FOREIGN_GONE, RUNNING, ef_relay_do_run, "relaying"),
    EDGE(FOREIGN, LEASE_LOST, STANDBY, ef_relay_do_step_down, "lease lost"),
    EDGE(FOREIGN, CHECK_BAD, MISCONFIGURED, ef_relay_do_give_up_lease,
         "outbox cannot be relayed as it is"),
    EDGE(FOREIGN, STOP, DRAINING, ef_relay_do_drain, "stopping: waiting for acknowledgements"),

    EDGE(RUNNING, PAUSE, PAUSED, ef_relay_do_pause, "paused"),
    EDGE(RUNNING, LEASE_LOST, STANDBY, ef_relay_do_step_down,
         "lease lost, forgetting what was read"),
    EDGE(RUNNING, CHECK_BAD, MISCONFIGURED, ef_relay_do_give_up_lease,
         "outbox cannot be relayed as it is"),
    EDGE(RUNNING, STOP, DRAINING, ef_relay_do_drain, "stopping: waiting for acknowledgements"),

    EDGE(PAUSED, RESUME, RUNNING, ef_relay_do_run, "resumed"),
    EDGE(PAUSED, LEASE_LOST, STANDBY, ef_relay_do_step_down, "lease lost"),
    EDGE(PAUSED, CHECK_BAD, MISCONFIGURED, ef_relay_do_give_up_lease,
         "outbox cannot be relayed as it is"),
    EDGE(PAUSED, STOP, DRAINING, ef_relay_do_drain, "stopping: waiting for acknowledgements"),

    EDGE(DRAINING, DRAINED, RELEASING, ef_relay_do_release,
         "everything acknowledged is settled, releasing the lease"),
    EDGE(DRAINING, LEASE_LOST, RELEASING, ef_relay_do_close, "lease lost while stopping"),
    EDGE(DRAINING, CHECK_BAD, RELEASING, ef_relay_do_release, "outbox became unfit while stopping"),

    EDGE(RELEASING, RELEASED, RELEASING, ef_relay_do_close, NULL),
};

const size_t ef_relay_edge_count = sizeof(ef_relay_edges) / sizeof(ef_relay_edges[0]);

const char *ef_relay_state_name(enum ef_relay_state state)
{
    return (unsigned)state < EF_RELAY_STATE_COUNT ? state_names[state] : "unknown";
}

const char *ef_relay_event_name(enum ef_relay_event event)
{
    return (unsigned)event < EF_EVENT_COUNT ? event_names[event] : "unknown";
}

const struct ef_relay_edge *ef_relay_edge(enum ef_relay_state from, enum ef_relay_event event)
{
    for (size_t i = 0; i < ef_relay_edge_count; i++)
        if (ef_relay_edges[i].from == from && ef_relay_edges[i].event == event)
            return &ef_relay_edges[i];
    return NULL;
}
