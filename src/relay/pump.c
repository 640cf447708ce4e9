// SPDX-License-Identifier: MIT
/*
 * Rows in, messages out. One deferred call does whatever can be done now: start a read, settle,
 * take decisions, produce. It runs after every event that may have changed that.
 */
#include "relay/relay_private.h"

#include "base/str.h"

/* A read that waits this long for room in the window is given up: its snapshot must not grow old.
 */
#define READ_PAUSED_MAX_US (5 * EF_S_US)
/* First pause after a read that found less than it could have; doubles up to poll_interval. */
#define IDLE_MIN_US EF_MS_US
/* The doorbell is armed after a second without rows; polling goes on at the usual pace for one
 * more, then slowly. */
#define BELL_AFTER_US EF_S_US
#define SLOW_AFTER_US (2 * EF_S_US)
#define SLOW_POLL_US  EF_S_US
/* A statement that was given up, or a former owner's, may still come and turn it: after so long it
 * is made once more, and trusted only then. */
#define BELL_LATE_US  (60 * EF_S_US)
#define BELL_AGAIN_US (10 * EF_S_US)
/* A store that cannot ring is looked at less often after half a minute without rows. */
#define QUIET_AFTER_US (30 * EF_S_US)
#define QUIET_POLL_US  (EF_S_US / 5)
/* Where the table's end is never reached. */
#define GO_BACK_US (30 * EF_S_US)
/* The lease's end is looked for before every 32nd message: at most so many go too late, as those do
 * that the publisher holds already. */
enum { PRODUCE_PER_TURN = 2048, LEASE_LOOK_EVERY = 32 };
/* Rows that an operator holds are looked at again after so long: a decision whose answer was lost
 * may come late, and put a row to wait that has been released meanwhile. */
enum { HELD_MS = 4 * 60 * 1000 };

static void try_fetch(struct ef_relay *r);

void ef_relay_pump_soon(struct ef_relay *r)
{
    ef_defer(&r->pump_later);
}

bool ef_relay_is_owner(const struct ef_relay *r)
{
    return r->epoch != 0;
}

static bool may_read(const struct ef_relay *r)
{
    return r->state == EF_RELAY_RUNNING && ef_store_is_up(r->store) && ef_relay_lease_valid(r) &&
           ef_relay_may_move(r);
}

static bool has_room(const struct ef_relay *r)
{
    const struct ef_window_stats *w = ef_window_stats(r->window);
    int64_t in_flight = w->count[EF_ENTRY_IN_FLIGHT];
    if (r->outage && in_flight > 0) /* one message is enough to notice that it is over */
        return false;
    return w->rows + w->orphans < r->outbox->window_max_rows &&
           w->bytes < r->outbox->window_max_bytes;
}

/* --- reading --- */

/*
 * What a lost lease left with the publisher takes room too. max_rows holds for each of a read's two
 * parts, and where the gap part is full the other one gives nothing: both together are one less
 * than twice of it.
 */
static int rows_to_ask(const struct ef_relay *r, bool two_parts)
{
    const struct ef_window_stats *w = ef_window_stats(r->window);
    int64_t room = r->outbox->window_max_rows - w->rows - w->orphans;
    if (two_parts)
        room = (room + 1) / 2;
    return (int)(room < r->outbox->batch_max_rows ? room : r->outbox->batch_max_rows);
}

static void start_fetch(struct ef_relay *r, struct ef_metric *reason)
{
    struct ef_fetch fetch = {.epoch = r->epoch, .max_bytes = r->outbox->batch_max_bytes};
    ef_mono now = ef_clock_mono();
    const struct ef_window_stats *w = ef_window_stats(r->window);
    int64_t left = r->outbox->window_max_bytes - w->bytes;
    if (fetch.max_bytes > left)
        fetch.max_bytes = left;
    ef_cursor_begin(&r->cursor, now, &fetch);
    fetch.max_rows = rows_to_ask(r, fetch.gap_count > 0);
    r->fetching = true;
    r->fetch_paused = r->fetch_cancelled = r->fetch_now = false;
    r->fetch_rows_new = 0;
    r->fetch_began_us = now.us;
    ef_timer_stop(&r->fetch_timer);
    ef_metric_add(reason, 1);
    ef_store_fetch(r->store, &fetch);
}

/*
 * Rows of an aggregate that held its share were passed over: they are read once it has less. But
 * first the rows behind them are, to the table's end: going back as soon as there is room would
 * never come past a long backlog.
 */
static void read_refused_again(struct ef_relay *r)
{
    int64_t now = ef_loop_time(r->loop)->mono.us;
    if (r->fetching || !(r->read_to_end || now - r->went_back_us > GO_BACK_US))
        return;
    int64_t lowest = ef_window_reopen(r->window);
    if (lowest == INT64_MAX)
        return;
    ef_cursor_back(&r->cursor, lowest - 1);
    r->went_back_us = now;
    r->fetch_now = true;
}

static void try_fetch(struct ef_relay *r)
{
    read_refused_again(r);
    if (r->fetching || !may_read(r) || !has_room(r) || ef_window_barrier_wanted(r->window) ||
        r->barrier)
        return;
    if (!r->fetch_now && ef_timer_active(&r->fetch_timer))
        return;
    /* small remainders of the window are not worth a statement while much is under way */
    const struct ef_window_stats *w = ef_window_stats(r->window);
    if (w->rows > 0 && rows_to_ask(r, false) < r->outbox->batch_max_rows / 4 &&
        w->rows > r->outbox->window_max_rows / 2)
        return;
    start_fetch(r, r->fetch_now ? r->m.wake_full : r->m.wake_poll);
}

static void on_fetch_timer(void *arg)
{
    struct ef_relay *r = arg;
    ef_relay_pump_soon(r);
}

/* A paused read goes on when there is room. */
static void continue_fetch(struct ef_relay *r)
{
    if (!r->fetching || !r->fetch_paused || r->fetch_cancelled || !has_room(r))
        return;
    r->fetch_paused = false;
    ef_timer_stop(&r->stall_timer);
    ef_store_fetch_continue(r->store);
}

void ef_relay_cancel_fetch(struct ef_relay *r)
{
    if (!r->fetching || r->fetch_cancelled)
        return;
    r->fetch_cancelled = true;
    r->fetch_paused = false;
    ef_timer_stop(&r->stall_timer);
    ef_store_fetch_cancel(r->store);
}

static void on_stall(void *arg)
{
    struct ef_relay *r = arg;
    ef_debug("read given up: no room for its rows", EF_STR("outbox", r->outbox->name));
    ef_relay_cancel_fetch(r);
}

static void admit(struct ef_relay *r, struct ef_batch *batch, const struct ef_row *row, ef_mono now)
{
    struct ef_entry *e;
    ef_cursor_saw(&r->cursor, row->id);
    if (row->held_back)
        return;
    enum ef_admitted how = ef_window_admit(r->window, batch, row, now, &e);
    if (how == EF_ADMIT_KNOWN || how == EF_ADMIT_REFUSED)
        return;
    if (how == EF_ADMIT_REPLACED)
        ef_debug("an id came back as another row", EF_STR("outbox", r->outbox->name),
                 EF_INT("id", row->id));
    r->fetch_rows_new++;
    r->fetched++;
    ef_metric_add(r->m.fetched, 1);
    if (row->status == EF_STATUS_PROCESSING)
        ef_metric_add(r->m.reaped, 1);
    ef_relay_observe_age(r, r->m.created_to_seen, row->created_at_us);
}

void ef_relay_rows(void *arg, struct ef_batch *batch, bool paused)
{
    struct ef_relay *r = arg;
    ef_mono now = ef_clock_mono();
    if (batch->foreign)
        ef_cursor_foreign(&r->cursor);
    if (ef_relay_is_owner(r) && !r->fetch_cancelled)
        for (int i = 0; i < batch->count; i++)
            admit(r, batch, &batch->rows[i], now);
    ef_batch_unref(batch);
    if (r->fetch_rows_new > 0)
        r->last_row_us = now.us;
    r->fetch_paused = paused && !r->fetch_cancelled;
    if (r->fetch_paused) {
        r->fetch_paused_us = now.us;
        ef_timer_start(&r->stall_timer, READ_PAUSED_MAX_US);
    }
    ef_relay_pump_soon(r);
}

static int64_t longest_pause_us(const struct ef_relay *r, int64_t now)
{
    int64_t poll_us = r->outbox->poll_interval_ms * EF_MS_US;
    bool silent = !(ef_store_caps(r->store) & EF_STORE_WAKEUP);
    if (silent && now - r->last_row_us > QUIET_AFTER_US && poll_us < QUIET_POLL_US)
        return QUIET_POLL_US;
    bool works = r->outbox->wake == EF_WAKE_NOTIFY && ef_store_wakeup_works(r->store);
    bool notify = works && r->bell == EF_BELL_ARMED && r->bell_sure;
    if (notify && now - r->last_row_us > SLOW_AFTER_US && poll_us < SLOW_POLL_US)
        return SLOW_POLL_US;
    /* with a long interval the doorbell has to be trusted only once it was armed and a look came
     * after it */
    bool trusted = now - r->last_row_us > SLOW_AFTER_US && (notify || !works);
    if (r->outbox->wake == EF_WAKE_NOTIFY && !trusted && poll_us > SLOW_POLL_US)
        return SLOW_POLL_US;
    return poll_us;
}

static void set_bell(struct ef_relay *r, enum ef_relay_bell wanted)
{
    r->bell = wanted;
    ef_store_arm_wakeup(r->store, wanted == EF_BELL_ARMED);
}

static void ring_or_not(struct ef_relay *r, int64_t now)
{
    if (r->outbox->wake != EF_WAKE_NOTIFY || !ef_store_wakeup_works(r->store))
        return;
    bool quiet = now - r->last_row_us > BELL_AFTER_US;
    enum ef_relay_bell wanted = quiet ? EF_BELL_ARMED : EF_BELL_DISARMED;
    int64_t lost_ago_us = now - r->bell_lost_us;
    bool sure = lost_ago_us > BELL_LATE_US;
    if (r->bell == wanted && r->bell_sure == sure)
        return;
    if (r->bell == EF_BELL_UNKNOWN && lost_ago_us < BELL_AGAIN_US)
        return;
    r->bell_sure = sure;
    set_bell(r, wanted);
}

/* Nobody is there to hear it, and each commit of the application would pay for it. */
static void disarm(struct ef_relay *r)
{
    if (r->outbox->wake != EF_WAKE_NOTIFY || r->bell == EF_BELL_DISARMED ||
        !ef_store_is_up(r->store) || !ef_relay_lease_valid(r))
        return;
    set_bell(r, EF_BELL_DISARMED);
}

static void next_poll(struct ef_relay *r, bool full)
{
    int64_t now = ef_clock_mono().us;
    r->last_read_empty = r->fetch_rows_new == 0 && !full;
    ring_or_not(r, now);
    if (full) {
        r->fetch_now = true;
        r->idle_delay_us = IDLE_MIN_US;
        return;
    }
    if (r->fetch_rows_new > 0)
        r->idle_delay_us = IDLE_MIN_US;
    int64_t longest = longest_pause_us(r, now);
    if (r->idle_delay_us > longest)
        r->idle_delay_us = longest;
    ef_timer_start(&r->fetch_timer, r->idle_delay_us);
    if (r->fetch_rows_new == 0)
        r->idle_delay_us *= 2;
}

void ef_relay_fetched(void *arg, const struct ef_fetched *fetched, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    ef_mono now = ef_clock_mono();
    r->fetching = r->fetch_paused = false;
    ef_timer_stop(&r->stall_timer);
    ef_window_read_ended(r->window);
    if (!ef_relay_is_owner(r))
        return;
    if (err) {
        ef_cursor_abort(&r->cursor);
        if (strcmp(err->name, EF_STORE_REWRITTEN) == 0) {
            ef_info("table was emptied or rewritten, reading it from the beginning",
                    EF_STR("outbox", r->outbox->name));
            ef_window_rewritten(r->window);
            ef_cursor_reset(&r->cursor);
            r->fetch_now = true;
        } else if (err->class != EF_CLASS_BUSY) {
            ef_relay_database_trouble(r, "could not read", err);
            ef_timer_start(&r->fetch_timer, EF_S_US / 5);
        }
    } else {
        ef_cursor_end(&r->cursor, now, fetched);
        ef_metric_observe(r->m.fetch_duration, (double)(now.us - r->fetch_began_us) / 1e6);
        r->read_to_end = !fetched->full && !fetched->gaps_full;
        next_poll(r, !r->read_to_end);
    }
    ef_relay_pump_soon(r);
}

void ef_relay_wakeup(void *arg)
{
    struct ef_relay *r = arg;
    if (r->state != EF_RELAY_RUNNING)
        return;
    ef_metric_add(r->m.wake_notify, 1);
    r->idle_delay_us = IDLE_MIN_US;
    r->last_row_us = ef_clock_mono().us; /* traffic: the bell is disarmed with the next read */
    ef_timer_stop(&r->fetch_timer);
    ef_relay_pump_soon(r);
}

void ef_relay_doubt_bell(struct ef_relay *r, int64_t now)
{
    r->bell = EF_BELL_UNKNOWN;
    r->bell_sure = false;
    r->bell_lost_us = now;
}

/* The database was away, or refuses it: polled meanwhile, and made again in a while. */
void ef_relay_arming_lost(void *arg)
{
    struct ef_relay *r = arg;
    ef_relay_doubt_bell(r, ef_clock_mono().us);
    /* the next read may have been planned in its trust */
    if (r->state == EF_RELAY_RUNNING && ef_timer_active(&r->fetch_timer) &&
        r->idle_delay_us > SLOW_POLL_US)
        ef_timer_start(&r->fetch_timer, SLOW_POLL_US);
}

/* --- producing --- */

static void probe_later(struct ef_relay *r, struct ef_entry *e)
{
    if (!e->probe)
        return;
    e->probe = false;
    ef_destinations_again(&r->destinations, e->row->topic);
}

static void hand_over(struct ef_relay *r, struct ef_entry *e)
{
    struct ef_message msg;
    struct ef_error err;
    struct ef_route_config route = r->route;
    ef_arena_reset(&r->scratch);
    route.send_time = e->send_time;
    const struct ef_loop_time *now = ef_loop_time(r->loop);
    if (!ef_route(&route, e->row, now->wall, &r->scratch, &msg, &err)) {
        ef_relay_row_failed(r, e, &err, true);
        return;
    }
    switch (ef_publisher_produce(r->publisher, &msg, e, e->alone, &err)) {
    case EF_PRODUCED_QUEUED:
        ef_window_sent(r->window, e, now->mono);
        ef_relay_count_produced(r, e->row->topic);
        break;
    case EF_PRODUCED_ALONE: /* comes again, with the next turn or once those before it have gone */
        probe_later(r, e);
        ef_window_alone(r->window, e);
        break;
    case EF_PRODUCED_FULL:
        probe_later(r, e);
        r->full = true;
        ef_timer_start(&r->full_timer, r->outbox->retry.backpressure_ms * EF_MS_US);
        break;
    case EF_PRODUCED_REFUSED:
        ef_relay_row_failed(r, e, &err, true);
        break;
    }
}

/* A row of a held topic or aggregate waits, with its attempts unchanged, until it is released. */
static bool held_by_operator(struct ef_relay *r, struct ef_entry *e)
{
    const struct ef_hold *hold = ef_holds_of(&r->holds, e->row->topic, e->row->aggregate_id);
    struct ef_error err;
    if (!hold)
        return false;
    ef_error_set(&err, EF_CLASS_DESTINATION, "its %s is held by %s%s%s",
                 hold->topic ? "topic" : "aggregate", hold->actor, hold->reason[0] ? ": " : "",
                 hold->reason);
    ef_relay_hold_for_topic(r, e, HELD_MS, &err);
    return true;
}

static void produce_one(struct ef_relay *r, struct ef_entry *e)
{
    int64_t delay_ms = 0;
    struct ef_error err;
    enum ef_topic_answer answer = EF_TOPIC_OPEN;
    if (r->holds.count > 0 && held_by_operator(r, e))
        return;
    if (r->destinations.count > 0)
        answer = ef_destinations_ask(&r->destinations, e->row->topic, ef_clock_mono(), &delay_ms);
    if (answer == EF_TOPIC_WAIT) {
        ef_error_set(&err, EF_CLASS_DESTINATION, "topic is paused");
        ef_relay_hold_for_topic(r, e, delay_ms, &err);
        return;
    }
    e->probe = answer == EF_TOPIC_PROBE;
    hand_over(r, e);
}

static void produce(struct ef_relay *r)
{
    struct ef_entry *e;
    int left = PRODUCE_PER_TURN;
    if (!ef_relay_may_move(r))
        return;
    while (!r->full && r->state == EF_RELAY_RUNNING && (e = ef_window_next(r->window))) {
        if (left % LEASE_LOOK_EVERY == 0 && !ef_relay_lease_valid(r))
            return;
        if (left-- == 0) {
            ef_relay_pump_soon(r);
            return;
        }
        produce_one(r, e);
    }
}

/* The publisher says when there is room, or the time of back-pressure has passed: try. */
static void on_room(void *arg)
{
    struct ef_relay *r = arg;
    r->full = false;
    ef_timer_stop(&r->full_timer);
    ef_relay_pump_soon(r);
}

static void on_outage(void *arg, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->outage = err != NULL;
    if (err) {
        snprintf(r->outage_reason, sizeof(r->outage_reason), "%.255s", err->text);
        ef_metric_add(r->m.kafka_errors[err->class], 1);
    }
    ef_relay_pump_soon(r);
}

const struct ef_publisher_upcalls ef_relay_publisher_upcalls = {
    .delivery = ef_relay_delivery, .room = on_room, .outage = on_outage};

/* A pause may be long and the rows may change meanwhile: they are read again. */
void ef_relay_drop_unsent(struct ef_relay *r)
{
    int64_t lowest = ef_window_drop_unsent(r->window);
    if (lowest != INT64_MAX)
        ef_cursor_back(&r->cursor, lowest - 1);
}

static void pump(void *arg)
{
    struct ef_relay *r = arg;
    if (!ef_relay_is_owner(r))
        return;
    if (ef_window_barrier_wanted(r->window) && !r->barrier)
        ef_relay_cancel_fetch(r);
    ef_relay_commands_step(r);
    if (r->state == EF_RELAY_PAUSED || r->state == EF_RELAY_DRAINING)
        ef_relay_drop_unsent(r); /* also what came back from a replaced producer meanwhile */
    continue_fetch(r);
    try_fetch(r);
    ef_relay_settle_step(r);
    ef_relay_send_dead_letters(r);
    ef_relay_barrier_step(r);
    produce(r);
    ef_relay_check_drained(r);
}

/* --- life --- */

void ef_relay_forget(struct ef_relay *r)
{
    ef_relay_cancel_fetch(r);
    ef_timer_stop(&r->fetch_timer);
    ef_timer_stop(&r->stall_timer);
    ef_timer_stop(&r->full_timer);
    ef_timer_stop(&r->retry_timer);
    ef_timer_stop(&r->probe_timer);
    ef_timer_stop(&r->fate_timer);
    ef_window_clear(r->window);
    ef_cursor_reset(&r->cursor);
    ef_destinations_clear(&r->destinations);
    ef_relay_commands_forget(r);
    r->fate_failures = 0;
    r->fate_pause_until_us = 0;
    r->settled_below = 0;
}

/* Topics that the configuration names: the first row need not wait until they are known. */
static void warm_topics(struct ef_relay *r)
{
    const struct ef_strings *allow = &r->outbox->topics_allow;
    const char *constant = r->outbox->columns[EF_COL_TOPIC].value;
    if (constant && !strstr(constant, EF_AGGREGATE_TYPE_WORD))
        ef_publisher_warm(r->publisher, ef_slice_of(constant));
    for (size_t i = 0; i < allow->count; i++)
        if (!strchr(allow->items[i], '*'))
            ef_publisher_warm(r->publisher, ef_slice_of(allow->items[i]));
}

void ef_relay_do_run(struct ef_relay *r)
{
    int64_t now = ef_clock_mono().us;
    r->reason[0] = '\0';
    r->idle_delay_us = IDLE_MIN_US;
    r->last_row_us = now;
    r->running_since_us = now;
    r->went_back_us = now;
    r->full = false;
    ef_relay_doubt_bell(r, now);
    r->fetch_now = true;         /* the poll that was planned before a pause may be far away */
    ef_cursor_sweep(&r->cursor); /* somebody may have deleted rows that held others back */
    if (r->paused_mark || r->drained) {
        ef_relay_fire(r, EF_EVENT_PAUSE);
        return;
    }
    if (r->outbox->wake == EF_WAKE_NOTIFY)
        set_bell(r, EF_BELL_DISARMED); /* a former owner may have left it armed */
    warm_topics(r);
    r->holds_known = false; /* an answer about former times may have come meanwhile */
    ef_relay_ask_holds(r);
    ef_relay_look_start(r);
    ef_relay_pump_soon(r);
}

void ef_relay_do_pause(struct ef_relay *r)
{
    ef_relay_set_reason(r, "paused by %s%s%s", r->paused_by[0] ? r->paused_by : "an operator",
                        r->pause_reason[0] ? ": " : "", r->pause_reason);
    disarm(r);
    ef_relay_cancel_fetch(r);
    ef_relay_drop_unsent(r);
    ef_relay_look_start(r);
    ef_relay_pump_soon(r);
}

void ef_relay_do_drain(struct ef_relay *r)
{
    ef_relay_set_reason(r, "stopping");
    disarm(r);
    ef_relay_cancel_fetch(r);
    ef_relay_drop_unsent(r);
    ef_relay_pump_soon(r);
}

void ef_relay_pump_init(struct ef_relay *r)
{
    r->window = ef_window_new(r->outbox->order_by == EF_ORDER_AGGREGATE_TYPE_AND_ID);
    ef_window_set_limits(r->window, r->outbox->window_max_rows, r->outbox->window_max_bytes);
    ef_cursor_init(&r->cursor);
    ef_destinations_init(&r->destinations);
    ef_arena_init(&r->scratch, 16 * 1024);
    ef_timer_init(&r->fetch_timer, r->loop, "relay", on_fetch_timer, r);
    ef_timer_init(&r->stall_timer, r->loop, "relay", on_stall, r);
    ef_timer_init(&r->full_timer, r->loop, "relay", on_room, r);
    ef_deferred_init(&r->pump_later, r->loop, "relay", pump, r);
}
