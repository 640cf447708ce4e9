// SPDX-License-Identifier: MIT
/*
 * The part of librdkafka (library.c) that messages go through: what it knows of topics, where a
 * message goes, what it refuses at once.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "kafka/producer_private.h"
#include "prodsim/cover.h"
#include "prodsim/prodsim.h"

/* A topic that the metadata does not know is believed to be on its way for so long. */
enum { PROPAGATION_US = 30000000 };

struct rd_kafka_topic_conf_s {
    void *opaque;
    int32_t (*partitioner)(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                           int32_t count, void *topic_opaque, void *msg_opaque);
};

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
    if (rk->asked) /* the answer is on its way */
        return;
    rk->asked = true;
    sim_event_stop(&rk->metadata); /* which would have been asked for some time */
    sim_event_start(&rk->metadata,
                    sim_delay(SITE_LIBRARY_METADATA, rk->kind, 200, faults.metadata_max_us));
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
    if (m->partition != RD_KAFKA_PARTITION_UA)
        partition = m->partition;
    if (rkt->rk->kind != ASIDE)
        check_partition(m->item, rkt->counts | library_main_counts(rkt->topic), partition);
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
    if (rkt->known > 0 && rkt->known != count)
        cover(count > rkt->known ? COVER_LEARNT_MORE : COVER_LEARNT_FEWER);
    rkt->known = count;
    rkt->counts |= 1U << count;
    while (rkt->unassigned) {
        struct message *m = rkt->unassigned;
        DL_DELETE(rkt->unassigned, m);
        rd_kafka_resp_err_t err = assign(rkt, m);
        if (err)
            library_report(rkt->rk, m, err, -1);
    }
}

void messages_on_metadata(void *arg)
{
    rd_kafka_t *rk = arg;
    rk->asked = false;
    if (!faults.outage)
        for (int t = 0; t < TOPICS; t++)
            if (rk->topics[t].wanted && !faults.hidden[t])
                learn(&rk->topics[t], cluster_partitions(t));
    /* it looks again by itself, sooner while something is missing */
    sim_event_start(&rk->metadata, sim_delay(SITE_LIBRARY_REFRESH, rk->kind, 500000, 20000000));
}

/* --- messages --- */

void messages_free(struct message *m)
{
    free(m->copy);
    free(m);
}

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
            m->partition = va_arg(ap, int);
            break;
        case RD_KAFKA_VTYPE_MSGFLAGS:
            m->flags = va_arg(ap, int);
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
            m->timestamp_ms = va_arg(ap, int64_t);
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

void messages_count(rd_kafka_t *rk, const struct message *m, int by)
{
    rk->queued += by;
    rk->queued_bytes += by * (int64_t)m->rkm.len;
}

static bool is_full(const rd_kafka_t *rk, const struct message *m)
{
    return (rk->queue_limit > 0 && rk->queued >= rk->queue_limit) ||
           (rk->queue_bytes_limit > 0 &&
            rk->queued_bytes + (int64_t)m->rkm.len > rk->queue_bytes_limit);
}

static rd_kafka_resp_err_t take(struct rd_kafka_topic_s *rkt, struct message *m)
{
    rd_kafka_t *rk = rkt->rk;
    if (rk->fatal)
        return RD_KAFKA_RESP_ERR__FATAL;
    if (m->item->huge && rkt->topic != DEAD_LETTERS)
        return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    if (is_full(rk, m))
        return RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (rkt->missing_since_us && sim_now_us() - rkt->missing_since_us > PROPAGATION_US)
        return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (rkt->known > 0) {
        messages_count(rk, m, 1);
        rd_kafka_resp_err_t err = assign(rkt, m);
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
            messages_count(rk, m, -1);
        return err;
    }
    messages_count(rk, m, 1);
    DL_APPEND(rkt->unassigned, m);
    ask_metadata(rk);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void copy_value(struct message *m)
{
    if (!(m->flags & RD_KAFKA_MSG_F_COPY) || !m->rkm.payload)
        return;
    m->copy = ef_xmalloc(m->rkm.len + 1);
    memcpy(m->copy, m->rkm.payload, m->rkm.len);
    m->rkm.payload = m->copy;
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
    check_handed(m, rk->kind, rkt->topic);
    copy_value(m);
    rd_kafka_resp_err_t err = take(rkt, m);
    m->item->with_library = !err;
    if (err) {
        cover_refusal(err);
        messages_free(m); /* the headers are the caller's still */
    }
    return err;
}

rd_kafka_resp_err_t rd_kafka_purge(rd_kafka_t *rk, int flags)
{
    cover(flags & RD_KAFKA_PURGE_F_INFLIGHT ? COVER_PURGE_SENT : COVER_PURGE_QUEUE);
    for (int t = 0; t < TOPICS; t++)
        requests_purge(&rk->topics[t], flags);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
