// SPDX-License-Identifier: MIT
/*
 * Users go about the publisher as relays do (outbox/lane.h, relay/pump.c): messages of an aggregate
 * go in their order, several at once; one that failed goes again before those behind it, once none
 * of those is under way; one that must be alone goes with nothing of its aggregate beside it.
 */
#include <string.h>

#include "prodsim/cover.h"
#include "prodsim/prodsim.h"

enum { BACKPRESSURE_US = 100000, SHARE = 8 };
/* After so many a relay by its defaults gives a row up. */
enum { TRIES = 5 };

struct aggregate {
    struct aim aim;
    int user;
    struct item *items[MESSAGES_MAX];
    int count, first; /* those before first are done */
    int flying, alone_flying;
    bool letter_flies;
    struct sim_event again; /* nothing before this */
};

struct person {
    struct ef_publisher_user *user;
    bool full, outage;
    int leaving; /* messages that a former one has left under way */
    struct sim_event pump, full_timer, come;
};

static struct {
    struct ef_publisher *publisher;
    struct aggregate aggregates[AGGREGATES];
    struct person persons[USERS];
    struct item items[MESSAGES_MAX];
    struct sim_event write;
    int count, wanted;
} u;

/* Of messages under way; anything else otherwise. */
static char values[MESSAGES_MAX][VALUE_MAX];

static void pump_soon(struct person *p)
{
    if (!sim_event_active(&p->pump))
        sim_event_start(&p->pump, 0);
}

static int index_of(const struct person *p)
{
    return (int)(p - u.persons);
}

/* --- what becomes of a message --- */

static void forget_done(struct aggregate *a)
{
    while (a->first < a->count && a->items[a->first]->state >= ITEM_DONE)
        a->first++;
}

static int actor_of(const struct aggregate *a)
{
    return sim_for((int)(a - u.aggregates), 0);
}

static void put_off(struct aggregate *a, int64_t low_us, int64_t high_us)
{
    int64_t us = sim_delay(SITE_AGGREGATE_PUT_OFF, actor_of(a), low_us, high_us);
    if (!sim_event_active(&a->again))
        sim_event_start(&a->again, us);
}

/* alone: it can be nothing but the message's own fault. */
static void failed(struct aggregate *a, struct item *item, const struct ef_error *err, bool alone)
{
    item->state = ITEM_WAITS;
    switch (err->class) {
    case EF_CLASS_RECORD:
        if (!alone) {
            item->suspect = true;
            break;
        }
        if (!item->poison && !item->huge &&
            !(item->aim->keyless && faults.wants_keys[item->aim->topic]))
            violated(SIM_BLAME, "m%d is blamed: %s", item->uid, err->text);
        item->state = ITEM_ASIDE;
        break;
    case EF_CLASS_DESTINATION:
        put_off(a, 100000, 5000000);
        break;
    case EF_CLASS_TRANSIENT: /* a try, of which rows have few */
        if (item->aim->partition < 0 && ++item->tries >= TRIES)
            violated(SIM_BLAME, "m%d dies after %d tries: %s", item->uid, item->tries, err->text);
        put_off(a, 10000, 1000000);
        break;
    case EF_CLASS_FATAL:
        break;
    default:
        violated(SIM_REPORT, "m%d came back as %s: %s", item->uid, ef_class_name(err->class),
                 err->text);
    }
}

static void letter_landed(struct aggregate *a, struct item *item, const struct ef_error *err)
{
    if (!a->letter_flies)
        violated(SIM_REPORT, "the dead letter of m%d was reported twice", item->uid);
    a->letter_flies = item->under_way = false;
    if (err) {
        put_off(a, 10000, 1000000);
        return;
    }
    if (!item->letter_appended)
        violated(SIM_LOSS, "the dead letter of m%d was acknowledged and is nowhere", item->uid);
    item->state = ITEM_DEAD;
    forget_done(a);
}

static void landed(struct aggregate *a, struct item *item)
{
    if (item->state != ITEM_FLIES)
        violated(SIM_REPORT, "m%d was reported twice, or was never taken", item->uid);
    memset(values[item->uid], '-', VALUE_SMALL); /* nobody may look there any more */
    item->under_way = false;
    a->flying--;
    if (item->suspect)
        a->alone_flying--;
}

static void on_delivery(void *arg, void *opaque, const struct ef_error *err)
{
    struct person *p = arg;
    struct item *item = opaque;
    struct aggregate *a = &u.aggregates[item->aggregate];
    TELL("user %d: m%d %s", index_of(p), item->uid, err ? ef_class_name(err->class) : "is there");
    cover_delivery(item->state == ITEM_ASIDE, err ? err->class : EF_CLASS_NONE);
    p->full = false;
    pump_soon(p);
    if (item->state == ITEM_ASIDE) {
        letter_landed(a, item, err);
        return;
    }
    landed(a, item);
    if (err) {
        failed(a, item, err, item->suspect);
    } else {
        item->state = ITEM_DONE;
        if (p->outage)
            violated(SIM_REPORT, "m%d was acknowledged in an outage", item->uid);
        if (!item->appended)
            violated(SIM_LOSS, "m%d was acknowledged and is nowhere", item->uid);
        forget_done(a);
    }
}

static void on_room(void *arg)
{
    struct person *p = arg;
    cover(COVER_ROOM);
    p->full = false;
    pump_soon(p);
}

static void on_outage(void *arg, const struct ef_error *err)
{
    struct person *p = arg;
    cover(err ? COVER_OUTAGE_TOLD : COVER_OUTAGE_OVER);
    p->outage = err != NULL;
    pump_soon(p);
}

static const struct ef_publisher_upcalls upcalls = {
    .delivery = on_delivery, .room = on_room, .outage = on_outage};

/* --- sending --- */

/* The next one of the aggregate that may go now, or NULL. */
static struct item *next_of(const struct aggregate *a)
{
    if (a->flying >= SHARE || a->alone_flying > 0 || sim_event_active(&a->again))
        return NULL;
    for (int i = a->first; i < a->count; i++) {
        struct item *item = a->items[i];
        if (item->state == ITEM_ASIDE) /* those behind it wait for its dead letter */
            return a->letter_flies ? NULL : item;
        if (item->state != ITEM_WAITS)
            continue;
        for (int k = i + 1; k < a->count; k++)
            if (a->items[k]->state == ITEM_FLIES)
                return NULL; /* it failed, and those behind it are on their way still */
        return item->suspect && a->flying > 0 ? NULL : item;
    }
    return NULL;
}

/* Its value is gone when this returns. Whether another of the aggregate may be tried now. */
static bool send_letter(struct person *p, struct aggregate *a, struct item *item,
                        struct ef_message *msg)
{
    struct ef_error err;
    char value[VALUE_MAX];
    msg->topic = ef_slice_of("t3");
    if (msg->value.p)
        msg->value = (struct ef_slice){value, item_value(item, value)};
    enum ef_produced answer = ef_publisher_produce_aside(p->user, msg, item, &err);
    memset(value, '-', sizeof(value));
    cover_produced(true, answer);
    switch (answer) {
    case EF_PRODUCED_QUEUED:
        TELL("user %d: sends the dead letter of m%d", index_of(p), item->uid);
        a->letter_flies = true;
        return false;
    case EF_PRODUCED_FULL:
    case EF_PRODUCED_REFUSED:
        put_off(a, 10000, 1000000);
        break;
    case EF_PRODUCED_ALONE:
        violated(SIM_REPORT, "a dead letter is to go alone");
    }
    item->under_way = false;
    return false;
}

static void make_message(struct item *item, struct ef_message *msg)
{
    static const char *const topics[TOPICS] = {"t0", "t1", "t2", "t3"};
    const struct aim *aim = item->aim;
    char *value = values[item->uid];
    msg->topic = ef_slice_of(topics[aim->topic]);
    msg->key = aim->keyless ? (struct ef_slice){NULL, 0} : ef_slice_of(aim->key);
    msg->value = item->tombstone ? (struct ef_slice){NULL, 0}
                                 : (struct ef_slice){value, item_value(item, value)};
    msg->timestamp_ms = item->uid + 1;
    msg->partition = aim->partition;
    msg->header_count = item_headers(item, item->state == ITEM_ASIDE, msg->headers);
}

static bool produce(struct person *p, struct aggregate *a, struct item *item)
{
    struct ef_message msg; /* as large as its headers: filled, not cleared */
    struct ef_error err;
    make_message(item, &msg);
    item->under_way = true;
    if (item->state == ITEM_ASIDE)
        return send_letter(p, a, item, &msg);
    enum ef_produced answer = ef_publisher_produce(p->user, &msg, item, item->suspect, &err);
    cover_produced(false, answer);
    if (answer == EF_PRODUCED_QUEUED) {
        TELL("user %d: hands over m%d (a%d #%d)%s", index_of(p), item->uid, item->aggregate,
             item->number, item->suspect ? " alone" : "");
        item->state = ITEM_FLIES;
        a->flying++;
        a->alone_flying += item->suspect;
        return true;
    }
    item->under_way = false;
    switch (answer) {
    case EF_PRODUCED_FULL:
        p->full = true;
        sim_event_start(&p->full_timer, BACKPRESSURE_US);
        return false;
    case EF_PRODUCED_ALONE:
        if (item->suspect)
            violated(SIM_REPORT, "m%d goes alone, and is to go alone", item->uid);
        item->suspect = true;
        return true;
    default:
        failed(a, item, &err, true);
        pump_soon(p);
        return false;
    }
}

static int flying_of(const struct person *p)
{
    int flying = 0;
    for (int i = 0; i < AGGREGATES; i++)
        if (u.aggregates[i].user == index_of(p))
            flying += u.aggregates[i].flying + u.aggregates[i].letter_flies;
    return flying;
}

static void on_pump(void *arg)
{
    struct person *p = arg;
    int first = (int)sim_choose(SITE_USER_FIRST, index_of(p), AGGREGATES);
    for (int i = 0; i < AGGREGATES && p->user && !p->full; i++) {
        struct aggregate *a = &u.aggregates[(first + i) % AGGREGATES];
        struct item *item;
        if (a->user != index_of(p))
            continue;
        while (!p->full && !(p->outage && flying_of(p) > 0) && (item = next_of(a)))
            if (!produce(p, a, item))
                break;
    }
}

static void on_again(void *arg)
{
    const struct aggregate *a = arg;
    pump_soon(&u.persons[a->user]);
}

static void on_full_timer(void *arg)
{
    struct person *p = arg;
    p->full = false;
    pump_soon(p);
}

/* --- coming and going --- */

static void on_come(void *arg)
{
    struct person *p = arg;
    p->user = u.publisher->ops->join(u.publisher, "somebody", &upcalls, p);
    p->full = p->outage = false;
    pump_soon(p);
}

/* What was under way is forgotten, but goes on: nothing of it is sent again before. */
static void on_release(void *opaque)
{
    struct item *item = opaque;
    struct aggregate *a = &u.aggregates[item->aggregate];
    struct person *p = &u.persons[a->user];
    if (item->state == ITEM_ASIDE) {
        a->letter_flies = item->under_way = false;
    } else {
        landed(a, item);
        item->state = ITEM_WAITS;
    }
    if (--p->leaving == 0)
        sim_event_start(&p->come, 0);
}

void users_replace(int user_index)
{
    struct person *p = &u.persons[user_index];
    if (!p->user)
        return;
    TELL("user %d leaves", index_of(p));
    struct ef_publisher_user *user = p->user;
    p->user = NULL;
    p->leaving = flying_of(p);
    if (p->leaving == 0)
        sim_event_start(&p->come, 1000);
    else
        cover(COVER_LEFT_UNDER_WAY);
    u.publisher->ops->leave(user, on_release);
}

static void add_item(struct aggregate *a)
{
    struct item *item = &u.items[u.count];
    *item = (struct item){.uid = u.count++,
                          .aggregate = (int)(a - u.aggregates),
                          .number = a->count,
                          .aim = &a->aim,
                          .poison = happens(SITE_MESSAGE_POISON, 0, 15),
                          .huge = happens(SITE_MESSAGE_HUGE, 0, 5)};
    item->tombstone = !item->poison && !item->huge && sim_happens(SITE_MESSAGE_EMPTY, 0, 20);
    a->items[a->count++] = item;
}

static void on_write(void *arg)
{
    (void)arg;
    if (u.count == u.wanted)
        return;
    struct aggregate *a = &u.aggregates[sim_choose(SITE_WRITE_AGGREGATE, 0, AGGREGATES)];
    int more = (int)sim_choose(SITE_WRITE_COUNT, 0, 4);
    for (int n = 0; n <= more && u.count < u.wanted; n++)
        add_item(a);
    pump_soon(&u.persons[a->user]);
    sim_event_start(&u.write, sim_delay(SITE_WRITE_WAIT, 0, 10, 300000));
}

static void draw_aim(struct aim *aim, int actor)
{
    aim->topic = (int)sim_choose(SITE_AGGREGATE_TOPIC, actor, DEAD_LETTERS);
    aim->partition = -1;
    if (happens(SITE_AGGREGATE_PLACED, actor, 300))
        aim->partition = (int)sim_choose(SITE_AGGREGATE_PARTITION, actor, PARTITIONS_MAX);
    aim->keyless = happens(SITE_AGGREGATE_KEYLESS, actor, 100);
    snprintf(aim->key, sizeof(aim->key), "k%d", (int)sim_choose(SITE_AGGREGATE_KEY, actor, 1000));
    for (int n = 1; n <= PARTITIONS_MAX; n++)
        aim->by_key[n] =
            rd_kafka_msg_partitioner_murmur2(NULL, aim->key, strlen(aim->key), n, NULL, NULL);
}

void users_begin(struct ef_loop *loop, struct ef_publisher *publisher, int messages)
{
    memset(&u, 0, sizeof(u));
    u.publisher = publisher;
    u.wanted = messages;
    for (int i = 0; i < AGGREGATES; i++) {
        struct aggregate *a = &u.aggregates[i];
        *a = (struct aggregate){.user = (int)sim_choose(SITE_AGGREGATE_USER, actor_of(a), USERS)};
        draw_aim(&a->aim, actor_of(a));
        sim_event_init(&a->again, loop, on_again, a);
    }
    for (int i = 0; i < USERS; i++) {
        struct person *p = &u.persons[i];
        sim_event_init(&p->pump, loop, on_pump, p);
        sim_event_init(&p->full_timer, loop, on_full_timer, p);
        sim_event_init(&p->come, loop, on_come, p);
        p->user = publisher->ops->join(publisher, "somebody", &upcalls, p);
    }
    sim_event_init(&u.write, loop, on_write, NULL);
    sim_event_start(&u.write, 0);
}

void users_leave(void)
{
    for (int i = 0; i < USERS; i++) {
        struct person *p = &u.persons[i];
        if (!p->user)
            continue;
        p->leaving = flying_of(p);
        u.publisher->ops->leave(p->user, on_release);
        p->user = NULL;
    }
}

void users_end(void)
{
    for (int i = 0; i < USERS; i++) {
        struct person *p = &u.persons[i];
        sim_event_stop(&p->pump);
        sim_event_stop(&p->full_timer);
        sim_event_stop(&p->come);
    }
    for (int i = 0; i < AGGREGATES; i++)
        sim_event_stop(&u.aggregates[i].again);
    sim_event_stop(&u.write);
    for (int i = 0; i < USERS; i++)
        if (flying_of(&u.persons[i]) > 0)
            violated(SIM_REPORT, "%d messages of user %d were never reported",
                     flying_of(&u.persons[i]), i);
}

const struct item *users_unfinished_before(const struct item *item)
{
    const struct aggregate *a = &u.aggregates[item->aggregate];
    for (int i = a->first; i < item->number; i++)
        if (!a->items[i]->appended && a->items[i]->state != ITEM_DEAD)
            return a->items[i];
    return NULL;
}

bool users_finished(void)
{
    for (int i = 0; i < AGGREGATES; i++)
        if (u.aggregates[i].first < u.aggregates[i].count)
            return false;
    return u.count == u.wanted;
}
