// SPDX-License-Identifier: MIT
/*
 * Users go about the publisher as relays do (outbox/lane.h, relay/pump.c): messages of an aggregate
 * go in their order, several at once; one that failed goes again before those behind it, once none
 * of those is under way; one that must be alone goes with nothing of its aggregate beside it.
 */
#include <string.h>

#include "prodsim/prodsim.h"

enum { USERS = 2, BACKPRESSURE_US = 100000, SHARE = 8 };

struct aggregate {
    int topic, partition, user;
    char key[8];
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
    int appended, repeats;
} u;

static void pump_soon(struct person *p)
{
    if (!sim_event_active(&p->pump))
        sim_event_start(&p->pump, 0);
}

static int index_of(const struct person *p)
{
    return (int)(p - u.persons);
}

/* --- the check --- */

void users_appended(struct item *item, int topic)
{
    const struct aggregate *a = &u.aggregates[item->aggregate];
    if (topic == DEAD_LETTERS) {
        item->letter_appended = true;
        return;
    }
    if (item->appended) {
        u.repeats++;
        return;
    }
    item->appended = true;
    u.appended++;
    for (int i = a->first; i < item->number; i++)
        if (!a->items[i]->appended && a->items[i]->state != ITEM_DEAD)
            violated("m%d of aggregate %d was appended before m%d", item->uid, item->aggregate,
                     a->items[i]->uid);
    if (item->state == ITEM_ASIDE || item->state == ITEM_DEAD)
        violated("m%d was appended after it was reported as refused for good", item->uid);
}

/* --- what becomes of a message --- */

static void forget_done(struct aggregate *a)
{
    while (a->first < a->count && a->items[a->first]->state >= ITEM_DONE)
        a->first++;
}

static void put_off(struct aggregate *a, int64_t us)
{
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
        if (!item->poison && !item->huge)
            violated("m%d is blamed: %s", item->uid, err->text);
        item->state = ITEM_ASIDE;
        break;
    case EF_CLASS_DESTINATION:
        put_off(a, delay_between(100000, 5000000));
        break;
    case EF_CLASS_TRANSIENT:
        put_off(a, delay_between(10000, 1000000));
        break;
    case EF_CLASS_FATAL:
        break;
    default:
        violated("m%d came back as %s: %s", item->uid, ef_class_name(err->class), err->text);
    }
}

static void letter_landed(struct aggregate *a, struct item *item, const struct ef_error *err)
{
    a->letter_flies = false;
    if (err) {
        put_off(a, delay_between(10000, 1000000));
        return;
    }
    if (!item->letter_appended)
        violated("the dead letter of m%d was acknowledged and is nowhere", item->uid);
    item->state = ITEM_DEAD;
    forget_done(a);
}

static void landed(struct aggregate *a, struct item *item)
{
    if (item->state != ITEM_FLIES)
        violated("m%d was reported twice, or was never taken", item->uid);
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
        if (!item->appended)
            violated("m%d was acknowledged and is nowhere", item->uid);
        forget_done(a);
    }
}

static void on_room(void *arg)
{
    struct person *p = arg;
    p->full = false;
    pump_soon(p);
}

static void on_outage(void *arg, const struct ef_error *err)
{
    struct person *p = arg;
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

/* Whether another of the aggregate may be tried now. */
static bool send_letter(struct person *p, struct aggregate *a, struct item *item,
                        const struct ef_message *msg)
{
    struct ef_error err;
    switch (ef_publisher_produce_aside(p->user, msg, item, &err)) {
    case EF_PRODUCED_QUEUED:
        TELL("user %d: sends the dead letter of m%d", index_of(p), item->uid);
        a->letter_flies = true;
        break;
    case EF_PRODUCED_FULL:
    case EF_PRODUCED_REFUSED:
        put_off(a, delay_between(10000, 1000000));
        break;
    case EF_PRODUCED_ALONE:
        violated("a dead letter is to go alone");
    }
    return false;
}

static bool produce(struct person *p, struct aggregate *a, struct item *item)
{
    static char bytes[400];
    struct ef_error err;
    char topic[8];
    snprintf(topic, sizeof(topic), "t%d", item->state == ITEM_ASIDE ? DEAD_LETTERS : a->topic);
    struct ef_message msg = {.topic = ef_slice_of(topic),
                             .key = ef_slice_of(a->key),
                             .value = {bytes, item->poison || item->huge ? 300 : 20},
                             .timestamp_ms = 1,
                             .partition = a->partition};
    if (item->state == ITEM_ASIDE)
        return send_letter(p, a, item, &msg);
    switch (ef_publisher_produce(p->user, &msg, item, item->suspect, &err)) {
    case EF_PRODUCED_QUEUED:
        TELL("user %d: hands over m%d (a%d #%d)%s", index_of(p), item->uid, item->aggregate,
             item->number, item->suspect ? " alone" : "");
        item->state = ITEM_FLIES;
        a->flying++;
        a->alone_flying += item->suspect;
        return true;
    case EF_PRODUCED_FULL:
        p->full = true;
        sim_event_start(&p->full_timer, BACKPRESSURE_US);
        return false;
    case EF_PRODUCED_ALONE:
        if (item->suspect)
            violated("m%d goes alone, and is to go alone", item->uid);
        item->suspect = true;
        return true;
    case EF_PRODUCED_REFUSED:
        failed(a, item, &err, true);
        pump_soon(p);
        return false;
    }
    return false;
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
    int first = (int)pick(AGGREGATES);
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
        a->letter_flies = false;
    } else {
        landed(a, item);
        item->state = ITEM_WAITS;
    }
    if (--p->leaving == 0)
        sim_event_start(&p->come, 0);
}

void users_replace(void)
{
    struct person *p = &u.persons[pick(USERS)];
    if (!p->user)
        return;
    TELL("user %d leaves", index_of(p));
    struct ef_publisher_user *user = p->user;
    p->user = NULL;
    p->leaving = flying_of(p);
    if (p->leaving == 0)
        sim_event_start(&p->come, 1000);
    u.publisher->ops->leave(user, on_release);
}

static void on_write(void *arg)
{
    (void)arg;
    if (u.count == u.wanted)
        return;
    struct aggregate *a = &u.aggregates[pick(AGGREGATES)];
    for (int n = 1 + (int)pick(4); n > 0 && u.count < u.wanted; n--) {
        struct item *item = &u.items[u.count];
        *item = (struct item){.uid = u.count++,
                              .aggregate = (int)(a - u.aggregates),
                              .number = a->count,
                              .poison = happens(15),
                              .huge = happens(5)};
        a->items[a->count++] = item;
    }
    pump_soon(&u.persons[a->user]);
    sim_event_start(&u.write, delay_between(10, 300000));
}

void users_begin(struct ef_loop *loop, struct ef_publisher *publisher, int messages)
{
    memset(&u, 0, sizeof(u));
    u.publisher = publisher;
    u.wanted = messages;
    for (int i = 0; i < AGGREGATES; i++) {
        struct aggregate *a = &u.aggregates[i];
        *a = (struct aggregate){.topic = (int)pick(DEAD_LETTERS), .user = (int)pick(USERS)};
        a->partition = happens(300) ? (int)pick(PARTITIONS_MAX) : -1;
        snprintf(a->key, sizeof(a->key), "k%d", (int)pick(1000));
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
            violated("%d messages of user %d were never reported", flying_of(&u.persons[i]), i);
}

bool users_finished(void)
{
    for (int i = 0; i < AGGREGATES; i++)
        if (u.aggregates[i].first < u.aggregates[i].count)
            return false;
    return u.count == u.wanted;
}

int users_appended_total(void)
{
    return u.appended;
}

int users_repeats(void)
{
    return u.repeats;
}
