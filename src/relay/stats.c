// SPDX-License-Identifier: MIT
/* The relay's numbers: its counters and histograms, and the picture of the moment for the
 * endpoints. */
#include "relay/relay_private.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/str.h"

/* Topics that get a series of their own; the rest share one (interfaces.md, Metrics). */
enum { TOPICS_MAX = 500 };

struct topic_metrics {
    char *topic;
    struct ef_metric *produced, *delivered, *bytes;
    UT_hash_handle hh;
};

static struct ef_metric *counter(struct ef_relay *r, const char *name, const char *help)
{
    return ef_metrics_get(r->deps.metrics, EF_COUNTER, name, help, "outbox", r->outbox->name, NULL);
}

static struct ef_metric *histogram(struct ef_relay *r, const char *name, const char *help)
{
    return ef_metrics_get(r->deps.metrics, EF_HISTOGRAM, name, help, "outbox", r->outbox->name,
                          NULL);
}

static struct ef_metric *woken(struct ef_relay *r, const char *reason)
{
    return ef_metrics_get(r->deps.metrics, EF_COUNTER, "wakeups_total",
                          "Reads started, by what caused them.", "outbox", r->outbox->name,
                          "reason", reason, NULL);
}

static void class_counters(struct ef_relay *r)
{
    struct ef_metrics *m = r->deps.metrics;
    const char *outbox = r->outbox->name;
    for (int class = EF_CLASS_TRANSIENT; class < EF_CLASS_COUNT; class ++) {
        const char *name = ef_class_name((enum ef_class) class);
        r->m.retried[class] = ef_metrics_get(m, EF_COUNTER, "rows_retried_total",
                                             "Rows put to wait for another try, by error class.",
                                             "outbox", outbox, "class", name, NULL);
        r->m.dead[class] =
            ef_metrics_get(m, EF_COUNTER, "rows_dead_total", "Rows given up, by error class.",
                           "outbox", outbox, "class", name, NULL);
        r->m.database_errors[class] =
            ef_metrics_get(m, EF_COUNTER, "errors_total", "Errors, by source and class.", "outbox",
                           outbox, "source", "database", "class", name, NULL);
        r->m.kafka_errors[class] =
            ef_metrics_get(m, EF_COUNTER, "errors_total", "Errors, by source and class.", "outbox",
                           outbox, "source", "kafka", "class", name, NULL);
    }
}

void ef_relay_stats_init(struct ef_relay *r)
{
    static const char *const results[] = {[EF_ON_DELIVERED_ARCHIVE] = "archived",
                                          [EF_ON_DELIVERED_DELETE] = "deleted",
                                          [EF_ON_DELIVERED_MARK] = "marked"};
    struct ef_relay_metrics *m = &r->m;
    class_counters(r);
    m->fetched = counter(r, "rows_fetched_total", "Rows read that were not known before.");
    m->reaped =
        counter(r, "rows_reaped_total", "Rows of status 1 taken over from another kind of relay.");
    m->purged = counter(r, "rows_purged_total", "Done rows removed after their retention.");
    m->regressions = counter(r, "id_regressions_total",
                             "Rows that appeared below one of their aggregate already sent.");
    m->dead_letters =
        counter(r, "dead_letters_delivered_total", "Dead letters acknowledged by Kafka.");
    m->sweeps = counter(r, "sweeps_total", "Reads of the whole table from its lowest id.");
    m->barriers = counter(r, "fate_barriers_total", "Times reading stopped to write rows' fates.");
    m->settled =
        ef_metrics_get(r->deps.metrics, EF_COUNTER, "rows_settled_total", "Delivered rows settled.",
                       "outbox", r->outbox->name, "result", results[r->outbox->on_delivered], NULL);
    m->lease_acquired =
        counter(r, "lease_acquired_total", "Times this relay became the table's owner.");
    m->lease_lost =
        counter(r, "lease_lost_total", "Times ownership ended without a clean release.");
    m->reconnects = ef_metrics_get(r->deps.metrics, EF_COUNTER, "database_reconnects_total",
                                   "Times all connections of a relay were up again.", "database",
                                   r->outbox->database, NULL);
    m->database_up =
        ef_metrics_get(r->deps.metrics, EF_GAUGE, "database_up", "1 if the database answers.",
                       "database", r->outbox->database, NULL);
    m->created_to_seen = histogram(r, "created_to_seen_seconds", "From created_at to being read.");
    m->seen_to_acked =
        histogram(r, "seen_to_acked_seconds", "From being read to Kafka's acknowledgement.");
    m->acked_to_settled =
        histogram(r, "acked_to_settled_seconds", "From acknowledgement to the confirmed settle.");
    m->created_to_acked =
        histogram(r, "created_to_acked_seconds", "From created_at to Kafka's acknowledgement.");
    m->fetch_duration = histogram(r, "fetch_duration_seconds", "Duration of reads.");
    m->settle_duration = histogram(r, "settle_duration_seconds", "Duration of settles.");
    m->wake_poll = woken(r, "poll");
    m->wake_notify = woken(r, "notify");
    m->wake_retry = woken(r, "retry");
    m->wake_full = woken(r, "full_batch");
}

void ef_relay_stats_done(struct ef_relay *r)
{
    struct topic_metrics *t, *next;
    HASH_ITER (hh, r->topics, t, next) {
        HASH_DEL(r->topics, t);
        free(t->topic);
        free(t);
    }
}

static struct topic_metrics *topic_of(struct ef_relay *r, struct ef_slice topic)
{
    struct topic_metrics *t = r->last_topic;
    if (t && ef_slice_eq(ef_slice_of(t->topic), topic))
        return t;
    HASH_FIND(hh, r->topics, topic.p, topic.len, t);
    if (t)
        return r->last_topic = t;
    struct ef_slice other = ef_slice_of("_other");
    if (r->topic_count >= TOPICS_MAX && !ef_slice_eq(topic, other))
        return topic_of(r, other);
    t = ef_xcalloc(1, sizeof(*t));
    t->topic = ef_xstrndup(topic.p, topic.len);
    HASH_ADD_KEYPTR(hh, r->topics, t->topic, topic.len, t);
    r->topic_count++;
    struct ef_metrics *m = r->deps.metrics;
    t->produced = ef_metrics_get(m, EF_COUNTER, "messages_produced_total",
                                 "Messages handed to the Kafka client.", "outbox", r->outbox->name,
                                 "topic", t->topic, NULL);
    t->delivered =
        ef_metrics_get(m, EF_COUNTER, "messages_delivered_total", "Messages acknowledged by Kafka.",
                       "outbox", r->outbox->name, "topic", t->topic, NULL);
    t->bytes = ef_metrics_get(m, EF_COUNTER, "messages_delivered_bytes_total",
                              "Bytes of the values of acknowledged messages.", "outbox",
                              r->outbox->name, "topic", t->topic, NULL);
    return t;
}

void ef_relay_count_produced(struct ef_relay *r, struct ef_slice topic)
{
    ef_metric_add(topic_of(r, topic)->produced, 1);
}

void ef_relay_count_delivered(struct ef_relay *r, const struct ef_row *row, struct ef_slice topic)
{
    struct topic_metrics *t = topic_of(r, topic);
    ef_metric_add(t->delivered, 1);
    ef_metric_add(t->bytes, (double)row->payload.len);
}

/* 0: the table has no created_at. The clocks of database and relay may differ. */
void ef_relay_observe_age(struct ef_relay *r, struct ef_metric *histogram, int64_t created_us)
{
    int64_t now = ef_loop_time(r->loop)->wall.us;
    if (created_us != 0 && created_us < now)
        ef_metric_observe(histogram, ((double)now - (double)created_us) / 1e6);
}

/* --- the picture of the moment --- */

static bool is_ready(const struct ef_relay *r, int64_t now)
{
    const struct ef_window_stats *w = ef_window_stats(r->window);
    int64_t stall_us = r->outbox->ready_max_stall_ms * EF_MS_US;
    switch (r->state) {
    case EF_RELAY_STANDBY:
    case EF_RELAY_PAUSED:
        return true;
    case EF_RELAY_RUNNING:
        if (!ef_store_is_up(r->store))
            return now - (r->last_settle_us > r->running_since_us ? r->last_settle_us
                                                                  : r->running_since_us) <
                   stall_us;
        if (w->rows == 0 && r->last_read_empty)
            return true;
        return now - (r->last_settle_us > r->running_since_us ? r->last_settle_us
                                                              : r->running_since_us) <
               stall_us;
    default:
        return false;
    }
}

static void copy_topics(const struct ef_relay *r, struct ef_relay_status *s, int64_t now)
{
    struct ef_destination_view view;
    int max = (int)(sizeof(s->topics) / sizeof(s->topics[0]));
    s->topic_count = r->destinations.count;
    for (int i = 0; i < max && ef_destinations_view(&r->destinations, i, &view); i++) {
        struct ef_relay_paused_topic *t = &s->topics[i];
        snprintf(t->topic, sizeof(t->topic), "%.*s", (int)view.topic.len, view.topic.p);
        snprintf(t->reason, sizeof(t->reason), "%.255s", view.reason);
        t->since_ms = (now - view.since_us) / EF_MS_US;
        t->next_probe_ms = view.next_probe_us > now ? (view.next_probe_us - now) / EF_MS_US : 0;
    }
}

static void copy_reason(const struct ef_relay *r, struct ef_relay_status *s)
{
    if (r->reason[0])
        snprintf(s->reason, sizeof(s->reason), "%s", r->reason);
    else if (r->outage)
        snprintf(s->reason, sizeof(s->reason), "Kafka cannot be reached: %s", r->outage_reason);
    else if (r->destinations.count > 0)
        snprintf(s->reason, sizeof(s->reason), "%d topic(s) paused, first: %s",
                 r->destinations.count, s->topics[0].topic);
}

static void copy_window(const struct ef_relay *r, struct ef_relay_status *s, int64_t now)
{
    const struct ef_window_stats *w = ef_window_stats(r->window);
    const struct ef_entry *oldest = ef_window_first(r->window, EF_ENTRY_IN_FLIGHT);
    s->in_flight_rows = w->count[EF_ENTRY_IN_FLIGHT];
    s->in_flight_bytes = w->bytes;
    s->window_rows = w->rows;
    s->window_bytes = w->bytes;
    s->window_limit_bytes = r->outbox->window_max_bytes;
    s->oldest_in_flight_ms = oldest ? (now - oldest->produced_at.us) / EF_MS_US : 0;
    s->cursor_id = r->cursor.tracked == INT64_MIN ? 0 : r->cursor.tracked;
    s->gap_runs = r->cursor.gap_count;
    s->id_regressions = w->regressions;
    s->sweeps = r->cursor.sweeps;
}

static void copy_holds(const struct ef_relay *r, struct ef_relay_status *s)
{
    s->hold_count = r->holds.count;
    s->commands_waiting = r->commands_waiting;
    for (int i = 0; i < (int)(sizeof(s->holds) / sizeof(s->holds[0])); i++) {
        const struct ef_hold *hold = ef_holds_at(&r->holds, i);
        if (!hold)
            return;
        s->holds[i].topic = hold->topic;
        s->holds[i].at_us = hold->at_us;
        snprintf(s->holds[i].name, sizeof(s->holds[i].name), "%.*s", (int)hold->name.len,
                 hold->name.p);
        snprintf(s->holds[i].by, sizeof(s->holds[i].by), "%s", hold->actor);
        snprintf(s->holds[i].reason, sizeof(s->holds[i].reason), "%s", hold->reason);
    }
}

void ef_relay_status(const struct ef_relay *r, struct ef_relay_status *s)
{
    int64_t now = ef_clock_mono().us;
    *s = (struct ef_relay_status){.name = r->outbox->name,
                                  .database = r->outbox->database,
                                  .table = r->outbox->table,
                                  .state = r->state,
                                  .ready = is_ready(r, now),
                                  .outage = r->outage,
                                  .paused = r->state == EF_RELAY_PAUSED,
                                  .lease_held = ef_relay_lease_valid(r),
                                  .lease_epoch = r->epoch,
                                  .fetched = r->fetched,
                                  .delivered = r->delivered,
                                  .settled = r->settled,
                                  .retried = r->retried,
                                  .dead = r->dead,
                                  .fate_barriers = r->barriers,
                                  .lag_known = r->lag_known,
                                  .lag = r->lag};
    static const char *const on_delivered[] = {"archive", "delete", "mark"};
    s->on_delivered = on_delivered[r->outbox->on_delivered];
    s->wake = r->outbox->wake == EF_WAKE_NOTIFY ? "notify" : "poll";
    snprintf(s->paused_by, sizeof(s->paused_by), "%s", s->paused ? r->paused_by : "");
    snprintf(s->pause_reason, sizeof(s->pause_reason), "%s", s->paused ? r->pause_reason : "");
    snprintf(s->server, sizeof(s->server), "%s", r->info.server);
    snprintf(s->version, sizeof(s->version), "%s", r->info.version);
    snprintf(s->lease_owner, sizeof(s->lease_owner), "%s", r->lease_owner);
    s->standbys = r->standbys;
    s->lease_expires_in_ms =
        r->epoch ? (r->renewed_us + r->outbox->lease_ttl_ms * EF_MS_US - now) / EF_MS_US
                 : r->standby_wait_ms;
    s->lease_renewal_age_ms = r->epoch ? (now - r->renewed_us) / EF_MS_US : 0;
    s->last_settle_ms = r->last_settle_us ? (now - r->last_settle_us) / EF_MS_US : -1;
    copy_topics(r, s, now);
    copy_holds(r, s);
    copy_reason(r, s);
    copy_window(r, s, now);
    /* counters kept by pure modules are brought up to date here */
    ef_metric_set(r->m.sweeps, (double)r->cursor.sweeps);
    ef_metric_set(r->m.regressions, (double)s->id_regressions);
}
