// SPDX-License-Identifier: MIT
/* /events, both as its hub tells it and over real sockets, and who may see what. */
#include <jansson.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "admin/events.h"
#include "admin/http.h"
#include "admin_fake.h"
#include "base/log.h"
#include "unit/run_suite.h"

static struct ef_admin *admin;
static struct ef_http *http;
static struct ef_buf got;

static void start_on(const char *listen)
{
    struct ef_error err;
    http = ef_http_start(fake.loop, admin, listen, NULL, &err);
    ck_assert_msg(http != NULL, "%s", err.text);
}

static void setup(void)
{
    fake_setup();
    admin = ef_admin_new(&(struct ef_admin_options){.loop = fake.loop,
                                                    .view = &fake.view,
                                                    .librdkafka = "2.0.2",
                                                    .libpq = "15.20",
                                                    .libmariadb = "3.3.14"});
    ef_buf_init(&got, 1 << 22);
}

static void teardown(void)
{
    ef_http_stop(http);
    http = NULL;
    ef_admin_free(admin);
    ef_buf_done(&got);
    fake_teardown();
}

/* --- a client --- */

static int dial(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 20 * fake_scale()};
    addr.sin_port = htons((in_port_t)atoi(strrchr(ef_http_listening(http), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static int request(const char *method, const char *path, const char *more)
{
    char text[2048];
    int fd = dial();
    int len = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method,
                       path, more);
    ck_assert_int_eq(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
    return fd;
}

/* False: the connection has ended. */
static bool read_more(int fd)
{
    char part[16384];
    ssize_t n = recv(fd, part, sizeof(part), 0);
    ck_assert_int_ge(n, 0);
    if (n > 0)
        ef_buf_add(&got, part, (size_t)n);
    return n > 0;
}

static void read_until(int fd, const char *word)
{
    while (!got.data || !strstr(got.data, word))
        ck_assert_msg(read_more(fd), "no \"%s\"", word);
}

static struct {
    const char *method, *path, *more;
} asked;

static void talk(void)
{
    int fd = request(asked.method, asked.path, asked.more);
    ef_buf_clear(&got);
    while (read_more(fd))
        ;
    close(fd);
}

/* The whole answer; more are header lines. */
static const char *ask(const char *method, const char *path, const char *more)
{
    static char lines[1024];
    snprintf(lines, sizeof(lines), "%sConnection: close\r\n", more);
    asked.method = method;
    asked.path = path;
    asked.more = lines;
    fake_run(talk);
    return got.data ? got.data : "";
}

static int status(const char *path, const char *more)
{
    const char *answer = ask("GET", path, more);
    ck_assert_int_eq(strncmp(answer, "HTTP/1.1 ", 9), 0);
    return atoi(answer + 9);
}

/* --- the hub --- */

static struct {
    int readies, drops;
} heard;

static void on_ready(void *arg)
{
    (void)arg;
    heard.readies++;
    if (heard.readies == 1)
        ef_loop_stop(fake.loop);
}

static void on_drop(void *arg)
{
    (void)arg;
    heard.drops++;
    ef_loop_stop(fake.loop);
}

static const struct ef_events_calls calls = {.ready = on_ready, .drop = on_drop};

/* What a listener can read, as JSON. */
static json_t *next_event(struct ef_listener *listener)
{
    char part[1000];
    ssize_t n;
    json_error_t error;
    ef_buf_clear(&got);
    while ((n = ef_listener_read(listener, part, sizeof(part))) > 0)
        ef_buf_add(&got, part, (size_t)n);
    ck_assert_int_eq(n, 0);
    const char *data = strstr(got.data, "data: ");
    ck_assert_ptr_nonnull(data);
    ck_assert_str_eq(got.data + got.len - 2, "\n\n");
    json_t *json = json_loads(data + 6, JSON_DISABLE_EOF_CHECK, &error);
    ck_assert_msg(json != NULL, "%s", error.text);
    return json;
}

static void wait_for_event(void)
{
    heard.readies = 0;
    ef_loop_run(fake.loop);
}

START_TEST(the_first_event_has_everything_the_next_what_changed)
{
    struct ef_events *events = ef_events_new(fake.loop, admin, &calls);
    struct ef_listener *listener = ef_events_join(events, NULL);
    json_t *json = next_event(listener), *parts = json_object_get(json, "parts");
    ck_assert_uint_eq(json_object_size(parts), 6 + 2 * 4);
    ck_assert_str_eq(json_string_value(json_object_get(json, "layout")), "o0 warn,o1 warn");
    ck_assert_uint_eq(strlen(json_string_value(json_object_get(json, "run"))), 36);
    json_decref(json);
    wait_for_event();
    json_decref(next_event(listener)); /* told for the first time: everything once more */

    fake.relays[1].status.state = EF_RELAY_MISCONFIGURED;
    snprintf(fake.relays[1].status.reason, 100, "</script>\n<b>");
    wait_for_event();
    json = next_event(listener);
    parts = json_object_get(json, "parts");
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(parts, "o1-head")), "&lt;/script&gt;\n&lt;b&gt;"));
    ck_assert_ptr_nonnull(json_object_get(parts, "asof"));
    ck_assert_ptr_null(json_object_get(parts, "o0-head"));
    ck_assert_str_eq(json_string_value(json_object_get(json, "layout")), "o1 bad,o0 warn");
    json_decref(json);
    ef_events_leave(listener);
    ef_events_free(events);
}
END_TEST

/* One that came while a part was different must hear that it is as before. */
START_TEST(a_late_listener_misses_nothing)
{
    struct ef_events *events = ef_events_new(fake.loop, admin, &calls);
    struct ef_listener *first = ef_events_join(events, NULL);
    wait_for_event();
    snprintf(fake.relays[1].status.reason, 100, "for a moment");
    struct ef_listener *second = ef_events_join(events, NULL);
    json_decref(next_event(second));
    fake.relays[1].status.reason[0] = '\0';
    wait_for_event();
    json_t *json = next_event(second);
    ck_assert_ptr_nonnull(json_object_get(json_object_get(json, "parts"), "o1-head"));
    json_decref(json);
    ef_events_leave(first);
    ef_events_leave(second);
    ef_events_free(events);
}
END_TEST

static int64_t skipped_us;

static ef_mono skipped_mono(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (ef_mono){(int64_t)t.tv_sec * EF_S_US + t.tv_nsec / 1000 + skipped_us};
}

START_TEST(who_does_not_read_is_dropped)
{
    struct ef_clock_source source = {.mono = skipped_mono};
    struct ef_events *events = ef_events_new(fake.loop, admin, &calls);
    struct ef_listener *listener = ef_events_join(events, NULL);
    ef_clock_use(&source);
    memset(&heard, 0, sizeof(heard));
    wait_for_event();
    ck_assert_int_eq(heard.drops, 0);
    skipped_us = 11 * EF_S_US;
    wait_for_event();
    ck_assert_int_eq(heard.drops, 1);
    char byte;
    ck_assert_int_eq(ef_listener_read(listener, &byte, 1), -1);
    ef_events_leave(listener);
    ef_events_free(events);
    ef_clock_use(NULL);
}
END_TEST

START_TEST(too_far_behind_is_dropped)
{
    struct ef_events *events = ef_events_new(fake.loop, admin, &calls);
    struct ef_listener *listener = ef_events_join(events, NULL);
    char many[300];
    memset(many, '&', sizeof(many));
    many[sizeof(many) - 1] = 0;
    memset(&heard, 0, sizeof(heard));
    for (int turn = 0; turn < 200 && !heard.drops; turn++) {
        for (int i = 0; i < EF_HAPPENINGS_MAX; i++) /* 125 KB an event */
            ef_warn("again", EF_STR("why", many), EF_INT("count", turn * EF_HAPPENINGS_MAX + i));
        wait_for_event();
    }
    ck_assert_int_eq(heard.drops, 1);
    ef_events_leave(listener);
    ef_events_free(events);
}
END_TEST

/* --- over sockets --- */

static void talk_events(void)
{
    int fd = request("GET", "/events", "");
    ef_buf_clear(&got);
    read_until(fd, "\n\n");
    ck_assert_ptr_nonnull(strstr(got.data, "HTTP/1.1 200 OK\r\n"));
    ck_assert_ptr_nonnull(strstr(got.data, "\r\nContent-Type: text/event-stream\r\n"));
    ck_assert_ptr_nonnull(strstr(got.data, "\r\nContent-Security-Policy: default-src 'none'"));
    ck_assert_ptr_nonnull(strstr(got.data, "o1-facts"));
    for (int i = 0; i < 2; i++) { /* the next ones come by themselves */
        ef_buf_clear(&got);
        read_until(fd, "\n\n");
        ck_assert_ptr_nonnull(strstr(got.data, "\"asof\""));
    }
    close(fd);
}

START_TEST(events_go_on)
{
    start_on("127.0.0.1:0");
    fake_run(talk_events);
}
END_TEST

START_TEST(head_of_events_ends)
{
    start_on("127.0.0.1:0");
    const char *answer = ask("HEAD", "/events", "");
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200 OK\r\n"));
    ck_assert_ptr_null(strstr(answer, "data:"));
}
END_TEST

static void talk_in_a_crowd(void)
{
    int fds[EF_EVENTS_LISTENERS_MAX];
    for (int i = 0; i < EF_EVENTS_LISTENERS_MAX; i++) {
        fds[i] = request("GET", "/events", "");
        ef_buf_clear(&got);
        read_until(fds[i], "\n\n");
    }
    int late = request("GET", "/events", "Connection: close\r\n");
    ef_buf_clear(&got);
    while (read_more(late))
        ;
    ck_assert_ptr_nonnull(strstr(got.data, "HTTP/1.1 503 "));
    ck_assert_ptr_nonnull(strstr(got.data, "too many listen"));
    close(late);
    for (int i = 0; i < EF_EVENTS_LISTENERS_MAX; i++)
        close(fds[i]);
    bool in = false;
    for (int i = 0; !in && i < 50 * fake_scale();
         i++) { /* the server sees the ends with its next words */
        int fd = request("GET", "/events", "");
        ef_buf_clear(&got);
        read_until(fd, "\r\n\r\n");
        in = strstr(got.data, "HTTP/1.1 200 ") != NULL;
        close(fd);
        if (!in)
            usleep(100 * 1000);
    }
    ck_assert(in);
}

/* page.js takes 5 s for silence. */
START_TEST(many_outboxes_are_told_less_often)
{
    ck_assert_int_eq(ef_events_every_us(0), EF_S_US);
    ck_assert_int_eq(ef_events_every_us(66), EF_S_US);
    ck_assert_int_eq(ef_events_every_us(100), 3 * EF_S_US / 2);
    ck_assert_int_eq(ef_events_every_us(200), 3 * EF_S_US);
    ck_assert_int_eq(ef_events_every_us(100000), 3 * EF_S_US);
}
END_TEST

START_TEST(listeners_are_limited)
{
    start_on("127.0.0.1:0");
    fake_run(talk_in_a_crowd);
}
END_TEST

static int open_stream;

static void talk_and_stay(void)
{
    open_stream = request("GET", "/events", "");
    ef_buf_clear(&got);
    read_until(open_stream, "\n\n");
}

START_TEST(a_stop_ends_streams_cleanly)
{
    start_on("127.0.0.1:0");
    fake_run(talk_and_stay);
    ef_http_stop(http);
    http = NULL;
    while (read_more(open_stream))
        ;
    /* the last chunk of RFC 9112, section 7.1 */
    ck_assert_str_eq(got.data + got.len - 5, "0\r\n\r\n");
    close(open_stream);
}
END_TEST

/* --- access --- */

static const char *const guarded[] = {"/", "/status", "/events"};
static const char *const open_paths[] = {"/livez", "/readyz", "/metrics"};

static void take(const char *token, const char *users)
{
    struct ef_http_access access = {0};
    struct ef_error err;
    if (token)
        ck_assert(ef_http_access_parse_token(&access, token, strlen(token), "t", &err));
    if (users)
        ck_assert(ef_http_access_parse_users(&access, users, strlen(users), "u", &err));
    ef_http_take_access(http, &access);
}

START_TEST(beyond_loopback_is_closed_until_told)
{
    start_on("0.0.0.0:0");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(status(guarded[i], ""), 403);
        ck_assert_ptr_nonnull(strstr(got.data, "set http.token_file or http.basic_file"));
        ck_assert_int_eq(status(open_paths[i], ""), 200);
    }
    take("0123456789abcdef", NULL);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(status(guarded[i], ""), 401);
        ck_assert_ptr_nonnull(strstr(got.data, "\r\nWWW-Authenticate: Bearer realm="));
        ck_assert_int_eq(status(open_paths[i], ""), 200);
    }
    ck_assert_int_eq(status("/status", "Authorization: Bearer 0123456789abcdef\r\n"), 200);
    ck_assert_int_eq(status("/", "Authorization: bearer  0123456789abcdef\r\n"), 200);
    ck_assert_int_eq(status("/?token=0123456789abcdef", ""), 401);
    ck_assert_int_eq(status("/status", "Authorization: Bearer 0123456789abcdee\r\n"), 401);
    ck_assert_int_eq(status("/status", "Authorization: Bearer 0123456789abcdef\r\n"
                                       "Authorization: Bearer 0123456789abcdef\r\n"),
                     400);
    ck_assert_ptr_null(strstr(ask("GET", "/", ""), "0123456789abcdef"));
}
END_TEST

START_TEST(users_come_in_with_their_passwords)
{
    start_on("0.0.0.0:0");
    take(NULL, "# operators\nann:secret\n\nbob:pass:word\r\n");
    ck_assert_int_eq(status("/", ""), 401);
    ck_assert_ptr_nonnull(strstr(got.data, "\r\nWWW-Authenticate: Basic realm="));
    ck_assert_int_eq(status("/", "Authorization: Basic YW5uOnNlY3JldA==\r\n"), 200);
    ck_assert_int_eq(status("/", "Authorization: Basic Ym9iOnBhc3M6d29yZA==\r\n"), 200);
    ck_assert_int_eq(status("/", "Authorization: Basic YW5uOnNlY3JldG==\r\n"),
                     200); /* spare bits */
    ck_assert_int_eq(status("/", "Authorization: Basic YW5uOnNlY3Jl\r\n"), 401);
    ck_assert_int_eq(status("/", "Authorization: Basic YW5u\r\n"), 401);
    ck_assert_int_eq(status("/", "Authorization: Bearer ann:secret\r\n"), 401);
    ck_assert_int_eq(status("/", "Authorization: Digest username=ann\r\n"), 401);
    take(NULL, "ann:changed\n");
    ck_assert_int_eq(status("/", "Authorization: Basic YW5uOnNlY3JldA==\r\n"), 401);
}
END_TEST

START_TEST(on_loopback_a_file_is_asked_for_too)
{
    start_on("127.0.0.1:0");
    ck_assert_int_eq(status("/", ""), 200);
    take("0123456789abcdef", "ann:secret");
    ck_assert_int_eq(status("/", ""), 401);
    ck_assert_int_eq(status("/livez", ""), 200);
    ck_assert_int_eq(status("/", "Authorization: Basic YW5uOnNlY3JldA==\r\n"), 200);
    ck_assert_int_eq(status("/", "Authorization: Bearer 0123456789abcdef\r\n"), 200);
}
END_TEST

START_TEST(credential_files_that_are_wrong)
{
    static const struct {
        bool users;
        const char *text, *error;
    } cases[] = {
        {false, "short", "cannot use \"f\": a token has 16 to 1024 characters"},
        {false, "0123456789 abcdef",
         "cannot use \"f\": a token is one line of visible ASCII "
         "characters without spaces"},
        {false, "0123456789abcdef\n0123456789abcdef",
         "cannot use \"f\": a token is one line of visible ASCII characters without spaces"},
        {true, "", "cannot use \"f\": it names no user"},
        {true, "# nobody\n\n", "cannot use \"f\": it names no user"},
        {true, "ann:secret\nbob", "cannot use \"f\": line 2 is not user:password"},
        {true, ":secret", "cannot use \"f\": line 1 is not user:password"},
        {true, "ann:", "cannot use \"f\": line 1 is not user:password"},
        {true, "ann:a\tb", "cannot use \"f\": line 1 is not user:password"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ef_http_access access = {0};
        struct ef_error err;
        size_t len = strlen(cases[i].text);
        bool ok = cases[i].users
                      ? ef_http_access_parse_users(&access, cases[i].text, len, "f", &err)
                      : ef_http_access_parse_token(&access, cases[i].text, len, "f", &err);
        ck_assert_msg(!ok, "%s", cases[i].text);
        ck_assert_str_eq(err.text, cases[i].error);
        ef_http_access_done(&access);
    }
}
END_TEST

START_TEST(credential_files_that_others_read_are_refused)
{
    char path[] = "/tmp/ef-test-XXXXXX";
    struct ef_http_access access;
    struct ef_error err;
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, "0123456789abcdef\n", 17), 17);
    ck_assert(ef_http_access_load(path, NULL, &access, &err));
    ck_assert_str_eq(access.token, "0123456789abcdef");
    ef_http_access_done(&access);
    ck_assert_int_eq(fchmod(fd, 0644), 0);
    ck_assert(!ef_http_access_load(NULL, path, &access, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "other users have access to it"));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!ef_http_access_load(path, NULL, &access, &err));
    ck_assert_int_eq(err.class, EF_CLASS_OUTAGE);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_stream");
    TCase *tc = tcase_create("stream");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_event_has_everything_the_next_what_changed);
    tcase_add_test(tc, a_late_listener_misses_nothing);
    tcase_add_test(tc, who_does_not_read_is_dropped);
    tcase_add_test(tc, too_far_behind_is_dropped);
    tcase_add_test(tc, events_go_on);
    tcase_add_test(tc, head_of_events_ends);
    tcase_add_test(tc, many_outboxes_are_told_less_often);
    tcase_add_test(tc, listeners_are_limited);
    tcase_add_test(tc, a_stop_ends_streams_cleanly);
    tcase_add_test(tc, beyond_loopback_is_closed_until_told);
    tcase_add_test(tc, users_come_in_with_their_passwords);
    tcase_add_test(tc, on_loopback_a_file_is_asked_for_too);
    tcase_add_test(tc, credential_files_that_are_wrong);
    tcase_add_test(tc, credential_files_that_others_read_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
