// SPDX-License-Identifier: MIT
/* Dead letters: where they go, that they carry the row's message and what went wrong, and what
 * happens to rows whose size or headers are the very reason. */
#include "outbox/deadletter.h"

#include <check.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "outbox/headers.h"
#include "unit/messages.h"
#include "unit/run_suite.h"

static struct ef_arena scratch;
static struct ef_config_outbox outbox;
static struct ef_deadletter_config config;
static struct ef_deadletter_cause cause;
static struct ef_error why, err;
static struct ef_row row;
static struct ef_message msg;

static void configure(void)
{
    ef_deadletter_config_init(&config, &outbox, 1000000);
}

static void setup(void)
{
    ef_arena_init(&scratch, 4096);
    outbox = (struct ef_config_outbox){
        .headers = EF_HEADER_ALL,
        .timestamp = EF_TIMESTAMP_CREATED_AT,
        .timestamp_max_age_ms = 24 * 3600 * INT64_C(1000),
        .dead_letter_topic = (char *)"${topic}.dlq",
    };
    configure();
    row = test_row();
    row.headers = ef_slice_of("{\"tenant\": \"acme\", \"traceparent\": \"00-4bf9\"}");
    memset(&msg, 0x5a, sizeof(msg));
    ef_error_clear(&err);
    ef_error_set(&why, EF_CLASS_RECORD, "broker: record refused");
    ef_error_code(&why, 87, "INVALID_RECORD");
    cause = (struct ef_deadletter_cause){.err = &why, .kind = "poison", .attempts = 3};
}

static void teardown(void)
{
    ef_arena_done(&scratch);
}

static enum ef_deadletter_outcome build(void)
{
    return ef_deadletter(&config, &row, &cause, (ef_wall){TEST_NOW_US}, &scratch, &msg, &err);
}

static void sent(void)
{
    ck_assert_msg(build() == EF_DEADLETTER_SEND, "%s", err.text);
}

static void equals(struct ef_slice a, const char *b)
{
    ck_assert_msg(ef_slice_eq(a, ef_slice_of(b)), "%.*s", (int)a.len, a.p);
}

static const struct ef_slice *value_of(const char *name)
{
    for (int i = 0; i < msg.header_count; i++)
        if (ef_slice_eq(msg.headers[i].name, ef_slice_of(name)))
            return &msg.headers[i].value;
    ck_abort_msg("no header %s", name);
}

START_TEST(message_of_the_row_and_its_cause)
{
    const struct ef_row before = row;
    sent();
    equals(msg.topic, "orders.dlq");
    equals(msg.key, "order-9");
    ck_assert_ptr_eq(msg.value.p, row.payload.p);
    ck_assert_uint_eq(msg.value.len, row.payload.len);
    ck_assert_int_eq(msg.timestamp_ms, 0);
    test_header_names(&msg, "tenant traceparent content-type message-id aggregate-type "
                            "aggregate-id trace-id original-topic dlq-original-topic dlq-reason "
                            "dlq-error-class dlq-error-kind dlq-error-code dlq-attempts "
                            "dlq-failed-at dlq-original-aggregate-id dlq-original-message-id");
    test_header_is(&msg, "tenant", "acme");
    test_header_is(&msg, "content-type", "application/json");
    test_header_is(&msg, "original-topic", "orders");
    test_header_is(&msg, "dlq-original-topic", "orders");
    test_header_is(&msg, "dlq-reason", "broker: record refused");
    test_header_is(&msg, "dlq-error-class", "record");
    test_header_is(&msg, "dlq-error-kind", "poison");
    test_header_is(&msg, "dlq-error-code", "INVALID_RECORD");
    test_header_is(&msg, "dlq-attempts", "3");
    test_header_is(&msg, "dlq-failed-at", "2026-03-01T12:00:00.500Z");
    test_header_is(&msg, "dlq-original-aggregate-id", "order-9");
    test_header_is(&msg, "dlq-original-message-id", "5f3c");
    ck_assert_int_eq(memcmp(&before, &row, sizeof(row)), 0);
}
END_TEST

START_TEST(key_and_partition)
{
    row.key = ef_slice_of("customer-3");
    row.partition = 11; /* the dead-letter topic may have fewer */
    sent();
    equals(msg.key, "customer-3");
    ck_assert_int_eq(msg.partition, -1);
    row.partition = -9; /* why the row is dead, perhaps */
    sent();
    ck_assert_int_eq(msg.partition, -1);
}
END_TEST

START_TEST(what_the_row_has_not_is_left_out)
{
    row.aggregate_id = row.message_id = row.aggregate_type = row.trace_id =
        (struct ef_slice){NULL, 0};
    row.headers = ef_slice_of("{}");
    why.name[0] = '\0';
    cause.kind = NULL;
    sent();
    ck_assert_ptr_null(msg.key.p);
    test_header_names(&msg, "content-type original-topic dlq-original-topic dlq-reason "
                            "dlq-error-class dlq-attempts dlq-failed-at");
}
END_TEST

START_TEST(headers_of_an_earlier_dead_letter_are_replaced)
{
    row.headers = ef_slice_of("{\"dlq-reason\": \"old\", \"dlq-attempts\": \"9\", "
                              "\"original-topic\": \"elsewhere\"}");
    sent();
    test_header_is(&msg, "dlq-reason", "broker: record refused");
    test_header_is(&msg, "dlq-attempts", "3");
    test_header_is(&msg, "original-topic", "orders");
}
END_TEST

START_TEST(tombstone)
{
    row.payload = (struct ef_slice){NULL, 0};
    sent();
    ck_assert_ptr_null(msg.value.p);
    ck_assert_int_eq(test_header_count(&msg, "dlq-payload-omitted"), 0);
}
END_TEST

START_TEST(old_row_keeps_its_time_in_a_header)
{
    row.created_at_us = TEST_NOW_US - 48 * 3600 * EF_S_US;
    sent();
    ck_assert_int_eq(msg.timestamp_ms, 0);
    test_header_is(&msg, "created-at", "2026-02-27T12:00:00.500Z");
}
END_TEST

/* --- topic --- */

static void goes_to(const char *topic, const char *where)
{
    struct ef_slice found = ef_deadletter_topic(&config, ef_slice_of(topic), &scratch);
    ck_assert_msg(ef_slice_eq(found, ef_slice_of(where)), "%s: %.*s", topic, (int)found.len,
                  found.p);
}

START_TEST(patterns)
{
    static const char *const cases[][2] = {
        {"dead", "dead"},
        {"${topic}", "orders"},
        {"dlq.${topic}", "dlq.orders"},
        {"${topic}.${topic}", "orders.orders"},
        {"a${topic}b${topic}c", "aordersbordersc"},
        {"${topic", "${topic"},
        {"$${topic}", "$orders"},
        {"${name}", "${name}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        outbox.dead_letter_topic = (char *)cases[i][0];
        configure();
        goes_to("orders", cases[i][1]);
    }
}
END_TEST

START_TEST(no_topic_parks)
{
    outbox.dead_letter_topic = NULL;
    configure();
    ck_assert_int_eq(build(), EF_DEADLETTER_PARK);
    outbox.dead_letter_topic = (char *)"";
    configure();
    ck_assert_int_eq(build(), EF_DEADLETTER_PARK);
}
END_TEST

START_TEST(topics_may_have_their_own)
{
    struct ef_topic_override overrides[] = {
        {.pattern = (char *)"audit.*",
         .dead_letter_topic = NULL}, /* says nothing about dead letters */
        {.pattern = (char *)"audit.secret", .dead_letter_topic = (char *)"vault"},
        {.pattern = (char *)"audit.*", .dead_letter_topic = (char *)""},
        {.pattern = (char *)"pay*", .dead_letter_topic = (char *)"dead.${topic}"},
        {.pattern = (char *)"payments", .dead_letter_topic = (char *)"never reached"},
    };
    outbox.topic_overrides = overrides;
    outbox.topic_override_count = sizeof(overrides) / sizeof(*overrides);
    configure();
    goes_to("audit.secret", "vault");
    goes_to("audit.log", NULL);
    goes_to("payments", "dead.payments");
    goes_to("orders", "orders.dlq");
    row.topic = ef_slice_of("audit.log");
    ck_assert_int_eq(build(), EF_DEADLETTER_PARK);
    outbox.dead_letter_topic = NULL;
    configure();
    goes_to("orders", NULL);
    goes_to("payments", "dead.payments");
}
END_TEST

START_TEST(topic_that_kafka_refuses)
{
    row.topic = ef_slice_of("two words");
    ck_assert_int_eq(build(), EF_DEADLETTER_IMPOSSIBLE);
    ck_assert_int_eq(err.class, EF_CLASS_RECORD);
    ck_assert_str_eq(err.name, "TOPIC_INVALID");
    ck_assert_ptr_nonnull(strstr(err.text, "'two words.dlq'"));
    /* with a topic that does not depend on the row's, it can go */
    outbox.dead_letter_topic = (char *)"dead";
    configure();
    sent();
    test_header_is(&msg, "dlq-original-topic", "two words");
    row.topic = (struct ef_slice){NULL, 0};
    sent();
    ck_assert_int_eq(test_header_count(&msg, "dlq-original-topic"), 0);
    ck_assert_int_eq(test_header_count(&msg, "original-topic"), 0);
}
END_TEST

START_TEST(topic_that_becomes_too_long)
{
    char name[250];
    memset(name, 't', 249);
    row.topic = (struct ef_slice){name, 245};
    sent();
    ck_assert_uint_eq(msg.topic.len, 249);
    row.topic.len = 246;
    ck_assert_int_eq(build(), EF_DEADLETTER_IMPOSSIBLE);
}
END_TEST

/* --- what is too large or cannot be read --- */

static void omitted(const char *bytes)
{
    sent();
    ck_assert_ptr_nonnull(msg.value.p);
    ck_assert_uint_eq(msg.value.len, 0);
    test_header_is(&msg, "dlq-payload-omitted", bytes);
}

START_TEST(payload_that_was_not_loaded)
{
    row.payload = (struct ef_slice){NULL, 0};
    row.payload_bytes = 7000000;
    omitted("7000000");
    test_header_is(&msg, "content-type", "application/json");
}
END_TEST

START_TEST(payload_too_large_for_the_producer)
{
    sent();
    config.route.message_max_bytes = ef_message_bytes(&msg);
    sent();
    ck_assert_int_eq(test_header_count(&msg, "dlq-payload-omitted"), 0);
    config.route
        .message_max_bytes--; /* by one byte; but the new header is longer than the payload */
    ck_assert_int_eq(build(), EF_DEADLETTER_IMPOSSIBLE);
    ck_assert_str_eq(err.name, "MSG_SIZE_TOO_LARGE");

    char *large = calloc(1, 2000000);
    row.payload = (struct ef_slice){large, 2000000};
    config.route.message_max_bytes = 1000000;
    omitted("2000000");
    free(large);
}
END_TEST

START_TEST(payload_too_large_for_the_broker)
{
    ef_error_code(&why, 10, "MSG_SIZE_TOO_LARGE");
    omitted("15");
    row.payload = (struct ef_slice){NULL, 0}; /* then it was not the payload */
    sent();
    ck_assert_ptr_null(msg.value.p);
    ck_assert_int_eq(test_header_count(&msg, "dlq-payload-omitted"), 0);
}
END_TEST

START_TEST(key_too_large)
{
    char *key = calloc(1, 1000000);
    row.key = (struct ef_slice){key, 1000000};
    ck_assert_int_eq(build(), EF_DEADLETTER_IMPOSSIBLE);
    ck_assert_int_eq(err.class, EF_CLASS_RECORD);
    ck_assert_str_eq(err.name, "MSG_SIZE_TOO_LARGE");
    free(key);
}
END_TEST

START_TEST(unreadable_headers)
{
    row.headers = ef_slice_of("{\"tenant\": \"acme\", broken");
    ef_error_set(&why, EF_CLASS_RECORD, "cannot read the row's headers");
    ef_error_code(&why, 0, "HEADERS_UNREADABLE");
    sent();
    test_header_is(&msg, "dlq-original-headers", "{\"tenant\": \"acme\", broken");
    test_header_is(&msg, "dlq-error-code", "HEADERS_UNREADABLE");
    ck_assert_int_eq(test_header_count(&msg, "tenant"), 0);
    test_header_is(&msg, "message-id", "5f3c");
    ck_assert_ptr_eq(msg.value.p, row.payload.p);
}
END_TEST

START_TEST(unreadable_headers_are_cut_at_a_character)
{
    enum { MAX = EF_DEADLETTER_HEADERS_MAX_BYTES };
    char *text = malloc(MAX + 8);
    for (int shift = 0; shift < 4;
         shift++) { /* the limit falls on each byte of a four-byte character */
        memset(text, 'x', MAX + 8);
        memcpy(text + MAX - shift, "\xf0\x9f\x9a\x80", 4);
        row.headers = (struct ef_slice){text, MAX + 8};
        sent();
        ck_assert_uint_eq(value_of("dlq-original-headers")->len, MAX - (size_t)shift);
    }
    row.headers.len = MAX; /* exactly: nothing is cut, even if it ends in the middle */
    sent();
    ck_assert_uint_eq(value_of("dlq-original-headers")->len, MAX);
    free(text);
}
END_TEST

START_TEST(reason_is_bounded_and_whole)
{
    memset(why.text, 'r', sizeof(why.text) - 1);
    why.text[sizeof(why.text) - 1] = '\0';
    why.text[sizeof(why.text) - 2] = '\xc3'; /* as vsnprintf may cut it */
    sent();
    const struct ef_slice *reason = value_of("dlq-reason");
    ck_assert_uint_le(reason->len, EF_DEADLETTER_REASON_MAX_BYTES);
    ck_assert_uint_eq(reason->len, sizeof(why.text) - 2);
    ck_assert_int_eq(reason->p[reason->len - 1], 'r');
    strcpy(why.text + 10, "\xc3\xa9");
    sent();
    ck_assert_uint_eq(value_of("dlq-reason")->len, 12);
}
END_TEST

START_TEST(the_most_headers)
{
    struct ef_buf text;
    ef_buf_init(&text, 1 << 16);
    for (int i = 0; i < EF_ROW_HEADERS_MAX; i++)
        ef_buf_printf(&text, "%c\"h%d\":\"v\"", i ? ',' : '{', i);
    ef_buf_puts(&text, "}");
    row.headers = (struct ef_slice){text.data, text.len};
    row.created_at_us = TEST_NOW_US - 48 * 3600 * EF_S_US;
    ef_error_code(&why, 10, "MSG_SIZE_TOO_LARGE");
    sent();
    ck_assert_int_eq(msg.header_count, EF_ROW_HEADERS_MAX + 5 + 1 + 10 + 1);
    ck_assert_int_le(msg.header_count, EF_HEADERS_MAX);
    ef_buf_done(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deadletter");
    TCase *tc = tcase_create("deadletter");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, message_of_the_row_and_its_cause);
    tcase_add_test(tc, key_and_partition);
    tcase_add_test(tc, what_the_row_has_not_is_left_out);
    tcase_add_test(tc, headers_of_an_earlier_dead_letter_are_replaced);
    tcase_add_test(tc, tombstone);
    tcase_add_test(tc, old_row_keeps_its_time_in_a_header);
    tcase_add_test(tc, patterns);
    tcase_add_test(tc, no_topic_parks);
    tcase_add_test(tc, topics_may_have_their_own);
    tcase_add_test(tc, topic_that_kafka_refuses);
    tcase_add_test(tc, topic_that_becomes_too_long);
    tcase_add_test(tc, payload_that_was_not_loaded);
    tcase_add_test(tc, payload_too_large_for_the_producer);
    tcase_add_test(tc, payload_too_large_for_the_broker);
    tcase_add_test(tc, key_too_large);
    tcase_add_test(tc, unreadable_headers);
    tcase_add_test(tc, unreadable_headers_are_cut_at_a_character);
    tcase_add_test(tc, reason_is_bounded_and_whole);
    tcase_add_test(tc, the_most_headers);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
