// SPDX-License-Identifier: MIT
#include "admin/collect.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/versions.h"
#include "version.h"

enum {
    SLOW_US = 50000,   /* as the loop's */
    TOPICS_MAX = 1000, /* paused topics remembered, all outboxes together */
};

struct topic { /* shown as paused once: goes on as 0, so that an alert ends */
    char *outbox, *topic;
    struct topic *next;
};

struct ef_collect {
    struct ef_metrics *metrics;
    struct ef_loop *loop;
    struct ef_metric *callbacks;
    struct topic *topics;
    int topic_count;
    double
        started_at; /* of the process; kept, because it is counted back from a clock that is set */
};

static void on_callback(void *arg, const char *room, int64_t us)
{
    struct ef_collect *collect = arg;
    ef_metric_observe(collect->callbacks, (double)us / 1e6);
    if (us >= SLOW_US)
        ef_metric_add(ef_metrics_get(collect->metrics, EF_COUNTER, "loop_slow_callbacks_total",
                                     "Callbacks on the event loop that took 50 ms or longer.",
                                     "room", room, NULL),
                      1);
}

struct ef_collect *ef_collect_new(struct ef_metrics *metrics, struct ef_loop *loop,
                                  const char *librdkafka, const char *libpq, const char *libmariadb)
{
    struct ef_collect *collect = ef_xcalloc(1, sizeof(*collect));
    collect->metrics = metrics;
    collect->loop = loop;
    collect->callbacks = ef_metrics_get(metrics, EF_HISTOGRAM, "loop_callback_seconds",
                                        "Time that callbacks held the event loop.", NULL);
    ef_metric_set(ef_metrics_get(metrics, EF_GAUGE, "build_info",
                                 "Always 1; the labels say what this program is.", "version",
                                 EF_VERSION, "build", EF_BUILD_ID, "relay", "eventferryd",
                                 "librdkafka", librdkafka, "libpq", libpq, "libmariadb", libmariadb,
                                 "features", ef_versions_features(), NULL),
                  1);
    ef_loop_observe(loop, on_callback, collect);
    return collect;
}

void ef_collect_free(struct ef_collect *collect)
{
    struct topic *next;
    if (!collect)
        return;
    ef_loop_observe(collect->loop, NULL, NULL);
    for (struct topic *t = collect->topics; t; t = next) {
        next = t->next;
        free(t->outbox);
        free(t->topic);
        free(t);
    }
    free(collect);
}

/* One gauge of an outbox. Where it is not known it leaves the page: 0 would be a claim. */
static void gauge(struct ef_collect *collect, const char *outbox, const char *name,
                  const char *help, bool known, double value)
{
    struct ef_metric *metric =
        ef_metrics_get(collect->metrics, EF_GAUGE, name, help, "outbox", outbox, NULL);
    ef_metric_set(metric, value);
    if (!known)
        ef_metric_hide(metric);
}

static void update_state(struct ef_collect *collect, const struct ef_relay_status *s)
{
    for (int state = 0; state < EF_RELAY_STATE_COUNT; state++)
        ef_metric_set(ef_metrics_get(collect->metrics, EF_GAUGE, "outbox_state",
                                     "1 for the state the outbox is in, 0 for the others.",
                                     "outbox", s->name, "state",
                                     ef_relay_state_name((enum ef_relay_state)state), NULL),
                      s->state == (enum ef_relay_state)state);
    gauge(collect, s->name, "outbox_ready", "1 if /readyz has nothing against the outbox.", true,
          s->ready);
}

static void update_relay(struct ef_collect *collect, const struct ef_relay_status *s)
{
    const char *o = s->name;
    gauge(collect, o, "lease_held", "1 if this relay owns the table's lease.", true, s->lease_held);
    gauge(collect, o, "lease_epoch", "Epoch of the lease held: grows with each change of owner.",
          s->lease_held, (double)s->lease_epoch);
    gauge(collect, o, "lease_renewal_age_seconds", "Time since the lease was last renewed.",
          s->lease_held, (double)s->lease_renewal_age_ms / 1e3);
    gauge(collect, o, "in_flight_rows", "Rows read and not settled yet.", true,
          (double)s->in_flight_rows);
    gauge(collect, o, "in_flight_bytes", "Memory of the rows read and not settled yet.", true,
          (double)s->in_flight_bytes);
    gauge(collect, o, "window_limit_bytes", "What in_flight_bytes may reach.", true,
          (double)s->window_limit_bytes);
    gauge(collect, o, "gap_runs", "Runs of missing ids that are watched for late commits.", true,
          (double)s->gap_runs);
    gauge(collect, o, "cursor_id", "Highest id read so far.", s->lease_held, (double)s->cursor_id);
}

static void update_lag(struct ef_collect *collect, const struct ef_relay_status *s)
{
    const char *o = s->name;
    const struct ef_lag *lag = &s->lag;
    bool known = s->lag_known && s->lease_held;
    bool archive = known && lag->archive_partitions >= 0;

    gauge(collect, o, "backlog_rows", "Rows not delivered yet; counting stops at 100001.", known,
          (double)lag->backlog_rows);
    gauge(collect, o, "backlog_saturated", "1 if backlog_rows stopped counting.", known,
          lag->backlog_saturated);
    gauge(collect, o, "waiting_rows", "Rows that wait for their next try.", known,
          (double)lag->waiting_rows);
    gauge(collect, o, "dead_rows", "Rows given up, kept for an operator.", known,
          (double)lag->dead_rows);
    gauge(collect, o, "blocked_aggregates", "Aggregates whose later rows wait behind a failed one.",
          known, (double)lag->blocked_aggregates);
    gauge(collect, o, "oldest_unfinished_age_seconds",
          "Age of the oldest row not delivered yet; 0 if there is none.", known,
          lag->oldest_unfinished_age_s);
    gauge(collect, o, "archive_partitions", "Partitions of the archive.", archive,
          (double)lag->archive_partitions);
    gauge(collect, o, "archive_bytes", "Size of the archive on disk.", archive,
          (double)lag->archive_bytes);
    gauge(collect, o, "archive_default_rows", "Rows in the archive's default partition.", archive,
          (double)lag->archive_default_rows);
}

static struct ef_metric *topic_gauge(struct ef_collect *collect, const char *outbox,
                                     const char *topic)
{
    return ef_metrics_get(collect->metrics, EF_GAUGE, "topic_paused",
                          "1 while the topic cannot take records.", "outbox", outbox, "topic",
                          topic, NULL);
}

static void remember_topic(struct ef_collect *collect, const char *outbox, const char *topic)
{
    for (struct topic *t = collect->topics; t; t = t->next)
        if (strcmp(t->outbox, outbox) == 0 && strcmp(t->topic, topic) == 0)
            return;
    if (collect->topic_count >= TOPICS_MAX)
        return;
    struct topic *t = ef_xmalloc(sizeof(*t));
    *t = (struct topic){ef_xstrdup(outbox), ef_xstrdup(topic), collect->topics};
    collect->topics = t;
    collect->topic_count++;
}

static const struct ef_relay_status *find(const struct ef_snapshot *snapshot, const char *outbox)
{
    for (int i = 0; i < snapshot->count; i++)
        if (strcmp(snapshot->outboxes[i].status.name, outbox) == 0)
            return &snapshot->outboxes[i].status;
    return NULL;
}

static void update_topics(struct ef_collect *collect, const struct ef_snapshot *snapshot)
{
    for (struct topic **at = &collect->topics; *at;) {
        struct topic *t = *at;
        if (find(snapshot, t->outbox)) {
            ef_metric_set(topic_gauge(collect, t->outbox, t->topic), 0);
            at = &t->next;
            continue;
        }
        ef_metric_hide(topic_gauge(collect, t->outbox, t->topic));
        *at = t->next;
        collect->topic_count--;
        free(t->outbox);
        free(t->topic);
        free(t);
    }
    for (int i = 0; i < snapshot->count; i++) {
        const struct ef_relay_status *s = &snapshot->outboxes[i].status;
        int listed = (int)(sizeof(s->topics) / sizeof(s->topics[0]));
        for (int j = 0; j < s->topic_count && j < listed; j++) {
            remember_topic(collect, s->name, s->topics[j].topic);
            ef_metric_set(topic_gauge(collect, s->name, s->topics[j].topic), 1);
        }
    }
}

static void update_kafka(struct ef_collect *collect, const struct ef_view_kafka *kafka)
{
    ef_metric_set(ef_metrics_get(collect->metrics, EF_GAUGE, "kafka_up",
                                 "1 if any broker of the cluster can be reached.", "cluster",
                                 EF_COLLECT_CLUSTER, NULL),
                  kafka->up);
    struct ef_metric *brokers =
        ef_metrics_get(collect->metrics, EF_GAUGE, "kafka_brokers_up",
                       "Brokers with a working connection.", "cluster", EF_COLLECT_CLUSTER, NULL);
    ef_metric_set(brokers, kafka->brokers_up);
    if (kafka->brokers_up < 0)
        ef_metric_hide(brokers);
}

/* Names and meaning as every Prometheus client library has them. */
static void update_process(struct ef_collect *collect, const struct ef_process *p)
{
    struct ef_metrics *m = collect->metrics;
    if (collect->started_at == 0)
        collect->started_at = p->started_at;
    ef_metric_set(ef_metrics_get(m, EF_COUNTER, "process_cpu_seconds_total",
                                 "Total user and system CPU time spent in seconds.", NULL),
                  p->cpu_seconds);
    ef_metric_set(ef_metrics_get(m, EF_GAUGE, "process_resident_memory_bytes",
                                 "Resident memory size in bytes.", NULL),
                  (double)p->resident_bytes);
    ef_metric_set(
        ef_metrics_get(m, EF_GAUGE, "process_open_fds", "Number of open file descriptors.", NULL),
        (double)p->open_fds);
    ef_metric_set(ef_metrics_get(m, EF_GAUGE, "process_max_fds",
                                 "Maximum number of open file descriptors.", NULL),
                  (double)p->max_fds);
    ef_metric_set(ef_metrics_get(m, EF_GAUGE, "process_start_time_seconds",
                                 "Start time of the process since the Unix epoch in seconds.",
                                 NULL),
                  collect->started_at);
    ef_metric_set(ef_metrics_get(m, EF_COUNTER, "log_dropped_total",
                                 "Log lines lost because their reader stalled.", NULL),
                  (double)ef_log_dropped());
}

void ef_collect_update(struct ef_collect *collect, const struct ef_snapshot *snapshot)
{
    for (int i = 0; i < snapshot->count; i++) {
        const struct ef_relay_status *s = &snapshot->outboxes[i].status;
        update_state(collect, s);
        update_relay(collect, s);
        update_lag(collect, s);
    }
    update_topics(collect, snapshot);
    update_kafka(collect, &snapshot->kafka);
    update_process(collect, &snapshot->process);
}
