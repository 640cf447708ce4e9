// SPDX-License-Identifier: MIT
/*
 * What becomes of rows: delivery reports, dead letters, the fate barrier, settling.
 */
#include "relay/relay_private.h"

#include "base/str.h"
#include "kafka/errors.h"

enum { SETTLE_ROWS_MAX = 5000, SETTLE_ROWS_MIN = 1000, DECIDE_ROWS_MAX = 500 };
/* Delivered rows wait this long for neighbours, so that runs are long and statements few: while
 * others are in flight, and when none is. */
#define SETTLE_BUSY_US  (20 * EF_MS_US)
#define SETTLE_QUIET_US (2 * EF_MS_US)

/* --- reports --- */

static void count_ack(struct ef_relay *r, const struct ef_entry *e, ef_mono now)
{
    r->delivered++;
    ef_relay_count_delivered(r, e->row, e->row->topic);
    ef_metric_observe(r->m.seen_to_acked, (double)(now.us - e->seen_at.us) / 1e6);
    ef_relay_observe_age(r, r->m.created_to_acked, e->created_us);
}

static void topic_works(struct ef_relay *r, struct ef_slice topic)
{
    char name[256];
    snprintf(name, sizeof(name), "%.*s", (int)topic.len, topic.p);
    if (!ef_destinations_worked(&r->destinations, topic))
        return;
    ef_info("topic takes messages again", EF_STR("outbox", r->outbox->name), EF_STR("topic", name));
    if (r->releasing_topic || !ef_store_is_up(r->store)) {
        r->release_all_wanted = true;
        return;
    }
    r->releasing_topic = true;
    ef_store_release_topic(r->store, r->epoch, ef_slice_of(name), 0);
}

static void acked(struct ef_relay *r, struct ef_entry *e)
{
    ef_mono now = ef_loop_time(r->loop)->mono;
    count_ack(r, e, now);
    if (r->destinations.count > 0)
        topic_works(r, e->row->topic);
    ef_window_delivered(r->window, e, now);
}

static void dead_letter_reported(struct ef_relay *r, struct ef_entry *e,
                                 const struct ef_error *err);

void ef_relay_delivery(void *arg, void *opaque, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    struct ef_entry *e = opaque;
    if (e->orphan)
        ef_window_release(r->window, e);
    else if (e->state == EF_ENTRY_ASIDE)
        dead_letter_reported(r, e, err);
    else if (!err)
        acked(r, e);
    else
        ef_relay_row_failed(r, e, err, e->alone);
    r->full = false;
    ef_relay_pump_soon(r);
}

/* --- judging --- */

static void log_row(struct ef_relay *r, const char *msg, const struct ef_entry *e,
                    const struct ef_error *err, int attempts, int64_t delay_ms)
{
    char topic[256];
    uint64_t suppressed;
    if (!ef_log_allow(&r->row_limit, 10, 10 * EF_S_US, &suppressed))
        return;
    snprintf(topic, sizeof(topic), "%.*s", (int)e->row->topic.len,
             e->row->topic.p ? e->row->topic.p : "");
    char aggregate[256] = "";
    bool named = ef_log_identifiers() && e->row->aggregate_id.p;
    if (named)
        snprintf(aggregate, sizeof(aggregate), "%.*s", (int)e->row->aggregate_id.len,
                 e->row->aggregate_id.p);
    ef_warn(msg, EF_STR("outbox", r->outbox->name), EF_INT("id", e->id), EF_STR("topic", topic),
            EF_STR("aggregate_id", named ? aggregate : NULL), EF_INT("attempts", attempts),
            EF_INT("delay_ms", delay_ms), EF_INT("suppressed", suppressed), EF_ERR(err));
}

void ef_relay_hold_for_topic(struct ef_relay *r, struct ef_entry *e, int64_t delay_ms,
                             const struct ef_error *err)
{
    ef_window_failed(r->window, e, err);
    ef_window_fated(r->window, e, EF_ENTRY_RETRY, e->attempts, delay_ms);
    ef_metric_add(r->m.retried[err->class], 1);
    ef_relay_pump_soon(r); /* with a full window nothing else may come that lets it be written */
}

static void pause_topic(struct ef_relay *r, struct ef_entry *e, const struct ef_error *err)
{
    int64_t delay_ms;
    char topic[256];
    if (ef_destinations_failed(&r->destinations, e->row->topic, err->text, ef_clock_mono(),
                               &delay_ms)) {
        snprintf(topic, sizeof(topic), "%.*s", (int)e->row->topic.len, e->row->topic.p);
        ef_warn("topic paused; its rows wait, others go on", EF_STR("outbox", r->outbox->name),
                EF_STR("topic", topic), EF_ERR(err));
    }
    ef_relay_hold_for_topic(r, e, delay_ms, err);
    ef_timer_start(&r->probe_timer, ef_destinations_next_us(&r->destinations, ef_clock_mono()));
}

/* Dead: its dead letter first, or parked at once where none is configured. */
static void to_dead_letter(struct ef_relay *r, struct ef_entry *e, const struct ef_error *err,
                           int attempts)
{
    ef_window_failed(r->window, e, err);
    e->attempts = attempts;
    ef_relay_pump_soon(r); /* it may have failed while it was handed over: nobody else may come */
}

/* The broker takes the time of sending for wrong as well: it is this machine's clock, or the
 * topic's bounds, and no fault of the row. */
static const struct ef_error *blame_the_clock(const struct ef_error *err, struct ef_error *own)
{
    *own = *err;
    own->class = EF_CLASS_DESTINATION;
    ef_error_prefix(own,
                    "this machine's clock is wrong, or the topic's message.timestamp bounds are");
    return own;
}

void ef_relay_row_failed(struct ef_relay *r, struct ef_entry *e, const struct ef_error *err,
                         bool alone)
{
    struct ef_error own;
    bool by_time = err->code && ef_kafka_error_row(err->code)->flags & EF_KAFKA_SEND_TIME;
    bool quota = strcmp(ef_kafka_error_kind(err->code), "quota") == 0;
    bool probe = e->probe;
    e->probe = false;
    ef_metric_add(r->m.kafka_errors[err->class], 1);
    if (by_time && (!e->send_time || !alone)) { /* a neighbour's time may be what is refused */
        bool by_itself = e->send_time;
        e->send_time = true;
        if (probe)
            ef_destinations_again(&r->destinations, e->row->topic);
        ef_window_returned(r->window, e, by_itself);
        return;
    }
    if (by_time)
        err = blame_the_clock(err, &own);
    struct ef_retry retry = ef_policy_retry(r->outbox, e->row->topic);
    struct ef_verdict v = ef_policy_judge(&retry, err, e->attempts, alone, quota, &r->rng);
    if (probe && (v.fate == EF_FATE_ALONE || v.fate == EF_FATE_AGAIN))
        ef_destinations_again(&r->destinations, e->row->topic); /* else it never gets its verdict */
    else if (probe && v.fate != EF_FATE_PAUSE_TOPIC)
        ef_destinations_undecided(&r->destinations, e->row->topic, ef_clock_mono());
    switch (v.fate) {
    case EF_FATE_RETRY:
        log_row(r, "row failed, to be tried again", e, err, v.attempts, v.delay_ms);
        ef_window_failed(r->window, e, err);
        ef_window_fated(r->window, e, EF_ENTRY_RETRY, v.attempts, v.delay_ms);
        ef_metric_add(r->m.retried[err->class], 1);
        r->retried++;
        ef_relay_pump_soon(r);
        break;
    case EF_FATE_DEAD:
        log_row(r, "row can never be delivered", e, err, v.attempts, 0);
        to_dead_letter(r, e, err, v.attempts);
        break;
    case EF_FATE_PAUSE_TOPIC:
        pause_topic(r, e, err);
        break;
    case EF_FATE_AGAIN:
    case EF_FATE_ALONE:
        ef_window_returned(r->window, e, v.fate == EF_FATE_ALONE);
        break;
    case EF_FATE_DELIVERED:
    case EF_FATE_STEP_DOWN: /* Kafka cannot fence a non-transactional producer: as FATAL */
        ef_window_returned(r->window, e, false);
        break;
    }
}

/* --- dead letters --- */

static void park(struct ef_relay *r, struct ef_entry *e)
{
    enum ef_class class = e->error ? e->error->class : EF_CLASS_RECORD;
    ef_window_fated(r->window, e, EF_ENTRY_DEAD, e->attempts, 0);
    ef_metric_add(r->m.dead[class], 1);
    r->dead++;
}

/* The dead letter cannot go now: the row waits and is tried again from the beginning. */
static void wait_for_dead_letters(struct ef_relay *r, struct ef_entry *e,
                                  const struct ef_error *err)
{
    struct ef_error text = *e->error;
    ef_error_prefix(&text, "its dead letter could not be sent (%s)", err->text);
    int attempts = e->attempts > 0 ? e->attempts - 1 : 0; /* this one did not end in a decision */
    struct ef_retry retry = ef_policy_retry(r->outbox, e->row->topic);
    int64_t delay_ms = ef_backoff_ms(&retry.backoff, e->attempts + 3, &r->rng);
    log_row(r, "dead letter could not be sent, row waits", e, err, attempts, delay_ms);
    *e->error = text;
    ef_window_fated(r->window, e, EF_ENTRY_RETRY, attempts, delay_ms);
    ef_metric_add(r->m.retried[err->class], 1);
}

static void dead_letter_reported(struct ef_relay *r, struct ef_entry *e, const struct ef_error *err)
{
    if (!err) {
        ef_metric_add(r->m.dead_letters, 1);
        park(r, e);
    } else if (err->class == EF_CLASS_RECORD) {
        ef_error_prefix(e->error, "parked, its dead letter can never go either (%s)", err->text);
        park(r, e);
    } else {
        wait_for_dead_letters(r, e, err);
    }
}

static void send_dead_letter(struct ef_relay *r, struct ef_entry *e)
{
    struct ef_message msg;
    struct ef_error err;
    struct ef_deadletter_cause cause = {.err = e->error,
                                        .kind = e->error->code ? ef_kafka_error_kind(e->error->code)
                                                               : "poison",
                                        .attempts = e->attempts};
    ef_arena_reset(&r->scratch);
    switch (
        ef_deadletter(&r->deadletter, e->row, &cause, ef_clock_wall(), &r->scratch, &msg, &err)) {
    case EF_DEADLETTER_PARK:
        park(r, e);
        return;
    case EF_DEADLETTER_IMPOSSIBLE:
        dead_letter_reported(r, e, &err);
        return;
    case EF_DEADLETTER_SEND:
        break;
    }
    switch (ef_publisher_produce_aside(r->publisher, &msg, e, &err)) {
    case EF_PRODUCED_QUEUED:
        ef_window_aside(r->window, e);
        break;
    case EF_PRODUCED_ALONE: /* of rows only */
    case EF_PRODUCED_FULL:
        if (!ef_timer_active(&r->full_timer))
            ef_timer_start(&r->full_timer, r->outbox->retry.backpressure_ms * EF_MS_US);
        break;
    case EF_PRODUCED_REFUSED:
        dead_letter_reported(r, e, &err);
        break;
    }
}

void ef_relay_send_dead_letters(struct ef_relay *r)
{
    struct ef_entry *e, *before = NULL;
    if (!ef_relay_lease_valid(r))
        return;
    while ((e = ef_window_first(r->window, EF_ENTRY_FAILED)) && e != before) {
        before = e;
        send_dead_letter(r, e);
    }
}

/* --- the fate barrier --- */

static void pause_fates(struct ef_relay *r)
{
    int64_t delay_ms = 50;
    for (int i = 0; i < r->fate_failures && delay_ms < 5000; i++)
        delay_ms *= 2;
    r->fate_failures++;
    r->fate_pause_until_us = ef_clock_mono().us + delay_ms * EF_MS_US;
    ef_timer_start(&r->fate_timer, delay_ms * EF_MS_US);
}

static bool may_write(const struct ef_relay *r)
{
    return ef_relay_is_owner(r) && ef_store_is_up(r->store) &&
           ef_clock_mono().us >= r->fate_pause_until_us;
}

/* "record MSG_SIZE_TOO_LARGE: what the broker said": whoever lists rows looks for its beginning. */
static const char *last_error_of(struct ef_relay *r, const struct ef_error *err)
{
    char text[sizeof(err->text) + sizeof(err->name) + 32];
    if (!err)
        return NULL;
    int n = snprintf(text, sizeof(text), "%s%s%s: %s", ef_class_name(err->class),
                     err->name[0] ? " " : "", err->name, err->text);
    return ef_arena_copy(&r->scratch, text, (size_t)n + 1);
}

static struct ef_decision decision_of(struct ef_relay *r, const struct ef_entry *e)
{
    static const enum ef_decision_kind kinds[] = {[EF_ENTRY_RETRY] = EF_DECIDE_RETRY,
                                                  [EF_ENTRY_DEAD] = EF_DECIDE_DEAD,
                                                  [EF_ENTRY_DELIVERED_DURABLY] =
                                                      EF_DECIDE_DELIVERED};
    return (struct ef_decision){.id = e->id,
                                .created_us = e->created_us,
                                .kind = kinds[e->fate],
                                .pending = !e->durable,
                                .attempts = e->attempts,
                                .delay_ms = e->delay_ms,
                                .error = last_error_of(r, e->error)};
}

void ef_relay_barrier_step(struct ef_relay *r)
{
    struct ef_entry *entries[DECIDE_ROWS_MAX];
    struct ef_decision decisions[DECIDE_ROWS_MAX];
    if (r->deciding || !may_write(r))
        return;
    bool barrier = !r->fetching && ef_window_barrier_wanted(r->window);
    int count = ef_window_decide(r->window, entries, DECIDE_ROWS_MAX, barrier);
    if (count == 0)
        return;
    ef_arena_reset(&r->scratch);
    for (int i = 0; i < count; i++)
        decisions[i] = decision_of(r, entries[i]);
    r->deciding = true;
    r->barrier = barrier;
    r->barriers += barrier;
    ef_metric_add(r->m.barriers, barrier);
    ef_store_decide(r->store, r->epoch, decisions, count);
}

void ef_relay_decided(void *arg, int64_t rows, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    bool barrier = r->barrier;
    r->deciding = r->barrier = false;
    if (!ef_relay_is_owner(r))
        return;
    int64_t expected = ef_window_stats(r->window)->count[EF_ENTRY_DECIDING];
    int64_t lowest = ef_window_decided(r->window, !err, rows >= expected, r->fetching);
    if (err) {
        pause_fates(r);
        ef_relay_database_trouble(r, "could not write rows' fates", err);
    } else {
        r->fate_failures = 0;
        r->last_settle_us = ef_clock_mono().us;
        if (lowest != INT64_MAX)
            ef_cursor_back(&r->cursor, lowest - 1);
        if (barrier) {
            r->fetch_now = true;
            ef_relay_ask_waiting(r);
        }
        if (rows < expected) { /* somebody changed them, or we are not the owner any more: ask */
            ef_relay_cancel_fetch(r); /* it may have passed what is to be read again */
            ef_relay_renew_now(r);
        }
    }
    ef_relay_pump_soon(r);
}

void ef_relay_release_all(struct ef_relay *r)
{
    if (!r->release_all_wanted || r->releasing_topic || !ef_relay_is_owner(r) ||
        !ef_store_is_up(r->store))
        return;
    r->release_all_wanted = false;
    r->releasing_topic = true;
    ef_store_release_topic(r->store, r->epoch, (struct ef_slice){NULL, 0}, 0);
}

void ef_relay_topic_released(void *arg, int64_t rows, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->releasing_topic = false;
    (void)rows;
    if (!ef_relay_is_owner(r))
        return;
    if (err)
        ef_relay_database_trouble(r, "could not release waiting rows", err);
    else
        ef_relay_ask_waiting(r);
    ef_relay_release_all(r);
}

static void on_probe_timer(void *arg)
{
    struct ef_relay *r = arg;
    struct ef_slice topic;
    ef_mono now = ef_clock_mono();
    if (r->state == EF_RELAY_RUNNING && ef_store_is_up(r->store) && !r->releasing_topic &&
        ef_destinations_due(&r->destinations, now, &topic)) {
        r->releasing_topic = true;
        ef_store_release_topic(r->store, r->epoch, topic, 1);
    }
    int64_t next = ef_destinations_next_us(&r->destinations, now);
    if (next >= 0)
        ef_timer_start(&r->probe_timer, next < EF_S_US / 10 ? EF_S_US / 10 : next);
}

/* --- settling --- */

/*
 * Partitions acknowledge their shares of the rows some milliseconds apart: settled as they come,
 * runs would be of one or two rows, which costs PostgreSQL four times as much. So while rows are in
 * flight only those below the oldest of them are settled, unless some have waited for long: that
 * one may not come back soon. Returns the bound, or INT64_MIN: not now.
 */
static int64_t settle_below(struct ef_relay *r, int64_t now)
{
    const struct ef_window_stats *w = ef_window_stats(r->window);
    const struct ef_entry *oldest = ef_window_first(r->window, EF_ENTRY_DELIVERED);
    const struct ef_entry *flying = ef_window_first(r->window, EF_ENTRY_IN_FLIGHT);
    int64_t patience_us = flying ? SETTLE_BUSY_US : SETTLE_QUIET_US;
    int64_t left_us = oldest->acked_at.us + patience_us - now;
    if (r->state != EF_RELAY_RUNNING || r->standing_still || left_us <= 0)
        return INT64_MAX;
    if (flying && w->count[EF_ENTRY_DELIVERED] >= SETTLE_ROWS_MIN &&
        flying->id - r->settled_below >= SETTLE_ROWS_MIN)
        return r->settled_below = flying->id;
    if (!ef_timer_active(&r->fate_timer))
        ef_timer_start(&r->fate_timer, left_us);
    return INT64_MIN;
}

void ef_relay_settle_step(struct ef_relay *r)
{
    const struct ef_window_run *runs;
    int rows;
    int64_t now = ef_clock_mono().us;
    if (r->settling || ef_window_stats(r->window)->count[EF_ENTRY_DELIVERED] == 0 || !may_write(r))
        return;
    int64_t below_id = settle_below(r, now);
    if (below_id == INT64_MIN)
        return;
    int count = ef_window_settle(r->window, below_id, SETTLE_ROWS_MAX, &runs, &rows);
    if (count == 0) { /* all are above the bound: once they have waited, without it */
        ef_timer_start(&r->fate_timer, SETTLE_BUSY_US);
        return;
    }
    r->settling = true;
    r->settle_began_us = now;
    r->settle_rows = rows;
    _Static_assert(sizeof(struct ef_window_run) == sizeof(struct ef_settle_run),
                   "the same four numbers");
    ef_store_settle(r->store, r->epoch, (const struct ef_settle_run *)runs, count);
}

static void on_fate_timer(void *arg)
{
    ef_relay_pump_soon(arg);
}

void ef_relay_settled(void *arg, int64_t rows, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->settling = false;
    if (!ef_relay_is_owner(r))
        return;
    int64_t now = ef_clock_mono().us;
    for (const struct ef_entry *e = ef_window_first(r->window, EF_ENTRY_SETTLING); e && !err;
         e = e->next)
        ef_metric_observe(r->m.acked_to_settled, (double)(now - e->acked_at.us) / 1e6);
    ef_window_settled(r->window, !err, r->fetching);
    if (err) {
        pause_fates(r);
        ef_relay_database_trouble(r, "could not settle delivered rows", err);
    } else {
        r->fate_failures = 0;
        r->last_settle_us = now;
        r->settled += (uint64_t)rows;
        ef_metric_add(r->m.settled, (double)rows);
        ef_metric_observe(r->m.settle_duration, (double)(now - r->settle_began_us) / 1e6);
        if (rows < r->settle_rows)
            ef_relay_renew_now(r); /* rows were gone already, or the lease is: ask */
    }
    ef_relay_pump_soon(r);
}

void ef_relay_fate_init(struct ef_relay *r)
{
    ef_timer_init(&r->fate_timer, r->loop, "relay", on_fate_timer, r);
    ef_timer_init(&r->probe_timer, r->loop, "relay", on_probe_timer, r);
}
