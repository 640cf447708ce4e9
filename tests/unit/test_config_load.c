// SPDX-License-Identifier: MIT
/* Good files: defaults, every shape of value, substitution, secrets and where they may not appear.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/config_text.h"
#include "unit/run_suite.h"

START_TEST(three_lines_are_enough)
{
    unsetenv("STATE_DIRECTORY");
    struct ef_config *config = test_config_good(TEST_MINIMAL);
    ck_assert_str_eq(config->kafka.brokers, "kafka-1:9092");
    ck_assert(!config->kafka.embedded);
    ck_assert_int_eq(config->kafka.line, 1);
    ck_assert(config->instance[0] != '\0');
    ck_assert_str_eq(config->kafka.client_id + strlen("eventferryd-"), config->instance);
    ck_assert_str_eq(config->state_dir, "/var/lib/eventferryd");
    ck_assert_str_eq(config->control.socket, "/run/eventferryd/control.sock");
    ck_assert_ptr_null(config->http.listen);
    ck_assert_uint_eq(config->database_count, 1);
    ck_assert_str_eq(config->databases[0].name, "shop");
    ck_assert_int_eq(config->databases[0].line, 2);
    ck_assert_str_eq(config->databases[0].schema, "eventferry");
    ck_assert_uint_eq(config->outbox_count, 1);
    const struct ef_config_outbox *outbox = ef_config_outbox(config, "orders");
    ck_assert_int_eq(outbox->line, 3);
    ck_assert_int_eq(outbox->wake, EF_WAKE_POLL);
    ck_assert_int_eq(outbox->on_delivered, EF_ON_DELIVERED_ARCHIVE);
    ck_assert_int_eq(outbox->retention_ms, 24 * 3600 * 1000);
    ck_assert(!outbox->retention_given);
    ck_assert_int_eq(outbox->headers, EF_HEADER_ALL);
    ck_assert_ptr_null(outbox->dead_letter_topic);
    ck_assert_str_eq(outbox->columns[EF_COL_PARTITION].column, "kafka_partition");
    ck_assert(!outbox->columns[EF_COL_PARTITION].named);
    ck_assert_int_eq(outbox->retry.max_attempts, 5);
    ck_assert(outbox->retry.backoff.jitter);
    ck_assert_ptr_null(ef_config_outbox(config, "order"));
    ck_assert_ptr_null(ef_config_database(config, "sho"));
    ef_config_free(config);
}
END_TEST

static const char full[] =
    "instance: relay-1\n"
    "state_dir: /srv/state\n"
    "shutdown_timeout: 5s\n"
    "kafka:\n"
    "  brokers: \"a:1, b:2\"\n"
    "  client_id: ferry\n"
    "  properties:\n"
    "    linger.ms: 5\n"
    "    enable.idempotence: true\n"
    "    \"sasl.password\": 'p:w'\n"
    "  allow_unsafe: [acks]\n"
    "databases:\n"
    "  shop:\n"
    "    driver: postgresql\n"
    "    url: postgresql://u@db/shop\n"
    "    listen_url: postgresql://u@direct/shop\n"
    "    pooler: transaction\n"
    "    schema: ferry\n"
    "    statement_timeout: 1m\n"
    "    connect_timeout: 1.5s\n"
    "    tls: {mode: verify-full, ca: /ca.pem}\n"
    "outboxes:\n"
    "  - name: orders\n"
    "    database: shop\n"
    "    table: '\"My\".\"Out box\"'\n"
    "    wake: notify\n"
    "    channel: bell\n"
    "    poll_interval: 20ms\n"
    "    batch: {max_rows: 10, max_bytes: 1MiB}\n"
    "    window: {max_rows: 20, max_bytes: 2MiB}\n"
    "    max_payload: 256kB\n"
    "    lease_ttl: 5s\n"
    "    claim_timeout: 2m\n"
    "    ready_max_stall: 1m\n"
    "    on_delivered: mark\n"
    "    retention: never\n"
    "    retry: {max_attempts: 2, strategy: fixed, base_delay: 1s, max_delay: 2s, jitter: false,\n"
    "            quota_multiplier: 3, backpressure_delay: 100ms}\n"
    "    dead_letter: {topic: \"${topic}.dead\"}\n"
    "    layout: custom\n"
    "    columns:\n"
    "      id: seq\n"
    "      topic: {value: orders}\n"
    "      kafka_partition: {value: 3}\n"
    "      headers: ~\n"
    "    order_column: seq\n"
    "    order_by: aggregate_type_and_id\n"
    "    headers: [message-id, trace-id]\n"
    "    timestamp: send\n"
    "    timestamp_max_age: 7d\n"
    "    topics:\n"
    "      allow: [\"orders.*\", payments]\n"
    "      overrides:\n"
    "        \"payments.*\": {dead_letter: {topic: payments.dead}}\n"
    "        orders.x: {dead_letter: {topic: \"\"}}\n"
    "        orders.y: {}\n"
    "  - {name: two, database: shop, table: public.two, on_delivered: delete}\n"
    "http: {listen: \"[::1]:9464\", hosts: [relay.example, relay]}\n"
    "control: {socket: \"\"}\n"
    "log: {level: warning, format: json, identifiers: true}\n";

static void assert_full_outbox(const struct ef_config_outbox *outbox)
{
    ck_assert_str_eq(outbox->table, "\"My\".\"Out box\"");
    ck_assert_int_eq(outbox->wake, EF_WAKE_NOTIFY);
    ck_assert_str_eq(outbox->channel, "bell");
    ck_assert_int_eq(outbox->poll_interval_ms, 20);
    ck_assert_int_eq(outbox->batch_max_rows, 10);
    ck_assert_int_eq(outbox->window_max_bytes, 2097152);
    ck_assert_int_eq(outbox->max_payload_bytes, 256000);
    ck_assert_int_eq(outbox->retention_ms, 0);
    ck_assert(outbox->retention_given);
    ck_assert_int_eq(outbox->retry.max_attempts, 2);
    ck_assert_int_eq(outbox->retry.backoff.strategy, EF_BACKOFF_FIXED);
    ck_assert(!outbox->retry.backoff.jitter);
    ck_assert_int_eq(outbox->retry.backpressure_ms, 100);
    ck_assert_str_eq(outbox->dead_letter_topic, "${topic}.dead");
    ck_assert_str_eq(outbox->columns[EF_COL_ID].column, "seq");
    ck_assert(outbox->columns[EF_COL_ID].named);
    ck_assert_ptr_null(outbox->columns[EF_COL_TOPIC].column);
    ck_assert_str_eq(outbox->columns[EF_COL_TOPIC].value, "orders");
    ck_assert_str_eq(outbox->columns[EF_COL_PARTITION].value, "3");
    ck_assert_ptr_null(outbox->columns[EF_COL_HEADERS].column);
    ck_assert_ptr_null(outbox->columns[EF_COL_HEADERS].value);
    ck_assert(outbox->columns[EF_COL_HEADERS].named);
    ck_assert_str_eq(outbox->columns[EF_COL_KEY].column, "key");
    ck_assert(!outbox->columns[EF_COL_KEY].named);
    ck_assert_int_eq(outbox->headers, EF_HEADER_MESSAGE_ID | EF_HEADER_TRACE_ID);
    ck_assert_int_eq(outbox->timestamp_max_age_ms, INT64_C(7) * 86400 * 1000);
    ck_assert_uint_eq(outbox->topics_allow.count, 2);
    ck_assert_str_eq(outbox->topics_allow.items[0], "orders.*");
    ck_assert_uint_eq(outbox->topic_override_count, 3);
    ck_assert_str_eq(outbox->topic_overrides[0].pattern, "payments.*");
    ck_assert_str_eq(outbox->topic_overrides[0].dead_letter_topic, "payments.dead");
    ck_assert_str_eq(outbox->topic_overrides[1].dead_letter_topic, "");
    ck_assert_ptr_null(outbox->topic_overrides[2].dead_letter_topic);
}

START_TEST(every_option_reaches_its_place)
{
    struct ef_config *config = test_config_good(full);
    ck_assert_str_eq(config->instance, "relay-1");
    ck_assert_str_eq(config->kafka.brokers, "a:1,b:2");
    ck_assert_uint_eq(config->kafka.properties.count, 3);
    const struct ef_property *properties = config->kafka.properties.items;
    ck_assert_str_eq(properties[0].name, "linger.ms");
    ck_assert_str_eq(properties[0].value, "5");
    ck_assert(!properties[0].secret);
    ck_assert_int_eq(properties[0].line, 8);
    ck_assert_int_eq(properties[0].column, 5);
    ck_assert_str_eq(properties[1].value, "true");
    ck_assert_str_eq(properties[2].value, "p:w");
    ck_assert(properties[2].secret);
    ck_assert_int_eq(config->secret_line, 10);
    ck_assert_uint_eq(config->kafka.allow_unsafe.count, 1);
    ck_assert_int_eq(config->databases[0].driver, EF_DRIVER_POSTGRES);
    ck_assert_int_eq(config->databases[0].connect_timeout_ms, 1500);
    ck_assert_str_eq(config->databases[0].tls.mode, "verify-full");
    ck_assert_int_eq(config->databases[0].line, 13);
    assert_full_outbox(&config->outboxes[0]);
    ck_assert_int_eq(config->outboxes[0].line, 23);
    ck_assert_int_eq(config->outboxes[1].retention_ms, 0);
    ck_assert_str_eq(config->http.listen, "[::1]:9464");
    ck_assert_uint_eq(config->http.hosts.count, 2);
    ck_assert_str_eq(config->control.socket, "");
    ck_assert_int_eq(config->log.level, EF_LOG_WARN);
    ck_assert(config->log.identifiers);
    ck_assert_int_eq(config->shutdown_timeout_ms, 5000);
    ef_config_free(config);
}
END_TEST

START_TEST(a_batch_nobody_wrote_follows_a_smaller_window)
{
    struct ef_config *config = test_config_good(
        TEST_KAFKA TEST_DATABASES "outboxes: [{name: orders, database: shop, table: t, "
                                  "window: {max_rows: 500, max_bytes: 2MiB}}]\n");
    ck_assert_int_eq(config->outboxes[0].batch_max_rows, 500);
    ck_assert_int_eq(config->outboxes[0].batch_max_bytes, 2097152);
    ef_config_free(config);
    config = test_config_good(TEST_KAFKA TEST_DATABASES
                              "outboxes: [{name: orders, database: shop, table: t, "
                              "window: {max_rows: 50000, max_bytes: 1GiB}}]\n");
    ck_assert_int_eq(config->outboxes[0].batch_max_rows, 1000);
    ck_assert_int_eq(config->outboxes[0].batch_max_bytes, 4194304);
    ef_config_free(config);
}
END_TEST

START_TEST(empty_sections_count_as_absent)
{
    ef_config_free(test_config_good(TEST_DATABASES TEST_OUTBOXES "kafka:\n"
                                                                 "  brokers: embedded\n"
                                                                 "  properties:\n"
                                                                 "  allow_unsafe:\n"
                                                                 "log:\n"
                                                                 "http: {}\n"));
}
END_TEST

START_TEST(yaml_spelled_otherwise_means_the_same)
{
    struct ef_config *config = test_config_good(
        "\xef\xbb\xbf%YAML 1.1\n---\n'kafka': {\"brokers\": [\"kafka-1:9092\"]}\n" TEST_DATABASES
            TEST_OUTBOXES "instance: >-\n  relay-2\nlog: {level: 'debug', identifiers: \"true\"}\n"
        "...\n");
    ck_assert_str_eq(config->instance, "relay-2");
    ck_assert_int_eq(config->log.level, EF_LOG_DEBUG);
    ck_assert(config->log.identifiers);
    ef_config_free(config);
}
END_TEST

START_TEST(systemd_names_the_state_directory)
{
    setenv("STATE_DIRECTORY", "/var/lib/ferry-a:/var/lib/other", 1);
    struct ef_config *config = test_config_good(TEST_MINIMAL);
    ck_assert_str_eq(config->state_dir, "/var/lib/ferry-a");
    ef_config_free(config);
    config = test_config_good(TEST_MINIMAL "state_dir: /x\n");
    ck_assert_str_eq(config->state_dir, "/x");
    ef_config_free(config);
}
END_TEST

/* --- substitution --- */

/* Fails unless `instance: TEXT` gives this instance. */
static void assert_instance(const char *text, const char *expected)
{
    char *file = ef_xprintf(TEST_MINIMAL "instance: \"%s\"\n", text);
    struct ef_config *config = test_config_good(file);
    ck_assert_str_eq(config->instance, expected);
    ef_config_free(config);
    free(file);
}

START_TEST(references_are_replaced)
{
    char *plain = test_config_file("plain", "from-file\n", 0644);
    char *windows = test_config_file("windows", "crlf\r\n", 0644);
    char *bare = test_config_file("bare", "bare", 0644);
    setenv("EF_TEST_A", "a1", 1);
    setenv("EF_TEST_EMPTY", "", 1);
    assert_instance("${env:EF_TEST_A}", "a1");
    assert_instance("x-${env:EF_TEST_A}-${env:EF_TEST_A}${env:EF_TEST_EMPTY}.y", "x-a1-a1.y");
    char *text = ef_xprintf("${file:%s}_${file:%s}_${file:%s}", plain, windows, bare);
    assert_instance(text, "from-file_crlf_bare");
    char *slash = strrchr(plain, '/');
    *slash = '\0';
    setenv("CREDENTIALS_DIRECTORY", plain, 1);
    assert_instance("${credential:bare}", "bare");
    free(text);
    free(plain);
    free(windows);
    free(bare);
}
END_TEST

START_TEST(dollars_are_taken_literally)
{
    static const char *const cases[][2] = {
        {"$${env:X}", "${env:X}"}, {"a$b", "a$b"},        {"$", "$"},     {"$$", "$$"},
        {"$$${x}", "$${x}"},       {"a$${x}b", "a${x}b"}, {"{x}", "{x}"}, {"$ {x}", "$ {x}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *file = ef_xprintf(TEST_DATABASES TEST_OUTBOXES
                                "kafka: {brokers: embedded, properties: {p: \"%s\"}}\n",
                                cases[i][0]);
        struct ef_config *config = test_config_good(file);
        ck_assert_str_eq(config->kafka.properties.items[0].value, cases[i][1]);
        ef_config_free(config);
        free(file);
    }
}
END_TEST

#define ACCEPTED "use ${env:NAME}, ${file:PATH} or ${credential:NAME}, or $${ for a literal ${\n"

START_TEST(references_that_cannot_be_replaced)
{
    static const char *const cases[][2] = {
        {"${env:EF_TEST_UNSET}", "environment variable \"EF_TEST_UNSET\" is not set\n"},
        {"${file:/nonexistent/x}",
         "could not open \"/nonexistent/x\": No such file or directory\n"},
        {"${file:/dev/null}", "cannot read \"/dev/null\": not a regular file\n"},
        {"${file:/}", "cannot read \"/\": not a regular file\n"},
        {"${HOME}", "\"${HOME}\" is not accepted here; " ACCEPTED},
        {"${env:}", "\"${env:}\" is not accepted here; " ACCEPTED},
        {"${ENV:X}", "\"${ENV:X}\" is not accepted here; " ACCEPTED},
        {"${vault:x}", "\"${vault:x}\" is not accepted here; " ACCEPTED},
        {"${topic}", "\"${topic}\" is not accepted here; " ACCEPTED},
        {"${}", "\"${}\" is not accepted here; " ACCEPTED},
        {"${env:X", "\"${\" has no closing brace; " ACCEPTED},
        {"${credential:a/b}", "\"a/b\" is not the name of a credential\n"},
        {"${credential:..}", "\"..\" is not the name of a credential\n"},
        {"${credential:pw}", "credential \"pw\" is not there: $CREDENTIALS_DIRECTORY is not set "
                             "(LoadCredential= in the systemd unit sets it)\n"},
    };
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv("EF_TEST_UNSET");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *file = ef_xprintf(TEST_MINIMAL "instance: \"x%s\"\n", cases[i][0]);
        char *expected = ef_xprintf("f:4:11: instance: %s", cases[i][1]);
        test_config_problems(file, expected);
        free(expected);
        free(file);
    }
}
END_TEST

START_TEST(content_that_cannot_be_a_value)
{
    char *big = ef_xmalloc(300 * 1024);
    memset(big, 'x', 300 * 1024 - 1);
    big[300 * 1024 - 1] = '\0';
    char *large = test_config_file("large", big, 0644);
    char *lines = test_config_file("lines", "a\nb\n", 0644);
    char *text = ef_xprintf(TEST_MINIMAL "instance: ${file:%s}\n", large);
    char *expected = ef_xprintf("f:4:11: instance: cannot use \"%s\": more than 256 KiB\n", large);
    test_config_problems(text, expected);
    free(text);
    free(expected);
    text = ef_xprintf(TEST_MINIMAL "instance: ${file:%s}\n", lines);
    char *problems;
    ck_assert_ptr_null(test_config_parse(text, &problems));
    ck_assert_ptr_nonnull(strstr(problems, "holds a control character or a line end\n"));
    free(problems);
    free(text);
    free(large);
    free(lines);
    free(big);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused_and_printed_as_such)
{
    setenv("EF_TEST_BYTES", "a\xff\xc3", 1);
    test_config_problems(TEST_MINIMAL "instance: ${env:EF_TEST_BYTES}\n",
                         "f:4:11: instance: \"${env:EF_TEST_BYTES}\" is not UTF-8 text\n");
    /* librdkafka takes any bytes */
    struct ef_config *config = test_config_good(TEST_DATABASES TEST_OUTBOXES
                                                "kafka:\n"
                                                "  brokers: embedded\n"
                                                "  properties: {x: \"${env:EF_TEST_BYTES}\"}\n");
    ck_assert_str_eq(config->kafka.properties.items[0].value, "a\xff\xc3");
    char *printed = test_config_printed(config);
    ck_assert_ptr_nonnull(strstr(printed, "    x: \"a\\ufffd\\ufffd\"\n"));
    free(printed);
    ef_config_free(config);
}
END_TEST

START_TEST(relative_paths_start_at_the_file)
{
    char *secret = test_config_file("pw", "hunter2\n", 0600);
    char *label = test_config_file("label", "near\n", 0644);
    char *path = test_config_file(
        "f.yaml",
        TEST_KAFKA
        "databases: {shop: {url: \"postgresql://db/s\", password_file: pw}}\n" TEST_OUTBOXES
        "instance: ${file:label}\n",
        0644);
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    struct ef_config *config = ef_config_load(path, &problems, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_str_eq(config->path, path);
    ck_assert_str_eq(config->databases[0].password_file, secret);
    ck_assert_str_eq(config->instance, "near");
    char *password = NULL;
    ck_assert(ef_config_password(&config->databases[0], &password, &err));
    ck_assert_str_eq(password, "hunter2");
    free(password);
    ef_config_free(config);
    free(secret);
    free(label);
    free(path);
}
END_TEST

/* --- secrets --- */

static char *with_password_file(const char *path)
{
    return ef_xprintf(
        TEST_KAFKA
        "databases: {shop: {url: \"postgresql://db/s\", password_file: \"%s\"}}\n" TEST_OUTBOXES,
        path);
}

static const struct {
    unsigned mode, mended;
    const char *who;
} modes[] = {
    {0600, 0, NULL},
    {0400, 0, NULL},
    {0640, 0, NULL},
    {0440, 0, NULL},
    {0644, 0640, "other users have access to it"},
    {0604, 0600, "other users have access to it"},
    {0602, 0600, "other users have access to it"},
    {0601, 0600, "other users have access to it"},
    {0666, 0640, "other users have access to it"},
    {0777, 0740, "other users have access to it"},
    {0660, 0640, "its group may change it"},
    {0620, 0600, "its group may change it"},
};

START_TEST(who_may_read_a_secret)
{
    char *path = test_config_file("pw", "hunter2\n", modes[_i].mode);
    char *text = with_password_file(path);
    if (modes[_i].who) {
        char *expected =
            ef_xprintf("f:2:61: databases.shop.password_file: cannot use \"%s\": %s (mode %04o); "
                       "chmod %04o %s\n",
                       path, modes[_i].who, modes[_i].mode, modes[_i].mended, path);
        test_config_problems(text, expected);
        free(expected);
    } else {
        ef_config_free(test_config_good(text));
    }
    free(text);
    free(path);
}
END_TEST

START_TEST(a_password_is_read_afresh)
{
    char *path = test_config_file("pw", "one\n", 0600), *text = with_password_file(path);
    struct ef_config *config = test_config_good(text);
    const struct ef_config_database *database = &config->databases[0];
    struct ef_error err = {0};
    char *password = NULL;
    ck_assert(ef_config_password(database, &password, &err));
    ck_assert_str_eq(password, "one");
    free(password);
    free(test_config_file("pw", "two with spaces \r\n", 0600));
    ck_assert(ef_config_password(database, &password, &err));
    ck_assert_str_eq(password, "two with spaces ");
    free(password);
    free(test_config_file("pw", "\n", 0600));
    ck_assert(!ef_config_password(database, &password, &err));
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
    ck_assert_ptr_null(password);
    ck_assert_ptr_nonnull(strstr(err.text, "it is empty"));
    free(test_config_file("pw", "hunter2\n", 0644));
    ck_assert(!ef_config_password(database, &password, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "other users have access to it"));
    ck_assert_ptr_null(strstr(err.text, "hunter2"));
    unlink(path);
    ck_assert(!ef_config_password(database, &password, &err));
    ck_assert_int_eq(err.class, EF_CLASS_OUTAGE);
    ef_config_free(config);
    free(text);
    free(path);
}
END_TEST

START_TEST(without_a_password_file_there_is_no_password)
{
    struct ef_config *config = test_config_good(TEST_MINIMAL);
    struct ef_error err = {0};
    char *password = "x";
    ck_assert(ef_config_password(&config->databases[0], &password, &err));
    ck_assert_ptr_null(password);
    ef_config_free(config);
}
END_TEST

START_TEST(what_cannot_be_read_is_told_apart_from_what_is_wrong)
{
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    char *text = with_password_file("/nonexistent/pw");
    ck_assert_ptr_null(ef_config_parse("f", text, strlen(text), false, &problems, &err));
    ck_assert_int_eq(err.class, EF_CLASS_OUTAGE); /* exit 77 */
    ef_config_problems_free(&problems);
    char *worse = ef_xprintf("%slog: {level: x}\n", text);
    ck_assert_ptr_null(ef_config_parse("f", worse, strlen(worse), false, &problems, &err));
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG); /* exit 78 */
    ef_config_problems_free(&problems);
    ck_assert_ptr_null(ef_config_load("/nonexistent/f.yaml", &problems, &err));
    ck_assert_int_eq(err.class, EF_CLASS_OUTAGE);
    ck_assert_str_eq(err.text, "could not open \"/nonexistent/f.yaml\": No such file or directory");
    ck_assert_uint_eq(problems.count, 1);
    ck_assert_int_eq(problems.items[0].line, 0);
    ef_config_problems_free(&problems);
    ck_assert_ptr_null(ef_config_load("/", &problems, &err));
    ck_assert_str_eq(err.text, "cannot read \"/\": not a file");
    ef_config_problems_free(&problems);
    free(worse);
    free(text);
}
END_TEST

START_TEST(eventferryctl_needs_no_secrets)
{
    static const char text[] = TEST_KAFKA
        "databases: {shop: {url: \"${file:/nonexistent/url}\", password_file: /nonexistent/pw,"
        " tls: {cert: /c, key: /nonexistent/key}}}\n" TEST_OUTBOXES
        "control: {socket: /run/x.sock}\n"
        "log: {level: \"${credential:level}\"}\n";
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    struct ef_config *config = ef_config_parse("f", text, sizeof(text) - 1, true, &problems, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_str_eq(config->control.socket, "/run/x.sock");
    ef_config_free(config);
    char *path = test_config_file("ctl.yaml", text, 0644);
    config = ef_config_load_without_secrets(path, &problems, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    ef_config_free(config);
    free(path);
}
END_TEST

/* Wherever a secret is put, and whatever is wrong with it, no message repeats it. */
START_TEST(no_message_repeats_a_secret)
{
    static const char *const texts[] = {
        TEST_KAFKA "databases: {shop: {url: \"postgres:u:hunter2@db\"}}\n" TEST_OUTBOXES,
        TEST_KAFKA "databases: {shop: {url: \"postgresql://u:${hunter2}@db/s\"}}\n" TEST_OUTBOXES,
        TEST_KAFKA "databases: {shop: {url: \"postgresql://u:${hunter2@db/s\"}}\n" TEST_OUTBOXES,
        TEST_KAFKA "databases: {shop: {url: \"postgresql://u:hun\\nter2@db/s\"}}\n" TEST_OUTBOXES,
        TEST_KAFKA "databases: {shop: {url: \"mysql://u:hunter2@db/s\"}}\n" TEST_OUTBOXES,
        TEST_KAFKA "databases: {shop: {url: \"postgresql://u:hunter2@db/s\", password_file: "
                   "/x}}\n" TEST_OUTBOXES,
        TEST_DATABASES TEST_OUTBOXES
        "kafka: {brokers: embedded, properties: {sasl.password: hunter2}}\n",
        TEST_DATABASES TEST_OUTBOXES
        "kafka: {brokers: embedded, properties: {sasl.password: \"${hunter2}\"}}\n",
        TEST_MINIMAL "instance: \"${file:SECRET} x\"\n",
        TEST_MINIMAL "log: {level: \"${file:SECRET}\"}\n",
        TEST_MINIMAL "shutdown_timeout: \"${file:SECRET}\"\n",
        TEST_MINIMAL "http: {listen: \"${file:SECRET}\"}\n",
        TEST_MINIMAL "http: {hosts: [\"a b\", \"${file:SECRET}/\"]}\n",
        TEST_KAFKA TEST_DATABASES "outboxes: [{name: a, database: \"${file:SECRET}\", table: t}]\n",
        TEST_KAFKA TEST_DATABASES
        "outboxes: [{name: \"${file:SECRET}\", database: shop, table: t}, "
        "{name: \"${file:SECRET}\", database: shop, table: t}]\n",
    };
    char *secret = test_config_file("secret", "hunter2\n", 0600);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *at = strstr(texts[i], "SECRET");
        struct ef_buf text;
        char *problems;
        ef_buf_init(&text, 4096);
        const char *p = texts[i];
        for (; at; p = at + strlen("SECRET"), at = strstr(p, "SECRET")) {
            ef_buf_add(&text, p, (size_t)(at - p));
            ef_buf_puts(&text, secret);
        }
        ef_buf_puts(&text, p);
        ef_config_free(test_config_parse(text.data, &problems));
        ck_assert_msg(problems[0] != '\0', "%s", texts[i]);
        ck_assert_msg(!strstr(problems, "hunter2") && !strstr(problems, "ter2"), "%s", problems);
        free(problems);
        ef_buf_done(&text);
    }
    free(secret);
}
END_TEST

START_TEST(a_readable_file_with_a_password_in_it_is_warned_about)
{
    static const char text[] =
        TEST_KAFKA "databases: {shop: {url: \"postgresql://u:hunter2@db/s\"}}\n" TEST_OUTBOXES;
    static const char expected[] = "a password stands here, and all users may read this file; "
                                   "chmod o= it, or use password_file or ${file:PATH}";
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    char *path = test_config_file("f.yaml", text, 0644);
    struct ef_config *config = ef_config_load(path, &problems, &err);
    ck_assert_ptr_nonnull(config);
    ck_assert_uint_eq(problems.count, 1);
    ck_assert(problems.items[0].warning);
    ck_assert_int_eq(problems.items[0].line, 2);
    ck_assert_int_eq(problems.items[0].column, 25);
    ck_assert_str_eq(problems.items[0].text, expected);
    ef_config_problems_free(&problems);
    ef_config_free(config);
    ck_assert_int_eq(chmod(path, 0640), 0);
    config = ef_config_load(path, &problems, &err);
    ck_assert_ptr_nonnull(config);
    ck_assert_uint_eq(problems.count, 0);
    ef_config_free(config);
    free(path);
}
END_TEST

/* --- librdkafka is asked --- */

static bool refuse_property(const char *name, const char *value,
                            const struct ef_strings *allow_unsafe, struct ef_error *err)
{
    if (strcmp(name, "good") == 0 || (strcmp(name, "acks") == 0 && allow_unsafe->count == 1))
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG, "property \"%s\" has the bad value \"%s\"", name,
                        value);
}

static bool refuse_permission(const char *name, struct ef_error *err)
{
    return strcmp(name, "acks") == 0 ||
           ef_error_set(err, EF_CLASS_CONFIG, "property \"%s\" needs no permission", name);
}

START_TEST(properties_are_checked_where_they_stand)
{
    const struct ef_config_kafka_checks checks = {.property = refuse_property,
                                                  .allow_unsafe = refuse_permission};
    ef_config_use_kafka_checks(&checks);
    test_config_problems(TEST_DATABASES TEST_OUTBOXES "kafka:\n"
                                                      "  brokers: embedded\n"
                                                      "  properties:\n"
                                                      "    good: 1\n"
                                                      "    bad: 2\n"
                                                      "    some.password: hunter2\n",
                         "f:7:5: kafka.properties: property \"bad\" has the bad value \"2\"\n"
                         "f:8:5: kafka.properties: property \"some.password\" has a value that is "
                         "not accepted\n");
    ef_config_free(test_config_good(TEST_DATABASES TEST_OUTBOXES
                                    "kafka: {brokers: embedded, allow_unsafe: [acks], "
                                    "properties: {acks: 1}}\n"));
    test_config_problems(TEST_DATABASES TEST_OUTBOXES
                         "kafka: {brokers: embedded, allow_unsafe: [acks, linger.ms]}\n",
                         "f:3:49: kafka.allow_unsafe[1]: property \"linger.ms\" needs no "
                         "permission\n");
}
END_TEST

static bool refuse_table(enum ef_driver driver, const char *table, struct ef_error *err)
{
    return strchr(table, '.') != NULL ||
           ef_error_set(err, EF_CLASS_CONFIG, "table '%s' needs its %s", table,
                        driver == EF_DRIVER_MYSQL ? "database" : "schema");
}

static bool refuse_url(enum ef_driver driver, const char *url, struct ef_error *err)
{
    return driver == EF_DRIVER_POSTGRES || strchr(url, '@') != NULL ||
           ef_error_set(err, EF_CLASS_CONFIG, "it names no user");
}

START_TEST(debezium_has_its_own_defaults)
{
    struct ef_config *config = test_config_good(
        TEST_KAFKA TEST_DATABASES
        "outboxes:\n"
        "  - {name: a, database: shop, table: t, layout: debezium}\n"
        "  - {name: b, database: shop, table: u, layout: debezium, headers: [message-id],\n"
        "     timestamp: created_at, header_columns: [\"type:eventType\"],\n"
        "     columns: {id: nr, aggregate_type: kind,\n"
        "               topic: {value: \"shop.${aggregate_type}.v1\"}}}\n");
    const struct ef_config_outbox *a = &config->outboxes[0], *b = &config->outboxes[1];
    ck_assert_str_eq(a->columns[EF_COL_ID].column, "seq");
    ck_assert_str_eq(a->columns[EF_COL_MESSAGE_ID].column, "id");
    ck_assert_str_eq(a->columns[EF_COL_AGGREGATE_TYPE].column, "aggregatetype");
    ck_assert_str_eq(a->columns[EF_COL_AGGREGATE_ID].column, "aggregateid");
    ck_assert_str_eq(a->columns[EF_COL_PAYLOAD].column, "payload");
    ck_assert_str_eq(a->columns[EF_COL_TOPIC].value, "outbox.event.${aggregate_type}");
    ck_assert_ptr_null(a->columns[EF_COL_HEADERS].column);
    ck_assert_ptr_null(a->columns[EF_COL_KEY].column);
    ck_assert_uint_eq(a->headers, EF_HEADER_ID);
    ck_assert_int_eq(a->timestamp, EF_TIMESTAMP_SEND);
    ck_assert_str_eq(b->columns[EF_COL_ID].column, "nr");
    ck_assert_str_eq(b->columns[EF_COL_AGGREGATE_TYPE].column, "kind");
    ck_assert_str_eq(b->columns[EF_COL_TOPIC].value, "shop.${aggregate_type}.v1");
    ck_assert_uint_eq(b->headers, EF_HEADER_MESSAGE_ID);
    ck_assert_int_eq(b->timestamp, EF_TIMESTAMP_CREATED_AT);
    ck_assert_str_eq(b->header_columns.items[0], "type:eventType");
    char *printed = test_config_printed(config);
    struct ef_config *again = test_config_good(printed);
    char *twice = test_config_printed(again);
    ck_assert_str_eq(printed, twice);
    free(twice);
    free(printed);
    ef_config_free(again);
    ef_config_free(config);
}
END_TEST

START_TEST(tables_are_checked_where_they_stand)
{
    static const struct ef_config_driver_checks checks = {.table = refuse_table, .url = refuse_url};
    ef_config_use_driver_checks(&checks);
    test_config_problems(TEST_KAFKA "databases: {shop: {driver: mysql, url: \"mysql://db/shop\"}}\n"
                                    "outboxes: [{name: a, database: shop, table: one}]\n",
                         "f:2:40: databases.shop.url: it names no user\n"
                         "f:3:45: outboxes[0].table: table 'one' needs its database\n");
    test_config_problems(TEST_KAFKA TEST_DATABASES
                         "outboxes:\n  - {name: a, database: shop, table: one}\n"
                         "  - {name: b, database: shop, table: s.two}\n",
                         "f:4:38: outboxes[0].table: table 'one' needs its schema\n");
    ef_config_use_driver_checks(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config load");
    TCase *files = tcase_create("files");
    tcase_add_test(files, three_lines_are_enough);
    tcase_add_test(files, debezium_has_its_own_defaults);
    tcase_add_test(files, every_option_reaches_its_place);
    tcase_add_test(files, a_batch_nobody_wrote_follows_a_smaller_window);
    tcase_add_test(files, empty_sections_count_as_absent);
    tcase_add_test(files, yaml_spelled_otherwise_means_the_same);
    tcase_add_test(files, systemd_names_the_state_directory);
    tcase_add_test(files, properties_are_checked_where_they_stand);
    tcase_add_test(files, tables_are_checked_where_they_stand);
    suite_add_tcase(suite, files);
    TCase *substitution = tcase_create("substitution");
    tcase_add_test(substitution, references_are_replaced);
    tcase_add_test(substitution, dollars_are_taken_literally);
    tcase_add_test(substitution, references_that_cannot_be_replaced);
    tcase_add_test(substitution, content_that_cannot_be_a_value);
    tcase_add_test(substitution, bytes_that_are_no_text_are_refused_and_printed_as_such);
    tcase_add_test(substitution, relative_paths_start_at_the_file);
    suite_add_tcase(suite, substitution);
    TCase *secrets = tcase_create("secrets");
    tcase_add_loop_test(secrets, who_may_read_a_secret, 0, sizeof(modes) / sizeof(modes[0]));
    tcase_add_test(secrets, a_password_is_read_afresh);
    tcase_add_test(secrets, without_a_password_file_there_is_no_password);
    tcase_add_test(secrets, what_cannot_be_read_is_told_apart_from_what_is_wrong);
    tcase_add_test(secrets, eventferryctl_needs_no_secrets);
    tcase_add_test(secrets, no_message_repeats_a_secret);
    tcase_add_test(secrets, a_readable_file_with_a_password_in_it_is_warned_about);
    suite_add_tcase(suite, secrets);
    return run_suite(suite);
}
