// SPDX-License-Identifier: MIT
/* --print-config and what a reload compares. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/print.h"
#include "unit/config_text.h"
#include "unit/run_suite.h"

static const char minimal_printed[] = "instance: relay-1\n"
                                      "state_dir: /srv/state\n"
                                      "shutdown_timeout: 25s\n"
                                      "kafka:\n"
                                      "  brokers: [kafka-1:9092]\n"
                                      "  client_id: eventferryd-relay-1\n"
                                      "databases:\n"
                                      "  shop:\n"
                                      "    driver: postgres\n"
                                      "    url: \"postgresql://relay@db/shop\"\n"
                                      "    pooler: none\n"
                                      "    schema: eventferry\n"
                                      "    statement_timeout: 30s\n"
                                      "    connect_timeout: 5s\n"
                                      "outboxes:\n"
                                      "  - name: orders\n"
                                      "    database: shop\n"
                                      "    table: public.outbox\n"
                                      "    wake: poll\n"
                                      "    poll_interval: 50ms\n"
                                      "    batch:\n"
                                      "      max_rows: 1000\n"
                                      "      max_bytes: 4MiB\n"
                                      "    window:\n"
                                      "      max_rows: 20000\n"
                                      "      max_bytes: 16MiB\n"
                                      "    max_payload: 1MB\n"
                                      "    lease_ttl: 10s\n"
                                      "    claim_timeout: 1m\n"
                                      "    ready_max_stall: 30s\n"
                                      "    on_delivered: archive\n"
                                      "    # retention: 24h\n"
                                      "    archive_max_bytes: none\n"
                                      "    retry:\n"
                                      "      max_attempts: 5\n"
                                      "      strategy: exponential\n"
                                      "      base_delay: 200ms\n"
                                      "      max_delay: 30s\n"
                                      "      jitter: true\n"
                                      "      quota_multiplier: 5\n"
                                      "      backpressure_delay: 1s\n"
                                      "    layout: eventferry\n"
                                      "    order_by: aggregate_id\n"
                                      "    headers: [content-type, message-id, aggregate-type, "
                                      "aggregate-id, trace-id]\n"
                                      "    tombstone_on_empty: false\n"
                                      "    timestamp: created_at\n"
                                      "    timestamp_max_age: 24h\n"
                                      "control:\n"
                                      "  socket: /run/eventferryd/control.sock\n"
                                      "checks:\n"
                                      "  interval: 10m\n"
                                      "  old_transaction: 5m\n"
                                      "log:\n"
                                      "  level: info\n"
                                      "  format: auto\n"
                                      "  identifiers: false\n";

START_TEST(the_effective_config_is_printed)
{
    struct ef_config *config =
        test_config_good(TEST_MINIMAL "instance: relay-1\nstate_dir: /srv/state\n");
    char *printed = test_config_printed(config);
    ck_assert_str_eq(printed, minimal_printed);
    free(printed);
    ef_config_free(config);
}
END_TEST

static const char *const files[] = {
    TEST_MINIMAL,
    TEST_DATABASES TEST_OUTBOXES "kafka: {brokers: embedded, embedded: {partitions: 3}}\n",
    TEST_DATABASES TEST_OUTBOXES
    "kafka:\n"
    "  brokers: [\"[::1]:9092\", b, SSL://c:1]\n"
    "  client_id: \"#x: y, {z} [a] \\\"q\\\" \\\\ 'p'\"\n"
    "  properties: {a: \"\", b: \"x\\ny\\t\\x01\\x7f\", c: "
    "\"$${env:X}\", d: null-ish, e: \"null\",\n"
    "               f: \"~\", g: \" lead\", h: \"- x\", i: "
    "\"caf\\xe9\", j: \"$$${x}\", \"k l\": \"true\",\n"
    "               m: \"a: b #c\", n: \"%\", o: \"-\", p: \":\", q: "
    "\"x:\", r: \"*a\", s: \"&a\",\n"
    "               t: \"\\u2028 \\u2029 \\x85 \\x9f \\ufeff \\uffff \\ufffe \\U0001f600\"}\n"
    "  allow_unsafe: [\"a b\", acks]\n",
    TEST_KAFKA TEST_DATABASES
    "outboxes:\n"
    "  - {name: a, database: shop, table: '\"My \"\"T\"', on_delivered: mark, retention: never}\n"
    "  - {name: b, database: shop, table: b, on_delivered: archive, retention: 72h,\n"
    "     archive_max_bytes: 10GB, headers: [], dead_letter: {topic: \"${topic}.dlq\"}}\n"
    "  - {name: c, database: shop, table: c, wake: notify, channel: \"$${x}\", layout: custom,\n"
    "     columns: {id: seq, topic: {value: \"a: b\"}, headers: ~, key: {value: \"\"}},\n"
    "     order_column: \"s q\", topics: {allow: [\"*\"], overrides: {\"*-x\": {}, y: "
    "{dead_letter:\n"
    "     {topic: \"\"}}, z: {dead_letter: {topic: \"x.${topic}\"}}}}}\n"
    "http: {listen: \"127.0.0.1:0\", hosts: [a, b.c]}\n"
    "control: {socket: \"\"}\n"
    "log: {level: error, format: journal, identifiers: true}\n",
};

START_TEST(what_is_printed_means_the_same)
{
    struct ef_config *config = test_config_good(files[_i]);
    char *printed = test_config_printed(config);
    struct ef_config *again = test_config_good(printed);
    char *twice = test_config_printed(again);
    struct ef_strings changed, restart;
    ck_assert_str_eq(printed, twice);
    ef_config_diff(config, again, &changed, &restart);
    ck_assert_uint_eq(changed.count, 0);
    ck_assert_uint_eq(restart.count, 0);
    for (size_t i = 0; i < config->outbox_count; i++)
        ck_assert_int_eq(config->outboxes[i].retention_given, again->outboxes[i].retention_given);
    ef_strings_free(&changed);
    ef_strings_free(&restart);
    ef_config_free(config);
    ef_config_free(again);
    free(printed);
    free(twice);
}
END_TEST

START_TEST(secrets_are_masked)
{
    char *secret = test_config_file("secret", "hunter2", 0600);
    char *text = ef_xprintf("kafka:\n"
                            "  brokers: embedded\n"
                            "  properties:\n"
                            "    Some.PASSWORD: hunter2\n"
                            "    x.client.secret: hunter2\n"
                            "    plain.name: ${file:%s}\n"
                            "    linger.ms: 5\n"
                            "databases:\n"
                            "  shop:\n"
                            "    url: postgresql://u:hunter2@db/s?password=hunter2\n"
                            "    pooler: transaction\n"
                            "    listen_url: postgresql://u:hunter2@direct/s\n" TEST_OUTBOXES
                            "instance: ${file:%s}\n"
                            "http: {hosts: [a, \"${file:%s}\"]}\n",
                            secret, secret, secret);
    struct ef_config *config = test_config_good(text);
    char *printed = test_config_printed(config);
    static const char *const lines[] = {
        "instance: \"********\"\n",
        "    Some.PASSWORD: \"********\"\n",
        "    x.client.secret: \"********\"\n",
        "    plain.name: \"********\"\n",
        "    linger.ms: 5\n",
        "  client_id: \"********\"\n",
        "    url: \"postgresql://u:********@db/s?password=********\"\n",
        "    listen_url: \"postgresql://u:********@direct/s\"\n",
        "  hosts: \"********\"\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ck_assert_msg(strstr(printed, lines[i]) != NULL, "%s lacks %s", printed, lines[i]);
    ck_assert_msg(!strstr(printed, "hunter2"), "%s", printed);
    free(printed);
    ef_config_free(config);
    free(text);
    free(secret);
}
END_TEST

/* --- reload --- */

/* Fails unless the texts differ in exactly these options, those behind '!' needing a restart. */
static void assert_diff(const char *old, const char *fresh, const char *expected)
{
    struct ef_config *a = test_config_good(old), *b = test_config_good(fresh);
    struct ef_strings changed, restart;
    struct ef_buf found;
    ef_buf_init(&found, 4096);
    ef_buf_puts(&found, "");
    ef_config_diff(a, b, &changed, &restart);
    for (size_t i = 0; i < changed.count; i++) {
        bool needs_restart = false;
        for (size_t j = 0; j < restart.count; j++)
            needs_restart = needs_restart || strcmp(restart.items[j], changed.items[i]) == 0;
        ef_buf_printf(&found, "%s%s\n", needs_restart ? "!" : "", changed.items[i]);
    }
    ck_assert_str_eq(found.data, expected);
    ef_buf_done(&found);
    ef_strings_free(&changed);
    ef_strings_free(&restart);
    ef_config_free(a);
    ef_config_free(b);
}

static const struct {
    const char *fresh, *changed;
} reloads[] = {
    {TEST_MINIMAL, ""},
    {TEST_MINIMAL "log: {level: info, format: auto}\nshutdown_timeout: 25000ms\n", ""},
    {TEST_MINIMAL "log: {level: debug, identifiers: true}\nshutdown_timeout: 1s\n",
     "shutdown_timeout\nlog.level\nlog.identifiers\n"},
    {TEST_MINIMAL "http: {listen: \"127.0.0.1:1\", hosts: [a]}\n", "!http.listen\nhttp.hosts\n"},
    {TEST_MINIMAL "state_dir: /other\n", "!state_dir\n"},
    {TEST_DATABASES TEST_OUTBOXES "kafka: {brokers: [kafka-2:9092], properties: {a: b}}\n",
     "!kafka.brokers\n!kafka.properties\n"},
    {TEST_DATABASES TEST_OUTBOXES "kafka: {brokers: embedded, allow_unsafe: [acks]}\n",
     "!kafka.brokers\n!kafka.allow_unsafe\n"},
    {TEST_KAFKA TEST_OUTBOXES
     "databases: {shop: {url: \"postgresql://other/s\", tls: {mode: require}}}\n",
     "!databases.shop.url\n!databases.shop.tls.mode\n"},
    {TEST_KAFKA "databases:\n  new: {url: \"postgresql://relay@db/shop\"}\n"
                "outboxes: [{name: orders, database: new, table: public.outbox}]\n",
     "!databases.shop (removed)\n!databases.new (added)\n!outboxes.orders.database\n"},
    {TEST_KAFKA TEST_DATABASES
     "outboxes:\n"
     "  - {name: more, database: shop, table: more}\n"
     "  - {name: orders, database: shop, table: public.outbox, poll_interval: 1s,\n"
     "     batch: {max_rows: 5}, retry: {max_attempts: 9}, lease_ttl: 5s}\n",
     "outboxes.orders.poll_interval\noutboxes.orders.batch.max_rows\n!outboxes.orders.lease_ttl\n"
     "outboxes.orders.retry.max_attempts\n!outboxes.more (added)\n"},
    {TEST_KAFKA TEST_DATABASES "outboxes: [{name: other, database: shop, table: public.outbox}]\n",
     "!outboxes.orders (removed)\n!outboxes.other (added)\n"},
    {TEST_KAFKA TEST_DATABASES
     "outboxes: [{name: orders, database: shop, table: public.outbox, headers: [message-id],\n"
     "  dead_letter: {topic: x}, topics: {allow: [a], overrides: {b: {}}}}]\n",
     "outboxes.orders.dead_letter.topic\noutboxes.orders.headers\noutboxes.orders.topics.allow\n"
     "outboxes.orders.topics.overrides\n"},
    {TEST_KAFKA TEST_DATABASES
     "outboxes: [{name: orders, database: shop, table: public.outbox, layout: custom,\n"
     "  columns: {key: k}}]\n",
     "!outboxes.orders.layout\n!outboxes.orders.columns.key\n"},
};

START_TEST(a_reload_names_what_changed)
{
    assert_diff(TEST_MINIMAL, reloads[_i].fresh, reloads[_i].changed);
}
END_TEST

START_TEST(order_in_the_file_means_nothing_but_for_overrides)
{
    assert_diff(TEST_KAFKA TEST_DATABASES "outboxes: [{name: a, database: shop, table: a}, "
                                          "{name: b, database: shop, table: b}]\n",
                "outboxes: [{name: b, database: shop, table: b}, {table: a, name: a, database: "
                "shop}]\n" TEST_DATABASES TEST_KAFKA,
                "");
    assert_diff(
        TEST_DATABASES TEST_OUTBOXES "kafka: {brokers: embedded, properties: {a: 1, b: 2}}\n",
        TEST_DATABASES TEST_OUTBOXES "kafka: {brokers: embedded, properties: {b: 2, a: 1}}\n", "");
#define OVERRIDES(list)                                                                            \
    TEST_KAFKA TEST_DATABASES                                                                      \
        "outboxes: [{name: a, database: shop, table: a, topics: {overrides: " list "}}]\n"
    assert_diff(OVERRIDES("{x: {}, y: {}}"), OVERRIDES("{y: {}, x: {}}"),
                "outboxes.a.topics.overrides\n");
    assert_diff(OVERRIDES("{x: {}}"), OVERRIDES("{x: {dead_letter: {topic: \"\"}}}"),
                "outboxes.a.topics.overrides\n");
    assert_diff(OVERRIDES("{x: {}}"), OVERRIDES("{x: {}}"), "");
}
END_TEST

START_TEST(a_changed_secret_is_named_not_shown)
{
    char *secret = test_config_file("secret", "one", 0600);
    char *text = ef_xprintf(TEST_DATABASES TEST_OUTBOXES
                            "kafka: {brokers: embedded, properties: {x: \"${file:%s}\"}}\n",
                            secret);
    struct ef_config *old = test_config_good(text);
    free(test_config_file("secret", "two", 0600));
    struct ef_config *fresh = test_config_good(text);
    struct ef_strings changed, restart;
    ef_config_diff(old, fresh, &changed, &restart);
    ck_assert_uint_eq(changed.count, 1);
    ck_assert_str_eq(changed.items[0], "kafka.properties");
    ck_assert_uint_eq(restart.count, 1);
    ef_strings_free(&changed);
    ef_strings_free(&restart);
    ef_config_free(old);
    ef_config_free(fresh);
    free(text);
    free(secret);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config print");
    TCase *print = tcase_create("print");
    tcase_add_test(print, the_effective_config_is_printed);
    tcase_add_loop_test(print, what_is_printed_means_the_same, 0, sizeof(files) / sizeof(files[0]));
    tcase_add_test(print, secrets_are_masked);
    suite_add_tcase(suite, print);
    TCase *reload = tcase_create("reload");
    tcase_add_loop_test(reload, a_reload_names_what_changed, 0,
                        sizeof(reloads) / sizeof(reloads[0]));
    tcase_add_test(reload, order_in_the_file_means_nothing_but_for_overrides);
    tcase_add_test(reload, a_changed_secret_is_named_not_shown);
    suite_add_tcase(suite, reload);
    return run_suite(suite);
}
