// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "kafka"
#include "kafka/producer_private.h"

#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/str.h"
#include "kafka/embedded.h"
#include "kafka/errors.h"

/* Trouble counts as an outage once messages have waited this long without any ack. */
#define OUTAGE_AFTER_US (2 * EF_S_US)
/* A topic that does not answer while others do is given up after this (librdkafka 2.0.2 waits for
 * ever on a topic that it may not use); if brokers are up but there is no other topic to compare
 * with, later. */
#define STUCK_AFTER_US       (15 * EF_S_US)
#define STUCK_ALONE_AFTER_US (60 * EF_S_US)

/* --- reports to users --- */

static void free_pmsg(struct ef_producer *p, struct ef_pmsg *m)
{
    if (m->headers)
        rd_kafka_headers_destroy(m->headers);
    free(m->error);
    m->next = p->spare;
    p->spare = m;
}

static void maybe_forget_user(struct ef_producer *p, struct user *u)
{
    if (!u->gone || u->under_way > 0)
        return;
    DL_DELETE(p->users, u);
    ef_examine_forget_user(p, u);
    free(u->name);
    free(u);
}

void ef_producer_report(struct ef_producer *p, struct ef_pmsg *m, const struct ef_error *err)
{
    struct user *u = m->user;
    void *opaque = m->opaque;
    u->under_way--;
    bool gone = u->gone;
    free_pmsg(p, m);
    if (!gone)
        u->base.upcalls->delivery(u->base.arg, opaque, err);
    else if (u->release)
        u->release(opaque);
    if (gone)
        maybe_forget_user(p, u);
}

void ef_producer_report_later(struct ef_producer *p, struct ef_pmsg *m, const struct ef_error *err)
{
    m->error = ef_xmalloc(sizeof(*m->error));
    *m->error = *err;
    DL_APPEND(p->returned, m);
    ef_defer(&p->report_later);
}

static void give_reports(void *arg)
{
    struct ef_producer *p = arg;
    while (p->returned) {
        struct ef_pmsg *m = p->returned;
        DL_DELETE(p->returned, m);
        struct ef_error err = *m->error;
        ef_producer_report(p, m, &err);
    }
    ef_producer_continue_reset(p);
    if (p->room_now && p->state == INSTANCE_UP) {
        p->room_now = false;
        for (struct user *u = p->users, *next; u; u = next) {
            next = u->next;
            if (!u->gone)
                u->base.upcalls->room(u->base.arg);
        }
    }
}

void ef_producer_give_room(struct ef_producer *p)
{
    p->room_now = true;
    ef_defer(&p->report_later);
}

/* --- outage --- */

static void tell_outage(struct ef_producer *p, const struct ef_error *err)
{
    for (struct user *u = p->users, *next; u; u = next) {
        next = u->next;
        if (!u->gone)
            u->base.upcalls->outage(u->base.arg, err);
    }
}

void ef_producer_acked(struct ef_producer *p)
{
    p->last_ack_us = ef_loop_time(p->loop)->mono.us;
    p->suspect.class = EF_CLASS_NONE;
    if (p->brokers_up == 0)
        p->brokers_up = -1; /* the statistics, up to ten seconds old, do not know yet */
    if (!p->outage)
        return;
    p->outage = false;
    ef_info("Kafka takes messages again");
    tell_outage(p, NULL);
}

void ef_producer_suspect(struct ef_producer *p, const struct ef_error *err)
{
    if (p->suspect.class == EF_CLASS_NONE)
        p->suspect_us = ef_clock_mono().us;
    p->suspect = *err;
}

static void look_for_outage(struct ef_producer *p, int64_t now)
{
    if (p->outage || p->suspect.class == EF_CLASS_NONE || now - p->suspect_us < OUTAGE_AFTER_US)
        return;
    if (p->in_flight ==
        0) /* 2.0.2 reports idle disconnects as all brokers down: believe it when it matters */
        return;
    int64_t waiting_since = p->last_ack_us > p->first_wait_us ? p->last_ack_us : p->first_wait_us;
    if (now - waiting_since < OUTAGE_AFTER_US)
        return;
    p->outage = true;
    p->outage_error = p->suspect;
    ef_warn("Kafka cannot be reached; rows stay as they are until it can",
            EF_ERR(&p->outage_error));
    tell_outage(p, &p->outage_error);
}

/* Nothing has come back since then: others go on meanwhile, or for so long that it does not matter.
 */
static bool is_stuck(const struct ef_producer *p, int in_flight, int64_t progress_us, int64_t now)
{
    int64_t waited = now - progress_us;
    bool others_go = p->last_ack_us > progress_us + 5 * EF_S_US;
    return in_flight > 0 && ((waited > STUCK_AFTER_US && others_go) ||
                             (waited > STUCK_ALONE_AFTER_US && p->brokers_up > 0));
}

static void look_for_stuck_topics(struct ef_producer *p, int64_t now)
{
    struct ef_topic *topic, *next;
    bool any = false;
    if (p->state != INSTANCE_UP || p->outage)
        return;
    HASH_ITER (hh, p->topics, topic, next) {
        if (is_stuck(p, topic->in_flight, topic->progress_us, now) ||
            is_stuck(p, topic->alone_in_flight, topic->alone_progress_us, now))
            topic->stuck = any = true;
    }
    if (any)
        ef_producer_begin_reset(p, "a topic does not answer");
}

static void on_tick(void *arg)
{
    struct ef_producer *p = arg;
    int64_t now = ef_clock_mono().us;
    look_for_outage(p, now);
    look_for_stuck_topics(p, now);
    ef_producer_replace_aside(p);
    if (p->state == INSTANCE_RESETTING && p->main.rk)
        ef_producer_purge(p);
    /* should a wake-up have been lost: look at the queues as if one had come */
    static const uint64_t one = 1;
    ssize_t written = write(p->main.eventfd, &one, sizeof(one));
    (void)written;
    written = write(p->aside.eventfd, &one, sizeof(one));
    (void)written;
    if (p->alone.rk)
        written = write(p->alone.eventfd, &one, sizeof(one));
    (void)written;
    ef_timer_start(&p->tick, p->state == INSTANCE_RESETTING ? 50 * EF_MS_US : EF_S_US);
}

/* --- the publisher's verbs --- */

static struct ef_publisher_user *join(struct ef_publisher *pub, const char *name,
                                      const struct ef_publisher_upcalls *upcalls, void *arg)
{
    struct ef_producer *p = (struct ef_producer *)pub;
    struct user *u = ef_xcalloc(1, sizeof(*u));
    u->base = (struct ef_publisher_user){.pub = pub, .upcalls = upcalls, .arg = arg};
    u->name = ef_xstrdup(name);
    DL_APPEND(p->users, u);
    return &u->base;
}

static void leave(struct ef_publisher_user *user, void (*release)(void *opaque))
{
    struct user *u = (struct user *)user;
    u->gone = true;
    u->release = release;
    maybe_forget_user((struct ef_producer *)user->pub, u);
}

static rd_kafka_headers_t *make_headers(const struct ef_message *msg)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new((size_t)msg->header_count);
    for (int i = 0; i < msg->header_count; i++) {
        const struct ef_header *h = &msg->headers[i];
        rd_kafka_header_add(headers, h->name.p, (ssize_t)h->name.len, h->value.p,
                            h->value.p ? (ssize_t)h->value.len : 0);
    }
    return headers;
}

static size_t bytes_of(const struct ef_message *msg)
{
    size_t bytes = msg->key.len + msg->value.len;
    for (int i = 0; i < msg->header_count; i++)
        bytes += msg->headers[i].name.len + msg->headers[i].value.len;
    return bytes;
}

static struct ef_pmsg *make_pmsg(struct ef_producer *p, struct user *u,
                                 const struct ef_message *msg, void *opaque)
{
    struct ef_pmsg *m = p->spare;
    if (m)
        p->spare = m->next;
    else
        m = ef_xmalloc(sizeof(*m));
    *m = (struct ef_pmsg){.user = u,
                          .opaque = opaque,
                          .key = msg->key,
                          .value = msg->value,
                          .headers = make_headers(msg),
                          .timestamp_ms = msg->timestamp_ms,
                          .bytes = bytes_of(msg),
                          .partition = msg->partition,
                          .explicit_partition = msg->partition >= 0,
                          .seq = ++p->seq};
    u->under_way++;
    return m;
}

static enum ef_produced produce(struct ef_publisher_user *user, const struct ef_message *msg,
                                void *opaque, bool alone, struct ef_error *err)
{
    struct ef_producer *p = (struct ef_producer *)user->pub;
    struct user *u = (struct user *)user;
    if (p->state != INSTANCE_UP)
        return EF_PRODUCED_FULL;
    struct ef_topic *topic = ef_topic_get(p, msg->topic);
    if (!alone &&
        ef_topic_suspects(topic, bytes_of(msg), !msg->key.p, ef_loop_time(p->loop)->mono.us))
        return EF_PRODUCED_ALONE;
    struct ef_pmsg *m = make_pmsg(p, u, msg, opaque);
    m->alone = alone;
    m->topic = topic;
    ef_examine_use(topic, u);
    if (ef_topic_dispatch(p, m, err))
        return EF_PRODUCED_QUEUED;
    u->under_way--;
    free_pmsg(p, m);
    if (err->class == EF_CLASS_BUSY)
        return EF_PRODUCED_FULL; /* reports of others will make room */
    if (err->class == EF_CLASS_FATAL) {
        bool fewer = err->code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
        ef_producer_begin_reset(p, fewer ? "fewer partitions" : "fatal error");
        return EF_PRODUCED_FULL;
    }
    return EF_PRODUCED_REFUSED;
}

static enum ef_produced produce_aside(struct ef_publisher_user *user, const struct ef_message *msg,
                                      void *opaque, struct ef_error *err)
{
    struct ef_producer *p = (struct ef_producer *)user->pub;
    struct user *u = (struct user *)user;
    if (p->aside_failed || !p->aside.rk)
        return EF_PRODUCED_FULL;
    struct ef_pmsg *m = make_pmsg(p, u, msg, opaque);
    char topic[256];
    m->aside = true;
    snprintf(topic, sizeof(topic), "%.*s", (int)msg->topic.len, msg->topic.p);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        p->aside.rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)msg->value.p, msg->value.len),
        RD_KAFKA_V_KEY(msg->key.p, msg->key.len), RD_KAFKA_V_TIMESTAMP(msg->timestamp_ms),
        RD_KAFKA_V_HEADERS(m->headers), RD_KAFKA_V_OPAQUE(m), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        m->headers = NULL;
        if (p->aside_in_flight++ == 0 && !p->aside_answers)
            ef_producer_warm_soon(p);
        return EF_PRODUCED_QUEUED;
    }
    ef_kafka_error_fill(err, code, NULL);
    u->under_way--;
    free_pmsg(p, m);
    p->aside_failed = p->aside_failed || err->class == EF_CLASS_FATAL;
    return err->class == EF_CLASS_BUSY || p->aside_failed ? EF_PRODUCED_FULL : EF_PRODUCED_REFUSED;
}

static void warm(struct ef_publisher_user *user, struct ef_slice name)
{
    struct ef_producer *p = (struct ef_producer *)user->pub;
    if (p->state == INSTANCE_UP)
        ef_producer_ask_metadata(p, ef_topic_get(p, name));
}

static const struct ef_publisher_ops ops = {
    .join = join, .leave = leave, .produce = produce, .warm = warm, .produce_aside = produce_aside};

/* --- life --- */

static void retry_new(void *arg)
{
    ef_producer_continue_reset(arg);
}

static void on_warm(void *arg)
{
    ef_producer_warm(arg);
}

struct ef_producer *ef_producer_new(const struct ef_producer_params *params, struct ef_error *err)
{
    struct ef_producer *p = ef_xcalloc(1, sizeof(*p));
    p->pub.ops = &ops;
    p->loop = params->loop;
    p->params = *params;
    if (params->embedded)
        p->bootstrap = ef_xstrdup(ef_embedded_bootstrap(params->embedded));
    p->brokers_up = -1;
    p->aside.aside = true;
    p->alone.alone = true;
    ef_deferred_init(&p->report_later, p->loop, "kafka", give_reports, p);
    ef_examine_init(p);
    ef_timer_init(&p->tick, p->loop, "kafka", on_tick, p);
    ef_timer_init(&p->retry_new, p->loop, "kafka", retry_new, p);
    ef_timer_init(&p->warm, p->loop, "kafka", on_warm, p);
    if (!ef_instance_start(p, &p->main, err) || !ef_instance_start(p, &p->aside, err)) {
        ef_instance_stop(&p->main, true);
        free(p->bootstrap);
        free(p);
        return NULL;
    }
    ef_timer_start(&p->tick, EF_S_US);
    return p;
}

static void release_all(struct ef_producer *p)
{
    while (p->returned) {
        struct ef_pmsg *m = p->returned;
        DL_DELETE(p->returned, m);
        m->user->gone = true;
        struct ef_error err = *m->error;
        ef_producer_report(p, m, &err);
    }
    while (p->users) {
        struct user *u = p->users;
        DL_DELETE(p->users, u);
        free(u->name);
        free(u);
    }
    while (p->spare) {
        struct ef_pmsg *m = p->spare;
        p->spare = m->next;
        free(m);
    }
}

void ef_producer_free(struct ef_producer *p)
{
    if (!p)
        return;
    struct ef_topic *topic, *next;
    p->state = INSTANCE_RESETTING;
    HASH_ITER (hh, p->topics, topic, next) {
        ef_topic_return_held(p, topic);
        if (topic->rkt)
            rd_kafka_topic_destroy(topic->rkt);
        if (topic->alone_rkt)
            rd_kafka_topic_destroy(topic->alone_rkt);
    }
    ef_producer_give_up(p);
    ef_timer_stop(&p->tick);
    ef_timer_stop(&p->retry_new);
    ef_timer_stop(&p->warm);
    ef_deferred_cancel(&p->report_later);
    ef_examine_done(p);
    ef_instance_stop(&p->main, true);
    ef_instance_stop(&p->alone, true);
    ef_instance_stop(&p->aside, true);
    close(p->main.eventfd);
    close(p->aside.eventfd);
    if (p->alone.eventfd > 0)
        close(p->alone.eventfd);
    HASH_ITER (hh, p->topics, topic, next)
        ef_topic_free(p, topic);
    release_all(p);
    free(p->bootstrap);
    free(p);
}

struct ef_publisher *ef_producer_publisher(struct ef_producer *p)
{
    return &p->pub;
}

void ef_producer_view(const struct ef_producer *p, struct ef_producer_view *ret)
{
    bool never_reached =
        p->last_ack_us == 0 && p->brokers_up <= 0 && p->suspect.class != EF_CLASS_NONE;
    *ret = (struct ef_producer_view){.up = !p->outage && !never_reached,
                                     .brokers_up = p->brokers_up,
                                     .in_flight = p->in_flight + p->held,
                                     .recreations = p->recreations};
    if (!ret->up)
        snprintf(ret->reason, sizeof(ret->reason), "%.255s",
                 p->outage ? p->outage_error.text : p->suspect.text);
}
