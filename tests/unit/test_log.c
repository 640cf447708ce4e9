// SPDX-License-Identifier: MIT
/*
 * The logger, each time in a child process whose stderr is a pipe of ours: what lines look like,
 * and that a reader who is slow, stalled or gone never stops the caller.
 */
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_events.h"
#include "base/str.h"
#include "unit/run_suite.h"

/* A child that blocks is ended by SIGALRM after this long; the longest test takes well under a
 * second. */
enum { CHILD_LIMIT_S = 20 };

/* What a child tells besides its lines. */
static volatile struct report {
    bool full; /* it has filled the pipe and the ring */
    uint64_t dropped;
    bool pending;
} * report;

static struct ef_buf output; /* of the last child */

static void setup(void)
{
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(report != MAP_FAILED);
    ef_buf_init(&output, 8 << 20);
}

static void teardown(void)
{
    munmap((void *)report, sizeof(*report));
    ef_buf_done(&output);
}

static unsigned limit_s(void)
{
    const char *scale = getenv("EF_TEST_TIMEOUT_SCALE");
    return (unsigned)(CHILD_LIMIT_S * (scale ? atof(scale) : 1));
}

static pid_t start(void (*body)(void), int *reader)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(ends[0]);
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        alarm(limit_s());
        body();
        ef_log_flush();
        report->dropped = ef_log_dropped();
        report->pending = ef_log_pending();
        _exit(0);
    }
    close(ends[1]);
    *reader = ends[0];
    return child;
}

static void finish(pid_t child, int reader)
{
    char part[65536];
    ssize_t n;
    while (reader >= 0 && (n = read(reader, part, sizeof(part))) > 0)
        ck_assert(ef_buf_add(&output, part, (size_t)n));
    if (reader >= 0)
        close(reader);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "child ended by signal %d", WTERMSIG(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void run(void (*body)(void))
{
    int reader;
    pid_t child = start(body, &reader);
    finish(child, reader);
}

static const char *text(void)
{
    return output.len ? output.data : "";
}

static ef_wall noon(void *ctx)
{
    (void)ctx;
    return (ef_wall){INT64_C(1772366400500000)};
}

static int64_t fake_now_us;

static ef_mono fake_mono(void *ctx)
{
    (void)ctx;
    return (ef_mono){fake_now_us};
}

static void stop_the_clock(void)
{
    static const struct ef_clock_source source = {.wall = noon};
    ef_clock_use(&source);
}

#define LOGFMT(level, rest) "ts=2026-03-01T12:00:00.500Z level=" level " room=main " rest "\n"

/* --- formats --- */

static void log_ordinary(void)
{
    stop_the_clock();
    ef_info("row delivered", EF_INT("id", 17), EF_STR("topic", "orders"), EF_DBL("s", 0.25),
            EF_STR("absent", NULL));
    ef_warn("no fields");
}

START_TEST(logfmt)
{
    run(log_ordinary);
    ck_assert_str_eq(text(), LOGFMT("info", "msg=\"row delivered\" id=17 topic=orders s=0.25")
                                 LOGFMT("warn", "msg=\"no fields\""));
    ck_assert_uint_eq(report->dropped, 0);
}
END_TEST

static void log_quoted(void)
{
    stop_the_clock();
    ef_info("m", EF_STR("empty", ""), EF_STR("space", "a b"), EF_STR("equals", "a=b"),
            EF_STR("quote", "a\"b"), EF_STR("slash", "a\\b"), EF_STR("line", "a\nb"),
            EF_STR("control", "a\x01\t\x7f"), EF_STR("letters", "caf\xc3\xa9"),
            EF_INT("least", INT64_MIN), EF_STR("plain", "a:b/c.d,{e}"));
}

START_TEST(logfmt_quotes_what_needs_it)
{
    run(log_quoted);
    ck_assert_str_eq(
        text(), LOGFMT("info", "msg=m empty=\"\" space=\"a b\" equals=\"a=b\" quote=\"a\\\"b\" "
                               "slash=\"a\\\\b\" line=\"a\\nb\" control=\"a\\u0001\\u0009\\u007f\" "
                               "letters=caf\xc3\xa9 least=-9223372036854775808 plain=a:b/c.d,{e}"));
}
END_TEST

static void log_error(void)
{
    struct ef_error err;
    stop_the_clock();
    ef_error_set(&err, EF_CLASS_DESTINATION, "broker: unknown topic");
    ef_err("could not send", EF_STR("topic", "orders"), EF_ERR(&err));
    ef_error_code(&err, 3, "UNKNOWN_TOPIC_OR_PART");
    ef_err("could not send", EF_ERR(&err));
}

START_TEST(errors_expand)
{
    run(log_error);
    ck_assert_str_eq(
        text(), LOGFMT("error", "msg=\"could not send\" topic=orders class=destination "
                                "error=\"broker: unknown topic\"")
                    LOGFMT("error", "msg=\"could not send\" class=destination "
                                    "code=UNKNOWN_TOPIC_OR_PART error=\"broker: unknown topic\""));
}
END_TEST

/* --- JSON --- */

/* The only line of the output, parsed; the caller owns it. */
static json_t *line_as_json(void)
{
    json_error_t error;
    ck_assert_uint_gt(output.len, 0);
    ck_assert_ptr_eq(strchr(output.data, '\n'), output.data + output.len - 1);
    json_t *line = json_loads(output.data, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(line != NULL, "%s: %s", error.text, output.data);
    return line;
}

static void is(json_t *line, const char *key, const char *value)
{
    const char *found = json_string_value(json_object_get(line, key));
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found, value);
}

static void log_json(void)
{
    stop_the_clock();
    ef_log_setup(EF_LOG_INFO, EF_LOG_JSON, false);
    ef_info("m \"q\"", EF_INT("id", INT64_MAX), EF_DBL("d", 1.5), EF_DBL("nan", NAN),
            EF_DBL("inf", -INFINITY), EF_STR("s", "\"\\\n\r\t\b\x01\x7f/caf\xc3\xa9"),
            EF_STR("cut", "half a letter \xc3"), EF_STR("bytes", "\xff\xfe-\xed\xa0\x80"));
}

START_TEST(json)
{
    run(log_json);
    json_t *line = line_as_json();
    is(line, "ts", "2026-03-01T12:00:00.500Z");
    is(line, "level", "info");
    is(line, "room", "main");
    is(line, "msg", "m \"q\"");
    ck_assert_int_eq(json_integer_value(json_object_get(line, "id")), INT64_MAX);
    ck_assert_double_eq(json_real_value(json_object_get(line, "d")), 1.5);
    is(line, "nan", "nan");
    is(line, "inf", "-inf");
    is(line, "s", "\"\\\n\r\t\b\x01\x7f/caf\xc3\xa9");
    is(line, "cut", "half a letter \xef\xbf\xbd");
    is(line, "bytes", "\xef\xbf\xbd\xef\xbf\xbd-\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    ck_assert_uint_eq(json_object_size(line), 11);
    json_decref(line);
}
END_TEST

static enum ef_log_format long_format;
static char long_unit[8];

static void log_long(void)
{
    char value[10000];
    size_t unit = strlen(long_unit);
    for (size_t i = 0; i + 1 < sizeof(value); i++)
        value[i] = long_unit[i % unit];
    value[sizeof(value) - 1] = '\0';
    stop_the_clock();
    ef_log_setup(EF_LOG_INFO, long_format, false);
    ef_info("m", EF_STR("long", value), EF_STR("after", value), EF_INT("number", 1));
}

/* Whatever the long value is made of, the line is within the limit and still a line of its format.
 */
START_TEST(long_lines_are_cut_within_the_value)
{
    static const char *const units[] = {
        "x", "\"", "\x01", "\n", "\xc3\xa9", "\xf0\x9f\x9a\x80", "\xff", "a\xe2\x82\xac"};
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        strcpy(long_unit, units[i]);
        long_format = EF_LOG_JSON;
        ef_buf_clear(&output);
        run(log_long);
        ck_assert_uint_lt(output.len, 4096);
        ck_assert_uint_gt(output.len, 3900);
        json_t *line = line_as_json();
        ck_assert(json_is_true(json_object_get(line, "truncated")));
        ck_assert_uint_gt(json_string_length(json_object_get(line, "long")), 600);
        json_decref(line);

        long_format = EF_LOG_LOGFMT;
        ef_buf_clear(&output);
        run(log_long);
        ck_assert_uint_lt(output.len, 4096);
        ck_assert_ptr_eq(strchr(output.data, '\n'), output.data + output.len - 1);
        ck_assert_ptr_nonnull(strstr(output.data, " truncated=true\n"));
    }
}
END_TEST

/* --- levels --- */

static enum ef_log_level threshold;

static void log_all_levels(void)
{
    stop_the_clock();
    ef_log_setup(threshold, EF_LOG_LOGFMT, false);
    ef_debug("1");
    ef_info("2");
    ef_warn("3");
    ef_err("4");
}

START_TEST(levels)
{
    static const char *const lines[] = {LOGFMT("debug", "msg=1"), LOGFMT("info", "msg=2"),
                                        LOGFMT("warn", "msg=3"), LOGFMT("error", "msg=4")};
    for (int level = EF_LOG_DEBUG; level <= EF_LOG_ERROR; level++) {
        char expected[512] = "";
        for (int i = level; i < 4; i++)
            strcat(expected, lines[i]);
        threshold = (enum ef_log_level)level;
        ef_buf_clear(&output);
        run(log_all_levels);
        ck_assert_str_eq(text(), expected);
    }
}
END_TEST

static void log_identifiers(void)
{
    if (ef_log_identifiers())
        ef_err("on by default");
    ef_log_setup(EF_LOG_INFO, EF_LOG_LOGFMT, true);
    if (!ef_log_identifiers())
        ef_err("not switched on");
    ef_log_setup(EF_LOG_INFO, EF_LOG_LOGFMT, false);
    if (ef_log_identifiers())
        ef_err("not switched off");
}

START_TEST(identifiers_only_when_asked_for)
{
    run(log_identifiers);
    ck_assert_str_eq(text(), "");
}
END_TEST

/* --- readers that do not read --- */

static void log_numbered(int first, int count)
{
    for (int i = first; i < first + count; i++)
        ef_info("line", EF_INT("n", i));
}

enum { FLOOD = 20000 }; /* lines; more than pipe (64 KiB) and ring (256 KiB) hold together */

static void log_flood_then_wait(void)
{
    log_numbered(0, FLOOD);
    report->dropped = ef_log_dropped();
    report->full = true;
    while (ef_log_pending()) { /* the parent reads now */
        struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
        poll(&fd, 1, 100);
        ef_log_flush();
    }
    log_numbered(FLOOD, 1);
}

/* Lines in order, none torn; returns how many numbered ones there are, *told what the logger says
 * it lost. */
static int count_lines(long long *told)
{
    int lines = 0, last = -1;
    *told = 0;
    for (char *at = output.data, *end; at && *at; at = end + 1) {
        end = strchr(at, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        ck_assert_int_eq(strncmp(at, "ts=", 3), 0);
        const char *n = strstr(at, " msg=line n="), *count = strstr(at, " count=");
        ck_assert_msg((n != NULL) != (count != NULL), "%s", at);
        if (n) {
            ck_assert_int_gt(atoi(n + 12), last);
            last = atoi(n + 12);
            lines++;
        } else {
            ck_assert_ptr_nonnull(strstr(
                at, "level=warn room=base event=log_lines_dropped msg=\"log lines dropped\""));
            *told += atoll(count + 7);
        }
    }
    ck_assert_int_eq(last, FLOOD);
    return lines;
}

START_TEST(a_stalled_reader_costs_lines_not_time)
{
    int reader;
    pid_t child = start(log_flood_then_wait, &reader);
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; !report->full; i++) {
        ck_assert_msg(i < (int)limit_s() * 1000, "the child did not get through");
        ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
        nanosleep(&pause, NULL);
    }
    uint64_t dropped = report->dropped;
    ck_assert_uint_gt(dropped, 0);
    finish(child, reader);
    ck_assert_uint_eq(report->dropped, dropped); /* none was lost after the reader came back */
    ck_assert(!report->pending);
    long long told;
    ck_assert_int_eq(count_lines(&told), FLOOD + 1 - (int)dropped);
    ck_assert_int_eq(told, (long long)dropped);
}
END_TEST

static void log_to_a_full_pipe(void)
{
    /* another process has filled the pipe, and lines wait from the first one on */
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    char page[4096] = "";
    fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
    while (write(STDERR_FILENO, page, sizeof(page)) > 0)
        ;
    fcntl(STDERR_FILENO, F_SETFL, flags);
    log_numbered(0, 10);
    report->full = ef_log_pending();
}

START_TEST(a_full_pipe_is_waited_for_without_blocking)
{
    int reader;
    pid_t child = start(log_to_a_full_pipe, &reader);
    finish(child, -1); /* it must end although nobody reads */
    close(reader);
    ck_assert(report->full);
    ck_assert(report->pending);
    ck_assert_uint_eq(report->dropped, 0);
}
END_TEST

static void log_to_nobody(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    int ends[2];
    if (pipe(ends) != 0)
        _exit(2);
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    log_numbered(0, 100);
}

START_TEST(a_reader_that_is_gone_is_counted)
{
    run(log_to_nobody);
    ck_assert_str_eq(text(), "");
    ck_assert_uint_eq(report->dropped, 100);
    ck_assert(!report->pending); /* or the loop would try again for ever */
}
END_TEST

static void log_to_a_closed_descriptor(void)
{
    close(STDERR_FILENO);
    log_numbered(0, 100);
}

START_TEST(a_closed_descriptor_is_counted)
{
    run(log_to_a_closed_descriptor);
    ck_assert_uint_eq(report->dropped, 100);
    ck_assert(!report->pending);
}
END_TEST

static void log_nonblocking(void)
{
    fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_NONBLOCK);
    log_flood_then_wait();
}

START_TEST(a_nonblocking_stderr_loses_no_part_of_a_line)
{
    int reader;
    pid_t child = start(log_nonblocking, &reader);
    finish(child, reader);
    long long told;
    int lines = count_lines(&told);
    ck_assert_int_eq(lines + (int)told, FLOOD + 1);
    ck_assert_uint_eq(report->dropped, (uint64_t)told);
}
END_TEST

/* --- rate limit --- */

START_TEST(rate_limit)
{
    static const struct ef_clock_source source = {.mono = fake_mono};
    struct ef_log_limit limit = {0};
    uint64_t suppressed = 99;
    ef_clock_use(&source);
    fake_now_us = 5 * EF_S_US;
    for (int i = 0; i < 3; i++) {
        ck_assert(ef_log_allow(&limit, 3, 10 * EF_S_US, &suppressed));
        ck_assert_uint_eq(suppressed, 0);
    }
    for (int i = 0; i < 7; i++) {
        fake_now_us += EF_S_US;
        ck_assert(!ef_log_allow(&limit, 3, 10 * EF_S_US, &suppressed));
    }
    fake_now_us = 15 * EF_S_US; /* one period later: one line */
    ck_assert(ef_log_allow(&limit, 3, 10 * EF_S_US, &suppressed));
    ck_assert_uint_eq(suppressed, 7);
    ck_assert(!ef_log_allow(&limit, 3, 10 * EF_S_US, NULL));
    fake_now_us = 24 * EF_S_US;
    ck_assert(!ef_log_allow(&limit, 3, 10 * EF_S_US, NULL));
    fake_now_us = 25 * EF_S_US;
    ck_assert(ef_log_allow(&limit, 3, 10 * EF_S_US, NULL));
    fake_now_us = 1000 * EF_S_US; /* long quiet: the burst is back, and no more than the burst */
    for (int i = 0; i < 3; i++) {
        ck_assert(ef_log_allow(&limit, 3, 10 * EF_S_US, &suppressed));
        ck_assert_uint_eq(suppressed, 0);
    }
    ck_assert(!ef_log_allow(&limit, 3, 10 * EF_S_US, &suppressed));
    ef_clock_use(NULL);
}
END_TEST

static int64_t fake_now_us;

static ef_mono moved_mono(void *ctx)
{
    (void)ctx;
    return (ef_mono){fake_now_us};
}

static ef_wall moved_wall(void *ctx)
{
    (void)ctx;
    return (ef_wall){fake_now_us};
}

START_TEST(levels_of_rooms_end_by_themselves)
{
    const struct ef_clock_source source = {moved_mono, moved_wall, NULL};
    struct ef_log_override list[EF_LOG_OVERRIDES_MAX];
    ef_clock_use(&source);
    ef_log_setup(EF_LOG_INFO, EF_LOG_LOGFMT, false);
    ef_log_override("relay", EF_LOG_DEBUG, 10 * EF_S_US);
    ef_log_override(NULL, EF_LOG_ERROR, 20 * EF_S_US);
    ck_assert(ef_log_wanted(EF_LOG_DEBUG, "relay"));
    ck_assert(!ef_log_wanted(EF_LOG_WARN, "store")); /* of all */
    ck_assert_int_eq(ef_log_overrides(list), 2);
    ck_assert_int_eq(list[0].left_us, 10 * EF_S_US);
    fake_now_us = 10 * EF_S_US;
    ck_assert(!ef_log_wanted(EF_LOG_WARN, "relay"));
    ck_assert_int_eq(ef_log_overrides(list), 1);
    fake_now_us = 20 * EF_S_US;
    ck_assert(ef_log_wanted(EF_LOG_INFO, "relay") && !ef_log_wanted(EF_LOG_DEBUG, "relay"));
    ck_assert_int_eq(ef_log_overrides(list), 0);
    ef_log_override("kafka", EF_LOG_DEBUG, EF_S_US);
    ef_log_override("kafka", EF_LOG_ERROR, EF_S_US); /* replaces it */
    ck_assert(!ef_log_wanted(EF_LOG_WARN, "kafka"));
    ef_log_restore("kafka");
    ck_assert(ef_log_wanted(EF_LOG_WARN, "kafka"));
    ef_log_override("kafka", EF_LOG_DEBUG, EF_S_US);
    ef_log_restore(NULL);
    ck_assert_int_eq(ef_log_overrides(list), 0);
    ef_clock_use(NULL);
}
END_TEST

/* Who adds a room adds it to the list of those whose level may be set. */
START_TEST(rooms_are_known_by_name)
{
    enum ef_log_level level;
    ck_assert(ef_log_room_known("relay") && !ef_log_room_known("attic"));
    ck_assert_ptr_nonnull(strstr(ef_log_rooms(), "store"));
    ck_assert(ef_log_level_parse("warn", &level) && level == EF_LOG_WARN);
    ck_assert(!ef_log_level_parse("loud", &level));
    ck_assert_str_eq(ef_log_level_name(EF_LOG_ERROR), "error");
}
END_TEST

static void one_known_message(void)
{
    ef_log_setup(EF_LOG_INFO, EF_LOG_LOGFMT, false);
    ef_warn("topic paused; its rows wait, others go on", EF_STR("topic", "orders"));
    ef_warn("a message of nobody");
}

START_TEST(known_messages_carry_their_id)
{
    run(one_known_message);
    ck_assert(strstr(output.data,
                     " event=topic_paused msg=\"topic paused; its rows wait, others go "
                     "on\" topic=orders\n") != NULL);
    ck_assert(strstr(output.data, "room=main msg=\"a message of nobody\"\n") != NULL);
}
END_TEST

/* The value that scripts/update-log-catalogue writes into the journal's catalogue. */
START_TEST(message_ids_are_those_of_the_catalogue)
{
    char uuid[EF_LOG_UUID_BYTES];
    ef_log_event_uuid("topic_paused", uuid);
    ck_assert_str_eq(uuid, "a5aaa2b99da82c30bdbe7f46aab7178c");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, logfmt);
    tcase_add_test(tc, logfmt_quotes_what_needs_it);
    tcase_add_test(tc, errors_expand);
    tcase_add_test(tc, json);
    tcase_add_test(tc, long_lines_are_cut_within_the_value);
    tcase_add_test(tc, levels);
    tcase_add_test(tc, identifiers_only_when_asked_for);
    tcase_add_test(tc, a_stalled_reader_costs_lines_not_time);
    tcase_add_test(tc, a_full_pipe_is_waited_for_without_blocking);
    tcase_add_test(tc, a_reader_that_is_gone_is_counted);
    tcase_add_test(tc, a_closed_descriptor_is_counted);
    tcase_add_test(tc, a_nonblocking_stderr_loses_no_part_of_a_line);
    tcase_add_test(tc, rate_limit);
    tcase_add_test(tc, levels_of_rooms_end_by_themselves);
    tcase_add_test(tc, rooms_are_known_by_name);
    tcase_add_test(tc, known_messages_carry_their_id);
    tcase_add_test(tc, message_ids_are_those_of_the_catalogue);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
