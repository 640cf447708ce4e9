// SPDX-License-Identifier: MIT
/*
 * librdkafka, as far as the product's publisher calls it, with the linker's help in the place of
 * the real one: its answers come as events through a descriptor that is none, its metadata late,
 * its threads are events of the simulated world.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "kafka/producer_private.h"
#include "kafka/properties.h"
#include "prodsim/prodsim.h"

enum { EVENT_MAX = 16, PROPAGATION_US = 30000000 };

struct rd_kafka_conf_s {
    bool aside, alone;
    int64_t queue_messages;
};

struct rd_kafka_topic_conf_s {
    void *opaque;
    int32_t (*partitioner)(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                           int32_t count, void *topic_opaque, void *msg_opaque);
};

struct rd_kafka_queue_s {
    rd_kafka_t *rk;
};

struct rd_kafka_op_s {
    struct rd_kafka_op_s *next;
    rd_kafka_t *rk;
    rd_kafka_event_type_t type;
    struct message *messages, *given;
    int count;
    rd_kafka_resp_err_t err;
};

static struct {
    struct ef_loop *loop;
    rd_kafka_t *instances;
    int producers, queue_limit;
} l;

/* --- instances --- */

static void on_metadata(void *arg);

static void on_wake(void *arg)
{
    const rd_kafka_t *rk = arg;
    seams_readable(rk->fd);
}

void library_wake(int fd)
{
    for (rd_kafka_t *rk = l.instances; rk; rk = rk->next)
        if (rk->fd == fd && !rk->destroyed && !sim_event_active(&rk->wake))
            sim_event_start(&rk->wake, delay_between(1, 1000));
}

void library_reset(struct ef_loop *loop)
{
    while (l.instances) {
        rd_kafka_t *rk = l.instances;
        l.instances = rk->next;
        sim_event_stop(&rk->wake);
        sim_event_stop(&rk->metadata);
        free(rk);
    }
    memset(&l, 0, sizeof(l));
    l.loop = loop;
}

void library_queue_limit(int messages)
{
    l.queue_limit = messages;
}

bool ef_kafka_conf_new(const struct ef_kafka_params *params, struct rd_kafka_conf_s **ret,
                       struct ef_error *err)
{
    (void)err;
    *ret = ef_xcalloc(1, sizeof(**ret));
    (*ret)->alone = params->alone;
    (*ret)->aside = params->aside;
    (*ret)->queue_messages = l.queue_limit;
    return true;
}

void rd_kafka_conf_set_events(rd_kafka_conf_t *conf, int events)
{
    (void)conf;
    (void)events;
}

void rd_kafka_conf_destroy(rd_kafka_conf_t *conf)
{
    free(conf);
}

rd_kafka_t *rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size)
{
    (void)type;
    if (l.producers == PRODUCERS_MAX) {
        snprintf(text, size, "too many");
        violated("more than %d producers were made", PRODUCERS_MAX);
        return NULL;
    }
    rd_kafka_t *rk = ef_xcalloc(1, sizeof(*rk));
    rk->producer = conf->alone || conf->aside ? -1 : l.producers++;
    rk->aside = conf->aside;
    rk->queue_limit = (int)conf->queue_messages;
    rk->last = &rk->first;
    rk->fd = -1;
    for (int t = 0; t < TOPICS; t++) {
        struct rd_kafka_topic_s *rkt = &rk->topics[t];
        *rkt = (struct rd_kafka_topic_s){.rk = rk, .topic = t};
        snprintf(rkt->name, sizeof(rkt->name), "t%d", t);
    }
    sim_event_init(&rk->wake, l.loop, on_wake, rk);
    sim_event_init(&rk->metadata, NULL, on_metadata, rk);
    rk->next = l.instances;
    l.instances = rk;
    free(conf);
    return rk;
}

rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *rk)
{
    rd_kafka_queue_t *queue = ef_xmalloc(sizeof(*queue));
    queue->rk = rk;
    return queue;
}

void rd_kafka_queue_destroy(rd_kafka_queue_t *queue)
{
    free(queue);
}

rd_kafka_resp_err_t rd_kafka_set_log_queue(rd_kafka_t *rk, rd_kafka_queue_t *queue)
{
    (void)rk;
    (void)queue;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload,
                                    size_t size)
{
    (void)payload;
    (void)size;
    queue->rk->fd = fd;
}

static void free_events(rd_kafka_t *rk)
{
    while (rk->first) {
        rd_kafka_event_t *event = rk->first;
        rk->first = event->next;
        if (event->count > 0)
            violated("an instance was destroyed with reports that nobody took");
        free(event);
    }
    rk->last = &rk->first;
}

void rd_kafka_destroy_flags(rd_kafka_t *rk, int flags)
{
    (void)flags;
    for (int t = 0; t < TOPICS; t++)
        requests_forget(&rk->topics[t]);
    free_events(rk);
    rk->destroyed = true;
    sim_event_stop(&rk->wake);
    sim_event_stop(&rk->metadata);
}

/* --- events --- */

static void put_event(rd_kafka_t *rk, rd_kafka_event_t *event)
{
    bool empty = !rk->first;
    event->next = NULL;
    *rk->last = event;
    rk->last = &event->next;
    if (empty && !rk->told) { /* once, until somebody has found the queue empty */
        rk->told = true;
        sim_event_start(&rk->wake, delay_between(1, 1000));
    }
}

static rd_kafka_event_t *new_event(rd_kafka_t *rk, rd_kafka_event_type_t type)
{
    rd_kafka_event_t *event = ef_xcalloc(1, sizeof(*event));
    event->rk = rk;
    event->type = type;
    return event;
}

static rd_kafka_event_t *last_event(rd_kafka_t *rk)
{
    rd_kafka_event_t *event = rk->first;
    while (event && event->next)
        event = event->next;
    return event;
}

static void report(rd_kafka_t *rk, struct message *m, rd_kafka_resp_err_t err, int partition)
{
    rd_kafka_event_t *event = last_event(rk);
    m->rkm.err = err;
    m->rkm.partition = partition;
    if (m->headers)
        rd_kafka_headers_destroy(m->headers);
    m->headers = NULL;
    if (!event || event->type != RD_KAFKA_EVENT_DR || event->count == EVENT_MAX) {
        event = new_event(rk, RD_KAFKA_EVENT_DR);
        put_event(rk, event);
    }
    DL_APPEND(event->messages, m);
    event->count++;
}

void library_report_all(rd_kafka_t *rk, struct message **list, rd_kafka_resp_err_t err,
                        int partition)
{
    while (*list) {
        struct message *m = *list;
        DL_DELETE(*list, m);
        report(rk, m, err, partition);
    }
}

void library_fatal(rd_kafka_t *rk)
{
    if (rk->fatal)
        return;
    rk->fatal = true;
    rd_kafka_event_t *event = new_event(rk, RD_KAFKA_EVENT_ERROR);
    event->err = RD_KAFKA_RESP_ERR__FATAL;
    put_event(rk, event);
}

void library_break(bool aside)
{
    for (rd_kafka_t *rk = l.instances; rk; rk = rk->next)
        if (!rk->destroyed && (aside ? rk->aside : rk->producer >= 0))
            library_fatal(rk);
}

void library_tell_outage(void)
{
    for (rd_kafka_t *rk = l.instances; rk; rk = rk->next) {
        if (rk->destroyed)
            continue;
        rd_kafka_event_t *event = new_event(rk, RD_KAFKA_EVENT_ERROR);
        event->err = RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
        put_event(rk, event);
    }
}

rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *queue, int timeout_ms)
{
    rd_kafka_t *rk = queue->rk;
    rd_kafka_event_t *event = rk->first;
    (void)timeout_ms;
    if (!event) {
        rk->told = false;
        return NULL;
    }
    rk->first = event->next;
    if (!rk->first)
        rk->last = &rk->first;
    return event;
}

rd_kafka_event_type_t rd_kafka_event_type(const rd_kafka_event_t *event)
{
    return event->type;
}

const rd_kafka_message_t *rd_kafka_event_message_next(rd_kafka_event_t *event)
{
    struct message *m = event->messages;
    if (!m)
        return NULL;
    DL_DELETE(event->messages, m);
    DL_APPEND(event->given, m);
    event->count--;
    return &m->rkm;
}

void rd_kafka_event_destroy(rd_kafka_event_t *event)
{
    while (event->given) {
        struct message *m = event->given;
        DL_DELETE(event->given, m);
        event->rk->queued--; /* until now it counts */
        free(m);
    }
    free(event);
}

rd_kafka_resp_err_t rd_kafka_event_error(rd_kafka_event_t *event)
{
    return event->err;
}

const char *rd_kafka_event_error_string(rd_kafka_event_t *event)
{
    return rd_kafka_err2str(event->err);
}

rd_kafka_resp_err_t rd_kafka_fatal_error(rd_kafka_t *rk, char *text, size_t size)
{
    (void)rk;
    snprintf(text, size, "a fatal error");
    return RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* --- topics --- */

rd_kafka_topic_conf_t *rd_kafka_default_topic_conf_dup(rd_kafka_t *rk)
{
    (void)rk;
    return ef_xcalloc(1, sizeof(rd_kafka_topic_conf_t));
}

void rd_kafka_topic_conf_set_partitioner_cb(
    rd_kafka_topic_conf_t *conf,
    int32_t (*partitioner)(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                           int32_t count, void *topic_opaque, void *msg_opaque))
{
    conf->partitioner = partitioner;
}

void rd_kafka_topic_conf_set_opaque(rd_kafka_topic_conf_t *conf, void *opaque)
{
    conf->opaque = opaque;
}

static void ask_metadata(rd_kafka_t *rk)
{
    if (!sim_event_active(&rk->metadata))
        sim_event_start(&rk->metadata, delay_between(200, faults.metadata_max_us));
}

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *name, rd_kafka_topic_conf_t *conf)
{
    struct rd_kafka_topic_s *rkt = &rk->topics[name[1] - '0'];
    rkt->wanted = true;
    rkt->opaque = conf->opaque;
    rkt->partitioner = conf->partitioner;
    free(conf);
    ask_metadata(rk);
    return rkt;
}

void rd_kafka_topic_destroy(rd_kafka_topic_t *rkt)
{
    rkt->wanted = false;
}

rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all_topics, rd_kafka_topic_t *only,
                                      const struct rd_kafka_metadata **ret, int timeout_ms)
{
    (void)all_topics;
    (void)only;
    (void)ret;
    (void)timeout_ms;
    ask_metadata(rk);
    return RD_KAFKA_RESP_ERR__TIMED_OUT;
}

void rd_kafka_metadata_destroy(const struct rd_kafka_metadata *metadata)
{
    (void)metadata;
}

/* Puts it where it goes; an error is the caller's to report. */
static rd_kafka_resp_err_t assign(struct rd_kafka_topic_s *rkt, struct message *m)
{
    int partition = rkt->partitioner ? rkt->partitioner(rkt, m->rkm.key, m->rkm.key_len, rkt->known,
                                                        rkt->opaque, m->rkm._private)
                                     : 0;
    if (partition < 0 || partition >= rkt->known)
        return RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    DL_APPEND(rkt->lanes[partition].queue, m);
    requests_send(rkt, partition);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void learn(struct rd_kafka_topic_s *rkt, int count)
{
    if (count == 0) {
        rkt->known = 0;
        if (rkt->missing_since_us == 0)
            rkt->missing_since_us = sim_now_us();
        else if (sim_now_us() - rkt->missing_since_us > PROPAGATION_US)
            library_report_all(rkt->rk, &rkt->unassigned, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, -1);
        return;
    }
    rkt->missing_since_us = 0;
    rkt->known = count;
    while (rkt->unassigned) {
        struct message *m = rkt->unassigned;
        DL_DELETE(rkt->unassigned, m);
        rd_kafka_resp_err_t err = assign(rkt, m);
        if (err)
            report(rkt->rk, m, err, -1);
    }
}

static void on_metadata(void *arg)
{
    rd_kafka_t *rk = arg;
    if (!faults.outage)
        for (int t = 0; t < TOPICS; t++)
            if (rk->topics[t].wanted && !faults.hidden[t])
                learn(&rk->topics[t], cluster_partitions(t));
    /* it looks again by itself, sooner while something is missing */
    sim_event_start(&rk->metadata, delay_between(500000, 20000000));
}

/* --- messages --- */

static struct message *message_of(rd_kafka_t *rk, va_list ap, rd_kafka_topic_t **ret_rkt)
{
    struct message *m = ef_xcalloc(1, sizeof(*m));
    for (rd_kafka_vtype_t tag; (tag = va_arg(ap, rd_kafka_vtype_t)) != RD_KAFKA_VTYPE_END;) {
        switch (tag) {
        case RD_KAFKA_VTYPE_RKT:
            *ret_rkt = va_arg(ap, rd_kafka_topic_t *);
            break;
        case RD_KAFKA_VTYPE_TOPIC:
            *ret_rkt = &rk->topics[va_arg(ap, const char *)[1] - '0'];
            break;
        case RD_KAFKA_VTYPE_PARTITION:
        case RD_KAFKA_VTYPE_MSGFLAGS:
            (void)va_arg(ap, int);
            break;
        case RD_KAFKA_VTYPE_VALUE:
            m->rkm.payload = va_arg(ap, void *);
            m->rkm.len = va_arg(ap, size_t);
            break;
        case RD_KAFKA_VTYPE_KEY:
            m->rkm.key = va_arg(ap, void *);
            m->rkm.key_len = va_arg(ap, size_t);
            break;
        case RD_KAFKA_VTYPE_TIMESTAMP:
            (void)va_arg(ap, int64_t);
            break;
        case RD_KAFKA_VTYPE_HEADERS:
            m->headers = va_arg(ap, rd_kafka_headers_t *);
            break;
        case RD_KAFKA_VTYPE_OPAQUE:
            m->rkm._private = va_arg(ap, void *);
            break;
        default:
            abort(); /* the product says nothing else */
        }
    }
    return m;
}

static rd_kafka_resp_err_t take(struct rd_kafka_topic_s *rkt, struct message *m)
{
    rd_kafka_t *rk = rkt->rk;
    if (rk->fatal)
        return RD_KAFKA_RESP_ERR__FATAL;
    if (m->item->huge && rkt->topic != DEAD_LETTERS)
        return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    if (rk->queue_limit > 0 && rk->queued >= rk->queue_limit)
        return RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (rkt->missing_since_us && sim_now_us() - rkt->missing_since_us > PROPAGATION_US)
        return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (rkt->known > 0) {
        rk->queued++;
        rd_kafka_resp_err_t err = assign(rkt, m);
        rk->queued -= err != RD_KAFKA_RESP_ERR_NO_ERROR;
        return err;
    }
    rk->queued++;
    DL_APPEND(rkt->unassigned, m);
    ask_metadata(rk);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_producev(rd_kafka_t *rk, ...)
{
    rd_kafka_topic_t *rkt = NULL;
    va_list ap;
    va_start(ap, rk);
    struct message *m = message_of(rk, ap, &rkt);
    va_end(ap);
    const struct ef_pmsg *pmsg = m->rkm._private;
    m->item = pmsg->opaque;
    m->rkm.rkt = rkt;
    rkt->wanted = true;
    rd_kafka_resp_err_t err = take(rkt, m);
    if (err)
        free(m); /* the headers are the caller's still */
    return err;
}

rd_kafka_resp_err_t rd_kafka_purge(rd_kafka_t *rk, int flags)
{
    for (int t = 0; t < TOPICS; t++)
        requests_purge(&rk->topics[t], flags);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

const char *rd_kafka_event_stats(rd_kafka_event_t *event)
{
    (void)event;
    return "{}"; /* no statistics come */
}

int rd_kafka_event_log(rd_kafka_event_t *event, const char **facility, const char **text,
                       int *level)
{
    (void)event;
    (void)facility;
    (void)text;
    (void)level;
    return -1; /* nor lines of a log */
}
