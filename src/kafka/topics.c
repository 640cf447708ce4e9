// SPDX-License-Identifier: MIT
/*
 * Topics and partitions: which message may be sent now and which is held.
 *
 * A broker accepts any first sequence number from a producer it does not know (KAFKA-15591), so
 * until a partition's first ack exactly one message is in flight there; and again after a while
 * without any, for the topic may have been made again, or the broker may have forgotten. While the
 * number of partitions is unknown that is one for the whole topic. When the number changes, the
 * topic is emptied first. A message that must be alone goes by a producer of its own: a broker that
 * refuses it refuses no other, and its user has nothing under way that it could overtake.
 */
#define EF_LOG_ROOM "kafka"
#include "kafka/producer_private.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/str.h"
#include "kafka/embedded.h"
#include "kafka/errors.h"

#define ASK_AGAIN_US (100 * EF_MS_US)
/* A compromise: by hand a topic is hardly deleted and made again in less, by a script it may be.
 * Brokers forget a producer after hours (producer.id.expiration.ms). */
#define COOL_US (10 * EF_S_US)
/* The two producers of a topic agree long before this on how many partitions it has. */
#define BEHIND_US (3 * EF_S_US)

struct ef_topic *ef_topic_get(struct ef_producer *p, struct ef_slice name)
{
    struct ef_topic *topic = p->last_topic;
    if (topic && ef_slice_eq(ef_slice_of(topic->name), name))
        return topic;
    HASH_FIND(hh, p->topics, name.p, name.len, topic);
    if (topic)
        return p->last_topic = topic;
    topic = ef_xcalloc(1, sizeof(*topic));
    topic->name = ef_xstrndup(name.p, name.len);
    HASH_ADD_KEYPTR(hh, p->topics, topic->name, name.len, topic);
    struct ef_error err;
    if (p->params.embedded && !ef_embedded_topic(p->params.embedded, topic->name, &err))
        ef_warn("embedded broker made no topic of its own, ignoring", EF_STR("topic", topic->name),
                EF_ERR(&err));
    ef_topic_new_instance(p, topic);
    return p->last_topic = topic;
}

/* Both run in produce(), or in a thread of librdkafka when metadata comes for a waiting message.
 * What the producer for messages that go alone knows of a topic may be older: it says nothing. */
static int32_t partitioner_alone(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                                 int32_t count, void *topic_opaque, void *msg_opaque)
{
    const struct ef_pmsg *m = msg_opaque;
    (void)topic_opaque;
    if (m->partition >= 0)
        return m->partition; /* beyond the count: the library reports _UNKNOWN_PARTITION */
    return rd_kafka_msg_partitioner_murmur2(rkt, key, key_len, count, NULL, NULL);
}

int32_t ef_topic_partitioner(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                             int32_t count, void *topic_opaque, void *msg_opaque)
{
    struct ef_topic *topic = topic_opaque;
    atomic_store_explicit(&topic->seen_count, count, memory_order_release);
    return partitioner_alone(rkt, key, key_len, count, topic_opaque, msg_opaque);
}

static rd_kafka_topic_t *make_rkt(rd_kafka_t *rk, struct ef_topic *topic, bool alone)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(rk);
    rd_kafka_topic_conf_set_partitioner_cb(conf, alone ? partitioner_alone : ef_topic_partitioner);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    return rd_kafka_topic_new(rk, topic->name, conf);
}

void ef_topic_new_instance(struct ef_producer *p, struct ef_topic *topic)
{
    topic->rkt = make_rkt(p->main.rk, topic, false);
    topic->stuck = topic->draining = false;
    topic->in_flight = topic->alone_in_flight = 0;
    topic->alone_answers = false;
    topic->alone_behind_us = 0;
    /* how many partitions there are is asked again: the first message will tell */
    free(topic->partitions);
    topic->partitions = NULL;
    topic->count = 0;
    atomic_store(&topic->seen_count, 0);
}

void ef_topic_free(struct ef_producer *p, struct ef_topic *topic)
{
    HASH_DEL(p->topics, topic);
    p->last_topic = NULL;
    ef_examine_forget_topic(topic);
    free(topic->partitions);
    free(topic->name);
    free(topic);
}

static void hold(struct ef_producer *p, struct ef_topic *topic, struct ef_pmsg **list,
                 struct ef_pmsg *m)
{
    DL_APPEND(*list, m);
    topic->held_count++;
    p->held++;
}

static void unhold(struct ef_producer *p, struct ef_topic *topic, struct ef_pmsg **list,
                   struct ef_pmsg *m)
{
    DL_DELETE(*list, m);
    topic->held_count--;
    p->held--;
}

/* Keyless messages are spread; within a batch's time the library's own batching does not need
 * stickiness. */
static int32_t choose(const struct ef_topic *topic, const struct ef_pmsg *m)
{
    if (m->explicit_partition)
        return m->partition;
    if (!m->key.p)
        return (int32_t)(m->seq / 64 % (uint64_t)topic->count);
    return rd_kafka_msg_partitioner_murmur2(NULL, m->key.p, m->key.len, topic->count, NULL, NULL);
}

static bool give(rd_kafka_t *rk, rd_kafka_topic_t *rkt, struct ef_pmsg *m, struct ef_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_producev(
        rk, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_VALUE((void *)(uintptr_t)m->value.p, m->value.len),
        RD_KAFKA_V_KEY(m->key.p, m->key.len), RD_KAFKA_V_TIMESTAMP(m->timestamp_ms),
        RD_KAFKA_V_HEADERS(m->headers), RD_KAFKA_V_OPAQUE(m), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ef_kafka_error_fill(err, code, NULL);
        return false;
    }
    m->headers = NULL;
    m->sent = true;
    return true;
}

/* A partition that a row names is not known: it may have been added. Not for every such row. */
static void ask_for_partitions(struct ef_producer *p, struct ef_topic *topic)
{
    int64_t now_us = ef_loop_time(p->loop)->mono.us;
    if (now_us - topic->asked_us < ASK_AGAIN_US)
        return;
    topic->asked_us = now_us;
    ef_producer_ask_metadata(p, topic);
}

/* Each producer's messages of a topic are counted and timed by themselves: one may go on while the
 * other does not. */
static void count_given(struct ef_producer *p, int *in_flight, int64_t *progress_us)
{
    int64_t now_us = ef_loop_time(p->loop)->mono.us;
    if ((*in_flight)++ == 0)
        *progress_us = now_us;
    if (p->in_flight++ == 0)
        p->first_wait_us = now_us;
}

/* The topic was made again with fewer partitions. That is no message's fault: a new instance counts
 * them, as for the first time. */
static void count_anew(const struct ef_topic *topic, struct ef_error *err)
{
    err->class = EF_CLASS_FATAL;
    ef_info("topic has fewer partitions than it had, counting them anew",
            EF_STR("topic", topic->name), EF_INT("had", topic->count));
}

static bool transmit(struct ef_producer *p, struct ef_pmsg *m, struct ef_error *err)
{
    struct ef_topic *topic = m->topic;
    if (!give(p->main.rk, topic->rkt, m, err)) {
        if (err->code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
            ask_for_partitions(p, topic);
        if (err->code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && m->partition < topic->count)
            count_anew(topic, err);
        return false;
    }
    count_given(p, &topic->in_flight, &topic->progress_us);
    int seen = atomic_load_explicit(&topic->seen_count, memory_order_acquire);
    if (topic->count > 0 && seen != topic->count)
        topic->draining = true;
    return true;
}

/* It knows an older state than the main one, which the answer of the brokers will change; or else a
 * newer one, in which there are fewer. Neither is the message's fault: its topic waits. */
static void alone_is_behind(struct ef_producer *p, const struct ef_pmsg *m, struct ef_error *err)
{
    struct ef_topic *topic = m->topic;
    int64_t now_us = ef_loop_time(p->loop)->mono.us;
    ask_for_partitions(p, topic);
    if (m->partition >= topic->count)
        return;
    err->class = EF_CLASS_DESTINATION;
    ef_error_prefix(err, "topic %s has another number of partitions than the %d it had",
                    topic->name, topic->count);
    if (topic->alone_behind_us == 0)
        topic->alone_behind_us = now_us;
    else if (now_us - topic->alone_behind_us > BEHIND_US)
        count_anew(topic, err);
}

static bool transmit_alone(struct ef_producer *p, struct ef_pmsg *m, struct ef_error *err)
{
    struct ef_topic *topic = m->topic;
    if (!ef_producer_want_alone(p, err))
        return false;
    if (!topic->alone_rkt)
        topic->alone_rkt = make_rkt(p->alone.rk, topic, true);
    if (topic->count > 0)
        m->partition = choose(topic, m);
    if (!give(p->alone.rk, topic->alone_rkt, m, err)) {
        if (err->code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
            alone_is_behind(p, m, err);
        return false;
    }
    topic->alone_behind_us = 0;
    bool first = topic->alone_in_flight == 0;
    count_given(p, &topic->alone_in_flight, &topic->alone_progress_us);
    if (first && !topic->alone_answers)
        ef_producer_warm_soon(p);
    return true;
}

static bool may_send(const struct ef_partition *part)
{
    return part->in_flight == 0 || part->warm;
}

/* Nothing is under way there: is the broker still known to go on with our numbers? */
static void cool(const struct ef_producer *p, struct ef_partition *part)
{
    if (part->warm && ef_loop_time(p->loop)->mono.us - part->acked_us > COOL_US)
        part->warm = false;
}

static bool send_to(struct ef_producer *p, struct ef_pmsg *m, struct ef_partition *part,
                    struct ef_error *err)
{
    if (!transmit(p, m, err))
        return false;
    if (part->in_flight++ == 0)
        cool(p, part);
    return true;
}

static bool transmit_first(struct ef_producer *p, struct ef_pmsg *m, struct ef_error *err)
{
    if (!transmit(p, m, err))
        return false;
    ef_producer_warm_soon(p);
    return true;
}

/*
 * More partitions may have been added than is known here. With nothing else under way the library
 * is asked by handing the message over; while there is, the other messages will tell. Either way
 * the library is made to ask the brokers, and the row is tried again.
 */
static bool dispatch_beyond(struct ef_producer *p, struct ef_pmsg *m, struct ef_error *err)
{
    struct ef_topic *topic = m->topic;
    int count = topic->count, wanted = m->partition;
    if (topic->in_flight == 0) {
        if (transmit(p, m, err))
            return true;
        if (err->code != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
            return false;
    }
    ask_for_partitions(p, topic);
    ef_kafka_error_fill(err, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NULL);
    ef_error_prefix(err, "partition %d is wanted, %d are known", wanted, count);
    return false;
}

bool ef_topic_dispatch(struct ef_producer *p, struct ef_pmsg *m, struct ef_error *err)
{
    struct ef_topic *topic = m->topic;
    if (m->alone && !topic->draining)
        return transmit_alone(p, m, err);
    if (topic->count == 0 || topic->draining) {
        if (topic->count == 0 && topic->in_flight == 0 && !topic->held)
            return transmit_first(p, m, err);
        hold(p, topic, &topic->held, m);
        return true;
    }
    m->partition = choose(topic, m);
    if (m->partition >= topic->count)
        return dispatch_beyond(p, m, err);
    struct ef_partition *part = &topic->partitions[m->partition];
    if (part->held || !may_send(part)) {
        hold(p, topic, &part->held, m);
        return true;
    }
    if (send_to(p, m, part, err))
        return true;
    if (err->class != EF_CLASS_BUSY || p->in_flight == 0)
        return false; /* with nothing in flight no report would bring a held message on its way */
    hold(p, topic, &part->held, m);
    p->held_by_full = true; /* the library's queue is full: a report will make room */
    return true;
}

/* A held message was refused: those behind it must not pass. That the library's queue is full is no
 * fault of the message, and it can no longer be told that it has to wait. */
static void refused_from_hold(struct ef_producer *p, struct ef_pmsg *m, const struct ef_error *err)
{
    struct ef_error own = *err;
    if (own.class == EF_CLASS_BUSY)
        own.class = EF_CLASS_FATAL;
    ef_producer_report_later(p, m, &own);
    ef_producer_begin_reset(p, "a held message was refused");
}

static void flush_partition(struct ef_producer *p, struct ef_topic *topic,
                            struct ef_partition *part)
{
    struct ef_error err;
    while (part->held && may_send(part) && p->state == INSTANCE_UP && !topic->draining) {
        struct ef_pmsg *m = part->held;
        unhold(p, topic, &part->held, m);
        if (send_to(p, m, part, &err))
            continue;
        if (err.class == EF_CLASS_BUSY) {
            DL_PREPEND(part->held, m);
            topic->held_count++;
            p->held++;
            p->held_by_full = true;
            return;
        }
        refused_from_hold(p, m, &err);
        return;
    }
}

void ef_topics_room(struct ef_producer *p)
{
    struct ef_topic *topic, *next;
    if (!p->held_by_full || p->state != INSTANCE_UP)
        return;
    p->held_by_full = false;
    HASH_ITER (hh, p->topics, topic, next) {
        for (int i = 0; i < topic->count && p->state == INSTANCE_UP; i++)
            flush_partition(p, topic, &topic->partitions[i]);
    }
}

static int by_seq(const struct ef_pmsg *a, const struct ef_pmsg *b)
{
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void gather_held(struct ef_topic *topic)
{
    for (int i = 0; i < topic->count; i++) {
        DL_CONCAT(topic->held, topic->partitions[i].held);
        topic->partitions[i].held = NULL;
    }
    /* cppcheck-suppress nullPointer ; DL_SORT begins with a look whether the list is empty */
    DL_SORT(topic->held, by_seq);
}

/* The number of partitions is known (again): give every message its place. */
static void adopt_count(struct ef_producer *p, struct ef_topic *topic, int count)
{
    gather_held(topic);
    if (ef_examine_counted(p, topic, count))
        ef_warn("number of partitions changed: keys may go to other partitions than before",
                EF_STR("topic", topic->name), EF_INT("from", topic->former_count),
                EF_INT("to", count));
    struct ef_partition *former = topic->partitions;
    topic->partitions = ef_xcalloc((size_t)count, sizeof(*topic->partitions));
    for (int i = 0; i < topic->count && topic->count < count; i++) { /* fewer: it was made again */
        topic->partitions[i].warm = former[i].warm;
        topic->partitions[i].acked_us = former[i].acked_us;
    }
    free(former);
    topic->count = count;
    topic->draining = false;
    topic->alone_behind_us = 0;
    if (topic->alone_rkt) /* the other one learns of it now, and not minutes later */
        ef_producer_ask_metadata(p, topic);
    struct ef_pmsg *list = topic->held;
    topic->held = NULL;
    struct ef_error err;
    while (list) {
        struct ef_pmsg *m = list;
        unhold(p, topic, &list, m);
        if (p->state != INSTANCE_UP)
            hold(p, topic, &topic->held, m);
        else if (!ef_topic_dispatch(p, m, &err))
            refused_from_hold(p, m, &err);
    }
    if (p->state != INSTANCE_UP) /* the reset that a refusal began has not seen these */
        ef_topic_return_held(p, topic);
}

void ef_topic_reported_alone(struct ef_producer *p, struct ef_pmsg *m, struct ef_error *err)
{
    struct ef_topic *topic = m->topic;
    int64_t now_us = ef_loop_time(p->loop)->mono.us;
    topic->alone_in_flight--;
    topic->alone_answers = true;
    topic->alone_progress_us = now_us;
    if (!err)
        ef_topic_took_alone(topic, m);
    else if (err->class == EF_CLASS_RECORD)
        ef_topic_refused_alone(topic, m, err->code, now_us);
    else if (err->code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) /* it had waited for metadata */
        alone_is_behind(p, m, err);
}

void ef_topic_reported(struct ef_producer *p, struct ef_pmsg *m, int32_t partition, bool ok)
{
    struct ef_topic *topic = m->topic;
    int seen = atomic_load_explicit(&topic->seen_count, memory_order_acquire);
    bool knew = topic->count > 0;
    topic->in_flight--;
    topic->progress_us = ef_loop_time(p->loop)->mono.us;
    if (knew && m->partition >= 0 && m->partition < topic->count) {
        struct ef_partition *part = &topic->partitions[m->partition];
        part->in_flight--;
        part->warm = part->warm || ok;
        if (ok)
            part->acked_us = topic->progress_us;
    }
    if (p->state != INSTANCE_UP || !ok)
        return;
    if ((!knew || topic->draining) && topic->in_flight == 0 && seen > 0) {
        int32_t first = partition;
        adopt_count(p, topic, seen);
        if (!knew && first >= 0 && first < topic->count) {
            topic->partitions[first].warm = true;
            topic->partitions[first].acked_us = topic->progress_us;
            flush_partition(p, topic, &topic->partitions[first]);
        }
        return;
    }
    if (knew && m->partition >= 0 && m->partition < topic->count)
        flush_partition(p, topic, &topic->partitions[m->partition]);
}

void ef_topic_return_held(struct ef_producer *p, struct ef_topic *topic)
{
    struct ef_error again;
    ef_error_set(&again, EF_CLASS_FATAL, "the producer is being replaced; not sent");
    gather_held(topic);
    while (topic->held) {
        struct ef_pmsg *m = topic->held;
        unhold(p, topic, &topic->held, m);
        ef_producer_report_later(p, m, &again);
    }
}
