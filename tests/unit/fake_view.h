// SPDX-License-Identifier: MIT
/*
 * A daemon of wood: relays that only show what a test put into them, a view of them, a real loop.
 * It defines the functions of relay.h that admin calls, so the real relay is not linked. To be
 * included by one .c file of a program only.
 */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "admin/view.h"
#include "loop/loop.h"
#include "relay/relay.h"

struct ef_relay {
    struct ef_relay_status status;
    char actor[128], reason[256]; /* of the last pause */
    int pauses, resumes, drains;
    struct ef_error fail; /* what the next verb ends with; class NONE: success */
    bool hold;            /* keep done() until fake_finish */
    void (*done)(void *arg, const struct ef_error *err);
    void *done_arg;
    void (*operated)(void *arg, const char *json, const struct ef_error *err);
    const char *listed; /* its answer; NULL: something */
    int operations;
    char operation[256]; /* the last one: verb and arguments, or its filter's topic and ids */
    struct ef_deferred deferred;
};

static struct {
    struct ef_loop *loop;
    struct ef_metrics *metrics;
    struct ef_relay relays[3];
    int count;
    struct ef_view_kafka kafka;
    struct ef_view view;
    int refreshes, reloads;
    struct ef_error reload_error; /* class NONE: success */
} fake;

static const char *const fake_states[EF_RELAY_STATE_COUNT] = {
    "stopped", "connecting", "checking", "misconfigured", "standby",
    "foreign", "running",    "paused",   "draining",      "releasing"};

const char *ef_relay_state_name(enum ef_relay_state state)
{
    return fake_states[state];
}

void ef_relay_status(const struct ef_relay *relay, struct ef_relay_status *ret)
{
    *ret = relay->status;
}

static void fake_done(void *arg)
{
    struct ef_relay *relay = arg;
    void (*done)(void *, const struct ef_error *) = relay->done;
    relay->done = NULL;
    done(relay->done_arg, relay->fail.class ? &relay->fail : NULL);
}

static void fake_verb(struct ef_relay *relay, void (*done)(void *arg, const struct ef_error *err),
                      void *arg)
{
    assert(!relay->done); /* one verb at a time */
    relay->done = done;
    relay->done_arg = arg;
    ef_deferred_init(&relay->deferred, fake.loop, "test", fake_done, relay);
    if (!relay->hold)
        ef_defer(&relay->deferred);
}

void ef_relay_pause(struct ef_relay *relay, bool pause, const char *actor, const char *reason,
                    void (*done)(void *arg, const struct ef_error *err), void *arg)
{
    if (pause)
        relay->pauses++;
    else
        relay->resumes++;
    snprintf(relay->actor, sizeof(relay->actor), "%s", actor ? actor : "");
    snprintf(relay->reason, sizeof(relay->reason), "%s", reason ? reason : "");
    fake_verb(relay, done, arg);
}

void ef_relay_drain(struct ef_relay *relay, void (*done)(void *arg, const struct ef_error *err),
                    void *arg)
{
    relay->drains++;
    fake_verb(relay, done, arg);
}

static void fake_operated(void *arg)
{
    struct ef_relay *relay = arg;
    void (*operated)(void *, const char *, const struct ef_error *) = relay->operated;
    relay->operated = NULL;
    const char *answer = relay->listed ? relay->listed : "{\"rows\":1,\"more\":false}";
    operated(relay->done_arg, relay->fail.class ? NULL : answer,
             relay->fail.class ? &relay->fail : NULL);
}

/* The answer that is still to come, without the loop. */
static inline void fake_answer(struct ef_relay *relay)
{
    if (!relay->operated)
        return;
    ef_deferred_cancel(&relay->deferred);
    fake_operated(relay);
}

void ef_relay_operate(struct ef_relay *relay, const struct ef_operation *op,
                      void (*done)(void *arg, const char *json, const struct ef_error *err),
                      void *arg)
{
    assert(!relay->operated);
    relay->operations++;
    relay->operated = done;
    relay->done_arg = arg;
    if (op->kind == EF_OPERATION_ROWS)
        snprintf(relay->operation, sizeof(relay->operation), "rows %.*s %u %d %d",
                 (int)op->filter.topic.len, op->filter.topic.p ? op->filter.topic.p : "",
                 op->filter.statuses, op->filter.id_count, op->filter.limit);
    else
        snprintf(relay->operation, sizeof(relay->operation), "%s %s", op->verb, op->args);
    snprintf(relay->actor, sizeof(relay->actor), "%s", op->actor);
    ef_deferred_init(&relay->deferred, fake.loop, "test", fake_operated, relay);
    ef_defer(&relay->deferred);
}

static int fake_count(void *arg)
{
    (void)arg;
    return fake.count;
}

static struct ef_relay *fake_at(void *arg, int i)
{
    (void)arg;
    return &fake.relays[i];
}

static void fake_kafka(void *arg, struct ef_view_kafka *ret)
{
    (void)arg;
    *ret = fake.kafka;
}

static void fake_refresh(void *arg)
{
    (void)arg;
    fake.refreshes++;
}

static bool fake_reload(void *arg, struct ef_buf *text, struct ef_error *err)
{
    (void)arg;
    fake.reloads++;
    if (fake.reload_error.class) {
        *err = fake.reload_error;
        return false;
    }
    ef_buf_puts(text, "changed: outboxes.orders.poll_interval\n");
    return true;
}

static void fake_outbox(struct ef_relay *relay, const char *name)
{
    *relay =
        (struct ef_relay){.status = {
                              .name = name,
                              .database = "shop",
                              .table = "public.outbox",
                              .state = EF_RELAY_RUNNING,
                              .ready = true,
                              .server = "7301/16384",
                              .version = "PostgreSQL 15.20",
                              .lease_held = true,
                              .lease_owner = "relay-1",
                              .lease_epoch = 7,
                              .standbys = {.known = true,
                                           .count = 2,
                                           .relays = {{"relay-2", "host-b"}, {"host-c", "host-c"}}},
                              .lease_expires_in_ms = 8000,
                              .lease_renewal_age_ms = 1500,
                              .in_flight_rows = 12,
                              .in_flight_bytes = 4096,
                              .window_rows = 20000,
                              .window_bytes = 16777216,
                              .window_limit_bytes = 16777216,
                              .cursor_id = 4711,
                              .gap_runs = 2,
                              .fetched = 120,
                              .delivered = 110,
                              .settled = 100,
                              .lag_known = true,
                              .lag = {.backlog_rows = 20,
                                      .waiting_rows = 3,
                                      .dead_rows = 1,
                                      .blocked_aggregates = 2,
                                      .oldest_unfinished_age_s = 1.5,
                                      .archive_partitions = 26,
                                      .archive_bytes = 8192},
                              .last_settle_ms = 40,
                              .on_delivered = "archive",
                              .wake = "notify",
                          }};
}

__attribute__((unused)) static void fake_setup(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.loop = ef_loop_new();
    fake.metrics = ef_metrics_new();
    fake.count = 2;
    fake_outbox(&fake.relays[0], "orders");
    fake_outbox(&fake.relays[1], "mails");
    fake_outbox(&fake.relays[2], "late");
    fake.kafka = (struct ef_view_kafka){.brokers = "kafka-1:9092", .up = true, .brokers_up = 3};
    fake.view = (struct ef_view){.instance = "relay-1",
                                 .metrics = fake.metrics,
                                 .relay_count = fake_count,
                                 .relay_at = fake_at,
                                 .kafka = fake_kafka,
                                 .refresh = fake_refresh,
                                 .reload = fake_reload};
}

__attribute__((unused)) static void fake_teardown(void)
{
    ef_metrics_free(fake.metrics);
    ef_loop_free(fake.loop);
}
