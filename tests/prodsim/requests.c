// SPDX-License-Identifier: MIT
/* Requests on their way to brokers and back, and what becomes of them when their instance dies. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "prodsim/cover.h"
#include "prodsim/prodsim.h"

enum { RETRY_US = 100000, GHOST_MAX_US = 5000000 };

static struct request *ghosts;

static int about_request(const struct request *r)
{
    return about(r->kind, r->topic, r->partition);
}

static struct lane *lane_of(struct request *r)
{
    return &r->rkt->lanes[r->partition];
}

static void request_free(struct request *r)
{
    sim_event_stop(&r->event);
    free(r);
}

/* --- at the broker --- */

static bool is_poison(const struct request *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->items[i]->poison)
            return true;
    return false;
}

static bool lacks_a_key(const struct request *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->items[i]->aim->keyless)
            return true;
    return false;
}

/* What it says at once, without looking at sequence numbers. */
static rd_kafka_resp_err_t refusal(const struct request *r)
{
    if (cluster_partitions(r->topic) <= r->partition)
        return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (faults.refuses[r->topic])
        return RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    if (r->topic != DEAD_LETTERS && is_poison(r))
        return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    if (faults.wants_keys[r->topic] && lacks_a_key(r))
        return RD_KAFKA_RESP_ERR_INVALID_RECORD;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* False: it is to be sent again, with the same numbers. */
static bool arrive(struct request *r)
{
    if (faults.outage || faults.silent[r->topic] ||
        happens(SITE_REQUEST_RETRIABLE, about_request(r), faults.retriable_permille))
        return false;
    r->err = refusal(r);
    if (r->err)
        return true;
    enum appended how =
        cluster_append(r->producer, r->topic, r->partition, r->sequence, r->items, r->count);
    if (how == OUT_OF_SEQUENCE) { /* one before it has yet to come; or never will: it is purged */
        cover(COVER_OUT_OF_SEQUENCE);
        return false;
    }
    if (how == APPENDED_BEFORE)
        cover(COVER_APPENDED_BEFORE);
    if (how == FORMER_TOPIC) {
        cover(COVER_FORMER_TOPIC);
        r->err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        return true;
    }
    if (!happens(SITE_REQUEST_LOST, about_request(r), faults.lost_answer_permille))
        return true;
    cover(COVER_ANSWER_LOST);
    return false; /* it is sent again, and was there before */
}

/* --- of a living instance --- */

static void refused(struct request *r)
{
    rd_kafka_t *rk = r->rk;
    TELL("a request of t%d/%d is refused: %s", r->topic, r->partition, rd_kafka_err2name(r->err));
    library_report_all(rk, &r->messages, r->err, r->partition);
    /* the sequence has a gap: for the idempotent one this is the end (enable.gapless.guarantee) */
    if (rk->producer >= 0)
        library_fatal(rk);
}

/* Answers come in the order of the requests. */
static void answered(struct lane *lane)
{
    while (lane->sent && lane->sent->arrived && !sim_event_active(&lane->sent->event)) {
        struct request *r = lane->sent;
        struct rd_kafka_topic_s *rkt = r->rkt;
        DL_DELETE(lane->sent, r);
        lane->sent_count--;
        if (r->err)
            refused(r);
        else
            library_report_all(r->rk, &r->messages, RD_KAFKA_RESP_ERR_NO_ERROR, r->partition);
        int partition = r->partition;
        request_free(r);
        requests_send(rkt, partition);
    }
}

static void on_request(void *arg)
{
    struct request *r = arg;
    if (r->arrived) {
        answered(lane_of(r));
        return;
    }
    if (!arrive(r)) {
        sim_event_start(&r->event, RETRY_US);
        return;
    }
    r->arrived = true;
    sim_event_start(&r->event,
                    sim_delay(SITE_REQUEST_BACK, about_request(r), 50, faults.back_max_us));
}

static struct request *next_request(struct rd_kafka_topic_s *rkt, int partition)
{
    struct lane *lane = &rkt->lanes[partition];
    struct request *r = ef_xcalloc(1, sizeof(*r));
    int max = 1;
    r->rk = rkt->rk;
    r->kind = rkt->rk->kind;
    r->rkt = rkt;
    r->producer = rkt->rk->producer;
    r->topic = rkt->topic;
    r->partition = partition;
    r->sequence = lane->sequence;
    if (r->kind == MAIN) /* the others: one in a request */
        max += (int)sim_choose(SITE_REQUEST_BATCH, about_request(r), BATCH_MAX);
    while (lane->queue && r->count < max) {
        struct message *m = lane->queue;
        DL_DELETE(lane->queue, m);
        DL_APPEND(r->messages, m);
        check_sent(m);
        r->items[r->count++] = m->item;
    }
    lane->sequence += r->count;
    return r;
}

void requests_send(struct rd_kafka_topic_s *rkt, int partition)
{
    struct lane *lane = &rkt->lanes[partition];
    while (lane->queue && !rkt->rk->fatal && lane->sent_count < IN_FLIGHT_MAX) {
        struct request *r = next_request(rkt, partition);
        int64_t at =
            sim_now_us() + sim_delay(SITE_REQUEST_FORTH, about_request(r), 50, faults.forth_max_us);
        DL_APPEND(lane->sent, r);
        lane->sent_count++;
        if (at < lane->last_arrival_us && r->producer >= 0) /* one connection */
            at = lane->last_arrival_us;
        lane->last_arrival_us = at;
        sim_event_init(&r->event, NULL, on_request, r);
        sim_event_start(&r->event, at - sim_now_us());
    }
}

/* --- given up --- */

static void on_ghost(void *arg)
{
    struct request *r = arg;
    if (faults.outage) {
        sim_event_start(&r->event, RETRY_US);
        return;
    }
    bool arrives = sim_happens(SITE_REQUEST_LATE, about_request(r), faults.ghost_permille);
    cover(arrives ? COVER_LATE_ARRIVES : COVER_LATE_LOST);
    if (arrives && !refusal(r)) {
        TELL("a late request arrives:");
        cluster_append(r->producer, r->topic, r->partition, r->sequence, r->items, r->count);
    }
    DL_DELETE(ghosts, r);
    request_free(r);
}

static void become_ghost(struct request *r, int64_t *at)
{
    *at += sim_delay(SITE_REQUEST_LATE_BY, about_request(r), 10, GHOST_MAX_US);
    r->rk = NULL;
    r->rkt = NULL;
    DL_APPEND(ghosts, r);
    sim_event_init(&r->event, NULL, on_ghost, r);
    sim_event_start(&r->event, *at);
}

static void purge_sent(struct rd_kafka_topic_s *rkt, int partition)
{
    struct lane *lane = &rkt->lanes[partition];
    int64_t at = 0;
    while (lane->sent) {
        struct request *r = lane->sent;
        DL_DELETE(lane->sent, r);
        sim_event_stop(&r->event);
        bool answered = r->arrived && sim_happens(SITE_REQUEST_ANSWERED, about_request(r), 500);
        if (answered) /* just before */
            cover(COVER_ANSWERED_IN_PURGE);
        rd_kafka_resp_err_t err = answered ? r->err : RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
        library_report_all(rkt->rk, &r->messages, err, partition);
        if (r->arrived)
            request_free(r);
        else
            become_ghost(r, &at);
    }
    lane->sent_count = 0;
}

void requests_purge(struct rd_kafka_topic_s *rkt, int flags)
{
    for (int i = 0; i < PARTITIONS_MAX; i++) {
        if (flags & RD_KAFKA_PURGE_F_INFLIGHT)
            purge_sent(rkt, i);
        if (flags & RD_KAFKA_PURGE_F_QUEUE)
            library_report_all(rkt->rk, &rkt->lanes[i].queue, RD_KAFKA_RESP_ERR__PURGE_QUEUE, i);
    }
    if (flags & RD_KAFKA_PURGE_F_QUEUE)
        library_report_all(rkt->rk, &rkt->unassigned, RD_KAFKA_RESP_ERR__PURGE_QUEUE, -1);
}

void requests_forget(struct rd_kafka_topic_s *rkt)
{
    if (rkt->unassigned)
        violated(SIM_REPORT, "an instance was destroyed with messages that wait for a topic");
    for (int i = 0; i < PARTITIONS_MAX; i++) {
        struct lane *lane = &rkt->lanes[i];
        if (lane->queue || lane->sent)
            violated(SIM_REPORT, "an instance was destroyed with messages under way");
    }
}

void requests_reset(void)
{
    while (ghosts) {
        struct request *r = ghosts;
        DL_DELETE(ghosts, r);
        request_free(r);
    }
}
