// SPDX-License-Identifier: MIT
#include "relay/relay_private.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/str.h"

#define LOOK_AGAIN_US (10 * EF_S_US)

void ef_relay_set_reason(struct ef_relay *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
    va_end(ap);
}

/* --- the state machine --- */

void ef_relay_fire(struct ef_relay *r, enum ef_relay_event event)
{
    const struct ef_relay_edge *edge = ef_relay_edge(r->state, event);
    if (!edge)
        return;
    enum ef_log_level level = edge->to == EF_RELAY_MISCONFIGURED ? EF_LOG_WARN : EF_LOG_INFO;
    if (edge->sentence && edge->to != edge->from)
        ef_log(level, edge->sentence, EF_STR("outbox", r->outbox->name),
               EF_STR("from", ef_relay_state_name(edge->from)),
               EF_STR("to", ef_relay_state_name(edge->to)),
               EF_STR("reason", edge->to == EF_RELAY_MISCONFIGURED ? r->reason : NULL));
    r->state = edge->to;
    if (edge->action)
        edge->action(r);
}

void ef_relay_do_open(struct ef_relay *r)
{
    ef_relay_set_reason(r, "connecting to database \"%s\"", r->outbox->database);
    ef_store_open(r->store);
}

void ef_relay_do_check(struct ef_relay *r)
{
    if (r->state != EF_RELAY_MISCONFIGURED && r->reason[0] == '\0')
        ef_relay_set_reason(r, "looking at the table");
    if (!ef_store_is_up(r->store)) {
        ef_relay_fire(r, EF_EVENT_DB_DOWN);
        return;
    }
    r->check_again = r->checking;
    if (r->checking)
        return;
    r->checking = true;
    ef_store_check(r->store);
}

void ef_relay_do_wait_for_operator(struct ef_relay *r)
{
    ef_timer_start(&r->look_again, LOOK_AGAIN_US);
}

void ef_relay_do_close(struct ef_relay *r)
{
    if (r->closed_asked)
        return;
    r->closed_asked = true;
    ef_timer_stop(&r->look_again);
    ef_timer_stop(&r->lease_timer);
    ef_timer_stop(&r->deadline_timer);
    ef_relay_look_stop(r);
    ef_relay_forget(r);
    r->epoch = 0;
    ef_relay_operate_end(r);
    ef_store_close(r->store);
}

static void on_look_again(void *arg)
{
    ef_relay_fire(arg, EF_EVENT_LOOK_AGAIN);
}

/* --- the database --- */

static void on_up(void *arg, const char *server)
{
    struct ef_relay *r = arg;
    ef_metric_set(r->m.database_up, 1);
    if (r->state == EF_RELAY_CONNECTING) {
        ef_relay_fire(r, EF_EVENT_DB_UP);
        return;
    }
    if (!ef_relay_is_owner(r))
        return;
    ef_metric_add(r->m.reconnects, 1);
    if (strcmp(server, r->server) != 0) {
        ef_warn("database server changed", EF_STR("outbox", r->outbox->name),
                EF_STR("from", r->server), EF_STR("to", server));
        r->epoch = 0;
        ef_metric_add(r->m.lease_lost, 1);
        ef_relay_fire(r, EF_EVENT_LEASE_LOST);
        return;
    }
    ef_info("database connected again", EF_STR("outbox", r->outbox->name));
    if (r->state == EF_RELAY_RUNNING)
        r->reason[0] = '\0';
    ef_cursor_sweep(&r->cursor); /* nothing is taken for granted: read again, compare */
    r->fetch_now = true;
    ef_relay_doubt_bell(r, ef_clock_mono().us);
    ef_relay_renew_now(r);
    ef_relay_ask_waiting(r);
    ef_relay_release_all(r);
    ef_relay_pump_soon(r);
}

static void on_down(void *arg, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    ef_metric_set(r->m.database_up, 0);
    ef_metric_add(r->m.database_errors[err->class], 1);
    if (err->class == EF_CLASS_CONFIG || !ef_relay_is_owner(r) || r->state == EF_RELAY_RUNNING)
        ef_relay_set_reason(r, "no connection to database \"%s\": %s", r->outbox->database,
                            err->text);
    ef_relay_fire(r, EF_EVENT_DB_DOWN);
}

static void on_checked(void *arg, const struct ef_store_info *info, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->checking = false;
    if (r->state != EF_RELAY_CHECKING)
        return; /* an answer about former times */
    if (r->check_again) {
        ef_relay_do_check(r);
        return;
    }
    if (err && err->class != EF_CLASS_CONFIG) {
        /* the database answered no, or went away: not the operator's fault; look again */
        ef_relay_set_reason(r, "could not look at the table: %s", err->text);
        ef_metric_add(r->m.database_errors[err->class], 1);
        ef_relay_fire(r, ef_store_is_up(r->store) ? EF_EVENT_CHECK_BAD : EF_EVENT_DB_DOWN);
        return;
    }
    if (err) {
        ef_relay_set_reason(r, "%s", err->text);
        ef_metric_add(r->m.database_errors[err->class], 1);
        ef_relay_fire(r, EF_EVENT_CHECK_BAD);
        return;
    }
    if (strcmp(r->info.warnings, info->warnings) != 0)
        for (const char *line = info->warnings, *end; *line; line = end + (*end == '\n')) {
            char text[512];
            end = line + strcspn(line, "\n");
            snprintf(text, sizeof(text), "%.*s", (int)(end - line), line);
            ef_warn("table looks unusual", EF_STR("outbox", r->outbox->name), EF_STR("what", text));
        }
    r->info = *info;
    r->reason[0] = '\0';
    ef_relay_fire(r, EF_EVENT_CHECK_OK);
}

/* Counted and logged, no more: what failed is a look or upkeep, and relaying goes on without it. */
void ef_relay_note_trouble(struct ef_relay *r, const char *what, const struct ef_error *err)
{
    uint64_t suppressed;
    ef_metric_add(r->m.database_errors[err->class], 1);
    if (ef_log_allow(&r->trouble_limit, 5, 30 * EF_S_US, &suppressed))
        ef_warn(what, EF_STR("outbox", r->outbox->name), EF_INT("suppressed", suppressed),
                EF_ERR(err));
}

void ef_relay_database_trouble(struct ef_relay *r, const char *what, const struct ef_error *err)
{
    if (err->class == EF_CLASS_FENCED) {
        ef_metric_add(r->m.database_errors[err->class], 1);
        ef_relay_renew_now(r); /* its answer says whether the lease is really gone */
        return;
    }
    ef_relay_note_trouble(r, what, err);
    if (err->class == EF_CLASS_CONFIG) {
        ef_relay_set_reason(r, "%s: %s", what, err->text);
        ef_relay_fire(r, EF_EVENT_CHECK_BAD);
    }
}

static void on_pause_written(void *arg, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    void (*done)(void *a, const struct ef_error *e) = r->pause_done;
    r->pause_done = NULL;
    if (!err)
        ef_relay_renew_now(r); /* brings the mark to us at once */
    if (done)
        done(r->pause_arg, err);
}

static void release_orphan(void *opaque)
{
    ef_window_release(NULL, opaque);
}

static void on_closed(void *arg)
{
    struct ef_relay *r = arg;
    r->state = EF_RELAY_STOPPED;
    if (r->publisher)
        r->publisher->pub->ops->leave(r->publisher, release_orphan);
    r->publisher = NULL;
    r->deps.stopped(r->deps.stopped_arg, r);
}

const struct ef_store_user ef_relay_store_upcalls = {
    .up = on_up,
    .down = on_down,
    .wakeup = ef_relay_wakeup,
    .arming_lost = ef_relay_arming_lost,
    .checked = on_checked,
    .acquired = ef_relay_acquired,
    .renewed = ef_relay_renewed,
    .released = ef_relay_released,
    .rows = ef_relay_rows,
    .fetched = ef_relay_fetched,
    .settled = ef_relay_settled,
    .decided = ef_relay_decided,
    .topic_released = ef_relay_topic_released,
    .waiting = ef_relay_waiting,
    .lag = ef_relay_lag,
    .maintained = ef_relay_maintained,
    .paused = on_pause_written,
    .operated = ef_relay_operated,
    .next_command = ef_relay_next_command,
    .carried_out = ef_relay_carried_out,
    .holds = ef_relay_holds,
    .examined = ef_relay_examined,
    .closed = on_closed,
};

/* --- operators --- */

bool ef_relay_nothing_under_way(const struct ef_relay *r)
{
    const struct ef_window_stats *w = ef_window_stats(r->window);
    return w->count[EF_ENTRY_IN_FLIGHT] + w->count[EF_ENTRY_ASIDE] + w->count[EF_ENTRY_DELIVERED] +
                   w->count[EF_ENTRY_SETTLING] + w->count[EF_ENTRY_FATED] +
                   w->count[EF_ENTRY_DECIDING] ==
               0 &&
           !r->settling && !r->deciding;
}

static void say_drained(void *arg)
{
    struct ef_relay *r = arg;
    void (*done)(void *a, const struct ef_error *e) = r->drain_done;
    r->drain_done = NULL;
    if (done)
        done(r->drain_arg, NULL);
}

void ef_relay_check_drained(struct ef_relay *r)
{
    /* what a lost lease left with the publisher is waited for, too: it must not come after the next
     * owner's messages */
    if (!ef_relay_nothing_under_way(r) || ef_window_stats(r->window)->orphans > 0)
        return;
    if (r->drain_done && r->state != EF_RELAY_RUNNING)
        ef_defer(&r->drain_later);
    if (r->state == EF_RELAY_DRAINING)
        ef_relay_fire(r, EF_EVENT_DRAINED);
}

void ef_relay_pause(struct ef_relay *r, bool pause, const char *actor, const char *reason,
                    void (*done)(void *arg, const struct ef_error *err), void *arg)
{
    struct ef_error err;
    if (!pause && r->drained) {
        r->drained = false;
        ef_relay_fire(r, r->paused_mark ? EF_EVENT_PAUSE : EF_EVENT_RESUME);
    }
    if (r->pause_done || !ef_store_is_up(r->store) || !r->info.server[0] || r->closed_asked) {
        ef_error_set(&err, EF_CLASS_OUTAGE, "outbox \"%s\" cannot be %s now: %s", r->outbox->name,
                     pause ? "paused" : "resumed",
                     r->pause_done ? "the same is under way" : r->reason);
        done(arg, &err);
        return;
    }
    r->pause_done = done;
    r->pause_arg = arg;
    ef_info(pause ? "pause asked for" : "resume asked for", EF_STR("outbox", r->outbox->name),
            EF_STR("actor", actor), EF_STR("why", reason));
    ef_store_pause(r->store, pause, actor, reason);
}

void ef_relay_drain(struct ef_relay *r, void (*done)(void *arg, const struct ef_error *err),
                    void *arg)
{
    struct ef_error err;
    if (r->drain_done) {
        ef_error_set(&err, EF_CLASS_BUSY, "outbox \"%s\" is being drained already",
                     r->outbox->name);
        done(arg, &err);
        return;
    }
    r->drain_done = done;
    r->drain_arg = arg;
    r->drained = true;
    snprintf(r->paused_by, sizeof(r->paused_by), "drain");
    r->pause_reason[0] = '\0';
    ef_relay_fire(r, EF_EVENT_PAUSE);
    if (!ef_relay_is_owner(r))
        ef_defer(&r->drain_later);
    ef_relay_pump_soon(r);
}

/* --- life --- */

struct ef_relay *ef_relay_new(const struct ef_relay_deps *deps)
{
    struct ef_relay *r = ef_xcalloc(1, sizeof(*r));
    r->deps = *deps;
    r->config = deps->config;
    r->outbox = deps->outbox;
    r->loop = deps->loop;
    ef_rng_seed_os(&r->rng);
    ef_route_config_init(&r->route, r->outbox, r->outbox->max_payload_bytes + 128 * 1024);
    ef_deadletter_config_init(&r->deadletter, r->outbox, r->outbox->max_payload_bytes + 192 * 1024);
    ef_relay_stats_init(r);
    ef_relay_lease_init(r);
    ef_relay_pump_init(r);
    ef_relay_fate_init(r);
    ef_relay_look_init(r);
    ef_relay_examine_init(r);
    ef_relay_commands_init(r);
    ef_relay_operate_init(r);
    ef_timer_init(&r->look_again, r->loop, "relay", on_look_again, r);
    ef_deferred_init(&r->drain_later, r->loop, "relay", say_drained, r);
    r->store = deps->make_store(deps->make_store_arg, r->outbox, &ef_relay_store_upcalls, r);
    r->publisher = deps->publisher->ops->join(deps->publisher, r->outbox->name,
                                              &ef_relay_publisher_upcalls, r);
    return r;
}

void ef_relay_start(struct ef_relay *r)
{
    ef_relay_fire(r, EF_EVENT_START);
}

void ef_relay_stop(struct ef_relay *r)
{
    ef_relay_fire(r, EF_EVENT_STOP);
}

void ef_relay_stop_now(struct ef_relay *r)
{
    if (r->state == EF_RELAY_STOPPED)
        return;
    r->state = EF_RELAY_RELEASING;
    if (ef_relay_is_owner(r) && ef_store_is_up(r->store) && !r->releasing)
        ef_relay_do_release(r); /* a standby need not wait; what is in flight can only repeat */
    else
        ef_relay_do_close(r);
}

void ef_relay_reload(struct ef_relay *r, const struct ef_config *config,
                     const struct ef_config_outbox *outbox)
{
    r->config = config;
    r->outbox = outbox;
    ef_route_config_init(&r->route, outbox, outbox->max_payload_bytes + 128 * 1024);
    ef_deadletter_config_init(&r->deadletter, outbox, outbox->max_payload_bytes + 192 * 1024);
    ef_window_set_limits(r->window, outbox->window_max_rows, outbox->window_max_bytes);
    ef_relay_examine_again(r);
    ef_timer_stop(&r->fetch_timer); /* a long poll_interval that became short is over at once */
    ef_relay_pump_soon(r);
}

const struct ef_config_outbox *ef_relay_owned(const struct ef_relay *r)
{
    return ef_relay_is_owner(r) ? r->outbox : NULL;
}

int64_t ef_relay_unsettled(const struct ef_relay *r)
{
    const struct ef_window_stats *w = ef_window_stats(r->window);
    return w->count[EF_ENTRY_IN_FLIGHT] + w->count[EF_ENTRY_DELIVERED] +
           w->count[EF_ENTRY_SETTLING] + w->count[EF_ENTRY_FATED] + w->count[EF_ENTRY_DECIDING];
}

void ef_relay_free(struct ef_relay *r)
{
    if (!r)
        return;
    ef_deferred_cancel(&r->pump_later);
    ef_deferred_cancel(&r->drain_later);
    ef_timer_stop(&r->look_again);
    ef_relay_operate_end(r);
    ef_relay_forget(r);
    ef_window_free(r->window);
    ef_cursor_done(&r->cursor);
    ef_destinations_clear(&r->destinations);
    ef_arena_done(&r->scratch);
    ef_relay_lease_done(r);
    ef_relay_stats_done(r);
    ef_store_free(r->store);
    free(r);
}
