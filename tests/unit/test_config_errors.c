// SPDX-License-Identifier: MIT
/* What a wrong file is answered: every kind of problem with its exact place and words. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "unit/config_text.h"
#include "unit/run_suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct error_case {
    const char *text, *problems;
};

static const struct error_case yaml_cases[] = {
    {"", "f: the file is empty\n"},
    {"# only a comment\n", "f: the file is empty\n"},
    {TEST_MINIMAL "---\na: 1\n", "f:4:1: a second document (---) is not accepted\n"},
    {"- kafka\n", "f:1:1: the file: a mapping (name: value) is needed, not a list\n"},
    {"hello\n", "f:1:1: the file: a mapping (name: value) is needed, not a single value\n"},
    {TEST_MINIMAL "log: {level: info, level: debug}\n",
     "f:4:20: \"level\" is given twice; the first is at line 4\n"},
    {TEST_MINIMAL TEST_KAFKA, "f:4:1: \"kafka\" is given twice; the first is at line 1\n"},
    {TEST_MINIMAL "log: &x {level: info}\n",
     "f:4:6: anchors (&name) are not accepted: write the value where it is used\n"},
    {TEST_MINIMAL "log: {level: &x info, format: *x}\n",
     "f:4:14: anchors (&name) are not accepted: write the value where it is used\n"
     "f:4:31: aliases (*name) are not accepted: write the value where it is used; a value that "
     "begins with * needs quotes\n"},
    {TEST_MINIMAL "log: {level: !!str info}\n",
     "f:4:14: tags (!name) are not accepted: an option's type is fixed\n"},
    {TEST_MINIMAL "log: !x {level: info}\n",
     "f:4:6: tags (!name) are not accepted: an option's type is fixed\n"},
    {TEST_MINIMAL "log:\n  <<: {level: info}\n",
     "f:5:3: merge keys (<<) are not accepted: write the options where they are used\n"},
    {TEST_MINIMAL "? [a, b]\n: 1\n", "f:4:3: a key must be a name, not a list\n"},
    {TEST_MINIMAL "? {a: b}\n: 1\n", "f:4:3: a key must be a name, not a mapping\n"},
    {TEST_MINIMAL "log: {level: \"in\\0fo\"}\n",
     "f:4:14: a NUL character (\\0) is not accepted in a value\n"},
    {"kafka:\n\tbrokers: embedded\n",
     "f:2:1: this is not YAML: found character that cannot start any token while scanning for the "
     "next token that began at line 2; YAML indents with spaces, not with tabs\n"},
    {TEST_MINIMAL "log: {level: ${env:X}}\n",
     "f:4:15: this is not YAML: did not find expected ',' or '}' while parsing a flow mapping that "
     "began at line 4; inside {...} and [...] a value with ${...} needs quotes\n"},
    {TEST_MINIMAL "instance: @home\n",
     "f:4:11: this is not YAML: found character that cannot start any token while scanning for the "
     "next token that began at line 4; a value that begins with %, @ or ` needs quotes\n"},
    {"kafka: {brokers: [a:1}\n", "f:1:22: this is not YAML: did not find expected ',' or ']' while "
                                 "parsing a flow sequence that "
                                 "began at line 1\n"},
    {"kafka:\n  brokers: embedded\n client_id: x\n",
     "f:3:2: this is not YAML: did not find expected key while parsing a block mapping that began "
     "at line 1\n"},
    {TEST_MINIMAL "instance: caf\xe9\n",
     "f:4:14: the file is not UTF-8 text: write the character another way or save it as UTF-8\n"},
    {"a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n",
     "f:1:20: nested too deeply: no option is more than 16 levels down\n"},
};

static const struct error_case shape_cases[] = {
    {"log: {level: info}\n", "f:1:1: \"kafka\" is missing\n"
                             "f:1:1: \"databases\" is missing\n"
                             "f:1:1: \"outboxes\" is missing\n"},
    {"kafka:\ndatabases:\noutboxes:\n",
     "f:1:7: kafka: \"brokers\" is missing; for example brokers: [localhost:9092]\n"
     "f:2:11: \"databases\" is missing\n"
     "f:3:10: \"outboxes\" is missing\n"},
    {TEST_KAFKA "databases: {}\noutboxes: []\n", "f:2:12: \"databases\" is missing\n"
                                                 "f:3:11: \"outboxes\" is missing\n"},
    {TEST_KAFKA TEST_DATABASES "outboxes:\n  - name: orders\n",
     "f:4:5: outboxes[0]: \"database\" is missing; for example database: shop\n"
     "f:4:5: outboxes[0]: \"table\" is missing; for example table: public.outbox\n"},
    {TEST_KAFKA "databases: {shop: {driver: postgres}}\n" TEST_OUTBOXES,
     "f:2:19: databases.shop: \"url\" is missing; for example url: "
     "postgresql://eventferry_relay@localhost/shop\n"},
    {TEST_KAFKA TEST_DATABASES "outboxes: {name: orders}\n",
     "f:3:11: outboxes: a list, each item beginning with \"- \", is needed, not a mapping\n"},
    {TEST_KAFKA "databases: [x]\n" TEST_OUTBOXES,
     "f:2:12: databases: a mapping with one entry for each database is needed, not a list\n"
     "f:3:37: outboxes[0].database: \"shop\" is not among databases\n"},
    {TEST_KAFKA TEST_DATABASES "outboxes: [orders]\n",
     "f:3:12: outboxes[0]: a mapping (name: value) is needed, not a single value\n"},
    {TEST_MINIMAL "log: debug\n",
     "f:4:6: log: a mapping (name: value) is needed, not a single value\n"},
    {TEST_MINIMAL "instance: [a]\n", "f:4:11: instance: a single value is needed, not a list\n"},
    {TEST_MINIMAL "instance: {a: b}\n",
     "f:4:11: instance: a single value is needed, not a mapping\n"},
    {TEST_MINIMAL "instance:\n", "f:4:10: instance: has no value; give one or remove the line\n"},
    {TEST_MINIMAL "instance: ~\n", "f:4:11: instance: has no value; give one or remove the line\n"},
    {TEST_MINIMAL "http: {hosts: relay}\n",
     "f:4:15: http.hosts: a list is needed, for example [relay-1.example]\n"},
    {TEST_MINIMAL "http: {hosts: [[a]]}\n",
     "f:4:16: http.hosts[0]: a single value is needed, not a list\n"},
    {TEST_MINIMAL "instence: x\n", "f:4:1: unknown option \"instence\"; did you mean instance?\n"},
    {TEST_MINIMAL "Kafka: x\n", "f:4:1: unknown option \"Kafka\"; did you mean kafka?\n"},
    {TEST_MINIMAL "log: {colour: true}\n",
     "f:4:7: log: unknown option \"colour\"; accepted here: level, format, identifiers\n"},
    {TEST_KAFKA TEST_DATABASES
     "outboxes:\n  - {name: orders, database: shop, table: t, max_rows: 5}\n",
     "f:4:46: outboxes[0]: unknown option \"max_rows\"; did you mean batch.max_rows or "
     "window.max_rows?\n"},
    {TEST_KAFKA TEST_DATABASES
     "outboxes:\n  - {name: orders, database: shop, table: t, batch: {max_byte: 5}}\n",
     "f:4:54: outboxes[0].batch: unknown option \"max_byte\"; did you mean max_bytes?\n"},
    {TEST_KAFKA "databases: {my shop: {url: \"postgresql://db/shop\"}}\n" TEST_OUTBOXES,
     "f:2:13: databases: \"my shop\" is not a name: 1 to 63 of A-Z a-z 0-9 _ . - with a letter or "
     "digit first\n"
     "f:2:13: warning: databases.my shop: no outbox uses this database\n"
     "f:3:37: outboxes[0].database: \"shop\" is not among databases; they are my shop\n"},
    {"kafka: {brokers: []}\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:18: kafka.brokers: the list is empty; for example [localhost:9092]\n"},
    {"kafka: {brokers: {a: 1}}\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:18: kafka.brokers: a single value is needed, not a mapping\n"},
    {"kafka: {brokers: }\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:18: kafka: \"brokers\" is missing; for example brokers: [localhost:9092]\n"},
    {"kafka: {brokers: [a:1, \"b c\", embedded]}\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:24: kafka.brokers[1]: \"b c\" is not a broker; write host:port, for example "
     "kafka-1:9092, "
     "or embedded alone\n"},
    {"kafka: {brokers: \"a:1,b:x\"}\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:18: kafka.brokers: \"a:1,b:x\" is not a broker; write host:port, for example "
     "kafka-1:9092, or embedded alone\n"},
    {"kafka: {brokers: embedded, properties: [a]}\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:40: kafka.properties: a mapping (property: value) is needed, not a list\n"},
    {"kafka: {brokers: embedded, properties: {linger.ms: [5]}}\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:52: kafka.properties.linger.ms: a single value is needed, not a list\n"},
    {"kafka: {brokers: embedded, properties: {linger.ms: }}\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:52: kafka.properties.linger.ms: has no value; give one or remove the line\n"},
};

/* Each is put behind `{name: orders, database: shop, table: t, ` on line 4, so at column 46. */
static const struct error_case outbox_cases[] = {
    {"wake: notfy", "f:4:52: outboxes[0].wake: \"notfy\" is not accepted; use poll or notify\n"},
    {"wake: Poll", "f:4:52: outboxes[0].wake: \"Poll\" is not accepted; use poll or notify\n"},
    {"on_delivered: remove",
     "f:4:60: outboxes[0].on_delivered: \"remove\" is not accepted; use archive, delete or mark\n"},
    {"poll_interval: 10", "f:4:61: outboxes[0].poll_interval: \"10\" is not accepted; durations "
                          "need a unit: 10s, 500ms, 5m, 24h\n"},
    {"poll_interval: fast", "f:4:61: outboxes[0].poll_interval: \"fast\" is not accepted; "
                            "durations need a unit: 10s, 500ms, 5m, 24h\n"},
    {"max_payload: 1000000", "f:4:59: outboxes[0].max_payload: \"1000000\" is not accepted; sizes "
                             "need a unit: 16KiB, 4MiB, 1MB\n"},
    {"lease_ttl: 1s",
     "f:4:57: outboxes[0].lease_ttl: \"1s\" is out of range; accepted: 2s to 10m\n"},
    {"lease_ttl: 11m",
     "f:4:57: outboxes[0].lease_ttl: \"11m\" is out of range; accepted: 2s to 10m\n"},
    {"lease_ttl: 99999999999999999999d",
     "f:4:57: outboxes[0].lease_ttl: \"99999999999999999999d\" is too large\n"},
    {"retention: 0s",
     "f:4:57: outboxes[0].retention: \"0s\" is out of range; accepted: 1m to 3650d or never\n"},
    {"archive_max_bytes: 0B", "f:4:65: outboxes[0].archive_max_bytes: \"0B\" is out of range; "
                              "accepted: 1MiB to 100TiB or none\n"},
    {"retry: {jitter: yes}",
     "f:4:62: outboxes[0].retry.jitter: \"yes\" is not accepted; use true or false\n"},
    {"retry: {max_attempts: 5x}",
     "f:4:68: outboxes[0].retry.max_attempts: \"5x\" is not a whole number\n"},
    {"headers: [content-type, message_id]",
     "f:4:70: outboxes[0].headers[1]: \"message_id\" is not accepted; use content-type, "
     "message-id, aggregate-type, aggregate-id, trace-id or id\n"},
    {"headers: all",
     "f:4:55: outboxes[0].headers: a list is needed, for example [content-type, message-id, "
     "aggregate-type, aggregate-id, trace-id]\n"},
    {"channel: \"a\\nb\"",
     "f:4:55: outboxes[0].channel: \"a?b\" holds a control character or a line end\n"},
    {"channel: \"\"", "f:4:55: outboxes[0].channel: \"\" is empty\n"},
    {"dead_letter: {topic: \"${topik}.dlq\"}",
     "f:4:67: outboxes[0].dead_letter.topic: \"${topik}\" is not accepted here; use ${topic}, "
     "${env:NAME}, ${file:PATH} or ${credential:NAME}\n"},
    {"dead_letter: {topic: \"${topic}\"}", "f:4:67: outboxes[0].dead_letter.topic: \"${topic}\" "
                                           "would send dead letters to the topic they "
                                           "failed on; write for example \"${topic}.dlq\"\n"},
    {"dead_letter: {topic: \"a b\"}",
     "f:4:67: outboxes[0].dead_letter.topic: \"a b\" is not a topic name: 1 to 249 of A-Z a-z 0-9 "
     ". _ - and ${topic}\n"},
    {"channel: \"${topic}\"", "f:4:55: outboxes[0].channel: \"${topic}\" is not accepted here; use "
                              "${env:NAME}, ${file:PATH} "
                              "or ${credential:NAME}, or $${ for a literal ${\n"},
    {"topics: {allow: [\"a b\"]}",
     "f:4:63: outboxes[0].topics.allow[0]: \"a b\" is not a topic name or pattern: 1 to 249 of A-Z "
     "a-z 0-9 . _ - and * for any characters\n"},
    {"topics: {overrides: {\"a b\": {}}}", "f:4:67: outboxes[0].topics.overrides: \"a b\" is not a "
                                           "topic name or pattern: 1 to 249 of A-Z "
                                           "a-z 0-9 . _ - and * for any characters\n"},
    {"topics: {overrides: {a: {dead_letter: {topik: x}}}}",
     "f:4:85: outboxes[0].topics.overrides.a.dead_letter: unknown option \"topik\"; did you mean "
     "topic?\n"},
    {"batch: {max_rows: 30000}", "f:4:64: outboxes[0].batch.max_rows: is 30000, more than "
                                 "window.max_rows (20000, the default)\n"},
    {"batch: {max_rows: 600}, window: {max_rows: 500}",
     "f:4:89: outboxes[0].window.max_rows: is 500, less than batch.max_rows (600)\n"},
    {"batch: {max_rows: x}, window: {max_rows: 500}",
     "f:4:64: outboxes[0].batch.max_rows: \"x\" is not a whole number\n"},
    {"window: {max_bytes: 512KiB}", "f:4:66: outboxes[0].window.max_bytes: is 512KiB, less than "
                                    "max_payload (1MB, the default)\n"},
    {"batch: {max_bytes: 8MiB}, window: {max_bytes: 2MiB}",
     "f:4:92: outboxes[0].window.max_bytes: is 2MiB, less than batch.max_bytes (8MiB)\n"},
    {"max_payload: 32MiB", "f:4:59: outboxes[0].max_payload: is 32MiB, more than window.max_bytes "
                           "(16MiB, the default)\n"},
    {"retry: {base_delay: 1m}", "f:4:66: outboxes[0].retry.base_delay: is 1m, more than "
                                "retry.max_delay (30s, the default)\n"},
    {"retention: 24h, on_delivered: delete",
     "f:4:57: warning: outboxes[0].retention: has no effect with on_delivered: delete\n"},
    {"archive_max_bytes: 1GiB, on_delivered: mark",
     "f:4:65: warning: outboxes[0].archive_max_bytes: has no effect without on_delivered: "
     "archive\n"},
    {"channel: bell", "f:4:55: warning: outboxes[0].channel: has no effect with wake: poll\n"},
    {"columns: {id: seq}", "f:4:55: outboxes[0].columns: is only for layout: custom or debezium\n"},
    {"order_column: seq",
     "f:4:60: outboxes[0].order_column: is only for layout: custom or debezium\n"},
    {"layout: custom, columns: {id: {value: 1}}",
     "f:4:76: outboxes[0].columns.id: a column's name is needed; a constant makes no sense here\n"},
    {"header_columns: [type]",
     "f:4:62: outboxes[0].header_columns: is only for layout: custom or debezium\n"},
    {"layout: custom, header_columns: [type]",
     "f:4:78: outboxes[0].header_columns: cannot be had together with a column of headers; set "
     "columns: {headers: ~}\n"},
    {"layout: debezium, header_columns: [\":x\"]",
     "f:4:81: outboxes[0].header_columns[0]: \":x\" names no column and header; write for example "
     "\"type:eventType\"\n"},
    {"layout: custom, columns: {topic: {value: \"a.${topic}\"}}",
     "f:4:87: outboxes[0].columns.topic: \"${topic}\" is not accepted here; use ${aggregate_type}, "
     "${env:NAME}, ${file:PATH} or ${credential:NAME}\n"},
    {"layout: debezium, columns: {aggregate_type: ~}",
     "f:4:73: outboxes[0].columns.topic: needs an aggregate_type for ${aggregate_type}\n"},
    {"layout: custom, columns: {topic: {valu: x}}",
     "f:4:79: outboxes[0].columns.topic: a column's name or {value: text} is needed\n"},
    {"layout: custom, columns: {topic: [x]}",
     "f:4:79: outboxes[0].columns.topic: a single value is needed, not a list\n"},
    {"layout: custom, columns: {topic: ~}",
     "f:4:79: outboxes[0].columns.topic: cannot be absent: without it there is no message\n"},
    {"layout: custom, columns: {status: ~}",
     "f:4:80: outboxes[0].columns.status: cannot be absent: the relay keeps its books by it\n"},
    {"layout: custom, columns: {created_at: ~}",
     "f:4:84: outboxes[0].columns.created_at: cannot be absent: the relay keeps its books by it\n"},
    {"layout: custom, columns: {topic: \"\"}",
     "f:4:79: outboxes[0].columns.topic: \"\" is no column's name; ~ means that there is none\n"},
    {"layout: custom, columns: {topik: x}",
     "f:4:72: outboxes[0].columns: unknown option \"topik\"; did you mean topic?\n"},
    {"layout: custom, columns: {kafka_partition: {value: x}}",
     "f:4:89: outboxes[0].columns.kafka_partition: the constant is not a partition's number\n"},
};

static const struct error_case cross_cases[] = {
    {TEST_KAFKA TEST_DATABASES "outboxes: [{name: orders, database: shpo, table: t}]\n",
     "f:2:13: warning: databases.shop: no outbox uses this database\n"
     "f:3:37: outboxes[0].database: \"shpo\" is not among databases; did you mean shop?\n"},
    {TEST_KAFKA TEST_DATABASES "outboxes:\n"
                               "  - {name: orders, database: shop, table: public.outbox}\n"
                               "  - {name: orders, database: shop, table: public.other}\n",
     "f:5:12: outboxes[1].name: is the same as that of outboxes[0]\n"},
    {TEST_KAFKA TEST_DATABASES "outboxes:\n"
                               "  - {name: a, database: shop, table: public.outbox}\n"
                               "  - {name: b, database: shop, table: '\"public\".\"outbox\"'}\n",
     "f:5:38: outboxes[1].table: outboxes[0] relays this table already\n"},
    {TEST_KAFKA "databases: {shop: {driver: mysql, url: \"postgresql://db/shop\"}}\n" TEST_OUTBOXES,
     "f:2:40: databases.shop.url: is not for the mysql driver; it must begin with mysql:// or "
     "mariadb://\n"},
    {TEST_KAFKA "databases: {shop: {driver: mariadb, url: \"mysql://u@db/shop\", pooler: "
                "transaction, tls: {mode: verify-ca}}}\n" TEST_OUTBOXES,
     "f:2:71: databases.shop.pooler: is for the postgres driver only\n"
     "f:2:96: databases.shop.tls.mode: the mysql driver has no verify-ca; accepted: disable, "
     "prefer, require, verify-full\n"},
    {TEST_KAFKA "databases: {shop: {driver: mysql, url: \"mysql://u@db/shop\"}}\n"
                "outboxes: [{name: orders, database: shop, table: shop.outbox, wake: notify}]\n",
     "f:3:69: outboxes[0].wake: notify: MySQL and MariaDB have nothing to notify with; use poll\n"},
    {TEST_KAFKA "databases: {shop: {url: \"mysql://db/shop\"}}\n" TEST_OUTBOXES,
     "f:2:25: databases.shop.url: is not for the postgres driver; it must begin with "
     "postgresql://\n"},
    {TEST_KAFKA "databases: {shop: {url: \"host=db password=pw\"}}\n" TEST_OUTBOXES,
     "f:2:25: databases.shop.url: the value must begin with postgresql://, as in "
     "postgresql://relay@db.example/shop\n"},
    {TEST_KAFKA "databases: {shop: {url: \"postgresql://u:pw@db/s\", password_file: "
                "/dev/null/x}}\n" TEST_OUTBOXES,
     "f:2:66: databases.shop.password_file: url holds a password too; keep one of them\n"
     "f:2:66: databases.shop.password_file: could not open \"/dev/null/x\": Not a directory\n"},
    {TEST_KAFKA "databases: {shop: {url: \"postgresql://db/s\", tls: {cert: /c}}}\n" TEST_OUTBOXES,
     "f:2:58: databases.shop.tls.cert: needs tls.key beside it: a certificate and its key go "
     "together\n"},
    {TEST_KAFKA "databases: {shop: {url: \"postgresql://db/s\", tls: {mode: on}}}\n" TEST_OUTBOXES,
     "f:2:58: databases.shop.tls.mode: \"on\" is not accepted; use disable, allow, prefer, "
     "require, "
     "verify-ca or verify-full\n"},
    {TEST_KAFKA "databases: {shop: {url: \"postgresql://db/s\", listen_url: "
                "\"postgresql://db/s\"}}\n" TEST_OUTBOXES,
     "f:2:58: warning: databases.shop.listen_url: has no effect: notifications come over url "
     "itself "
     "unless pooler is transaction\n"},
    {TEST_KAFKA "databases: {shop: {url: \"postgresql://db/s\", pooler: transaction}}\n"
                "outboxes: [{name: orders, database: shop, table: t, wake: notify}]\n",
     "f:3:59: warning: outboxes[0].wake: notifications do not pass a transaction pooler: set "
     "databases.shop.listen_url, or this outbox will poll\n"},
    {"kafka: {brokers: [a:1], embedded: {partitions: 4}}\n" TEST_DATABASES TEST_OUTBOXES,
     "f:1:35: warning: kafka.embedded: has no effect unless brokers is embedded\n"},
    {"kafka: {brokers: embedded, properties: {sasl.mechanism: PLAIN}}\n" TEST_DATABASES
         TEST_OUTBOXES,
     "f:1:41: kafka.properties: property \"sasl.mechanism\" cannot be set: the embedded broker has "
     "neither encryption nor authentication\n"},
    {TEST_MINIMAL "http: {listen: 9464}\n",
     "f:4:16: http.listen: \"9464\" has no address; write 127.0.0.1:PORT for this machine only, "
     "0.0.0.0:PORT for every network\n"},
    {TEST_MINIMAL "control: {socket: run/x}\n",
     "f:4:19: control.socket: \"run/x\" is not an absolute path; \"\" turns the socket off\n"},
};

START_TEST(yaml_that_is_not_accepted)
{
    test_config_problems(yaml_cases[_i].text, yaml_cases[_i].problems);
}
END_TEST

START_TEST(shapes_that_are_not_accepted)
{
    test_config_problems(shape_cases[_i].text, shape_cases[_i].problems);
}
END_TEST

START_TEST(values_that_are_not_accepted)
{
    char *text = ef_xprintf(TEST_KAFKA TEST_DATABASES
                            "outboxes:\n  - {name: orders, database: shop, table: t, %s}\n",
                            outbox_cases[_i].text);
    test_config_problems(text, outbox_cases[_i].problems);
    free(text);
}
END_TEST

START_TEST(combinations_that_are_not_accepted)
{
    test_config_problems(cross_cases[_i].text, cross_cases[_i].problems);
}
END_TEST

START_TEST(all_problems_come_in_the_order_of_the_file)
{
    test_config_problems(
        "log: {level: loud}\n"
        "outboxes:\n"
        "  - {name: a, database: nowhere, table: t}\n"
        "databases:\n"
        "  shop: {url: \"postgresql://db/s\", pooler: session}\n"
        "kafka: {brokers: [a:b]}\n"
        "x: 1\n",
        "f:1:14: log.level: \"loud\" is not accepted; use debug, info, warn or "
        "error\n"
        "f:3:25: outboxes[0].database: \"nowhere\" is not among databases; they are "
        "shop\n"
        "f:5:3: warning: databases.shop: no outbox uses this database\n"
        "f:5:44: databases.shop.pooler: \"session\" is not accepted; use none or "
        "transaction\n"
        "f:6:19: kafka.brokers[0]: \"a:b\" is not a broker; write host:port, for "
        "example kafka-1:9092, or embedded alone\n"
        "f:7:1: unknown option \"x\"; accepted here: instance, state_dir, "
        "shutdown_timeout, kafka, databases, outboxes, http, control, checks, log\n");
}
END_TEST

START_TEST(the_number_of_problems_is_bounded)
{
    struct ef_buf text;
    char *problems;
    ef_buf_init(&text, 1 << 20);
    ef_buf_puts(&text, TEST_MINIMAL);
    for (int i = 0; i < 1000; i++)
        ef_buf_printf(&text, "zzzz%d: 1\n", i);
    ck_assert_ptr_null(test_config_parse(text.data, &problems));
    size_t lines = 0;
    for (const char *p = problems; *p; p++)
        lines += *p == '\n';
    ck_assert_uint_eq(lines, 201);
    ck_assert_ptr_nonnull(strstr(problems, "f:204:1: more problems follow"));
    free(problems);
    ef_buf_done(&text);
}
END_TEST

START_TEST(any_number_of_warnings_is_no_error)
{
    struct ef_buf text;
    ef_buf_init(&text, 1 << 20);
    ef_buf_puts(&text, TEST_KAFKA TEST_DATABASES "outboxes:\n");
    for (int i = 0; i < 300; i++)
        ef_buf_printf(&text, "  - {name: o%d, database: shop, table: t%d, channel: c}\n", i, i);
    char *problems;
    struct ef_config *config = test_config_parse(text.data, &problems);
    ck_assert_ptr_nonnull(config);
    ck_assert_ptr_nonnull(strstr(problems, "warning: more problems follow"));
    ef_config_free(config);
    free(problems);
    ef_buf_puts(&text, "  - {name: last, database: shop, table: t0, channel: c}\n");
    ck_assert_ptr_null(test_config_parse(text.data, &problems));
    free(problems);
    ef_buf_done(&text);
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused)
{
    struct ef_buf text;
    char *problems;
    ef_buf_init(&text, 1 << 20);
    ef_buf_puts(&text, "http: {hosts: [");
    for (int i = 0; i < 100001; i++)
        ef_buf_puts(&text, "a,");
    ef_buf_puts(&text, "]}\n");
    ck_assert_ptr_null(test_config_parse(text.data, &problems));
    ck_assert_ptr_nonnull(strstr(problems, "the file is too large: more than 100000 values"));
    free(problems);
    ef_buf_done(&text);
}
END_TEST

START_TEST(the_error_is_the_first_problem_and_a_count)
{
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    const char text[] = TEST_MINIMAL "instance: a b\nlog: {level: loud}\n";
    ck_assert_ptr_null(
        ef_config_parse("dir/f.yaml", text, sizeof(text) - 1, false, &problems, &err));
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
    ck_assert_str_eq(err.text, "dir/f.yaml:4:11: instance: \"a b\" is not accepted; use 1 to 63 of "
                               "A-Z a-z 0-9 _ . : @ - (and 1 more)");
    ef_config_problems_free(&problems);
}
END_TEST

START_TEST(no_message_has_a_line_end_of_its_own)
{
    test_config_problems(
        TEST_MINIMAL "\"a\\nb\": 1\n"
                     "instance: \"x\\ny\"\n"
                     "state_dir: \"${\\nx}\"\n",
        "f:4:1: unknown option \"a?b\"; accepted here: instance, state_dir, "
        "shutdown_timeout, kafka, databases, outboxes, http, control, checks, log\n"
        "f:5:11: instance: \"x?y\" holds a control character or a line end\n"
        "f:6:12: state_dir: \"${?x}\" is not accepted here; use ${env:NAME}, "
        "${file:PATH} or ${credential:NAME}, or $${ for a literal ${\n");
}
END_TEST

START_TEST(long_values_are_cut_in_messages)
{
    test_config_problems(
        TEST_MINIMAL "log: {level: \"0123456789012345678901234567890123456789012345678901234567\xc3"
                     "\xa9\xc3\xa9\xc3\xa9\"}\n",
        "f:4:14: log.level: \"012345678901234567890123456789012345678901234567890123456...\" is "
        "not "
        "accepted; use debug, info, warn or error\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config errors");
    TCase *cases = tcase_create("cases");
    tcase_add_loop_test(cases, yaml_that_is_not_accepted, 0, COUNT(yaml_cases));
    tcase_add_loop_test(cases, shapes_that_are_not_accepted, 0, COUNT(shape_cases));
    tcase_add_loop_test(cases, values_that_are_not_accepted, 0, COUNT(outbox_cases));
    tcase_add_loop_test(cases, combinations_that_are_not_accepted, 0, COUNT(cross_cases));
    suite_add_tcase(suite, cases);
    TCase *whole = tcase_create("as a whole");
    tcase_add_test(whole, all_problems_come_in_the_order_of_the_file);
    tcase_add_test(whole, the_number_of_problems_is_bounded);
    tcase_add_test(whole, any_number_of_warnings_is_no_error);
    tcase_add_test(whole, a_file_that_is_too_large_is_refused);
    tcase_add_test(whole, the_error_is_the_first_problem_and_a_count);
    tcase_add_test(whole, no_message_has_a_line_end_of_its_own);
    tcase_add_test(whole, long_values_are_cut_in_messages);
    suite_add_tcase(suite, whole);
    return run_suite(suite);
}
