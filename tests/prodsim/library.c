// SPDX-License-Identifier: MIT
/*
 * librdkafka, as far as the product's publisher calls it, with the linker's help in the place of
 * the real one: its answers come as events through a descriptor that is none, its metadata late,
 * its threads are events of the simulated world.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "kafka/producer_private.h"
#include "kafka/properties.h"
#include "prodsim/cover.h"
#include "prodsim/prodsim.h"

enum { EVENT_MAX = 16, TRY_AGAIN_US = 900000 };

struct rd_kafka_conf_s {
    int kind;
    int64_t queue_messages, queue_bytes;
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
    int64_t queue_bytes_limit;
    int64_t not_made_us[PRODUCER_KINDS]; /* when it was tried last; 0: never */
} l;

/* --- instances --- */

static void on_wake(void *arg)
{
    const rd_kafka_t *rk = arg;
    seams_readable(rk->fd);
}

void library_wake(int fd)
{
    for (rd_kafka_t *rk = l.instances; rk; rk = rk->next)
        if (rk->fd == fd && !rk->destroyed && !sim_event_active(&rk->wake))
            sim_event_start(&rk->wake, sim_delay(SITE_LIBRARY_WAKE, rk->kind, 1, 1000));
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

void library_queue_limit(int messages, int64_t bytes)
{
    l.queue_limit = messages;
    l.queue_bytes_limit = bytes;
}

bool ef_kafka_conf_new(const struct ef_kafka_params *params, struct rd_kafka_conf_s **ret,
                       struct ef_error *err)
{
    (void)err;
    *ret = ef_xcalloc(1, sizeof(**ret));
    (*ret)->kind = params->aside ? ASIDE : params->alone ? ALONE : MAIN;
    (*ret)->queue_messages = l.queue_limit;
    (*ret)->queue_bytes = l.queue_bytes_limit;
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

/* Its users wait before they try again what is to go alone; the others are tried by timers. */
static void not_made(int kind)
{
    cover(COVER_NOT_MADE);
    int64_t now_us = sim_now_us(), last_us = l.not_made_us[kind];
    if (kind != ALONE && last_us && now_us - last_us < TRY_AGAIN_US)
        violated(SIM_BOUNDED, "producer %d is tried again after %" PRId64 " us", kind,
                 now_us - last_us);
    l.not_made_us[kind] = now_us;
}

rd_kafka_t *rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size)
{
    (void)type;
    if (faults.no_new_producer) {
        snprintf(text, size, "a file that it needs has gone");
        not_made(conf->kind);
        return NULL;
    }
    if (l.producers == PRODUCERS_MAX) {
        snprintf(text, size, "too many");
        violated(SIM_STUCK, "more than %d producers were made", PRODUCERS_MAX);
        return NULL;
    }
    rd_kafka_t *rk = ef_xcalloc(1, sizeof(*rk));
    rk->kind = conf->kind;
    rk->producer = rk->kind == MAIN ? l.producers++ : -1;
    cover((enum covered)(COVER_MADE_MAIN + rk->kind));
    rk->queue_limit = (int)conf->queue_messages;
    rk->queue_bytes_limit = conf->queue_bytes;
    rk->last = &rk->first;
    rk->fd = -1;
    for (int t = 0; t < TOPICS; t++) {
        struct rd_kafka_topic_s *rkt = &rk->topics[t];
        *rkt = (struct rd_kafka_topic_s){.rk = rk, .topic = t};
        snprintf(rkt->name, sizeof(rkt->name), "t%d", t);
    }
    sim_event_init(&rk->wake, l.loop, on_wake, rk);
    sim_event_init(&rk->metadata, NULL, messages_on_metadata, rk);
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
            violated(SIM_REPORT, "an instance was destroyed with reports that nobody took");
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
        sim_event_start(&rk->wake, sim_delay(SITE_LIBRARY_WAKE, rk->kind, 1, 1000));
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

void library_report(rd_kafka_t *rk, struct message *m, rd_kafka_resp_err_t err, int partition)
{
    rd_kafka_event_t *event = last_event(rk);
    m->rkm.err = err;
    m->rkm.partition = partition;
    m->item->with_library = false;
    cover_report(rk->kind, err);
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
        library_report(rk, m, err, partition);
    }
}

void library_fatal(rd_kafka_t *rk)
{
    if (rk->fatal)
        return;
    rk->fatal = true;
    cover(rk->kind == ASIDE ? COVER_FATAL_ASIDE : COVER_FATAL_MAIN);
    rd_kafka_event_t *event = new_event(rk, RD_KAFKA_EVENT_ERROR);
    event->err = RD_KAFKA_RESP_ERR__FATAL;
    put_event(rk, event);
}

unsigned library_main_counts(int topic)
{
    for (const rd_kafka_t *rk = l.instances; rk; rk = rk->next)
        if (rk->kind == MAIN && !rk->destroyed)
            return rk->topics[topic].counts;
    return 0;
}

void library_break(bool aside)
{
    for (rd_kafka_t *rk = l.instances; rk; rk = rk->next)
        if (!rk->destroyed && rk->kind == (aside ? ASIDE : MAIN))
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
        messages_count(event->rk, m, -1); /* until now it counts */
        messages_free(m);
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
