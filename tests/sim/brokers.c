// SPDX-License-Identifier: MIT
/* Requests on their way to brokers and back, and what becomes of them when their instance dies. */
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/str.h"
#include "kafka/errors.h"
#include "sim/checker.h"
#include "sim/choice.h"
#include "sim/names.h"
#include "sim/publisher_private.h"
#include "sim/tell.h"

enum { GHOST_MAX_US = 5000000, RETRY_US = 100000, TWICE_PERMILLE = 20 };

struct sim_brokers sim_brokers;

static const char *const topic_names[ALL_TOPICS] = {"t0", "t1", "t2", "dead"};

const char *sim_partition_name(int label)
{
    static const char *const names[ALL_TOPICS * SIM_PARTITIONS] = {
        "t0/0", "t0/1", "t1/0", "t1/1", "t2/0", "t2/1", "dead/0", "dead/1"};
    return label < ALL_TOPICS * SIM_PARTITIONS ? names[label] : NULL;
}

void sim_brokers_reset(const struct sim_broker_config *config)
{
    while (sim_brokers.ghosts) {
        struct sim_request *r = sim_brokers.ghosts;
        DL_DELETE(sim_brokers.ghosts, r);
        r->next = sim_brokers.spare;
        sim_brokers.spare = r;
    }
    sim_brokers.config = *config;
    sim_brokers.outage = sim_brokers.mended = false;
    memset(sim_brokers.down, 0, sizeof(sim_brokers.down));
    memset(sim_brokers.broken, 0, sizeof(sim_brokers.broken));
    sim_brokers.chains = 0;
}

void sim_brokers_outage(bool outage)
{
    sim_brokers.outage = outage;
}

void sim_topic_down(int topic, bool down)
{
    sim_brokers.down[topic] = down;
}

bool sim_topic_is_down(int topic)
{
    return sim_brokers.down[topic];
}

void sim_brokers_mend(void)
{
    sim_brokers.mended = true;
    sim_brokers.outage = false;
}

/* --- what a broker says --- */

static int place(const struct sim_request *r)
{
    return sim_for(r->relay, r->topic * SIM_PARTITIONS + r->partition);
}

static bool by_chance(const struct sim_request *r, enum sim_site site, int permille)
{
    return !sim_brokers.mended && sim_happens(site, place(r), permille);
}

static int refusal(const struct sim_request *r)
{
    const struct sim_broker_config *c = &sim_brokers.config;
    if (sim_brokers.down[r->topic])
        return r->partition ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                            : RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    if (r->poison && !r->aside)
        return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    if (r->old)
        return RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
    if (r->aside) {
        static const int codes[] = {RD_KAFKA_RESP_ERR_UNKNOWN, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
                                    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE};
        if (!sim_brokers.mended && sim_happens(SITE_BROKER_ASIDE, r->relay, c->aside_permille))
            return codes[sim_choose(SITE_BROKER_ASIDE_KIND, r->relay, 3)];
        return 0;
    }
    if (by_chance(r, SITE_BROKER_TRANSIENT, c->transient_permille))
        return RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    if (by_chance(r, SITE_BROKER_QUOTA, c->quota_permille))
        return RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED;
    if (by_chance(r, SITE_BROKER_FATAL, c->fatal_permille))
        return RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    return 0;
}

static void append(const struct sim_request *r)
{
    for (int i = 0; i < r->count; i++) {
        TELL("broker: %s/%d gets m%06d from relay %d%s", topic_names[r->topic], r->partition,
             r->uids[i], r->relay, r->lane || r->aside ? "" : " (late, of a dead producer)");
        if (r->topic < SIM_TOPICS)
            sim_check_appended(r->uids[i], r->topic, !r->lane);
    }
}

static void arrive(struct sim_request *r)
{
    int code = refusal(r);
    r->arrived = true;
    r->error.class = EF_CLASS_NONE;
    if (code) {
        ef_kafka_error_fill(&r->error, code, NULL);
        TELL("broker: refuses m%06d%s of relay %d: %s", r->uids[0],
             r->count > 1 ? " and others" : "", r->relay, r->error.name);
    } else {
        append(r);
    }
}

/* --- requests of a living instance --- */

static struct sim_request *request_new(void)
{
    struct sim_request *r = sim_brokers.spare;
    if (r)
        sim_brokers.spare = r->next;
    else
        r = ef_xmalloc(sizeof(*r));
    memset(r, 0, sizeof(*r));
    return r;
}

static void request_free(struct sim_request *r)
{
    sim_event_stop(&r->event);
    r->next = sim_brokers.spare;
    sim_brokers.spare = r;
}

static int64_t still_frozen_us(const struct sim_publisher *pub)
{
    return pub->frozen_until_us - sim_now_us();
}

/* The answer of the lane's first request has come. */
static void take_answer(struct sim_request *r)
{
    struct lane *l = r->lane;
    struct sim_publisher *pub = l->pub;
    DL_DELETE(l->sent, r);
    l->sent_count--;
    if (r->error.class != EF_CLASS_NONE) {
        pub->fatal = l->refused = true; /* nothing more is sent */
        sim_refused(pub, r);
        request_free(r);
        return;
    }
    l->warm = true;
    while (r->messages) {
        struct message *m = r->messages;
        DL_DELETE(r->messages, m);
        sim_report(pub, m, NULL);
    }
    request_free(r);
    sim_lane_send(l);
}

static void on_request(void *arg)
{
    struct sim_request *r = arg;
    struct lane *l = r->lane;
    if (!r->arrived) {
        bool first = l->sent == r;
        if (sim_brokers.outage || (!first && !r->prev->arrived)) {
            sim_event_start(&r->event, RETRY_US);
            return;
        }
        if (!first && r->prev->error.class != EF_CLASS_NONE) {
            /* the one before it was refused: so is this, by its sequence number */
            r->arrived = true;
            ef_kafka_error_fill(&r->error, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, NULL);
        } else {
            arrive(r);
        }
        sim_event_start(&r->event,
                        sim_delay(SITE_BROKER_BACK, place(r), 50, sim_brokers.config.back_max_us));
        return;
    }
    if (still_frozen_us(l->pub) > 0)
        sim_event_start(&r->event, still_frozen_us(l->pub));
    else if (l->sent != r || l->pub->fatal)
        sim_event_start(&r->event, l->pub->fatal ? RETRY_US : 50); /* after those before it */
    else
        take_answer(r);
}

static void fill(struct sim_request *r, struct message *m)
{
    const struct sim_row *row = sim_db_row(m->uid);
    DL_APPEND(r->messages, m);
    r->uids[r->count++] = m->uid;
    r->poison = r->poison || row->kind == SIM_ROW_POISON;
    r->old = r->old || (row->kind == SIM_ROW_OLD && !m->send_time && !m->aside);
}

static struct sim_request *next_request(struct lane *l)
{
    struct sim_request *r = request_new();
    int max = 1;
    r->lane = l;
    r->topic = l->topic;
    r->partition = l->partition;
    r->relay = l->pub->relay;
    if (l->warm && sim_brokers.config.batches)
        max += (int)sim_choose(SITE_BROKER_BATCH, place(r), BATCH_MAX);
    while (l->queue && r->count < max && r->count < BATCH_MAX) {
        struct message *m = l->queue;
        DL_DELETE(l->queue, m);
        fill(r, m);
    }
    return r;
}

void sim_lane_send(struct lane *l)
{
    while (l->queue && !l->pub->fatal && !l->pub->resetting &&
           l->sent_count < (l->warm ? IN_FLIGHT_MAX : 1)) {
        struct sim_request *r = next_request(l);
        DL_APPEND(l->sent, r);
        l->sent_count++;
        int64_t at = sim_now_us() +
                     sim_delay(SITE_BROKER_FORTH, place(r), 50, sim_brokers.config.forth_max_us);
        if (at < l->last_arrival_us) /* one connection: in order */
            at = l->last_arrival_us;
        l->last_arrival_us = at;
        sim_event_init(&r->event, NULL, on_request, r);
        sim_event_start(&r->event, at - sim_now_us());
    }
}

/* --- ghosts --- */

static bool first_of_its_chain(const struct sim_request *r)
{
    const struct sim_request *other = sim_brokers.ghosts;
    while (other->chain != r->chain)
        other = other->next;
    return other == r;
}

/* Late requests of one partition: once one does not arrive, the broker refuses those behind it. */
static void on_ghost(void *arg)
{
    struct sim_request *r = arg;
    if (sim_brokers.outage || !first_of_its_chain(r)) {
        sim_event_start(&r->event, RETRY_US);
        return;
    }
    if (!sim_brokers.broken[r->chain]) {
        bool lost = sim_brokers.mended ||
                    !sim_happens(SITE_BROKER_GHOST, place(r), sim_brokers.config.ghost_permille);
        if (!lost)
            arrive(r);
        sim_brokers.broken[r->chain] = lost || r->error.class != EF_CLASS_NONE;
    }
    DL_DELETE(sim_brokers.ghosts, r);
    request_free(r);
}

static void become_ghost(struct sim_request *r, int chain, int64_t *at)
{
    *at += sim_delay(SITE_BROKER_GHOST_BY, place(r), 1000, GHOST_MAX_US);
    r->lane = NULL;
    r->chain = chain;
    DL_APPEND(sim_brokers.ghosts, r);
    sim_event_init(&r->event, NULL, on_ghost, r);
    sim_event_start(&r->event, *at);
}

/* --- messages by themselves: dead letters, and those that go alone --- */

static int new_chain(void)
{
    return sim_brokers.chains < 4095 ? sim_brokers.chains++ : 4095;
}

/* That producer counts nothing: what it sends again because an answer was late arrives twice. */
static void maybe_twice(const struct sim_request *r)
{
    int64_t at = 0;
    int chain = new_chain();
    if (chain == 4095 || !by_chance(r, SITE_BROKER_TWICE, TWICE_PERMILLE))
        return;
    struct sim_request *copy = request_new();
    copy->topic = r->topic;
    copy->partition = r->partition;
    copy->relay = r->relay;
    copy->uids[0] = r->uids[0];
    copy->count = 1;
    become_ghost(copy, chain, &at);
}

static struct sim_request **list_of(const struct sim_request *r)
{
    struct sim_publisher *pub = r->lane->pub;
    return r->aside ? &pub->asides : &pub->alone;
}

/* A message by itself: it arrives, and its answer comes back. */
static void on_single(void *arg)
{
    struct sim_request *r = arg;
    struct sim_publisher *pub = r->lane->pub;
    if (!r->arrived && sim_brokers.outage) {
        sim_event_start(&r->event, RETRY_US);
        return;
    }
    if (!r->arrived) {
        arrive(r);
        if (!r->aside && r->error.class == EF_CLASS_NONE)
            maybe_twice(r);
        sim_event_start(&r->event,
                        sim_delay(SITE_BROKER_BACK, place(r), 50, sim_brokers.config.back_max_us));
        return;
    }
    if (still_frozen_us(pub) > 0) {
        sim_event_start(&r->event, still_frozen_us(pub));
        return;
    }
    struct message *m = r->messages;
    DL_DELETE(r->messages, m);
    DL_DELETE(*list_of(r), r);
    sim_report(pub, m, r->error.class == EF_CLASS_NONE ? NULL : &r->error);
    request_free(r);
}

static void send_single(struct sim_request *r, struct message *m)
{
    r->relay = r->lane->pub->relay;
    fill(r, m);
    DL_APPEND(*list_of(r), r);
    sim_event_init(&r->event, NULL, on_single, r);
    sim_event_start(&r->event,
                    sim_delay(SITE_BROKER_FORTH, place(r), 50, sim_brokers.config.forth_max_us));
}

void sim_send_aside(struct sim_publisher *pub, struct message *m)
{
    struct sim_request *r = request_new();
    r->lane = &pub->lanes[SIM_TOPICS][0];
    r->topic = SIM_TOPICS;
    r->aside = true;
    send_single(r, m);
}

/* By a connection of its own: in no order with any other. */
void sim_send_alone(struct sim_publisher *pub, struct message *m)
{
    struct sim_request *r = request_new();
    r->lane = &pub->lanes[m->topic][m->partition];
    r->topic = m->topic;
    r->partition = m->partition;
    send_single(r, m);
}

static void abandon_alone(struct sim_publisher *pub,
                          void (*each)(struct sim_publisher *pub, struct message *m, bool appended))
{
    while (pub->alone) {
        struct sim_request *r = pub->alone;
        int64_t at = 0;
        int chain = new_chain();
        DL_DELETE(pub->alone, r);
        sim_event_stop(&r->event);
        struct message *m = r->messages;
        DL_DELETE(r->messages, m);
        each(pub, m, r->arrived && r->error.class == EF_CLASS_NONE);
        if (r->arrived || chain == 4095)
            request_free(r);
        else
            become_ghost(r, chain, &at);
    }
}

static void abandon_lane(struct lane *l,
                         void (*each)(struct sim_publisher *pub, struct message *m, bool appended))
{
    int chain = new_chain();
    int64_t at = 0;
    bool refused = l->refused || chain == 4095; /* then the sequence numbers behind it are, too */
    while (l->sent) {
        struct sim_request *r = l->sent;
        DL_DELETE(l->sent, r);
        sim_event_stop(&r->event);
        bool appended = r->arrived && r->error.class == EF_CLASS_NONE;
        refused = refused || (r->arrived && !appended);
        while (r->messages) {
            struct message *m = r->messages;
            DL_DELETE(r->messages, m);
            each(l->pub, m, appended);
        }
        if (r->arrived || refused)
            request_free(r);
        else
            become_ghost(r, chain, &at);
    }
    while (l->queue) {
        struct message *m = l->queue;
        DL_DELETE(l->queue, m);
        each(l->pub, m, false);
    }
    l->sent_count = 0;
    l->warm = l->refused = false;
    l->last_arrival_us = 0;
}

void sim_abandon(struct sim_publisher *pub,
                 void (*each)(struct sim_publisher *pub, struct message *m, bool appended))
{
    for (int t = 0; t < SIM_TOPICS; t++)
        for (int k = 0; k < SIM_PARTITIONS; k++)
            abandon_lane(&pub->lanes[t][k], each);
    abandon_alone(pub, each);
}

void sim_abandon_asides(struct sim_publisher *pub,
                        void (*each)(struct sim_publisher *pub, struct message *m, bool appended))
{
    while (pub->asides) {
        struct sim_request *r = pub->asides;
        DL_DELETE(pub->asides, r);
        each(pub, r->messages, false);
        r->messages = NULL;
        request_free(r);
    }
}
