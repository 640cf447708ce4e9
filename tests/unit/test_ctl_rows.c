// SPDX-License-Identifier: MIT
/* Rows as eventferryctl chooses and explains them: filters, base64, messages and reasons. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "ctl/explain_row.h"
#include "ctl/rows.h"
#include "unit/run_suite.h"

START_TEST(base64_there_and_back)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {/* RFC 4648, section 10 */
                 {"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {"Zg", "Zg=", "Z===", "Zg==Zg==", "Z!==", "====", "Zm=v"};
    char *bytes;
    size_t len;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = ef_base64_encode(cases[i].bytes, strlen(cases[i].bytes));
        ck_assert_str_eq(text, cases[i].text);
        ck_assert(ef_base64_decode(text, &bytes, &len));
        ck_assert_uint_eq(len, strlen(cases[i].bytes));
        ck_assert_str_eq(bytes, cases[i].bytes);
        free(text);
        free(bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!ef_base64_decode(bad[i], &bytes, &len), "%s", bad[i]);
}
END_TEST

START_TEST(filters)
{
    const char *ids[] = {"3,1-2"};
    struct ef_row_choice choice = {.ids = {ids, 1}, .topic = "t", .class = "record", .since_us = 5};
    json_t *filter = ef_row_choice_filter(&choice, 1u << 3 | 1u << 4);
    json_t *wanted = json_loads("{\"statuses\":[3,4],\"ids\":[1,2,3],\"topic\":\"t\","
                                "\"error\":\"record\",\"created_from_us\":5}",
                                0, NULL);
    ck_assert(json_equal(filter, wanted));
    json_decref(filter);
    json_decref(wanted);
    ck_assert(!ef_row_choice_is_open(&choice));
    ck_assert(ef_row_choice_is_open(&(struct ef_row_choice){.all = true}));
    ids[0] = "3,x";
    ck_assert_ptr_null(ef_row_choice_filter(&choice, 1));
}
END_TEST

START_TEST(words_are_an_outbox_and_ids)
{
    struct ef_row_choice choice = {0};
    struct ef_args args = {.words = {"retry", "orders", "7", "9-10"}, .word_count = 4};
    ck_assert_str_eq(ef_row_choice_words(&choice, &args, 1), "orders");
    ck_assert_int_eq(choice.ids.count, 2);
    ef_row_choice_done(&choice);
    args.words[1] = "5,6";
    ck_assert_ptr_null(ef_row_choice_words(&choice, &args, 1));
    ck_assert_int_eq(choice.ids.count, 3);
    ef_row_choice_done(&choice);
}
END_TEST

/* --- explaining --- */

static struct ef_config_outbox outbox = {.name = "orders",
                                         .table = "public.outbox",
                                         .headers = EF_HEADER_MESSAGE_ID | EF_HEADER_CONTENT_TYPE,
                                         .timestamp = EF_TIMESTAMP_SEND};

static int twelve(void *arg, const char *topic)
{
    (void)arg;
    return strcmp(topic, "orders") == 0 ? 12 : 0;
}

static json_t *explained(const char *row_text, const char *status_text)
{
    json_t *row = json_loads(row_text, 0, NULL), *status = json_loads(status_text, 0, NULL);
    ck_assert(row && status);
    struct ef_explain explain = {
        .outbox = &outbox,
        .message_max_bytes = 1000000,
        .status = json_is_object(status) && json_object_size(status) ? status : NULL,
        .partitions = twelve};
    json_t *ret = ef_explain_row(&explain, row);
    json_decref(row);
    json_decref(status);
    return ret;
}

static void assert_why(json_t *explained, const char *words)
{
    char *text = json_dumps(json_object_get(explained, "why"), 0);
    ck_assert_msg(strstr(text, words) != NULL, "%s is not in %s", words, text);
    free(text);
    json_decref(explained);
}

#define ROW                                                                                        \
    "\"id\":7,\"topic\":\"orders\",\"aggregate_id\":\"a-1\",\"message_id\":\"m\","                 \
    "\"payload_type\":\"jsonb\",\"payload_base64\":\"e30=\",\"payload_bytes\":2,"                  \
    "\"headers\":\"{\\\"n\\\":1.10}\",\"partition\":null,\"key\":null"
#define RUNNING "\"state\":\"running\",\"lease\":{\"held\":true},\"cursor_id\":5"

START_TEST(messages_as_they_would_be_sent)
{
    json_t *got = explained("{" ROW ",\"status\":0}", "{" RUNNING "}");
    json_t *wanted = json_loads(
        "{\"topic\":\"orders\",\"partition\":2,\"partitions\":12,\"partition_by\":\"key\","
        "\"key\":\"a-1\",\"timestamp\":\"time of sending\",\"bytes\":2,\"value\":\"{}\","
        "\"headers\":[{\"name\":\"n\",\"value\":\"1.10\"},"
        "{\"name\":\"content-type\",\"value\":\"application/json\"},"
        "{\"name\":\"message-id\",\"value\":\"m\"}]}",
        0, NULL);
    json_t *message = json_object_get(got, "message");
    json_int_t partition = json_integer_value(json_object_get(message, "partition"));
    ck_assert(partition >= 0 && partition < 12); /* which one: test_producer, and on real brokers */
    json_object_set_new(message, "partition", json_integer(2));
    char *text = json_dumps(message, 0);
    ck_assert_msg(json_equal(message, wanted), "%s", text);
    free(text);
    json_decref(wanted);
    json_decref(got);
    got = explained("{\"id\":1,\"topic\":\"a b\",\"status\":0}", "{" RUNNING "}");
    ck_assert_ptr_nonnull(json_object_get(got, "refused"));
    ck_assert_ptr_null(json_object_get(got, "message"));
    json_decref(got);
    got = explained("{\"id\":1,\"topic\":\"t\",\"status\":0,\"payload_type\":\"bytes\","
                    "\"payload_base64\":\"/w==\"}",
                    "{" RUNNING "}");
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(got, "message"), "value_base64")),
        "/w==");
    json_decref(got);
}
END_TEST

START_TEST(reasons)
{
    assert_why(explained("{" ROW ",\"status\":0}", "{" RUNNING "}"), "about to be read");
    assert_why(explained("{" ROW ",\"status\":0,\"held_by\":3}", "{" RUNNING "}"),
               "row 3 of the same");
    assert_why(explained("{" ROW ",\"status\":0}", "{}"), "no daemon runs here");
    assert_why(explained("{" ROW ",\"status\":0}",
                         "{\"state\":\"standby\",\"lease\":{\"owner\":\"relay-2\"}}"),
               "relay relay-2 owns the table");
    assert_why(explained("{" ROW ",\"status\":0}",
                         "{\"state\":\"misconfigured\",\"reason\":\"no such column\"}"),
               "the outbox is misconfigured: no such column");
    assert_why(explained("{" ROW ",\"status\":0}",
                         "{" RUNNING ",\"outage\":true,\"reason\":\"Kafka cannot be reached\"}"),
               "Kafka cannot be reached");
    assert_why(explained("{" ROW ",\"status\":0}",
                         "{" RUNNING ",\"paused_topics\":[{\"topic\":\"orders\",\"since_ms\":5000,"
                         "\"reason\":\"no leader\"}]}"),
               "topic orders has taken no messages for 5.0 s: no leader");
    assert_why(explained("{" ROW ",\"status\":3,\"next_retry_in_ms\":2500,\"attempts\":2,"
                         "\"last_error\":\"transient: x\"}",
                         "{" RUNNING ",\"holds\":[{\"aggregate\":\"a-1\",\"by\":\"ann\","
                         "\"reason\":\"r\",\"since\":\"s\"}]}"),
               "aggregate a-1 is held by ann since s: r");
    assert_why(explained("{" ROW ",\"status\":3,\"next_retry_in_ms\":2500,\"attempts\":2}",
                         "{" RUNNING "}"),
               "due in 2.5 s, after 2 attempts");
    assert_why(explained("{" ROW ",\"status\":4,\"last_error\":\"record: too large\"}", "{}"),
               "record: too large");
    assert_why(explained("{" ROW ",\"status\":1}", "{}"), "another kind of relay");
    assert_why(explained("{" ROW ",\"status\":2}", "{}"), "it was delivered");
}
END_TEST

static json_t *missing(struct ef_explain explain, const char *archived_text)
{
    json_t *archived = json_loads(archived_text, 0, NULL);
    json_t *ret = ef_explain_missing(&explain, 9, json_object_size(archived) ? archived : NULL);
    json_decref(archived);
    return ret;
}

START_TEST(rows_that_are_not_in_the_table)
{
    struct ef_config_outbox archives = outbox, deletes = outbox, marks = outbox;
    archives.on_delivered = EF_ON_DELIVERED_ARCHIVE;
    deletes.on_delivered = EF_ON_DELIVERED_DELETE;
    marks.on_delivered = EF_ON_DELIVERED_MARK;
    struct ef_explain explain = {.outbox = &archives};
    assert_why(missing(explain, "{}"), "delivered and has left the table");
    assert_why(missing(explain, "{}"), "it is not in the archive of public.outbox");
    assert_why(missing(explain, "{\"id\":9,\"status\":0,\"archived_at\":\"T\"}"),
               "it was delivered at T and is in the archive");
    assert_why(missing(explain, "{\"id\":9,\"status\":4,\"archived_at\":\"T\"}"),
               "it was skipped by an operator at T");
    assert_why(missing(explain, "{\"id\":9,\"status\":3,\"archived_at\":\"T\"}"),
               "delivered, or skipped by an operator, at T");
    explain.archive_unread = true;
    assert_why(missing(explain, "{}"), "could not be found out");
    assert_why(missing((struct ef_explain){.outbox = &deletes}, "{}"),
               "it may have been delivered");
    assert_why(missing((struct ef_explain){.outbox = &marks}, "{}"), "until they are purged");
    json_t *json = missing(explain, "{\"id\":9,\"status\":0,\"archived_at\":\"T\"}");
    ck_assert_str_eq(json_string_value(json_object_get(json, "status")), "archived");
    ck_assert_str_eq(json_string_value(json_object_get(json, "archived_at")), "T");
    json_decref(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_rows");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, base64_there_and_back);
    tcase_add_test(tc, filters);
    tcase_add_test(tc, words_are_an_outbox_and_ids);
    tcase_add_test(tc, messages_as_they_would_be_sent);
    tcase_add_test(tc, reasons);
    tcase_add_test(tc, rows_that_are_not_in_the_table);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
