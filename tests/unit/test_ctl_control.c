// SPDX-License-Identifier: MIT
/* eventferryctl's verbs against a socket that answers what a test wrote down, and the table it
 * prints. */
#include <check.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/control_client.h"
#include "ctl/control_table.h"
#include "ctl/ctl.h"
#include "unit/run_suite.h"

static char directory[64], path[100];
static int listener;
static pthread_t server;
static const char *answer; /* NULL: none, until the client goes */
static char heard[4096];

static void setup(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(directory, sizeof(directory), "/tmp/ef-ctl-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/control.sock", directory);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
}

static void teardown(void)
{
    close(listener);
    unlink(path);
    rmdir(directory);
}

static void *serve(void *arg)
{
    char byte;
    size_t len = 0;
    int fd = accept(listener, NULL, NULL);
    (void)arg;
    while (len + 1 < sizeof(heard) && recv(fd, heard + len, 1, 0) == 1 && heard[len] != '\n')
        len++;
    heard[len] = '\0';
    if (answer)
        /* in two pieces: a line need not come at once */
        for (size_t half = strlen(answer) / 2, i = 0; i < 2; i++)
            send(fd, i ? answer + half : answer, i ? strlen(answer) - half : half, MSG_NOSIGNAL);
    else
        ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
    return NULL;
}

/* Runs one verb against an answer; returns its exit code. */
static int run(int (*verb)(struct ef_ctl *, int, char **), const char *with, const char *a,
               const char *b, const char *c)
{
    struct ef_ctl ctl = {.config_path = "/nonexistent/x.yaml"};
    const char *words[] = {"verb", "--socket", path, a, b, c, NULL};
    int argc = 3;
    while (argc < 6 && words[argc])
        argc++;
    answer = with;
    ck_assert_int_eq(pthread_create(&server, NULL, serve, NULL), 0);
    int code = verb(&ctl, argc, (char **)words);
    pthread_join(server, NULL);
    return code;
}

static void assert_heard(const char *want)
{
    json_t *got = json_loads(heard, 0, NULL), *wanted = json_loads(want, 0, NULL);
    ck_assert_ptr_nonnull(wanted);
    ck_assert_msg(json_equal(got, wanted), "%s is not %s", heard, want);
    json_decref(got);
    json_decref(wanted);
}

#define OK_ORDERS "{\"ok\":true,\"outboxes\":[{\"outbox\":\"orders\",\"ok\":true}]}\n"

START_TEST(questions)
{
    ck_assert_int_eq(run(ef_ctl_pause, OK_ORDERS, "orders", "--reason", "index build"), 0);
    assert_heard("{\"verb\":\"pause\",\"outbox\":\"orders\",\"reason\":\"index build\"}");
    ck_assert_int_eq(run(ef_ctl_pause, OK_ORDERS, "--all", NULL, NULL), 0);
    assert_heard("{\"verb\":\"pause\",\"outbox\":\"*\"}");
    ck_assert_int_eq(run(ef_ctl_resume, OK_ORDERS, "orders", NULL, NULL), 0);
    assert_heard("{\"verb\":\"resume\",\"outbox\":\"orders\"}");
    ck_assert_int_eq(run(ef_ctl_drain, OK_ORDERS, "--timeout", "5s", "orders"), 0);
    assert_heard("{\"verb\":\"drain\",\"outbox\":\"orders\"}");
    ck_assert_int_eq(run(ef_ctl_status, "{\"ok\":true,\"status\":{}}\n", NULL, NULL, NULL), 0);
    assert_heard("{\"verb\":\"status\"}");
    ck_assert_int_eq(run(ef_ctl_status, "{\"ok\":true,\"status\":{}}\n", "--json", "orders", NULL),
                     0);
    assert_heard("{\"verb\":\"status\",\"outbox\":\"orders\"}");
    ck_assert_int_eq(
        run(ef_ctl_reload, "{\"ok\":true,\"text\":\"changed: x\\n\"}\n", NULL, NULL, NULL), 0);
    assert_heard("{\"verb\":\"reload\"}");
}
END_TEST

START_TEST(exit_codes_of_answers)
{
    ck_assert_int_eq(run(ef_ctl_pause,
                         "{\"ok\":false,\"class\":\"outage\",\"error\":\"e\",\"outboxes\":["
                         "{\"outbox\":\"orders\",\"ok\":false,\"error\":\"e\"}]}\n",
                         "orders", NULL, NULL),
                     EF_CTL_REFUSED);
    ck_assert_int_eq(run(ef_ctl_status, "{\"ok\":false,\"class\":\"config\",\"error\":\"none\"}\n",
                         "nix", NULL, NULL),
                     EF_CTL_REFUSED);
    ck_assert_int_eq(run(ef_ctl_reload,
                         "{\"ok\":false,\"class\":\"config\",\"error\":\"nothing was applied\","
                         "\"text\":\"needs a restart: kafka.brokers\\n\"}\n",
                         NULL, NULL, NULL),
                     EF_CTL_REFUSED);
    ck_assert_int_eq(run(ef_ctl_reload, "{\"ok\":false,\"class\":\"config\",\"error\":\"bad\"}\n",
                         NULL, NULL, NULL),
                     EF_CTL_CONFIG);
}
END_TEST

START_TEST(daemons_that_do_not_answer)
{
    ck_assert_int_eq(run(ef_ctl_status, "", NULL, NULL, NULL), EF_CTL_UNREACHABLE);
    ck_assert_int_eq(run(ef_ctl_status, "HTTP/1.1 400 Bad Request\n", NULL, NULL, NULL),
                     EF_CTL_UNREACHABLE);
    ck_assert_int_eq(run(ef_ctl_status, "[]\n", NULL, NULL, NULL), EF_CTL_UNREACHABLE);
    ck_assert_int_eq(run(ef_ctl_drain, NULL, "--timeout", "200ms", "orders"), EF_CTL_REFUSED);
    char *words[] = {"status", "--socket", "/nonexistent/control.sock", NULL};
    struct ef_ctl ctl = {.config_path = "/nonexistent/x.yaml"};
    ck_assert_int_eq(ef_ctl_status(&ctl, 3, words), EF_CTL_UNREACHABLE);
}
END_TEST

static int usage(int (*verb)(struct ef_ctl *, int, char **), const char *a, const char *b)
{
    struct ef_ctl ctl = {.config_path = "/nonexistent/x.yaml"};
    const char *words[] = {"verb", a, b, NULL};
    return verb(&ctl, a ? (b ? 3 : 2) : 1, (char **)words);
}

START_TEST(wrong_arguments_ask_nobody)
{
    ck_assert_int_eq(usage(ef_ctl_pause, NULL, NULL), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_pause, "orders", "mails"), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_pause, "--all", "mails"), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_pause, "--json", "mails"), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_pause, "\xff", NULL), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_resume, "--reason", "x"), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_drain, "--timeout", "30"), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_drain, "--timeout", "0s"), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_status, "--all", NULL), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_reload, "orders", NULL), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_reload, "--frobnicate", NULL), EF_CTL_USAGE);
    ck_assert_int_eq(usage(ef_ctl_reload, "--help", NULL), EF_CTL_DONE);
}
END_TEST

START_TEST(errors_say_where_and_what_to_check)
{
    struct ef_error err = {0};
    json_t *got;
    ck_assert(!ef_ctl_ask("/nonexistent/control.sock", json_object(), 1000, &got, &err));
    ck_assert_int_eq(err.class, EF_CLASS_OUTAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "\"/nonexistent/control.sock\""));
    ck_assert_ptr_nonnull(strstr(err.text, "is eventferryd running"));
    close(listener); /* its file stays behind */
    ck_assert(!ef_ctl_ask(path, json_object(), 1000, &got, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "Connection refused; eventferryd left the socket"));
}
END_TEST

/* --- the table --- */

static struct ef_buf out;

static const char *table(const char *outboxes, bool colors)
{
    json_error_t error;
    json_t *list = json_loads(outboxes, 0, &error);
    ck_assert_msg(list != NULL, "%s", error.text);
    json_t *status = json_pack(
        "{s:s, s:s, s:i, s:f, s:b, s:{s:s, s:b, s:i, s:b, s:s}, s:o}", "instance", "relay-1",
        "version", "0.1.0", "pid", 7, "uptime_seconds", 75.5, "ready", 1, "kafka", "brokers",
        "k:9092", "up", 1, "brokers_up", 1, "embedded", 0, "reason", "", "outboxes", list);
    ck_assert_ptr_nonnull(status);
    ef_buf_clear(&out);
    ef_ctl_table(status, colors, &out);
    ck_assert(!out.overflow);
    json_decref(status);
    return out.data;
}

static void setup_table(void)
{
    ef_buf_init(&out, 1 << 20);
}

static void teardown_table(void)
{
    ef_buf_done(&out);
}

START_TEST(columns_are_aligned)
{
    const char *text = table(
        "[{\"name\":\"orders\",\"state\":\"running\",\"ready\":true,\"reason\":\"\","
        "\"lease\":{\"held\":true,\"owner\":\"relay-1\",\"standbys\":["
        "{\"instance\":\"relay-2\",\"host\":\"host-b\"},"
        "{\"instance\":\"host-c\",\"host\":\"host-c\"}]},"
        "\"window\":{\"in_flight_rows\":12345},\"rows_per_second\":{\"delivered\":1234.4},"
        "\"lag\":{\"backlog_rows\":100001,\"backlog_saturated\":true,"
        "\"oldest_unfinished_age_seconds\":3.25},\"paused_topic_count\":0,\"paused_topics\":[]},"
        "{\"name\":\"b\xc3\xbc"
        "cher\",\"state\":\"standby\",\"ready\":true,\"reason\":\"\","
        "\"lease\":{\"held\":false,\"owner\":\"relay-2\"},\"window\":{\"in_flight_rows\":0},"
        "\"rows_per_second\":null,\"lag\":{\"backlog_rows\":5}}]",
        false);
    ck_assert_str_eq(text, "relay-1: eventferryd 0.1.0, pid 7, up 1 min 15 s, ready\n"
                           "Kafka up, 1 broker connected, k:9092\n"
                           "\n"
                           "OUTBOX  STATE    OWNER    LAG ROWS  OLDEST  IN FLIGHT     RATE\n"
                           "orders  running  this     >100 000   3.2 s     12 345  1 234/s\n"
                           "    standing by: relay-2 on host-b, host-c\n"
                           "b\xc3\xbc"
                           "cher  standby  relay-2         -       -          0        -\n");
}
END_TEST

START_TEST(reasons_stand_below)
{
    const char *text =
        table("[{\"name\":\"o\",\"state\":\"misconfigured\",\"ready\":false,"
              "\"reason\":\"a column is missing:\\nALTER TABLE \\u001b[31m x\\u009b2J\","
              "\"paused_topic_count\":18,\"paused_topics\":[{\"topic\":\"t\",\"since_ms\":5000,"
              "\"reason\":\"no such topic\"}]}]",
              false);
    ck_assert_ptr_nonnull(strstr(text, "\n    a column is missing:\n    ALTER TABLE ?[31m x?2J\n"
                                       "    topic t on hold for 5.0 s: no such topic\n"
                                       "    17 more topics on hold\n"));
    ck_assert_ptr_null(strchr(text, '\033'));
}
END_TEST

START_TEST(colors_do_not_move_columns)
{
    const char *text = table("[{\"name\":\"a\",\"state\":\"running\",\"ready\":true},"
                             "{\"name\":\"b\",\"state\":\"paused\",\"ready\":true},"
                             "{\"name\":\"c\",\"state\":\"running\",\"ready\":false}]",
                             true);
    ck_assert_ptr_nonnull(strstr(text, "\na       \033[32mrunning\033[0m  -"));
    ck_assert_ptr_nonnull(strstr(text, "\nb       \033[33mpaused\033[0m   -"));
    ck_assert_ptr_nonnull(strstr(text, "\nc       \033[31mrunning\033[0m  -"));
}
END_TEST

/* An answer of another version, or of no daemon at all: poor, but no crash. */
START_TEST(anything_may_be_missing)
{
    ck_assert_ptr_nonnull(strstr(table("[]", false), "no outboxes\n"));
    table("[{}, 1, null, [], {\"name\":{},\"lease\":[],\"lag\":3,\"paused_topics\":{}}]", true);
    json_t *empty = json_object();
    ef_buf_clear(&out);
    ef_ctl_table(empty, false, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "no outboxes\n"));
    json_decref(empty);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_control");
    TCase *verbs = tcase_create("verbs");
    tcase_set_timeout(verbs, 30);
    tcase_add_checked_fixture(verbs, setup, teardown);
    tcase_add_test(verbs, questions);
    tcase_add_test(verbs, exit_codes_of_answers);
    tcase_add_test(verbs, daemons_that_do_not_answer);
    tcase_add_test(verbs, wrong_arguments_ask_nobody);
    tcase_add_test(verbs, errors_say_where_and_what_to_check);
    suite_add_tcase(suite, verbs);
    TCase *shown = tcase_create("table");
    tcase_add_checked_fixture(shown, setup_table, teardown_table);
    tcase_add_test(shown, columns_are_aligned);
    tcase_add_test(shown, reasons_stand_below);
    tcase_add_test(shown, colors_do_not_move_columns);
    tcase_add_test(shown, anything_may_be_missing);
    suite_add_tcase(suite, shown);
    return run_suite(suite);
}
