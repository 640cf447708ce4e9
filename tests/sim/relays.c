// SPDX-License-Identifier: MIT
/* Relay processes: the product's relay with a loop, a store and a publisher of its own. */
#include "relay/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "outbox/window.h"
#include "sim/choice.h"
#include "sim/clockwork.h"
#include "sim/cover.h"
#include "sim/link.h"
#include "sim/publisher.h"
#include "sim/seams.h"
#include "sim/tell.h"
#include "sim/world.h"

static const char *const topic_names[SIM_TOPICS] = {"t0", "t1", "t2"};

static const char base_config[] =
    "kafka: {brokers: [\"b:9092\"]}\n"
    "databases: {d: {driver: postgres, url: \"postgresql://u@h/d\"}}\n"
    "outboxes: [{name: o, database: d, table: public.outbox, on_delivered: delete}]\n";

struct process {
    bool runs, stopping;
    bool ended;     /* has said that it stopped */
    bool hurried;   /* was told to stop now */
    bool disturbed; /* stood still while it stopped */
    bool owned_at_stop;
    uint32_t serial_at_stop;
    struct ef_loop *loop;
    struct ef_relay *relay;
    struct ef_store *store;
    struct sim_publisher *publisher;
    struct ef_config config;
    struct ef_config_outbox outbox, other; /* the other one comes with a reload */
    bool reloaded;
    char instance[24], state_dir[16];
    bool no_state_dir;
    struct sim_event give_up, start_again, end;
    int64_t mono_us, wall_skew_us;
    int64_t stall_publisher_us; /* its threads stand still with it */
};

static struct process processes[SIM_RELAYS];
static struct ef_config *base;
static struct ef_metrics *metrics;

const char *const *sim_topic_names(void)
{
    return topic_names;
}

/* --- configuration --- */

static void load_base(void)
{
    struct ef_config_problems problems = {0};
    struct ef_error err;
    if (base)
        return;
    base = ef_config_parse("sim.yaml", base_config, strlen(base_config), true, &problems, &err);
    if (!base) {
        fprintf(stderr, "sim: %s: %s\n", err.text, problems.count ? problems.items[0].text : "");
        abort();
    }
    ef_config_problems_free(&problems);
    metrics = ef_metrics_new();
}

static void draw_sizes(struct ef_config_outbox *o, int relay)
{
    static const int64_t rows[] = {40, 8, 16, 200};
    static const int64_t bytes[] = {1 << 20, 600, 3000, 20000};
    o->batch_max_rows = rows[sim_choose(SITE_RELAY_BATCH_ROWS, relay, 4)];
    o->window_max_rows = o->batch_max_rows * (1 + sim_choose(SITE_RELAY_WINDOW_ROWS, relay, 3));
    o->window_max_bytes = bytes[sim_choose(SITE_RELAY_WINDOW_BYTES, relay, 4)] * 100;
    o->batch_max_bytes = bytes[sim_choose(SITE_RELAY_BATCH_BYTES, relay, 4)];
    if (o->batch_max_bytes > o->window_max_bytes)
        o->batch_max_bytes = o->window_max_bytes;
    o->poll_interval_ms = 50 << sim_choose(SITE_RELAY_POLL, relay, 6);
    if (sim_choose_apart(SITE_RELAY_POLL_LONG, relay, 8) == 7)
        o->poll_interval_ms = 60000;
    o->retry.max_attempts = 2 + (int)sim_choose(SITE_RELAY_ATTEMPTS, relay, 4);
}

static void configure(struct process *p, int i, const struct ef_config_outbox *shared)
{
    snprintf(p->instance, sizeof(p->instance), "relay-%d", i);
    /* a directory that two of them share: only one gets the lock */
    snprintf(p->state_dir, sizeof(p->state_dir), "/sim/%d",
             sim_choose(SITE_RELAY_STATE, i, 4) == 3 ? 0 : i);
    p->config = *base;
    p->config.instance = p->instance;
    p->config.state_dir = p->no_state_dir ? NULL : p->state_dir;
    p->outbox = *shared;
    draw_sizes(&p->outbox, i);
    p->other = p->outbox;
    draw_sizes(&p->other, i);
    p->config.outboxes = &p->outbox;
    p->reloaded = false;
}

/* --- starting --- */

static struct ef_store *make_store(void *arg, const struct ef_config_outbox *outbox,
                                   const struct ef_store_user *user, void *user_arg)
{
    struct process *p = arg;
    p->store =
        sim_store_new(p->loop, (int)(p - processes), outbox->name, topic_names, user, user_arg);
    return p->store;
}

static void release(void *opaque)
{
    ef_window_release(NULL, opaque);
}

/* Its memory goes; what it has sent stays on its way. */
static void end_process(struct process *p)
{
    sim_loop_kill(p->loop);
    sim_enter(p->loop);
    ef_relay_free(p->relay);
    sim_publisher_kill(p->publisher, release);
    sim_leave(p->loop);
    sim_loop_free(p->loop);
    sim_event_stop(&p->give_up);
    p->runs = p->stopping = p->ended = false;
    p->relay = NULL;
    p->store = NULL;
}

static void on_ended(void *arg)
{
    struct process *p = arg;
    if (!p->ended)
        return;
    if (sim_loop_inside(p->loop))
        sim_event_start(&p->end, EF_MS_US);
    else
        end_process(p);
}

/* A stop that nothing disturbed leaves nothing behind. */
static void check_stop(struct process *p, int i)
{
    const struct sim_lease *lease = sim_db_lease();
    if (!p->owned_at_stop || p->hurried || p->disturbed || !sim_store_unbroken(p->store) ||
        lease->serial != p->serial_at_stop || lease->owner != i)
        return;
    int unsettled = sim_check_unsettled(i), under_way = sim_publisher_under_way(p->publisher);
    if (unsettled > 0)
        sim_violated(SIM_STOP, "relay %d stopped with %d acknowledged rows not settled", i,
                     unsettled);
    if (under_way > 0)
        sim_violated(SIM_STOP, "relay %d stopped with %d messages under way", i, under_way);
    if (lease->expires_us > sim_db_now_us())
        sim_violated(SIM_STOP, "relay %d stopped and holds its lease", i);
}

static void on_stopped(void *arg, struct ef_relay *relay)
{
    struct process *p = arg;
    int i = (int)(p - processes);
    (void)relay;
    TELL("relay %d: has stopped", i);
    if (!p->stopping)
        sim_violated(SIM_STOP, "relay %d stopped, and nobody had asked it to", i);
    check_stop(p, i);
    p->ended = true;
    sim_event_start(&p->end, 0);
}

static void on_give_up(void *arg)
{
    struct process *p = arg;
    if (!p->runs || p->ended)
        return;
    TELL("relay %d: is told to stop now", (int)(p - processes));
    p->hurried = true;
    ef_relay_stop_now(p->relay);
}

static void on_start_again(void *arg)
{
    struct process *p = arg;
    if (!p->runs)
        sim_relay_start((int)(p - processes));
}

static int64_t widest(const struct process *p)
{
    return p->outbox.window_max_rows > p->other.window_max_rows ? p->outbox.window_max_rows
                                                                : p->other.window_max_rows;
}

static void on_stalled(void *arg);

void sim_relay_start(int i)
{
    struct process *p = &processes[i];
    if (p->runs)
        return;
    p->loop = sim_loop_new(i + 1, p->mono_us, p->wall_skew_us);
    sim_loop_on_stall(p->loop, on_stalled, p);
    p->publisher = sim_publisher_new(p->loop, i, topic_names, widest(p));
    struct ef_relay_deps deps = {.loop = p->loop,
                                 .metrics = metrics,
                                 .publisher = sim_publisher_of(p->publisher),
                                 .config = &p->config,
                                 .outbox = p->reloaded ? &p->other : &p->outbox,
                                 .make_store = make_store,
                                 .make_store_arg = p,
                                 .stopped = on_stopped,
                                 .stopped_arg = p};
    p->runs = true;
    p->stopping = p->ended = p->hurried = p->disturbed = false;
    sim_check_started(i);
    sim_event_init(&p->give_up, p->loop, on_give_up, p);
    TELL("relay %d: starts", i);
    sim_enter(p->loop);
    p->relay = ef_relay_new(&deps);
    ef_relay_start(p->relay);
    sim_leave(p->loop);
}

/* --- what may befall them --- */

bool sim_relay_runs(int i)
{
    return processes[i].runs && !processes[i].ended;
}

void sim_relay_kill(int i)
{
    struct process *p = &processes[i];
    if (!p->runs || sim_loop_inside(p->loop))
        return; /* its callback is under way: it cannot end here */
    TELL("relay %d: is killed", i);
    end_process(p);
}

void sim_relay_start_later(int i, int64_t us)
{
    sim_event_start(&processes[i].start_again, us);
}

void sim_relay_stop(int i, int64_t patience_us)
{
    struct process *p = &processes[i];
    if (!sim_relay_runs(i) || p->stopping || sim_loop_inside(p->loop))
        return;
    TELL("relay %d: is asked to stop", i);
    p->stopping = true;
    p->disturbed = sim_loop_frozen(p->loop);
    p->serial_at_stop = sim_db_lease()->serial;
    sim_store_watch(p->store);
    sim_event_start(&p->give_up, patience_us);
    sim_enter(p->loop);
    struct ef_relay_status status;
    ef_relay_status(p->relay, &status);
    p->owned_at_stop = status.lease_held;
    ef_relay_stop(p->relay);
    sim_leave(p->loop);
}

void sim_relay_freeze(int i, int64_t us, bool threads_too)
{
    struct process *p = &processes[i];
    if (!sim_relay_runs(i))
        return;
    TELL("relay %d: stands still for %lld ms%s", i, (long long)(us / EF_MS_US),
         threads_too ? ", its threads too" : "");
    p->disturbed = true;
    sim_loop_freeze(p->loop, sim_now_us() + us);
    if (threads_too)
        sim_publisher_freeze(p->publisher, sim_now_us() + us);
}

void sim_relay_stall(int i, int looks, int64_t us, bool unaware, bool threads_too)
{
    struct process *p = &processes[i];
    if (!sim_relay_runs(i) || sim_loop_frozen(p->loop))
        return;
    sim_loop_stall(p->loop, looks, us, unaware);
    p->stall_publisher_us = threads_too ? us : 0;
}

/* The process stands still inside a callback from now on. */
static void on_stalled(void *arg)
{
    struct process *p = arg;
    TELL("relay %d: stands still in the middle of what it does", (int)(p - processes));
    sim_cover_notable(SIM_STOOD_STILL);
    p->disturbed = true;
    if (p->stall_publisher_us)
        sim_publisher_freeze(p->publisher, sim_now_us() + p->stall_publisher_us);
}

void sim_relay_break(int i, int conn, int64_t late_us, int64_t notice_us)
{
    if (sim_relay_runs(i))
        sim_store_break(processes[i].store, conn, late_us, notice_us);
}

static void heard(void *arg, const struct ef_error *err)
{
    (void)arg;
    (void)err;
}

void sim_relay_pause(int i, bool pause)
{
    struct process *p = &processes[i];
    if (!sim_relay_runs(i) || sim_loop_frozen(p->loop))
        return;
    TELL("operator: %s, asks relay %d", pause ? "pause" : "resume", i);
    sim_enter(p->loop);
    ef_relay_pause(p->relay, pause, "operator", "simulated", heard, NULL);
    sim_leave(p->loop);
}

void sim_relay_drain(int i)
{
    struct process *p = &processes[i];
    if (!sim_relay_runs(i) || sim_loop_frozen(p->loop))
        return;
    TELL("operator: drain, asks relay %d", i);
    sim_enter(p->loop);
    ef_relay_drain(p->relay, heard, NULL);
    sim_leave(p->loop);
}

void sim_relay_reload(int i)
{
    struct process *p = &processes[i];
    if (!sim_relay_runs(i) || sim_loop_frozen(p->loop))
        return;
    TELL("operator: reloads relay %d", i);
    p->reloaded = !p->reloaded;
    sim_enter(p->loop);
    ef_relay_reload(p->relay, &p->config, p->reloaded ? &p->other : &p->outbox);
    sim_leave(p->loop);
}

int64_t sim_relay_poll_us(int i)
{
    const struct process *p = &processes[i];
    const struct ef_config_outbox *outbox = p->reloaded ? &p->other : &p->outbox;
    return outbox->wake == EF_WAKE_NOTIFY ? 0 : outbox->poll_interval_ms * EF_MS_US;
}

/* --- all of them --- */

static void share(struct ef_config_outbox *o, struct sim_check_config *check)
{
    o->lease_ttl_ms = 3000 << sim_choose(SITE_SHARED_TTL, 0, 3);
    o->retry.backoff.base_ms = 100;
    o->retry.backoff.max_ms = 5000;
    o->retry.backpressure_ms = 100;
    static const int64_t claims[] = {4000, 15000, 40000};
    o->claim_timeout_ms = claims[sim_choose(SITE_SHARED_CLAIM, 0, 3)];
    o->dead_letter_topic = sim_choose(SITE_SHARED_DEAD, 0, 3) == 2 ? NULL : (char *)"dead";
    o->on_delivered =
        sim_choose(SITE_SHARED_DELIVERED, 0, 2) ? EF_ON_DELIVERED_MARK : EF_ON_DELIVERED_DELETE;
    if (sim_choose(SITE_SHARED_ARCHIVE, 0, 4) == 3)
        o->on_delivered = EF_ON_DELIVERED_ARCHIVE;
    sim_world.by_type = sim_choose(SITE_SHARED_ORDER, 0, 4) == 3;
    if (sim_world.by_type)
        sim_cover_notable(SIM_ORDERED_BY_TYPE);
    o->order_by = sim_world.by_type ? EF_ORDER_AGGREGATE_TYPE_AND_ID : EF_ORDER_AGGREGATE_ID;
    o->wake = sim_choose(SITE_SHARED_WAKE, 0, 2) ? EF_WAKE_NOTIFY : EF_WAKE_POLL;
    if (sim_world.mysql) /* nothing rings */
        o->wake = EF_WAKE_POLL;
    check->dead_letters = o->dead_letter_topic != NULL;
    check->archive = o->on_delivered == EF_ON_DELIVERED_ARCHIVE;
}

const struct ef_config_outbox *sim_relays_configure(struct sim_check_config *check)
{
    load_base();
    static struct ef_config_outbox shared;
    shared = base->outboxes[0];
    share(&shared, check);
    check->max_attempts = INT32_MAX;
    for (int i = 0; i < sim_world.relays; i++) {
        struct process *p = &processes[i];
        *p = (struct process){0};
        p->no_state_dir = sim_choose(SITE_RELAY_NO_STATE, i, 4) == 3;
        p->mono_us = sim_choose(SITE_RELAY_MONO, i, 1000) * EF_S_US;
        p->wall_skew_us = sim_choose(SITE_RELAY_WALL, i, 20) * EF_S_US;
        configure(p, i, &shared);
        sim_event_init(&p->end, NULL, on_ended, p);
        sim_event_init(&p->start_again, NULL, on_start_again, p);
        for (int k = 0; k < 2; k++) {
            int tries = (k ? &p->other : &p->outbox)->retry.max_attempts;
            check->max_attempts = tries < check->max_attempts ? tries : check->max_attempts;
        }
    }
    return &shared;
}

void sim_relays_begin(void)
{
    for (int i = 0; i < sim_world.relays; i++)
        sim_event_start(&processes[i].start_again, i * 10 * EF_MS_US);
}

void sim_relays_end(void)
{
    for (int i = 0; i < SIM_RELAYS; i++)
        if (processes[i].runs)
            end_process(&processes[i]);
}

void sim_relays_mend(void)
{
    for (int i = 0; i < sim_world.relays; i++) {
        struct process *p = &processes[i];
        if (!p->runs && !sim_event_active(&p->start_again))
            sim_event_start(&p->start_again, 0);
    }
}

void sim_relays_resume(void)
{
    for (int i = 0; i < sim_world.relays; i++)
        sim_relay_pause(i, false);
}

void sim_relays_stop(void)
{
    for (int i = 0; i < sim_world.relays; i++) {
        sim_event_stop(&processes[i].start_again);
        sim_relay_stop(i, 60 * EF_S_US);
    }
}

bool sim_relays_stopped(void)
{
    for (int i = 0; i < sim_world.relays; i++)
        if (processes[i].runs)
            return false;
    return true;
}

void sim_relays_look(void)
{
    struct ef_relay_status status;
    for (int i = 0; i < sim_world.relays; i++) {
        struct process *p = &processes[i];
        if (!sim_relay_runs(i) || sim_loop_frozen(p->loop))
            continue;
        sim_enter(p->loop);
        ef_relay_status(p->relay, &status);
        sim_leave(p->loop);
        if (status.window_rows > widest(p))
            sim_violated(SIM_BOUNDED, "relay %d holds %lld rows, its window is %lld", i,
                         (long long)status.window_rows, (long long)widest(p));
    }
}
