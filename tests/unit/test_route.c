// SPDX-License-Identifier: MIT
/* What message a row becomes, rule by rule of contract.md, and which rows can never be one. */
#include "outbox/route.h"

#include <check.h>
#include <stdlib.h>

#include "outbox/headers.h"
#include "unit/messages.h"
#include "unit/run_suite.h"

#define MINUTE_US (60 * EF_S_US)

static struct ef_arena scratch;
static struct ef_config_outbox outbox;
static struct ef_route_config config;
static struct ef_row row;
static struct ef_message msg;
static struct ef_error err;

static void setup(void)
{
    ef_arena_init(&scratch, 4096);
    outbox = (struct ef_config_outbox){
        .headers = EF_HEADER_ALL,
        .timestamp = EF_TIMESTAMP_CREATED_AT,
        .timestamp_max_age_ms = 24 * 3600 * INT64_C(1000),
    };
    ef_route_config_init(&config, &outbox, 1000000);
    row = test_row();
    memset(&msg, 0x5a, sizeof(msg));
    ef_error_clear(&err);
}

static void teardown(void)
{
    ef_arena_done(&scratch);
}

static bool route(void)
{
    return ef_route(&config, &row, (ef_wall){TEST_NOW_US}, &scratch, &msg, &err);
}

static void accept(void)
{
    ck_assert_msg(route(), "%s", err.text);
}

static void refuse(const char *name)
{
    ck_assert(!route());
    ck_assert_int_eq(err.class, EF_CLASS_RECORD);
    ck_assert_str_eq(err.name, name);
    ck_assert_str_ne(err.text, "");
}

static void equals(struct ef_slice a, const char *b)
{
    ck_assert_msg(ef_slice_eq(a, ef_slice_of(b)), "%.*s", (int)a.len, a.p);
}

START_TEST(ordinary_row)
{
    const struct ef_row before = row;
    accept();
    equals(msg.topic, "orders");
    equals(msg.key, "order-9");
    ck_assert_int_eq(msg.partition, -1);
    ck_assert_int_eq(msg.timestamp_ms, TEST_NOW_US / 1000 - 1000);
    test_header_names(&msg, "content-type message-id aggregate-type aggregate-id trace-id");
    test_header_is(&msg, "content-type", "application/json");
    test_header_is(&msg, "message-id", "5f3c");
    test_header_is(&msg, "aggregate-type", "order");
    test_header_is(&msg, "aggregate-id", "order-9");
    test_header_is(&msg, "trace-id", "4bf9");
    ck_assert_int_eq(memcmp(&before, &row, sizeof(row)), 0);
}
END_TEST

START_TEST(value_is_the_payload_itself)
{
    accept();
    ck_assert_ptr_eq(msg.value.p, row.payload.p);
    ck_assert_uint_eq(msg.value.len, row.payload.len);
    row.payload = ef_slice_of("");
    accept();
    ck_assert_ptr_nonnull(msg.value.p);
    ck_assert_uint_eq(msg.value.len, 0);
    test_header_is(&msg, "content-type", "application/json");
}
END_TEST

START_TEST(tombstone)
{
    row.payload = (struct ef_slice){NULL, 0};
    accept();
    ck_assert_ptr_null(msg.value.p);
    test_header_names(&msg, "message-id aggregate-type aggregate-id trace-id");
}
END_TEST

START_TEST(content_types)
{
    row.payload_kind = EF_PAYLOAD_TEXT;
    accept();
    test_header_is(&msg, "content-type", "text/plain; charset=utf-8");
    row.payload_kind = EF_PAYLOAD_BYTES;
    accept();
    test_header_is(&msg, "content-type", "application/octet-stream");
}
END_TEST

START_TEST(key)
{
    row.key = ef_slice_of("customer-3");
    accept();
    equals(msg.key, "customer-3");
    test_header_is(&msg, "aggregate-id", "order-9");
    row.key = ef_slice_of("");
    accept();
    equals(msg.key, "");
    row.key = row.aggregate_id = (struct ef_slice){NULL, 0};
    accept();
    ck_assert_ptr_null(msg.key.p);
    ck_assert_int_eq(test_header_count(&msg, "aggregate-id"), 0);
}
END_TEST

START_TEST(partition)
{
    row.partition = 0;
    accept();
    ck_assert_int_eq(msg.partition, 0);
    row.partition = INT32_MAX;
    accept();
    ck_assert_int_eq(msg.partition, INT32_MAX);
    row.partition = -2;
    refuse("PARTITION_INVALID");
    row.partition = INT32_MIN;
    refuse("PARTITION_INVALID");
}
END_TEST

/* --- topics --- */

static char long_topic[252];

START_TEST(topics_kafka_takes)
{
    static const char *const good[] = {"a", "orders.v1", "A-Z_09", "...", "_x", "a..b", ".a"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        row.topic = ef_slice_of(good[i]);
        accept();
    }
    memset(long_topic, 'x', 249);
    row.topic = (struct ef_slice){long_topic, 249};
    accept();
}
END_TEST

START_TEST(topics_kafka_refuses)
{
    static const char *const bad[] = {NULL,  "",    ".",           "..",    "a b",
                                      "a/b", "a:b", "caf\xc3\xa9", "tab\t", "new\nline",
                                      "a*",  "{x}", "\x01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        row.topic = ef_slice_of(bad[i]);
        refuse("TOPIC_INVALID");
    }
    row.topic = (struct ef_slice){"nul\0", 4};
    refuse("TOPIC_INVALID");
    memset(long_topic, 'x', 250);
    row.topic = (struct ef_slice){long_topic, 250};
    refuse("TOPIC_INVALID");
}
END_TEST

static void allow(const char *a, const char *b)
{
    static char *items[2];
    items[0] = (char *)a;
    items[1] = (char *)b;
    outbox.topics_allow = (struct ef_strings){items, b ? 2 : 1};
}

START_TEST(internal_topics_need_their_own_pattern)
{
    row.topic = ef_slice_of("__consumer_offsets");
    refuse("TOPIC_NOT_ALLOWED");
    allow("*", NULL);
    refuse("TOPIC_NOT_ALLOWED");
    allow("_*", NULL);
    refuse("TOPIC_NOT_ALLOWED");
    allow("__consumer*", NULL);
    accept();
    row.topic = ef_slice_of("__transaction_state");
    refuse("TOPIC_NOT_ALLOWED");
    allow("*", "__transaction_state");
    accept();
}
END_TEST

START_TEST(allowed_topics)
{
    allow("orders.*", "payments");
    row.topic = ef_slice_of("orders.created");
    accept();
    row.topic = ef_slice_of("payments");
    accept();
    row.topic = ef_slice_of("payments2");
    refuse("TOPIC_NOT_ALLOWED");
    ck_assert_ptr_nonnull(strstr(err.text, "'payments2'"));
    row.topic = ef_slice_of("orders");
    refuse("TOPIC_NOT_ALLOWED");
}
END_TEST

START_TEST(patterns)
{
    static const struct {
        const char *pattern, *topic;
        bool matches;
    } cases[] = {
        {"", "", true},           {"", "a", false},          {"*", "", true},
        {"*", "abc", true},       {"a*", "a", true},         {"a*", "ba", false},
        {"*a", "bca", true},      {"*a", "bcab", false},     {"a*b*c", "abc", true},
        {"a*b*c", "aXbYc", true}, {"a*b*c", "aXcYb", false}, {"**", "x", true},
        {"*.dlq", "a.dlq", true}, {"*.dlq", "a.dl", false},  {"*aab", "aaaab", true},
        {"a", "A", false},        {"abc", "ab", false},      {"*ab*ab", "ab", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        ck_assert_msg(ef_topic_matches(cases[i].pattern, ef_slice_of(cases[i].topic)) ==
                          cases[i].matches,
                      "%s %s", cases[i].pattern, cases[i].topic);
    /* many stars on a long topic must not take exponential time */
    char text[250];
    memset(text, 'a', sizeof(text));
    ck_assert(!ef_topic_matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", (struct ef_slice){text, 249}));
}
END_TEST

/* --- headers --- */

START_TEST(own_headers_come_first)
{
    row.headers = ef_slice_of("{\"traceparent\": \"00-4bf9-00f0-01\", \"tracestate\": \"a=1\", "
                              "\"n\": 1.10, \"gone\": null}");
    accept();
    test_header_names(&msg, "traceparent tracestate n gone content-type message-id aggregate-type "
                            "aggregate-id trace-id");
    test_header_is(&msg, "traceparent", "00-4bf9-00f0-01");
    test_header_is(&msg, "tracestate", "a=1");
    test_header_is(&msg, "n", "1.10");
    test_header_is(&msg, "gone", NULL);
}
END_TEST

START_TEST(standard_headers_replace_own_ones)
{
    row.headers =
        ef_slice_of("{\"message-id\": \"forged\", \"x\": \"1\", \"Message-Id\": \"another\"}");
    accept();
    test_header_is(&msg, "message-id", "5f3c");
    test_header_is(&msg, "Message-Id", "another");
    test_header_names(&msg,
                      "message-id x Message-Id content-type aggregate-type aggregate-id trace-id");
    /* one that is not sent, or has no value, replaces nothing */
    config.headers = EF_HEADER_ALL & ~(unsigned)EF_HEADER_MESSAGE_ID;
    accept();
    test_header_is(&msg, "message-id", "forged");
    config.headers = EF_HEADER_ALL;
    row.message_id = (struct ef_slice){NULL, 0};
    accept();
    test_header_is(&msg, "message-id", "forged");
}
END_TEST

START_TEST(id_stands_before_all_others)
{
    config.headers = EF_HEADER_ID;
    row.headers = ef_slice_of("{\"eventType\": \"Created\", \"id\": \"forged\", \"z\": null}");
    accept();
    test_header_names(&msg, "id eventType z");
    test_header_is(&msg, "id", "5f3c");
    row.headers = ef_slice_of("{\"a\": 1}");
    accept();
    test_header_names(&msg, "id a");
    row.message_id = (struct ef_slice){NULL, 0};
    accept();
    test_header_names(&msg, "a");
}
END_TEST

START_TEST(empty_payloads_are_tombstones_where_asked_for)
{
    static const char *const blanks[] = {"", " ", "\r\n\t "};
    for (size_t i = 0; i < sizeof(blanks) / sizeof(*blanks); i++) {
        row.payload = ef_slice_of(blanks[i]);
        config.tombstone_on_empty = false;
        accept();
        equals(msg.value, blanks[i]);
        config.tombstone_on_empty = true;
        accept();
        ck_assert_ptr_null(msg.value.p);
        test_header_names(&msg, "message-id aggregate-type aggregate-id trace-id");
    }
    row.payload = ef_slice_of(" {}");
    accept();
    equals(msg.value, " {}");
}
END_TEST

START_TEST(only_configured_headers)
{
    static const struct {
        unsigned bit;
        const char *name;
    } bits[] = {
        {EF_HEADER_CONTENT_TYPE, "content-type"},
        {EF_HEADER_MESSAGE_ID, "message-id"},
        {EF_HEADER_AGGREGATE_TYPE, "aggregate-type"},
        {EF_HEADER_AGGREGATE_ID, "aggregate-id"},
        {EF_HEADER_TRACE_ID, "trace-id"},
    };
    for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
        config.headers = bits[i].bit;
        accept();
        test_header_names(&msg, bits[i].name);
    }
    config.headers = 0;
    accept();
    ck_assert_int_eq(msg.header_count, 0);
}
END_TEST

START_TEST(absent_columns_give_no_headers)
{
    row.message_id = row.aggregate_type = row.aggregate_id = row.trace_id = row.headers =
        (struct ef_slice){NULL, 0};
    accept();
    test_header_names(&msg, "content-type");
}
END_TEST

START_TEST(unreadable_headers)
{
    row.headers = ef_slice_of("not json");
    refuse("HEADERS_UNREADABLE");
    row.headers = ef_slice_of("[\"a\"]");
    refuse("HEADERS_UNREADABLE");
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
    row.created_at_us = TEST_NOW_US - 25 * 60 * MINUTE_US;
    accept();
    ck_assert_int_eq(msg.header_count, EF_ROW_HEADERS_MAX + 6);
    ef_buf_done(&text);
}
END_TEST

/* --- timestamp --- */

static void sent_with_created_at(void)
{
    accept();
    ck_assert_int_eq(msg.timestamp_ms, row.created_at_us / 1000);
    ck_assert_int_eq(test_header_count(&msg, "created-at"), 0);
}

static void sent_with_send_time(const char *created_at)
{
    accept();
    ck_assert_int_eq(msg.timestamp_ms, 0);
    if (created_at)
        test_header_is(&msg, "created-at", created_at);
    else
        ck_assert_int_eq(test_header_count(&msg, "created-at"), 0);
}

START_TEST(old_and_early_rows)
{
    row.created_at_us = TEST_NOW_US - 24 * 60 * MINUTE_US;
    sent_with_created_at();
    row.created_at_us -= 1;
    sent_with_send_time("2026-02-28T12:00:00.499Z");
    row.created_at_us = TEST_NOW_US + 5 * MINUTE_US;
    sent_with_created_at();
    row.created_at_us += 1;
    sent_with_send_time("2026-03-01T12:05:00.500Z");
    row.created_at_us = INT64_C(-1500);
    sent_with_send_time("1969-12-31T23:59:59.998Z");
    config.timestamp_max_age_us = INT64_MAX / 4;
    sent_with_send_time("1969-12-31T23:59:59.998Z"); /* 0 and less mean something else to Kafka */
}
END_TEST

START_TEST(times_that_are_none)
{
    row.created_at_us = 0;
    sent_with_send_time(NULL);
    row.created_at_us = INT64_MAX;
    sent_with_send_time(NULL);
    row.created_at_us = INT64_MIN;
    sent_with_send_time(NULL);
}
END_TEST

START_TEST(send_time_by_configuration)
{
    outbox.timestamp = EF_TIMESTAMP_SEND;
    ef_route_config_init(&config, &outbox, 1000000);
    sent_with_send_time(NULL);
    row.created_at_us = 1000000;
    sent_with_send_time(NULL);
}
END_TEST

START_TEST(send_time_for_a_row_sent_again)
{
    config.send_time = true;
    sent_with_send_time("2026-03-01T11:59:59.500Z");
}
END_TEST

/* --- size --- */

START_TEST(payload_that_was_not_loaded)
{
    row.payload = (struct ef_slice){NULL, 0};
    row.payload_bytes = 5000000;
    refuse("MSG_SIZE_TOO_LARGE");
    ck_assert_ptr_nonnull(strstr(err.text, "5000000"));
}
END_TEST

START_TEST(size_is_counted_whole)
{
    row.headers = ef_slice_of("{\"h\": \"12345\"}");
    row.key = ef_slice_of("0123456789");
    config.headers = EF_HEADER_MESSAGE_ID;
    accept();
    /* overhead, value, key, own header, message-id 5f3c */
    int64_t bytes = 70 + 15 + 10 + (6 + 1 + 5) + (6 + 10 + 4);
    ck_assert_int_eq(ef_message_bytes(&msg), bytes);
    config.message_max_bytes = bytes;
    accept();
    config.message_max_bytes = bytes - 1;
    refuse("MSG_SIZE_TOO_LARGE");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route");
    TCase *tc = tcase_create("route");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, ordinary_row);
    tcase_add_test(tc, value_is_the_payload_itself);
    tcase_add_test(tc, tombstone);
    tcase_add_test(tc, content_types);
    tcase_add_test(tc, key);
    tcase_add_test(tc, partition);
    tcase_add_test(tc, topics_kafka_takes);
    tcase_add_test(tc, topics_kafka_refuses);
    tcase_add_test(tc, internal_topics_need_their_own_pattern);
    tcase_add_test(tc, allowed_topics);
    tcase_add_test(tc, patterns);
    tcase_add_test(tc, own_headers_come_first);
    tcase_add_test(tc, standard_headers_replace_own_ones);
    tcase_add_test(tc, only_configured_headers);
    tcase_add_test(tc, absent_columns_give_no_headers);
    tcase_add_test(tc, unreadable_headers);
    tcase_add_test(tc, the_most_headers);
    tcase_add_test(tc, old_and_early_rows);
    tcase_add_test(tc, times_that_are_none);
    tcase_add_test(tc, send_time_by_configuration);
    tcase_add_test(tc, send_time_for_a_row_sent_again);
    tcase_add_test(tc, payload_that_was_not_loaded);
    tcase_add_test(tc, size_is_counted_whole);
    tcase_add_test(tc, id_stands_before_all_others);
    tcase_add_test(tc, empty_payloads_are_tombstones_where_asked_for);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
