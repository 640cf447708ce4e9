// SPDX-License-Identifier: MIT
/*
 * One relay per configured outbox: drives rows from its store to the publisher and back through a
 * state machine (machine.c holds the table). Nothing else knows all the parts.
 *
 * Owns: its store, window, cursor, lease file. Borrows: loop, publisher, config, metrics.
 * Thread: the loop's. Life: ef_relay_new -> ef_relay_start -> ... -> ef_relay_stop -> `stopped` ->
 * ef_relay_free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/metrics.h"
#include "config/config.h"
#include "kafka/publisher.h"
#include "loop/loop.h"
#include "store/store.h"

struct ef_relay;

enum ef_relay_state {
    EF_RELAY_STOPPED,       /* not started, or finished */
    EF_RELAY_CONNECTING,    /* waits for the database */
    EF_RELAY_CHECKING,      /* looks at table, columns, privileges */
    EF_RELAY_MISCONFIGURED, /* the operator must act; looked at again every 10 s */
    EF_RELAY_STANDBY,       /* another relay owns the table, or the server changed lately */
    EF_RELAY_FOREIGN,       /* owner, but a relay of another kind still works on rows */
    EF_RELAY_RUNNING,
    EF_RELAY_PAUSED,
    EF_RELAY_DRAINING, /* waits for acks, then settles */
    EF_RELAY_RELEASING,
    EF_RELAY_STATE_COUNT,
};

const char *ef_relay_state_name(enum ef_relay_state state);

struct ef_relay_paused_topic {
    char topic[250];
    char reason[256];
    int64_t since_ms;      /* ago */
    int64_t next_probe_ms; /* from now */
};

struct ef_relay_hold {
    bool topic; /* else an aggregate */
    char name[250];
    char by[128], reason[256];
    int64_t at_us; /* wall clock of the database */
};

/* A picture of the moment, for /status, /readyz, the control socket. Strings are copies. */
struct ef_relay_status {
    const char *name, *database, *table; /* borrowed from the config */
    enum ef_relay_state state;
    char reason[768]; /* why it is not simply running; "" if it is */
    bool ready;       /* by the rule of contract.md, Health */
    bool outage;      /* Kafka cannot be reached */
    bool paused;
    char paused_by[128], pause_reason[256];
    char server[128], version[32];
    bool lease_held;
    char lease_owner[128];       /* somebody else's while STANDBY */
    struct ef_standbys standbys; /* as of the last answer about the lease */
    int64_t lease_epoch, lease_expires_in_ms, lease_renewal_age_ms;
    int64_t in_flight_rows, in_flight_bytes, window_rows, window_bytes, window_limit_bytes;
    int64_t cursor_id, gap_runs;
    uint64_t fetched, delivered, settled, retried, dead, id_regressions, sweeps, fate_barriers;
    bool lag_known;
    struct ef_lag lag;      /* of the last look, at most 10 s old */
    int64_t last_settle_ms; /* ago; -1: never */
    int64_t oldest_in_flight_ms;
    struct ef_relay_paused_topic topics[16];
    int topic_count; /* all paused topics; the first 16 are above */
    struct ef_relay_hold holds[16];
    int hold_count;       /* all of them; the first 16 are above. The owner knows them */
    int commands_waiting; /* operators' requests that the owner has not carried out yet */
    const char *on_delivered, *wake;
};

struct ef_relay_deps {
    struct ef_loop *loop;
    struct ef_metrics *metrics;
    struct ef_publisher *publisher;
    const struct ef_config *config;
    const struct ef_config_outbox *outbox;
    /* Makes the store for this outbox (postgres, mysql, memory). */
    struct ef_store *(*make_store)(void *arg, const struct ef_config_outbox *outbox,
                                   const struct ef_store_user *user, void *user_arg);
    void *make_store_arg;
    void (*stopped)(void *arg, struct ef_relay *relay);
    void *stopped_arg;
    /* Here for an operator's act: it asks for the lease only once there is a command to carry out,
     * so that questions keep no daemon waiting, and nobody counts on it as a standby. */
    bool passing;
    /* What an examination of the database has found, in place of what the one before did; report is
     * borrowed until the call returns, NULL: nothing is known any more. May be NULL: not wanted. */
    void (*found)(void *arg, struct ef_relay *relay, const struct ef_report *report);
    void *found_arg;
};

struct ef_relay *ef_relay_new(const struct ef_relay_deps *deps);
void ef_relay_start(struct ef_relay *relay);
/* Stop fetching, wait for acks, settle, release the lease, then `stopped`. */
void ef_relay_stop(struct ef_relay *relay);
/* Give up waiting: what is under way stays unsettled (it can only repeat). `stopped` comes soon. */
void ef_relay_stop_now(struct ef_relay *relay);
void ef_relay_free(struct ef_relay *relay);

/* Operators' verbs; done() is called once, at once where the answer is known. Any relay of the
 * table may write the pause mark; the owner obeys it within one lease renewal. */
void ef_relay_pause(struct ef_relay *relay, bool pause, const char *actor, const char *reason,
                    void (*done)(void *arg, const struct ef_error *err), void *arg);
/* Stop fetching, finish what is in flight, then stay paused in memory until resume: done() when
 * nothing is in flight. */
void ef_relay_drain(struct ef_relay *relay, void (*done)(void *arg, const struct ef_error *err),
                    void *arg);

enum ef_operation_kind { EF_OPERATION_ROWS, EF_OPERATION_COMMAND };

/* What operators ask of an outbox's rows; borrowed until the call returns. */
struct ef_operation {
    enum ef_operation_kind kind;
    struct ef_row_filter filter;     /* ROWS */
    const char *verb, *args, *actor; /* COMMAND; args is a JSON object (outbox/command.h) */
};

/*
 * ROWS lists them; a COMMAND goes into the command table, where the owner, whichever relay that is,
 * finds it with its next renewal. done() is called once, never from inside: with the listing, or
 * the command's result. Errors: CONFIG (it makes no sense, or cannot be done so), OUTAGE (no
 * database), BUSY (too many at once), UNCERTAIN (nobody carried it out within a minute: it waits
 * on; the text says for what).
 */
void ef_relay_operate(struct ef_relay *relay, const struct ef_operation *operation,
                      void (*done)(void *arg, const char *json, const struct ef_error *err),
                      void *arg);

/* Take over reloadable options of another config (the relay keeps borrowing it instead of the old
 * one). */
void ef_relay_reload(struct ef_relay *relay, const struct ef_config *config,
                     const struct ef_config_outbox *outbox);

/* Of a relay that owns its table now, else NULL; borrowed until the relay reloads or ends. */
const struct ef_config_outbox *ef_relay_owned(const struct ef_relay *relay);
void ef_relay_status(const struct ef_relay *relay, struct ef_relay_status *ret);
/* Unsettled rows that were delivered or are in flight (for the exit code). */
int64_t ef_relay_unsettled(const struct ef_relay *relay);
