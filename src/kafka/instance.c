// SPDX-License-Identifier: MIT
/*
 * librdkafka's life: making an instance, its events on the loop, and replacing it.
 *
 * The main queue's eventfd is written once per "non-polled period" (rdkafka_queue.h): read it
 * first, then take events until there are none; a timer looks too, should a write have been lost.
 */
#define EF_LOG_ROOM "kafka"
#include "kafka/producer_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "base/str.h"
#include "kafka/broker_poll.h"
#include "kafka/clock_wait.h"
#include "kafka/errors.h"
#include "kafka/properties.h"
#include "kafka/statistics.h"

/* No linger: batches form while the one before is on its way. A millisecond of it made half the
 * latency of a quiet outbox. */
enum { STATISTICS_MS = 10000, LINGER_US = 0, REPORTS_PER_TURN = 2000 };
#define GIVE_UP_US (200 * EF_MS_US)

static void serve(struct instance *in);

static void on_eventfd(void *arg, int events)
{
    struct instance *in = arg;
    uint64_t n;
    (void)events;
    ssize_t got = read(in->eventfd, &n, sizeof(n));
    (void)got; /* EAGAIN: another turn has read it */
    serve(in);
}

static void wake(const struct instance *in)
{
    static const uint64_t one = 1;
    ssize_t written = write(in->eventfd, &one, sizeof(one));
    (void)written; /* EAGAIN: it is awake enough */
}

bool ef_instance_start(struct ef_producer *p, struct instance *in, struct ef_error *err)
{
    struct ef_kafka_params params = {.config = p->params.config,
                                     .bootstrap = p->bootstrap,
                                     .queue_messages = in->aside ? 0 : p->params.queue_messages,
                                     .queue_bytes = in->aside ? 0 : p->params.queue_bytes,
                                     .message_max_bytes = p->params.message_max_bytes,
                                     .linger_us = LINGER_US,
                                     .statistics_ms = in->aside || in->alone ? 0 : STATISTICS_MS,
                                     .aside = in->aside,
                                     .alone = in->alone};
    rd_kafka_conf_t *conf;
    char text[512];
    in->producer = p;
    if (in == &p->main && p->recreations == 0 && !ef_broker_poll_in_place())
        ef_warn("librdkafka's polling is not ours to slow down: it may use a core by itself");
    if (in == &p->main && p->recreations == 0 && !ef_clock_wait_in_place())
        ef_warn("librdkafka waits by the wall clock: after that one jumps a restart may be needed");
    if (in->eventfd <= 0 && (in->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        return ef_error_set(err, EF_CLASS_OUTAGE, "no descriptor for a Kafka producer: %s",
                            strerror(errno));
    if (!ef_kafka_conf_new(&params, &conf, err))
        return false;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS |
                                       RD_KAFKA_EVENT_LOG);
    in->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (!in->rk) {
        rd_kafka_conf_destroy(conf);
        return ef_error_set(err, EF_CLASS_CONFIG, "could not make a Kafka producer: %s", text);
    }
    in->queue = rd_kafka_queue_get_main(in->rk);
    rd_kafka_set_log_queue(in->rk, in->queue);
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(in->queue, in->eventfd, &one, sizeof(one));
    ef_io_init(&in->io, p->loop, "kafka", on_eventfd, in);
    ef_io_start(&in->io, in->eventfd, EF_IO_READ);
    wake(in); /* what was queued before the descriptor was known wrote nothing */
    return true;
}

static atomic_int ending; /* instances that a thread of ours is still destroying */

bool ef_producer_lingers(void)
{
    return atomic_load(&ending) > 0;
}

static void *destroy(void *arg)
{
    rd_kafka_destroy_flags(arg, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    atomic_fetch_sub(&ending, 1);
    return NULL;
}

void ef_instance_stop(struct instance *in, bool wait)
{
    if (!in->rk)
        return;
    ef_io_stop(&in->io);
    rd_kafka_queue_io_event_enable(in->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(in->queue);
    rd_kafka_t *rk = in->rk;
    in->rk = NULL;
    in->queue = NULL;
    /* ending its threads may take seconds when brokers do not answer: not on the loop */
    pthread_t thread;
    atomic_fetch_add(&ending, 1);
    if (!wait && pthread_create(&thread, NULL, destroy, rk) == 0) {
        pthread_detach(thread);
        return;
    }
    destroy(rk);
}

/* --- topics not known yet --- */

/*
 * librdkafka asks for a new topic's metadata once, at once, and if no broker is connected yet then
 * only with its next look at all topics, up to a second later. A request without waiting for its
 * answer (timeout 0) makes the library take in what it learns, and the waiting message goes.
 */
enum { WARM_FIRST_US = 5000, WARM_LAST_US = 1000000 };

void ef_producer_warm_soon(struct ef_producer *p)
{
    p->warm_delay_us = WARM_FIRST_US;
    ef_timer_start(&p->warm, p->warm_delay_us);
}

static void ask(rd_kafka_t *rk, rd_kafka_topic_t *rkt)
{
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, rkt, &metadata, 0) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
}

void ef_producer_ask_metadata(struct ef_producer *p, struct ef_topic *topic)
{
    ask(p->main.rk, topic->rkt);
    if (topic->alone_rkt)
        ask(p->alone.rk, topic->alone_rkt);
}

static bool ask_for_topics(struct ef_producer *p)
{
    struct ef_topic *topic, *next;
    bool any = false;
    HASH_ITER (hh, p->topics, topic, next) {
        if (topic->alone_in_flight > 0 && !topic->alone_answers) {
            any = true;
            ask(p->alone.rk, topic->alone_rkt);
        }
        if (topic->count > 0 || topic->in_flight == 0 || atomic_load(&topic->seen_count) > 0)
            continue;
        any = true;
        ef_producer_ask_metadata(p, topic);
    }
    return any;
}

void ef_producer_warm(struct ef_producer *p)
{
    bool any = p->state == INSTANCE_UP && ask_for_topics(p);
    if (p->aside.rk && p->aside_in_flight > 0 && !p->aside_answers) {
        any = true;
        ask(p->aside.rk, NULL); /* about all topics that it has messages for */
    }
    if (!any)
        return;
    p->warm_delay_us = p->warm_delay_us * 2 > WARM_LAST_US ? WARM_LAST_US : p->warm_delay_us * 2;
    ef_timer_start(&p->warm, p->warm_delay_us);
}

/* --- replacing --- */

/* Other partitions' requests are answered while one was refused: who waits for that repeats less.
 */
#define ANSWER_US (500 * EF_MS_US)

void ef_producer_purge(struct ef_producer *p)
{
    bool all = ef_clock_mono().us - p->reset_began_us > ANSWER_US;
    int flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING |
                (all ? RD_KAFKA_PURGE_F_INFLIGHT : 0);
    rd_kafka_purge(p->main.rk, flags);
    if (p->alone.rk)
        rd_kafka_purge(p->alone.rk, flags);
}

bool ef_producer_want_alone(struct ef_producer *p, struct ef_error *err)
{
    if (p->alone.rk || ef_instance_start(p, &p->alone, err))
        return true;
    ef_err("could not make a Kafka producer for messages that go alone; trying again", EF_ERR(err));
    err->class = EF_CLASS_DESTINATION; /* its topic waits, and is tried again ever later */
    return ef_error_prefix(err, "no producer for messages that go alone");
}

void ef_producer_begin_reset(struct ef_producer *p, const char *reason)
{
    if (p->state == INSTANCE_RESETTING)
        return;
    p->state = INSTANCE_RESETTING;
    p->reset_reason = reason;
    p->reset_began_us = ef_clock_mono().us;
    p->recreations++;
    uint64_t suppressed;
    if (ef_log_allow(&p->reset_limit, 5, 60 * EF_S_US, &suppressed))
        ef_warn("replacing the Kafka producer", EF_STR("reason", reason),
                EF_INT("in_flight", p->in_flight), EF_INT("suppressed", suppressed));
    ef_metric_add(ef_metrics_get(p->params.metrics, EF_COUNTER, "kafka_producer_recreations_total",
                                 "Producers replaced, by the reason.", "cluster", p->params.cluster,
                                 "reason", reason, NULL),
                  1);
    struct ef_topic *topic, *next;
    HASH_ITER (hh, p->topics, topic, next)
        ef_topic_return_held(p, topic);
    ef_producer_purge(p);
    ef_timer_start(&p->tick, 10 * EF_MS_US);
}

static void new_instance(struct ef_producer *p)
{
    struct ef_error err;
    struct ef_topic *topic, *next;
    HASH_ITER (hh, p->topics, topic, next) {
        if (topic->rkt) /* a second try finds none */
            rd_kafka_topic_destroy(topic->rkt);
        if (topic->alone_rkt)
            rd_kafka_topic_destroy(topic->alone_rkt);
        topic->rkt = topic->alone_rkt = NULL;
    }
    ef_instance_stop(&p->main, false);
    ef_instance_stop(&p->alone, false);
    p->retries_told = p->timeouts_told = 0;
    if (!ef_instance_start(p, &p->main, &err)) {
        /* e.g. a certificate file that has gone: try again */
        ef_err("could not replace the Kafka producer; trying again in 1 s", EF_ERR(&err));
        ef_timer_start(&p->retry_new, EF_S_US);
        return;
    }
    HASH_ITER (hh, p->topics, topic, next)
        ef_topic_new_instance(p, topic);
    p->state = INSTANCE_UP;
    p->suspect.class = EF_CLASS_NONE;
    ef_debug("Kafka producer replaced", EF_INT("took_us", ef_clock_mono().us - p->reset_began_us));
    ef_producer_give_room(p);
}

/* Goes on once every message has been reported, and every report has been given to its user. */
void ef_producer_continue_reset(struct ef_producer *p)
{
    if (p->state != INSTANCE_RESETTING || p->in_flight > 0 || p->returned ||
        ef_timer_active(&p->retry_new))
        return;
    new_instance(p);
}

/* Dead letters know no order: what is under way comes back as failed, and its rows wait for another
 * try. */
void ef_producer_replace_aside(struct ef_producer *p)
{
    struct ef_error err;
    int64_t now_us = ef_clock_mono().us;
    if (!p->aside_failed || now_us < p->aside_again_us)
        return;
    if (p->aside.rk && p->aside_in_flight > 0) {
        rd_kafka_purge(p->aside.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                        RD_KAFKA_PURGE_F_NON_BLOCKING);
        return;
    }
    ef_instance_stop(&p->aside, false);
    if (ef_instance_start(p, &p->aside, &err)) {
        p->aside_failed = p->aside_answers = false;
        return;
    }
    /* a tick comes every 50 ms while the main one is being replaced: too often for this */
    p->aside_again_us = now_us + EF_S_US;
    ef_err("could not replace the producer of dead letters; trying again", EF_ERR(&err));
}

/* --- events --- */

/* A topic that does not answer is what failed, not the instance. */
static void fill_report(const struct ef_pmsg *m, const rd_kafka_message_t *rkm,
                        struct ef_error *err)
{
    /* rd_kafka_message_errstr would give the message's own payload here: never into a log */
    ef_kafka_error_fill(err, rkm->err, NULL);
    if (m->topic->stuck && err->class == EF_CLASS_FATAL)
        ef_error_set(err, EF_CLASS_DESTINATION,
                     "topic \"%s\" does not take messages: no answer for too long", m->topic->name);
}

/* Whatever became of it: no other message has anything to do with it. */
static void report_alone(struct ef_producer *p, struct ef_pmsg *m, const rd_kafka_message_t *rkm)
{
    struct ef_error err = {.class = EF_CLASS_NONE};
    p->in_flight--;
    if (rkm->err)
        fill_report(m, rkm, &err);
    else
        ef_producer_acked(p);
    ef_topic_reported_alone(p, m, rkm->err ? &err : NULL);
    if (rkm->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && err.class == EF_CLASS_FATAL)
        ef_producer_begin_reset(p, "fewer partitions");
    if (rkm->err && p->state == INSTANCE_RESETTING)
        ef_producer_report_later(p, m, &err);
    else
        ef_producer_report(p, m, rkm->err ? &err : NULL);
}

static void report_one(struct instance *in, const rd_kafka_message_t *rkm)
{
    struct ef_producer *p = in->producer;
    struct ef_pmsg *m = rkm->_private;
    struct ef_error err;
    if (in->aside) {
        p->aside_in_flight--;
        p->aside_answers = true;
        if (rkm->err)
            ef_kafka_error_fill(&err, rkm->err, NULL);
        ef_producer_report(p, m, rkm->err ? &err : NULL);
        return;
    }
    if (in->alone) {
        report_alone(p, m, rkm);
        return;
    }
    p->in_flight--;
    if (!rkm->err) {
        ef_producer_acked(p);
        ef_topic_reported(p, m, rkm->partition, true);
        ef_producer_report(p, m, NULL);
        return;
    }
    fill_report(m, rkm, &err);
    ef_topic_reported(p, m, rkm->partition, false);
    /* whatever failed, later messages of its partition may be on their way: only a new instance is
     * sure */
    ef_producer_begin_reset(p,
                            err.class == EF_CLASS_FATAL ? "fatal error" : "a message was refused");
    ef_producer_report_later(p, m, &err);
}

static int on_reports(struct instance *in, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *rkm;
    int count = 0;
    for (; (rkm = rd_kafka_event_message_next(event)); count++)
        report_one(in, rkm);
    return count;
}

static void on_error(struct instance *in, rd_kafka_event_t *event)
{
    struct ef_producer *p = in->producer;
    struct ef_error err;
    uint64_t suppressed;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    ef_kafka_error_fill_event(&err, code, rd_kafka_event_error_string(event));
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        char text[512];
        code = rd_kafka_fatal_error(in->rk, text, sizeof(text));
        ef_error_set(&err, EF_CLASS_FATAL, "%s", text);
        ef_error_code(&err, code, rd_kafka_err2name(code));
    }
    if (err.class == EF_CLASS_FATAL && !in->aside)
        ef_producer_begin_reset(p, "fatal error");
    if (err.class == EF_CLASS_FATAL && in->aside)
        p->aside_failed = true;
    if (err.class == EF_CLASS_OUTAGE)
        ef_producer_suspect(p, &err);
    if (ef_log_allow(&p->event_limit, 2, 30 * EF_S_US, &suppressed))
        ef_warn("Kafka reports trouble", EF_INT("suppressed", suppressed), EF_ERR(&err));
}

static void on_log(rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;
    if (rd_kafka_event_log(event, &facility, &text, &level) != 0)
        return;
    bool told = strcmp(facility, "FAIL") == 0; /* as an error event, too */
    if (level <= 3 && !told)
        ef_warn("librdkafka says", EF_STR("facility", facility), EF_STR("text", text));
    else
        ef_debug("librdkafka says", EF_STR("facility", facility), EF_STR("text", text));
}

static void gauge(struct ef_producer *p, const char *name, const char *help, double value)
{
    ef_metric_set(
        ef_metrics_get(p->params.metrics, EF_GAUGE, name, help, "cluster", p->params.cluster, NULL),
        value);
}

static void broker_rtt(struct ef_producer *p, const struct ef_kafka_broker_statistics *broker)
{
    static const char *const quantiles[] = {"0.5", "0.99"};
    const double us[] = {broker->rtt_p50_us, broker->rtt_p99_us};
    char id[24];
    snprintf(id, sizeof(id), "%lld", (long long)broker->node);
    for (int i = 0; i < 2; i++)
        ef_metric_set(ef_metrics_get(p->params.metrics, EF_SUMMARY, "kafka_broker_rtt_seconds",
                                     "Round-trip time of requests to a broker.", "cluster",
                                     p->params.cluster, "broker", id, "quantile", quantiles[i],
                                     NULL),
                      us[i] / 1e6);
}

/* Counters begin again with each instance: what a former one had counted is kept. */
static void request_counters(struct ef_producer *p, double retries, double timeouts)
{
    struct ef_metrics *m = p->params.metrics;
    struct ef_metric *r =
        ef_metrics_get(m, EF_COUNTER, "kafka_request_retries_total",
                       "Requests sent again to a broker.", "cluster", p->params.cluster, NULL);
    struct ef_metric *t = ef_metrics_get(m, EF_COUNTER, "kafka_request_timeouts_total",
                                         "Requests that a broker did not answer in time.",
                                         "cluster", p->params.cluster, NULL);
    ef_metric_add(r, retries > p->retries_told ? retries - p->retries_told : 0);
    ef_metric_add(t, timeouts > p->timeouts_told ? timeouts - p->timeouts_told : 0);
    p->retries_told = retries;
    p->timeouts_told = timeouts;
}

static void on_statistics(struct ef_producer *p, rd_kafka_event_t *event)
{
    struct ef_kafka_statistics told;
    if (!ef_kafka_statistics_read(rd_kafka_event_stats(event), &told))
        return;
    for (size_t i = 0; i < told.broker_count; i++)
        broker_rtt(p, &told.brokers[i]);
    p->brokers_up = told.brokers_up;
    gauge(p, "kafka_queue_messages", "Messages in the Kafka client.", told.messages);
    gauge(p, "kafka_queue_bytes", "Bytes of the messages in the Kafka client.", told.bytes);
    request_counters(p, told.retries, told.timeouts);
    ef_kafka_statistics_done(&told);
}

static void take_reports(struct instance *in, int64_t until_us)
{
    struct ef_producer *p = in->producer;
    rd_kafka_event_t *event;
    while (in->rk && (in->aside ? p->aside_in_flight : p->in_flight) > 0 &&
           ef_clock_mono().us < until_us && (event = rd_kafka_queue_poll(in->queue, 0))) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            on_reports(in, event);
        rd_kafka_event_destroy(event);
    }
}

void ef_producer_give_up(struct ef_producer *p)
{
    struct instance *instances[] = {&p->main, &p->alone, &p->aside};
    for (int i = 0; i < 3; i++)
        if (instances[i]->rk) /* waits for the library's threads, which have it then */
            rd_kafka_purge(instances[i]->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    int64_t until_us = ef_clock_mono().us + GIVE_UP_US;
    for (int i = 0; i < 3; i++)
        take_reports(instances[i], until_us);
}

/* Bounded per turn so that a flood of reports does not keep the rest of the loop waiting. */
static void serve(struct instance *in)
{
    struct ef_producer *p = in->producer;
    rd_kafka_event_t *event;
    int left = REPORTS_PER_TURN;
    while (in->rk && left > 0 && (event = rd_kafka_queue_poll(in->queue, 0))) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_DR:
            left -= on_reports(in, event);
            break;
        case RD_KAFKA_EVENT_ERROR:
            on_error(in, event);
            break;
        case RD_KAFKA_EVENT_STATS:
            on_statistics(p, event);
            break;
        case RD_KAFKA_EVENT_LOG:
            on_log(event);
            break;
        case RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT:
            ef_examine_answered(p, event);
            break;
        default:
            break;
        }
        rd_kafka_event_destroy(event);
        left--;
    }
    if (in->rk && left <= 0) /* no second write comes for what is still queued */
        wake(in);
    ef_topics_room(p);
    ef_producer_continue_reset(p);
}
