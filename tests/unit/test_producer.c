// SPDX-License-Identifier: MIT
/* The publisher's promises, kept on a broker with faults: one user that sends as a relay does. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/embedded.h"
#include "kafka/producer.h"
#include "unit/embedded_faults.h"
#include "unit/run_suite.h"

enum { PARTITIONS = 3, MESSAGES = 200, LOOK_US = 5000 };

/* librdkafka's numbers, which are the protocol's */
enum { NOT_LEADER = 6, REQUEST_TIMED_OUT = 7, TOO_LARGE = 10, NOT_ENOUGH_REPLICAS = 19 };

enum state { UNSENT, WAITING, UNDER_WAY, ACKED, REFUSED, RELEASED };

static struct sent {
    char value[16];
    int partition;
    enum state state;
    bool alone; /* came back from a batch that was refused: it goes by itself */
} sent[MESSAGES];

static struct ef_loop *loop;
static struct ef_metrics *metrics;
static struct ef_embedded *embedded;
static struct ef_producer *producer;
static struct ef_publisher_user *user;
static struct ef_timer look;
static bool (*awaited)(void);
static const char *awaited_text;
static int64_t give_up_us;
static bool outage;
static int outages, fatal_reports;
static int suspected;      /* were to go alone, for they looked like a refused one */
static int misplaced = -1; /* goes to a partition that does not exist */

static int count(enum state state)
{
    int n = 0;
    for (int i = 0; i < MESSAGES; i++)
        n += sent[i].state == state;
    return n;
}

/* False: no more now. */
static bool send_one(struct sent *m)
{
    struct ef_error err;
    struct ef_message msg = {.topic = ef_slice_of("orders"),
                             .key = ef_slice_of("key"),
                             .value = ef_slice_of(m->value),
                             .partition = m->partition};
    switch (ef_publisher_produce(user, &msg, m, m->alone, &err)) {
    case EF_PRODUCED_QUEUED:
        m->state = UNDER_WAY;
        return true;
    case EF_PRODUCED_FULL:
        return false;
    case EF_PRODUCED_ALONE:
        ck_assert(!m->alone);
        m->alone = true;
        suspected++;
        return count(UNDER_WAY) == 0 && send_one(m);
    case EF_PRODUCED_REFUSED:
        ck_assert_msg(m->partition == PARTITIONS, "refused: %s", err.text);
        m->state = REFUSED;
        return true;
    }
    return false;
}

static void pump(void)
{
    for (int i = 0; i < MESSAGES; i++) {
        if (sent[i].state != WAITING)
            continue;
        if (sent[i].alone && count(UNDER_WAY) > 0)
            return;
        if (!send_one(&sent[i]) || sent[i].alone)
            return;
    }
}

static void on_delivery(void *arg, void *opaque, const struct ef_error *err)
{
    struct sent *m = opaque;
    (void)arg;
    ck_assert_int_eq(m->state, UNDER_WAY);
    if (!err) {
        m->state = ACKED;
    } else if (err->class == EF_CLASS_FATAL) {
        m->state = WAITING;
        fatal_reports++;
    } else if (m->partition == PARTITIONS) {
        ck_assert_int_eq(err->class, EF_CLASS_TRANSIENT);
        m->state = REFUSED;
    } else {
        ck_assert_msg(err->class == EF_CLASS_RECORD, "%s", err->text);
        m->state = m->alone ? REFUSED : WAITING;
        m->alone = true;
    }
    pump();
}

static void on_room(void *arg)
{
    (void)arg;
    pump();
}

static void on_outage(void *arg, const struct ef_error *err)
{
    (void)arg;
    outage = err != NULL;
    outages += outage;
}

static const struct ef_publisher_upcalls upcalls = {
    .delivery = on_delivery, .room = on_room, .outage = on_outage};

static void on_look(void *arg)
{
    (void)arg;
    ck_assert_msg(ef_clock_mono().us < give_up_us, "never came: %s", awaited_text);
    if (awaited())
        ef_loop_stop(loop);
    else
        ef_timer_start(&look, LOOK_US);
}

static void run_until(bool (*condition)(void), const char *text)
{
    const char *scale = getenv("EF_TEST_TIMEOUT_SCALE");
    awaited = condition;
    awaited_text = text;
    give_up_us = ef_clock_mono().us + (int64_t)((scale ? strtod(scale, NULL) : 1) * 20 * EF_S_US);
    ef_timer_start(&look, 0);
    ef_loop_run(loop);
}

#define RUN_UNTIL(condition) run_until(condition, #condition)

static bool nothing_waits(void)
{
    return count(WAITING) + count(UNDER_WAY) == 0;
}

static bool is_outage(void)
{
    return outage;
}

static bool all_released(void)
{
    return count(RELEASED) == MESSAGES;
}

/* From the first message to the one before `end`; partition -1: in turn. */
static void want(int from, int end, int partition)
{
    for (int i = from; i < end; i++) {
        snprintf(sent[i].value, sizeof(sent[i].value), "m%d", i);
        sent[i].partition = partition < 0 ? i % PARTITIONS : partition;
        if (i == misplaced)
            sent[i].partition = PARTITIONS;
        sent[i].state = WAITING;
    }
    pump();
}

static uint64_t recreations(void)
{
    struct ef_producer_view view;
    ef_producer_view(producer, &view);
    return view.recreations;
}

/* The log holds every message that was acknowledged. If `ordered`, each partition in the order of
 * sending: what comes again must begin again with an earlier one. Returns how many there are. */
static size_t assert_log(bool ordered)
{
    static struct ef_held_message got[4 * MESSAGES];
    bool seen[MESSAGES] = {false};
    int newest[PARTITIONS] = {-1, -1, -1};
    size_t n =
        ef_faults_read(embedded, "orders", (size_t)count(ACKED), got, sizeof(got) / sizeof(got[0]));
    for (size_t i = 0; i < n; i++) {
        int number = (int)strtol(got[i].value + 1, NULL, 10), p = got[i].partition;
        ck_assert_int_eq(sent[number].partition, p);
        if (!seen[number]) {
            ck_assert_msg(!ordered || number > newest[p], "m%d came after m%d", number, newest[p]);
            newest[p] = number;
        }
        seen[number] = true;
    }
    for (int i = 0; i < MESSAGES; i++)
        ck_assert_msg(sent[i].state != ACKED || seen[i], "m%d is lost", i);
    return n;
}

static void start(size_t property_count)
{
    static struct ef_property small = {.name = "batch.num.messages", .value = "5"};
    static struct ef_config_kafka config = {
        .embedded = true, .client_id = "test", .properties = {.items = &small}};
    config.properties.count = property_count;
    struct ef_error err;
    memset(sent, 0, sizeof(sent));
    outage = false;
    outages = fatal_reports = 0;
    loop = ef_loop_new();
    metrics = ef_metrics_new();
    embedded = ef_embedded_new(PARTITIONS, &err);
    ck_assert_msg(embedded != NULL, "%s", err.text);
    ck_assert_msg(ef_embedded_topic(embedded, "orders", &err), "%s", err.text);
    producer = ef_producer_new(&(struct ef_producer_params){.loop = loop,
                                                            .metrics = metrics,
                                                            .config = &config,
                                                            .embedded = embedded,
                                                            .cluster = "test",
                                                            .queue_messages = 2 * MESSAGES,
                                                            .queue_bytes = 1 << 20,
                                                            .message_max_bytes = 1 << 20},
                               &err);
    ck_assert_msg(producer != NULL, "%s", err.text);
    struct ef_publisher *publisher = ef_producer_publisher(producer);
    user = publisher->ops->join(publisher, "orders", &upcalls, NULL);
    ef_timer_init(&look, loop, "test", on_look, NULL);
}

/* Several requests are needed, and would be on their way together if they were allowed to. This
 * broker does not look at sequence numbers: after a first ack they are what keeps the order. */
static void setup_small_batches(void)
{
    start(1);
}

static void setup(void)
{
    start(0);
}

static void teardown(void)
{
    ef_timer_stop(&look);
    ef_producer_free(producer);
    ef_embedded_free(embedded);
    ef_metrics_free(metrics);
    ef_loop_free(loop);
}

START_TEST(messages_of_a_partition_keep_their_order)
{
    want(0, MESSAGES, -1);
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(count(ACKED), MESSAGES);
    ck_assert_uint_eq(assert_log(true), MESSAGES);
}
END_TEST

static const int first_refusals[][3] = {
    {NOT_LEADER, 0, 0},          {NOT_LEADER, NOT_LEADER, NOT_LEADER},
    {NOT_ENOUGH_REPLICAS, 0, 0}, {REQUEST_TIMED_OUT, 0, 0},
    {EF_FAULT_DISCONNECT, 0, 0}, {NOT_LEADER, EF_FAULT_DISCONNECT, 0},
};

/* A broker takes any first sequence number of a producer that it does not know (KAFKA-15591). */
START_TEST(a_refused_first_request_is_not_overtaken)
{
    ef_faults_rtt(embedded, 10); /* time for a second request, if one were allowed */
    ef_faults_push(embedded, EF_FAULT_PRODUCE, first_refusals[_i], 3);
    want(0, 60, 0); /* the topic is new */
    RUN_UNTIL(nothing_waits);
    ef_faults_push(embedded, EF_FAULT_PRODUCE, first_refusals[_i], 3);
    want(60, 120, 1); /* the partition is */
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(count(ACKED), 120);
    ck_assert_uint_eq(assert_log(true), 120);
}
END_TEST

static bool half_a_second_has_passed(void)
{
    static int64_t began_us;
    if (began_us == 0)
        began_us = ef_clock_mono().us;
    return ef_clock_mono().us - began_us > EF_S_US / 2;
}

/* What the rule behind it rests on: a second request could be taken where the first was refused. */
START_TEST(one_message_goes_to_a_partition_until_its_first_ack)
{
    struct ef_held_message got[8];
    want(0, 1, 0);
    RUN_UNTIL(nothing_waits);
    ef_faults_push_late(embedded, EF_FAULT_PRODUCE, 0, 2000, 1);
    want(60, 120, 1);
    RUN_UNTIL(half_a_second_has_passed);
    ck_assert_int_eq(count(UNDER_WAY), 60);
    ck_assert_uint_eq(ef_faults_read(embedded, "orders", 2, got, 8), 2);
    RUN_UNTIL(nothing_waits);
    ck_assert_uint_eq(assert_log(true), 61);
}
END_TEST

/* It is refused while the number of partitions is being taken in, with others behind it. */
START_TEST(a_partition_that_does_not_exist_stops_no_other)
{
    misplaced = 5;
    want(0, 20, -1);
    misplaced = -1;
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(count(ACKED), 19);
    ck_assert_int_eq(sent[5].state, REFUSED);
    want(20, 40, -1);
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(count(ACKED), 39);
}
END_TEST

START_TEST(a_refused_batch_is_sent_again_one_by_one)
{
    static const int refused[] = {TOO_LARGE};
    want(0, PARTITIONS, -1);
    RUN_UNTIL(nothing_waits);
    ef_faults_push(embedded, EF_FAULT_PRODUCE, refused, 1);
    want(PARTITIONS, 60, -1);
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(count(ACKED), 60);
    ck_assert_uint_ge(recreations(), 1);
    /* what was on its way behind the refused request is taken here: see setup_small_batches */
    assert_log(false);
}
END_TEST

START_TEST(a_message_refused_alone_stops_no_other)
{
    static const int refused[] = {TOO_LARGE};
    sent[20].alone = true;
    want(0, 20, 0);
    RUN_UNTIL(nothing_waits);
    ef_faults_push(embedded, EF_FAULT_PRODUCE, refused, 1);
    want(20, 40, 0);
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(sent[20].state, REFUSED);
    ck_assert_int_eq(count(ACKED), 39);
    ck_assert_uint_eq(recreations(), 0);
    ck_assert_int_eq(fatal_reports, 0);
    assert_log(true);
}
END_TEST

START_TEST(what_looks_like_a_refused_message_goes_alone_until_its_like_is_taken)
{
    static const int refused[] = {TOO_LARGE};
    sent[100].alone = true; /* one digit more than those before it */
    want(50, 60, 0);
    RUN_UNTIL(nothing_waits);
    ef_faults_push(embedded, EF_FAULT_PRODUCE, refused, 1);
    want(100, 101, 0);
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(sent[100].state, REFUSED);
    want(60, 70, 0); /* shorter */
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(suspected, 0);
    ef_faults_push(embedded, EF_FAULT_PRODUCE, refused, 1);
    want(101, 102,
         0); /* as long: its refusal disturbs nobody, although nobody said that it is bad */
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(suspected, 1);
    ck_assert_int_eq(sent[101].state, REFUSED);
    want(102, 103, 0);
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(suspected, 2);
    want(103, 110, 0); /* one was taken: the broker takes so large ones now */
    RUN_UNTIL(nothing_waits);
    ck_assert_int_eq(suspected, 2);
    ck_assert_int_eq(count(ACKED), 28);
    ck_assert_uint_eq(recreations(), 0);
    assert_log(true);
}
END_TEST

START_TEST(an_outage_is_told_and_loses_nothing)
{
    want(0, 20, -1);
    RUN_UNTIL(nothing_waits);
    ef_faults_down(embedded);
    want(20, MESSAGES, -1);
    RUN_UNTIL(is_outage);
    ck_assert_int_eq(count(UNDER_WAY), MESSAGES - 20);
    ef_faults_up(embedded);
    RUN_UNTIL(nothing_waits);
    ck_assert(!outage);
    ck_assert_int_eq(outages, 1);
    ck_assert_int_eq(count(ACKED), MESSAGES);
    assert_log(true);
}
END_TEST

static void on_release(void *opaque)
{
    struct sent *m = opaque;
    ck_assert_int_eq(m->state, UNDER_WAY);
    m->state = RELEASED;
}

START_TEST(a_user_that_leaves_gets_its_messages_back_and_no_report)
{
    want(0, MESSAGES, -1);
    user->pub->ops->leave(user, on_release);
    RUN_UNTIL(all_released);
}
END_TEST

static bool aside_back(void)
{
    return sent[0].state != UNDER_WAY;
}

START_TEST(a_failure_aside_disturbs_nobody)
{
    static const int refused[] = {TOO_LARGE};
    struct ef_error err;
    want(1, 20, -1);
    RUN_UNTIL(nothing_waits);
    ef_faults_push(embedded, EF_FAULT_PRODUCE, refused, 1);
    struct ef_message msg = {
        .topic = ef_slice_of("letters"), .value = ef_slice_of("dead"), .partition = -1};
    sent[0].state = UNDER_WAY;
    sent[0].alone = true;
    ck_assert_int_eq(ef_publisher_produce_aside(user, &msg, &sent[0], &err), EF_PRODUCED_QUEUED);
    RUN_UNTIL(aside_back);
    ck_assert_int_eq(sent[0].state, REFUSED);
    want(20, 40, -1);
    RUN_UNTIL(nothing_waits);
    ck_assert_uint_eq(recreations(), 0);
    ck_assert_int_eq(fatal_reports, 0);
    ck_assert_uint_eq(assert_log(true), 39);
}
END_TEST

int main(void)
{
    const int cases = (int)(sizeof(first_refusals) / sizeof(first_refusals[0]));
    Suite *suite = suite_create("producer");
    TCase *first = tcase_create("first requests"), *tc = tcase_create("embedded broker");
    tcase_set_timeout(first, 120);
    tcase_add_checked_fixture(first, setup_small_batches, teardown);
    tcase_add_loop_test(first, a_refused_first_request_is_not_overtaken, 0, cases);
    tcase_add_test(first, one_message_goes_to_a_partition_until_its_first_ack);
    suite_add_tcase(suite, first);
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, messages_of_a_partition_keep_their_order);
    tcase_add_test(tc, a_partition_that_does_not_exist_stops_no_other);
    tcase_add_test(tc, a_refused_batch_is_sent_again_one_by_one);
    tcase_add_test(tc, a_message_refused_alone_stops_no_other);
    tcase_add_test(tc, what_looks_like_a_refused_message_goes_alone_until_its_like_is_taken);
    tcase_add_test(tc, an_outage_is_told_and_loses_nothing);
    tcase_add_test(tc, a_user_that_leaves_gets_its_messages_back_and_no_report);
    tcase_add_test(tc, a_failure_aside_disturbs_nobody);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
