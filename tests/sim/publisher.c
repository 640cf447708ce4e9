// SPDX-License-Identifier: MIT
#include "sim/publisher.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/str.h"
#include "kafka/errors.h"
#include "sim/checker.h"
#include "sim/choice.h"
#include "sim/cover.h"
#include "sim/publisher_private.h"
#include "sim/tell.h"

enum { SUSPECTS_PERMILLE = 20, REPORTS_PER_TURN = 64, OUTAGE_AFTER_US = 5000000 };

struct message *sim_message_new(void)
{
    struct message *m = sim_brokers.spare_messages;
    if (m)
        sim_brokers.spare_messages = m->next;
    else
        m = ef_xmalloc(sizeof(*m));
    memset(m, 0, sizeof(*m));
    return m;
}

void sim_message_free(struct message *m)
{
    free(m->error);
    m->next = sim_brokers.spare_messages;
    sim_brokers.spare_messages = m;
}

/* --- reports --- */

void sim_report(struct sim_publisher *pub, struct message *m, const struct ef_error *err)
{
    m->error = NULL;
    if (err) {
        m->error = ef_xmalloc(sizeof(*m->error));
        *m->error = *err;
    }
    DL_APPEND(pub->reports, m);
    if (!sim_event_active(&pub->report))
        sim_event_start(&pub->report, 0);
}

static void done_with(struct sim_publisher *pub, const struct message *m)
{
    pub->under_way--;
    pub->former -= m->grant != pub->grant;
}

/* The user has left: his opaques are released as their reports come. */
static void drop(struct sim_publisher *pub, struct message *m)
{
    done_with(pub, m);
    if (pub->release)
        pub->release(m->opaque);
    sim_message_free(m);
}

static void give(struct sim_publisher *pub, struct message *m)
{
    struct ef_error err;
    bool failed = m->error != NULL;
    if (pub->gone) {
        drop(pub, m);
        return;
    }
    if (failed) {
        err = *m->error;
        sim_check_refused(m->uid, err.class, m->aside);
    } else {
        sim_check_acked(m->uid, pub->relay, m->grant, m->aside);
    }
    sim_cover_report(failed ? err.class : EF_CLASS_NONE, m->aside);
    void *opaque = m->opaque;
    done_with(pub, m);
    sim_message_free(m);
    pub->user.upcalls->delivery(pub->user.arg, opaque, failed ? &err : NULL);
}

static void on_report(void *arg)
{
    struct sim_publisher *pub = arg;
    for (int left = REPORTS_PER_TURN; left > 0 && pub->reports; left--) {
        struct message *m = pub->reports;
        DL_DELETE(pub->reports, m);
        give(pub, m);
    }
    if (pub->reports)
        sim_event_start(&pub->report, 0);
}

/* --- replacing the instance --- */

static void give_back(struct sim_publisher *pub, struct message *m, bool appended)
{
    struct ef_error again;
    if (appended && !sim_happens(SITE_PURGED_FAILED, pub->relay, 500)) {
        sim_report(pub, m, NULL); /* its ack came just before the purge */
        return;
    }
    ef_kafka_error_fill(
        &again, appended ? RD_KAFKA_RESP_ERR__PURGE_INFLIGHT : RD_KAFKA_RESP_ERR__PURGE_QUEUE,
        NULL);
    /* in no order that could be relied on, and not at once */
    m->error = ef_xmalloc(sizeof(*m->error));
    *m->error = again;
    if (sim_choose(SITE_PURGED_FIRST, pub->relay, 2))
        DL_PREPEND(pub->returned, m);
    else
        DL_APPEND(pub->returned, m);
}

static void on_give(void *arg)
{
    struct sim_publisher *pub = arg;
    for (int n = 1 + (int)sim_choose(SITE_PURGED_COUNT, pub->relay, 8); n > 0 && pub->returned;
         n--) {
        struct message *m = pub->returned;
        DL_DELETE(pub->returned, m);
        give(pub, m);
    }
    if (pub->returned)
        sim_event_start(&pub->give, sim_delay(SITE_PURGED_NEXT, pub->relay, 10, 20000));
}

static void on_ready(void *arg)
{
    struct sim_publisher *pub = arg;
    if (pub->reports || pub->returned) {
        sim_event_start(&pub->ready, 1000);
        return;
    }
    pub->resetting = pub->fatal = false;
    TELL("relay %d: has a new producer", pub->relay);
    if (!pub->gone)
        pub->user.upcalls->room(pub->user.arg);
}

static void begin_reset(struct sim_publisher *pub)
{
    if (pub->resetting)
        return;
    pub->resetting = true;
    TELL("relay %d: its producer is replaced", pub->relay);
    sim_abandon(pub, give_back);
    sim_event_start(&pub->give, sim_delay(SITE_PURGED_BEGIN, pub->relay, 10, 20000));
    sim_event_start(&pub->ready, sim_delay(SITE_BROKER_NEW, pub->relay, 1000, 500000));
}

void sim_refused(struct sim_publisher *pub, struct sim_request *r)
{
    while (r->messages) {
        struct message *m = r->messages;
        DL_DELETE(r->messages, m);
        sim_report(pub, m, &r->error);
    }
    begin_reset(pub);
}

/* --- outages --- */

static bool anything_sent(const struct sim_publisher *pub)
{
    for (int t = 0; t < SIM_TOPICS; t++)
        for (int k = 0; k < SIM_PARTITIONS; k++)
            if (pub->lanes[t][k].sent)
                return true;
    return false;
}

static void on_watch(void *arg)
{
    struct sim_publisher *pub = arg;
    struct ef_error err;
    sim_event_start(&pub->watch, OUTAGE_AFTER_US / 2);
    bool outage = sim_brokers.outage && (pub->outage_told || anything_sent(pub));
    if (outage == pub->outage_told || pub->gone)
        return;
    pub->outage_told = outage;
    ef_kafka_error_fill_event(&err, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL);
    pub->user.upcalls->outage(pub->user.arg, outage ? &err : NULL);
    if (outage)
        sim_cover_report(EF_CLASS_OUTAGE, false);
}

/* --- what relays call --- */

static struct ef_publisher_user *join(struct ef_publisher *p, const char *name,
                                      const struct ef_publisher_upcalls *upcalls, void *arg)
{
    struct sim_publisher *pub = (struct sim_publisher *)p;
    (void)name;
    pub->user = (struct ef_publisher_user){.pub = p, .upcalls = upcalls, .arg = arg};
    return &pub->user;
}

static void leave(struct ef_publisher_user *user, void (*release)(void *opaque))
{
    struct sim_publisher *pub = (struct sim_publisher *)user->pub;
    pub->gone = true;
    pub->release = release;
}

static int partition_of(struct ef_slice key)
{
    return key.p ? (int)(ef_hash64(key.p, key.len) % SIM_PARTITIONS) : 0;
}

static int topic_of(const struct sim_publisher *pub, struct ef_slice name)
{
    for (int t = 0; t < SIM_TOPICS; t++)
        if (ef_slice_eq(name, ef_slice_of(pub->topics[t])))
            return t;
    return SIM_TOPICS;
}

static bool is_full(const struct sim_publisher *pub)
{
    if (pub->resetting || pub->fatal)
        return true;
    return !sim_brokers.mended &&
           sim_happens(SITE_BROKER_FULL, pub->relay, sim_brokers.config.full_permille);
}

static void on_room(void *arg)
{
    struct sim_publisher *pub = arg;
    if (!pub->gone && !pub->resetting)
        pub->user.upcalls->room(pub->user.arg);
}

static bool sent_at_once(const struct ef_message *msg)
{
    for (int i = 0; i < msg->header_count; i++)
        if (ef_slice_eq(msg->headers[i].name, ef_slice_of("created-at")))
            return true;
    return msg->timestamp_ms == 0;
}

static struct message *make(struct sim_publisher *pub, const struct ef_message *msg, void *opaque)
{
    struct message *m = sim_message_new();
    m->opaque = opaque;
    m->uid = sim_check_message(msg, false);
    m->topic = topic_of(pub, msg->topic);
    m->partition = msg->partition >= 0 ? msg->partition : partition_of(msg->key);
    m->send_time = sent_at_once(msg);
    return m;
}

/* `former` are those that a former lease has left. */
static void begin(struct sim_publisher *pub)
{
    uint32_t grant = sim_check_grant(pub->relay);
    if (grant != pub->grant)
        pub->former = pub->under_way;
    pub->grant = grant;
    pub->under_way++;
}

static enum ef_produced produce(struct ef_publisher_user *user, const struct ef_message *msg,
                                void *opaque, bool alone, struct ef_error *err)
{
    struct sim_publisher *pub = (struct sim_publisher *)user->pub;
    sim_check_produced(pub->relay);
    if (is_full(pub)) {
        if (!pub->resetting && sim_choose(SITE_BROKER_ROOM, pub->relay, 2))
            sim_event_start(&pub->room, 20000);
        return EF_PRODUCED_FULL;
    }
    if (msg->partition >= SIM_PARTITIONS) {
        ef_kafka_error_fill(err, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NULL);
        sim_check_refused(sim_check_message(msg, false), err->class, false);
        return EF_PRODUCED_REFUSED;
    }
    if (!alone && !sim_brokers.mended &&
        sim_happens(SITE_BROKER_SUSPECTS, pub->relay, SUSPECTS_PERMILLE))
        return EF_PRODUCED_ALONE;
    struct message *m = make(pub, msg, opaque);
    if (m->uid < 0 || m->topic == SIM_TOPICS) {
        sim_message_free(m); /* a violation was noted */
        return EF_PRODUCED_FULL;
    }
    m->grant = sim_check_sent(m->uid, pub->relay);
    begin(pub);
    TELL("relay %d: produces m%06d%s", pub->relay, m->uid, alone ? " alone" : "");
    if (alone) {
        sim_send_alone(pub, m);
    } else {
        struct lane *l = &pub->lanes[m->topic][m->partition];
        DL_APPEND(l->queue, m);
        sim_lane_send(l);
    }
    if (pub->under_way > pub->window_rows)
        sim_violated(SIM_BOUNDED, "relay %d has %d messages under way, its window is %lld",
                     pub->relay, pub->under_way, (long long)pub->window_rows);
    return EF_PRODUCED_QUEUED;
}

static enum ef_produced produce_aside(struct ef_publisher_user *user, const struct ef_message *msg,
                                      void *opaque, struct ef_error *err)
{
    struct sim_publisher *pub = (struct sim_publisher *)user->pub;
    (void)err;
    if (!sim_brokers.mended &&
        sim_happens(SITE_BROKER_FULL, pub->relay, sim_brokers.config.full_permille))
        return EF_PRODUCED_FULL;
    struct message *m = sim_message_new();
    m->opaque = opaque;
    if (!ef_slice_eq(msg->topic, ef_slice_of("dead")))
        sim_violated(SIM_INVENTION, "relay %d sends a dead letter to another topic", pub->relay);
    sim_check_produced(pub->relay);
    m->uid = sim_check_message(msg, true);
    m->aside = true;
    m->topic = SIM_TOPICS;
    if (m->uid < 0) {
        sim_message_free(m);
        return EF_PRODUCED_FULL;
    }
    m->grant = sim_check_grant(pub->relay);
    begin(pub);
    TELL("relay %d: sends the dead letter of m%06d", pub->relay, m->uid);
    sim_send_aside(pub, m);
    return EF_PRODUCED_QUEUED;
}

static void warm(struct ef_publisher_user *user, struct ef_slice topic)
{
    (void)user;
    (void)topic; /* what is known of a topic is below this interface */
}

static const struct ef_publisher_ops ops = {
    .join = join, .leave = leave, .produce = produce, .warm = warm, .produce_aside = produce_aside};

/* --- life --- */

struct sim_publisher *sim_publisher_new(struct ef_loop *loop, int relay, const char *const *topics,
                                        int64_t window_rows)
{
    struct sim_publisher *pub = ef_xcalloc(1, sizeof(*pub));
    pub->pub.ops = &ops;
    pub->loop = loop;
    pub->relay = relay;
    pub->topics = topics;
    pub->window_rows = window_rows;
    for (int t = 0; t < ALL_TOPICS; t++)
        for (int k = 0; k < SIM_PARTITIONS; k++)
            pub->lanes[t][k] = (struct lane){.pub = pub, .topic = t, .partition = k};
    sim_event_init(&pub->report, loop, on_report, pub);
    sim_event_init(&pub->give, loop, on_give, pub);
    sim_event_init(&pub->ready, loop, on_ready, pub);
    sim_event_init(&pub->room, loop, on_room, pub);
    sim_event_init(&pub->watch, loop, on_watch, pub);
    sim_event_start(&pub->watch, OUTAGE_AFTER_US);
    return pub;
}

struct ef_publisher *sim_publisher_of(struct sim_publisher *pub)
{
    return &pub->pub;
}

void sim_publisher_freeze(struct sim_publisher *pub, int64_t until_us)
{
    if (until_us > pub->frozen_until_us)
        pub->frozen_until_us = until_us;
}

int sim_publisher_under_way(const struct sim_publisher *pub)
{
    return pub->under_way - pub->former;
}

static void release_one(struct sim_publisher *pub, struct message *m, bool appended)
{
    (void)appended;
    drop(pub, m);
}

void sim_publisher_kill(struct sim_publisher *pub, void (*release)(void *opaque))
{
    pub->gone = true;
    pub->release = release;
    sim_abandon(pub, release_one);
    sim_abandon_asides(pub, release_one);
    while (pub->reports) {
        struct message *m = pub->reports;
        DL_DELETE(pub->reports, m);
        drop(pub, m);
    }
    while (pub->returned) {
        struct message *m = pub->returned;
        DL_DELETE(pub->returned, m);
        drop(pub, m);
    }
    sim_event_stop(&pub->report);
    sim_event_stop(&pub->give);
    sim_event_stop(&pub->ready);
    sim_event_stop(&pub->room);
    sim_event_stop(&pub->watch);
    free(pub);
}
