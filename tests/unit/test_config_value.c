// SPDX-License-Identifier: MIT
/* Numbers with units, and the syntax of single strings. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/syntax.h"
#include "config/url.h"
#include "config/value.h"
#include "unit/run_suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NO_DURATION  "is not accepted; durations need a unit: 10s, 500ms, 5m, 24h"
#define NO_SIZE      "is not accepted; sizes need a unit: 16KiB, 4MiB, 1MB"

struct number {
    const char *text;
    int64_t value;
    const char *reason; /* NULL: it is accepted */
};

static void try_numbers(const struct number *numbers, size_t count,
                        bool (*parse)(const char *text, int64_t *ret, struct ef_error *err))
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -7;
        struct ef_error err = {0};
        bool ok = parse(numbers[i].text, &value, &err);
        ck_assert_msg(ok == !numbers[i].reason, "\"%s\": %s", numbers[i].text, err.text);
        if (ok) {
            ck_assert_msg(value == numbers[i].value, "\"%s\" is %" PRId64, numbers[i].text, value);
        } else {
            ck_assert_str_eq(err.text, numbers[i].reason);
            ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
        }
    }
}

START_TEST(a_duration_is_a_number_and_a_unit)
{
    static const struct number cases[] = {
        {"500ms", 500, NULL},
        {"10s", 10000, NULL},
        {"5m", 300000, NULL},
        {"24h", 86400000, NULL},
        {"7d", 604800000, NULL},
        {"0s", 0, NULL},
        {"007s", 7000, NULL},
        {"1.5s", 1500, NULL},
        {"0.001s", 1, NULL},
        {"2.25h", 8100000, NULL},
        {"10", 0, NO_DURATION},
        {"", 0, NO_DURATION},
        {"s", 0, NO_DURATION},
        {"10 s", 0, NO_DURATION},
        {" 10s", 0, NO_DURATION},
        {"10s ", 0, NO_DURATION},
        {"10S", 0, NO_DURATION},
        {"10sec", 0, NO_DURATION},
        {"10M", 0, NO_DURATION},
        {"1h30m", 0, NO_DURATION},
        {"-1s", 0, NO_DURATION},
        {"+1s", 0, NO_DURATION},
        {"1.s", 0, NO_DURATION},
        {".5s", 0, NO_DURATION},
        {"1,5s", 0, NO_DURATION},
        {"1e3s", 0, NO_DURATION},
        {"0x10s", 0, NO_DURATION},
        {"0.5ms", 0, NO_DURATION},
        {"0.0001s", 0, NO_DURATION},
        {"1.00000000000000s", 0, NO_DURATION},
        {"9223372036854775807ms", INT64_MAX, NULL},
        {"9223372036854775808ms", 0, "is too large"},
        {"9223372036854775807s", 0, "is too large"},
        {"99999999999999999999999999999999d", 0, "is too large"},
    };
    try_numbers(cases, COUNT(cases), ef_value_parse_duration);
}
END_TEST

START_TEST(a_size_is_a_number_and_a_unit)
{
    static const struct number cases[] = {
        {"1B", 1, NULL},
        {"16KiB", 16384, NULL},
        {"4MiB", 4194304, NULL},
        {"2GiB", INT64_C(2147483648), NULL},
        {"1TiB", INT64_C(1099511627776), NULL},
        {"1kB", 1000, NULL},
        {"1KB", 1000, NULL},
        {"1MB", 1000000, NULL},
        {"1GB", 1000000000, NULL},
        {"1TB", INT64_C(1000000000000), NULL},
        {"1.5MiB", 1572864, NULL},
        {"0.5kB", 500, NULL},
        {"4194304", 0, NO_SIZE},
        {"4", 0, NO_SIZE},
        {"4M", 0, NO_SIZE},
        {"4mb", 0, NO_SIZE},
        {"4 MiB", 0, NO_SIZE},
        {"4MiBs", 0, NO_SIZE},
        {"0.3B", 0, NO_SIZE},
        {"-4MiB", 0, NO_SIZE},
        {"8388608TiB", 0, "is too large"},
    };
    try_numbers(cases, COUNT(cases), ef_value_parse_size);
}
END_TEST

START_TEST(a_whole_number_is_decimal)
{
    static const struct number cases[] = {
        {"0", 0, NULL},
        {"1000", 1000, NULL},
        {"-5", -5, NULL},
        {"9223372036854775807", INT64_MAX, NULL},
        {"-9223372036854775808", INT64_MIN, NULL},
        {"9223372036854775808", 0, "is too large"},
        {"010", 0, "is not a whole number"},
        {"0x10", 0, "is not a whole number"},
        {"1_000", 0, "is not a whole number"},
        {"1.0", 0, "is not a whole number"},
        {"1e3", 0, "is not a whole number"},
        {"+1", 0, "is not a whole number"},
        {"-", 0, "is not a whole number"},
        {"", 0, "is not a whole number"},
        {"1000 rows", 0, "is not a whole number"},
        {"10s", 0, "is not a whole number"},
    };
    try_numbers(cases, COUNT(cases), ef_value_parse_int);
}
END_TEST

START_TEST(only_true_and_false_are_truth_values)
{
    static const char *const refused[] = {"yes", "no", "on", "off", "True", "FALSE", "1", "", "y"};
    struct ef_error err;
    bool value = false;
    ck_assert(ef_value_parse_bool("true", &value, &err));
    ck_assert(value);
    ck_assert(ef_value_parse_bool("false", &value, &err));
    ck_assert(!value);
    for (size_t i = 0; i < COUNT(refused); i++) {
        ck_assert(!ef_value_parse_bool(refused[i], &value, &err));
        ck_assert_str_eq(err.text, "is not accepted; use true or false");
    }
}
END_TEST

START_TEST(durations_are_printed_as_people_write_them)
{
    static const struct number cases[] = {
        {"0s", 0, NULL},          {"1ms", 1, NULL},          {"1500ms", 1500, NULL},
        {"10s", 10000, NULL},     {"90s", 90000, NULL},      {"5m", 300000, NULL},
        {"24h", 86400000, NULL},  {"72h", 259200000, NULL},  {"4d", 345600000, NULL},
        {"97h", 349200000, NULL}, {"30d", 2592000000, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[EF_VALUE_TEXT_MAX];
        ef_value_format_duration(cases[i].value, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(sizes_are_printed_as_people_write_them)
{
    static const struct number cases[] = {
        {"0B", 0, NULL},
        {"1B", 1, NULL},
        {"16KiB", 16384, NULL},
        {"16kB", 16000, NULL},
        {"4MiB", 4194304, NULL},
        {"1MB", 1000000, NULL},
        {"1536KiB", 1572864, NULL},
        {"1GB", 1000000000, NULL},
        {"1001B", 1001, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[EF_VALUE_TEXT_MAX];
        ef_value_format_size(cases[i].value, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(what_is_printed_is_read_back)
{
    uint64_t x = 88172645463325252u; /* xorshift64: the same numbers in every run */
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        int64_t value = (int64_t)(x >> (1 + i % 62)), back = -1;
        char text[EF_VALUE_TEXT_MAX];
        struct ef_error err;
        ef_value_format_duration(value, text);
        ck_assert(ef_value_parse_duration(text, &back, &err));
        ck_assert_int_eq(back, value);
        ef_value_format_size(value, text);
        ck_assert(ef_value_parse_size(text, &back, &err));
        ck_assert_int_eq(back, value);
    }
}
END_TEST

struct syntax_case {
    bool (*check)(const char *text, struct ef_error *err);
    const char *accepted[8], *refused[16];
};

static const struct syntax_case syntax_cases[] = {
    {ef_syntax_name,
     {"orders", "a", "Orders_2.main-x", "9lives"},
     {"", "a b", "a/b", "-a", ".a", "_a", "a:b", "\xc3\xa9",
      "a123456789012345678901234567890123456789012345678901234567890123"}},
    {ef_syntax_instance,
     {"relay-1", "relay@host:1", "10.0.0.1"},
     {"", "a b", "a/b", "a\"b",
      "a123456789012345678901234567890123456789012345678901234567890123"}},
    {ef_syntax_broker,
     {"kafka-1:9092", "kafka", "10.0.0.1:9092", "[::1]:9092", "[fe80::1%eth0]", "SASL_SSL://k:1",
      "a.b.c:65535"},
     {"", ":9092", "kafka:", "kafka:0", "kafka:65536", "kafka:9092x", "ka fka:1", "[::1:9092",
      "[]:1", "[::1]9092", "*:9092", "::1"}},
    {ef_syntax_listen,
     {"127.0.0.1:9464", "0.0.0.0:0", "[::1]:9464", "localhost:80", "[::]:65535"},
     {"", "9464", ":9464", "relay.example:9464", "[relay]:1", "127.1:80", "127.0.0.1",
      "127.0.0.1:", "127.0.0.1:65536", "*:9464", "::1:9464", "a b:1", "127.0.0.1:x"}},
    {ef_syntax_host,
     {"relay.example", "localhost", "10.0.0.1", "[::1]", "relay:9464"},
     {"", "*.example", "a/b", "a b", "relay:0"}},
    {ef_syntax_topic_pattern,
     {"orders.dlq", "${topic}.dlq", "dlq.${topic}", "a-${topic}-${topic}", "_x", "A9"},
     {"", "${topic}", ".", "..", "a b", "a/b", "${topic", "${topix}.dlq", "$topic", "__x", "a*"}},
    {ef_syntax_topic_glob,
     {"orders", "orders.*", "*", "*-x", "__consumer_offsets"},
     {"", "a b", "orders.?", "[a]", "a/b"}},
    {ef_syntax_url,
     {"postgresql://db/shop", "postgres:///shop?host=/run", "mysql://db/shop"},
     {"", "db/shop", "host=db dbname=shop", "http://db", "POSTGRESQL://db"}},
    {ef_syntax_socket,
     {"", "/run/x.sock"},
     {"x.sock", "./x",
      "/0123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456"}},
    {ef_syntax_nonempty, {"x", " "}, {""}},
};

START_TEST(syntax_of_strings)
{
    const struct syntax_case *c = &syntax_cases[_i];
    struct ef_error err;
    for (size_t i = 0; i < COUNT(c->accepted) && c->accepted[i]; i++)
        ck_assert_msg(c->check(c->accepted[i], &err), "\"%s\" was refused: %s", c->accepted[i],
                      err.text);
    for (size_t i = 0; i < COUNT(c->refused) && c->refused[i]; i++) {
        err = (struct ef_error){0};
        ck_assert_msg(!c->check(c->refused[i], &err), "\"%s\" was accepted", c->refused[i]);
        ck_assert_msg(err.text[0] && !strchr(err.text, '\n'), "%s", err.text);
    }
}
END_TEST

static const struct {
    const char *url, *masked;
} urls[] = {
    {"postgresql://db/shop", "postgresql://db/shop"},
    {"postgresql://relay@db/shop", "postgresql://relay@db/shop"},
    {"postgresql://relay:@db/shop", "postgresql://relay:@db/shop"},
    {"postgresql://relay:pw@db/shop", "postgresql://relay:********@db/shop"},
    {"postgresql://relay:p@w@db/shop", "postgresql://relay:********@db/shop"},
    {"postgresql://relay:p:w@db:5432/shop", "postgresql://relay:********@db:5432/shop"},
    {"postgresql://relay:p/w@db/shop", "postgresql://relay:********@db/shop"},
    {"postgresql://relay:p?w@db/shop", "postgresql://relay:********@db/shop"},
    {"postgresql://db:5432/shop", "postgresql://db:5432/shop"},
    {"postgresql://a:1,b:2/shop", "postgresql://a:1,b:2/shop"},
    {"postgresql://db/shop?password=pw", "postgresql://db/shop?password=********"},
    {"postgresql://db/shop?user=x&password=pw&sslmode=require",
     "postgresql://db/shop?user=x&password=********&sslmode=require"},
    {"postgresql://db/shop?PASSWORD=pw", "postgresql://db/shop?PASSWORD=********"},
    {"postgresql://db/shop?sslpassword=a&password=b",
     "postgresql://db/shop?sslpassword=********&password=********"},
    {"postgresql://u:x@db/shop?password=b", "postgresql://u:********@db/shop?password=********"},
    {"postgresql://u:p@h?options=a@b&password=pw", "postgresql://u:********@b&password=********"},
    {"postgresql://db?p:@db?password=pw", "postgresql://db?p:@db?password=********"},
    {"postgresql://db/shop?p%61ssword=pw", "postgresql://db/shop?p%61ssword=********"},
    {"postgresql://db/shop?password=", "postgresql://db/shop?password="},
    {"postgresql://db/shop?passwords=pw", "postgresql://db/shop?passwords=pw"},
    {"postgresql://db/shop?password", "postgresql://db/shop?password"},
    {"postgresql://", "postgresql://"},
    {"", ""},
};

START_TEST(passwords_in_urls_are_found)
{
    struct ef_buf masked;
    ef_buf_init(&masked, 1024);
    ef_buf_puts(&masked, "");
    ef_url_mask(urls[_i].url, &masked);
    ck_assert_str_eq(masked.data, urls[_i].masked);
    ck_assert_int_eq(ef_url_has_password(urls[_i].url), strcmp(urls[_i].url, urls[_i].masked) != 0);
    ef_buf_done(&masked);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config values");
    TCase *numbers = tcase_create("numbers");
    tcase_add_test(numbers, a_duration_is_a_number_and_a_unit);
    tcase_add_test(numbers, a_size_is_a_number_and_a_unit);
    tcase_add_test(numbers, a_whole_number_is_decimal);
    tcase_add_test(numbers, only_true_and_false_are_truth_values);
    tcase_add_test(numbers, durations_are_printed_as_people_write_them);
    tcase_add_test(numbers, sizes_are_printed_as_people_write_them);
    tcase_add_test(numbers, what_is_printed_is_read_back);
    suite_add_tcase(suite, numbers);
    TCase *strings = tcase_create("strings");
    tcase_add_loop_test(strings, syntax_of_strings, 0, COUNT(syntax_cases));
    tcase_add_loop_test(strings, passwords_in_urls_are_found, 0, COUNT(urls));
    suite_add_tcase(suite, strings);
    return run_suite(suite);
}
