// SPDX-License-Identifier: MIT
/* The HTTP endpoints on a real loop, over real sockets: paths, methods, headers, limits, Host
 * check. */
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "admin/http.h"
#include "admin/http_host.h"
#include "admin/http_routes.h"
#include "admin_fake.h"
#include "unit/run_suite.h"

static struct ef_admin *admin;
static struct ef_http *http;
static struct ef_buf got; /* what the client read last */

static void setup(void)
{
    static char *names[] = {"metrics.example.org"};
    struct ef_strings hosts = {names, 1};
    struct ef_error err;
    fake_setup();
    admin = ef_admin_new(&(struct ef_admin_options){.loop = fake.loop,
                                                    .view = &fake.view,
                                                    .librdkafka = "2.0.2",
                                                    .libpq = "15.20",
                                                    .libmariadb = "3.3.14"});
    http = ef_http_start(fake.loop, admin, "127.0.0.1:0", &hosts, &err);
    ck_assert_msg(http != NULL, "%s", err.text);
    ef_buf_init(&got, 1 << 22);
}

static void teardown(void)
{
    ef_http_stop(http);
    ef_admin_free(admin);
    ef_buf_done(&got);
    fake_teardown();
}

static int dial_with(bool narrow)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 20 * fake_scale()};
    addr.sin_port = htons((in_port_t)atoi(strrchr(ef_http_listening(http), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (narrow) { /* loopback's segments of 64 KiB would not fit into a small window */
        int window = 16384, segment = 1000;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
    }
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static int dial(void)
{
    return dial_with(false);
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);
    ck_assert_int_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void read_to_end(int fd)
{
    char part[4096];
    ssize_t n;
    ef_buf_clear(&got);
    while ((n = recv(fd, part, sizeof(part), 0)) > 0)
        ef_buf_add(&got, part, (size_t)n);
    ck_assert_int_eq(n, 0);
    ef_buf_puts(&got, "");
}

static const char *request_text;

static void talk(void)
{
    int fd = dial();
    say(fd, request_text);
    read_to_end(fd);
    close(fd);
}

/* Send these bytes, read to the end of the connection. */
static const char *ask(const char *text)
{
    request_text = text;
    fake_run(talk);
    return got.data ? got.data : "";
}

static const char *get(const char *path)
{
    static char text[256];
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             path);
    return ask(text);
}

static void assert_status(const char *answer, int status)
{
    char want[32];
    snprintf(want, sizeof(want), "HTTP/1.1 %d ", status);
    ck_assert_msg(strncmp(answer, want, strlen(want)) == 0, "wanted %d, got %.200s", status,
                  answer);
}

static const char *body(const char *answer)
{
    const char *at = strstr(answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(at);
    return at + 4;
}

static json_t *json_body_of(const char *answer)
{
    json_error_t error;
    json_t *json = json_loads(body(answer), 0, &error);
    ck_assert_msg(json != NULL, "%s in %s", error.text, answer);
    return json;
}

START_TEST(livez)
{
    const char *answer = get("/livez");
    assert_status(answer, 200);
    ck_assert_str_eq(body(answer), "ok\n");
}
END_TEST

START_TEST(every_answer_has_the_security_headers)
{
    static const char *const paths[] = {"/", "/livez", "/metrics", "/status", "/readyz", "/no"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *answer = get(paths[i]);
        ck_assert_ptr_nonnull(strstr(answer, "\r\nCache-Control: no-store\r\n"));
        ck_assert_ptr_nonnull(strstr(answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
        ck_assert_ptr_nonnull(strstr(answer, "\r\nContent-Security-Policy: default-src 'none'"));
        ck_assert_ptr_nonnull(strstr(answer, "frame-ancestors 'none'"));
        ck_assert_ptr_null(strstr(answer, "unsafe-inline"));
    }
}
END_TEST

START_TEST(readyz_ready)
{
    const char *answer = get("/readyz");
    assert_status(answer, 200);
    json_t *json = json_body_of(answer);
    ck_assert(json_is_true(json_object_get(json, "ready")));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "reasons")), 0);
    json_decref(json);
}
END_TEST

START_TEST(readyz_tells_why_not)
{
    struct ef_relay_status *s = &fake.relays[1].status;
    s->ready = false;
    s->state = EF_RELAY_MISCONFIGURED;
    snprintf(s->reason, sizeof(s->reason), "table \"outbox\" has no column \"id\" \xff");
    const char *answer = get("/readyz");
    assert_status(answer, 503);
    json_t *json = json_body_of(answer);
    ck_assert(json_is_false(json_object_get(json, "ready")));
    json_t *reasons = json_object_get(json, "reasons");
    ck_assert_uint_eq(json_array_size(reasons), 1);
    json_t *reason = json_array_get(reasons, 0);
    ck_assert_str_eq(json_string_value(json_object_get(reason, "outbox")), "mails");
    ck_assert_str_eq(json_string_value(json_object_get(reason, "state")), "misconfigured");
    ck_assert_str_eq(json_string_value(json_object_get(reason, "reason")),
                     "table \"outbox\" has no column \"id\" \xef\xbf\xbd");
    json_decref(json);
}
END_TEST

START_TEST(status_is_complete_json)
{
    const char *answer = get("/status");
    assert_status(answer, 200);
    ck_assert_ptr_nonnull(strstr(answer, "Content-Type: application/json\r\n"));
    json_t *json = json_body_of(answer);
    ck_assert_str_eq(json_string_value(json_object_get(json, "instance")), "relay-1");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "pid")), getpid());
    ck_assert_int_eq(json_array_size(json_object_get(json, "outboxes")), 2);
    json_decref(json);
}
END_TEST

START_TEST(metrics_page)
{
    ef_metric_add(ef_metrics_get(fake.metrics, EF_COUNTER, "rows_fetched_total", "Rows read.",
                                 "outbox", "orders", NULL),
                  120);
    const char *answer = get("/metrics");
    assert_status(answer, 200);
    ck_assert_ptr_nonnull(
        strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    ck_assert_ptr_nonnull(
        strstr(answer, "\neventferry_rows_fetched_total{outbox=\"orders\"} 120\n"));
    ck_assert_ptr_nonnull(strstr(answer, "\neventferry_backlog_rows{outbox=\"orders\"} 20\n"));
    ck_assert_ptr_nonnull(strstr(answer,
                                 "librdkafka=\"2.0.2\",libpq=\"15.20\",libmariadb=\"3.3.14\","
                                 "features=\"systemd "));
    ck_assert_ptr_nonnull(strstr(answer, "\nprocess_open_fds "));
    ck_assert_int_eq(fake.refreshes, 1);
}
END_TEST

START_TEST(page_for_people)
{
    struct ef_relay_status *s = &fake.relays[0].status;
    snprintf(s->reason, sizeof(s->reason), "<script>alert('x')</script> & more");
    const char *answer = get("/");
    assert_status(answer, 200);
    ck_assert_ptr_nonnull(strstr(answer, "Content-Type: text/html; charset=utf-8\r\n"));
    ck_assert_ptr_nonnull(
        strstr(answer, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more"));
    ck_assert_ptr_null(strstr(answer, "<script>"));
    ck_assert_ptr_nonnull(strstr(answer, ">orders<"));
    ck_assert_ptr_nonnull(strstr(answer, ">mails<"));
    /* the policy lets in exactly the style and the script of this answer */
    const char *nonce = strstr(answer, "'nonce-");
    char style[80];
    ck_assert_ptr_nonnull(nonce);
    snprintf(style, sizeof(style), "<style nonce=\"%.36s\">", nonce + 7);
    ck_assert_ptr_nonnull(strstr(answer, style));
    snprintf(style, sizeof(style), "<script nonce=\"%.36s\">", nonce + 7);
    ck_assert_ptr_nonnull(strstr(answer, style));
}
END_TEST

START_TEST(head_sends_no_body)
{
    const char *answer = ask("HEAD /status HTTP/1.1\r\nHost: localhost\r\n"
                             "Connection: close\r\n\r\n");
    assert_status(answer, 200);
    ck_assert_str_eq(body(answer), "");
    ck_assert_ptr_null(strstr(answer, "Content-Length: 0\r\n"));
}
END_TEST

START_TEST(other_methods_are_refused)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "%s /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                 "Connection: close\r\n\r\n{}",
                 methods[i]);
        const char *answer = ask(text);
        assert_status(answer, 405);
        ck_assert_ptr_nonnull(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    }
}
END_TEST

START_TEST(unknown_paths_are_404)
{
    static const char *const paths[] = {"/nothing", "/livez/",   "//livez", "/../livez",
                                        "/LIVEZ",   "/livez%00", "/pause"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_status(get(paths[i]), 404);
}
END_TEST

START_TEST(queries_change_nothing)
{
    const char *answer = get("/livez?verb=pause&outbox=*");
    assert_status(answer, 200);
    ck_assert_str_eq(body(answer), "ok\n");
    ck_assert_int_eq(fake.relays[0].pauses, 0);
}
END_TEST

START_TEST(foreign_hosts_are_misdirected)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {
        {"localhost", 200},
        {"localhost:9464", 200},
        {"LocalHost", 200},
        {"127.0.0.1:80", 200},
        {"[::1]:9464", 200},
        {"metrics.example.org", 200},
        {"evil.example.org", 421},
        {"localhost.evil.example.org", 421},
        {"10.0.0.1", 421},
        {"[fe80::1]", 421},
        {"localhost:x", 400},
        {"", 400},
        {"[::1", 400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "GET /livez HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                 cases[i].host);
        assert_status(ask(text), cases[i].status);
    }
}
END_TEST

START_TEST(host_header_is_required_once)
{
    assert_status(ask("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n"), 400);
    assert_status(ask("GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n"
                      "Connection: close\r\n\r\n"),
                  400);
    /* health checks of load balancers still speak 1.0 */
    ck_assert_str_eq(body(ask("GET /livez HTTP/1.0\r\n\r\n")), "ok\n");
    ck_assert_int_eq(
        strncmp(ask("GET /livez HTTP/1.0\r\nHost: evil.example.org\r\n\r\n") + 8, " 421 ", 5), 0);
}
END_TEST

START_TEST(hosts_change_with_a_reload)
{
    static char *names[] = {"new.example.org", "[fd00::1]"};
    struct ef_strings hosts = {names, 2};
    ef_http_set_hosts(http, &hosts);
    assert_status(ask("GET /livez HTTP/1.1\r\nHost: new.example.org\r\nConnection: close\r\n\r\n"),
                  200);
    assert_status(ask("GET /livez HTTP/1.1\r\nHost: [fd00::1]\r\nConnection: close\r\n\r\n"), 200);
    assert_status(
        ask("GET /livez HTTP/1.1\r\nHost: metrics.example.org\r\nConnection: close\r\n\r\n"), 421);
}
END_TEST

START_TEST(large_headers_are_refused)
{
    struct ef_buf text;
    ef_buf_init(&text, 1 << 20);
    ef_buf_puts(&text, "GET /livez HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 1000; i++)
        ef_buf_printf(&text, "X-Header-%d: 0123456789012345678901234567890123456789\r\n", i);
    ef_buf_puts(&text, "\r\n");
    const char *answer = ask(text.data);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 4", 10) == 0, "%.100s", answer);
    ef_buf_done(&text);
    ck_assert_str_eq(body(get("/livez")), "ok\n");
}
END_TEST

static void talk_twice(void)
{
    int fd = dial();
    say(fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    say(fd, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    read_to_end(fd);
    close(fd);
}

START_TEST(connections_are_kept_and_requests_may_queue)
{
    int answers = 0;
    fake_run(talk_twice);
    for (const char *at = got.data; (at = strstr(at, "HTTP/1.1 200 ")); at++)
        answers++;
    ck_assert_int_eq(answers, 3);
}
END_TEST

static void talk_with_body(void)
{
    int fd = dial();
    say(fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 26\r\n\r\n"
            "GET /pause HTTP/1.1\r\n\r\n...");
    say(fd, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    read_to_end(fd);
    close(fd);
}

START_TEST(the_body_of_a_get_is_no_request)
{
    fake_run(talk_with_body);
    assert_status(got.data, 200);
    ck_assert_ptr_null(strstr(got.data, "HTTP/1.1 4"));
    ck_assert_ptr_nonnull(strstr(got.data, "\"ready\": true"));
}
END_TEST

static void talk_in_pieces(void)
{
    static const char text[] =
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    int fd = dial();
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        say(fd, (char[]){text[i], '\0'});
    read_to_end(fd);
    close(fd);
}

START_TEST(requests_may_come_byte_by_byte)
{
    fake_run(talk_in_pieces);
    assert_status(got.data, 200);
}
END_TEST

static void talk_crowd(void)
{
    int fds[80];
    for (int i = 0; i < 80; i++)
        fds[i] = dial(); /* those beyond the limit wait in the backlog */
    for (int i = 0; i < 80; i++)
        close(fds[i]);
    talk();
}

START_TEST(too_many_connections_do_not_end_the_service)
{
    request_text = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    fake_run(talk_crowd);
    assert_status(got.data, 200);
}
END_TEST

static void talk_large(void)
{
    int fd = dial_with(true);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    read_to_end(fd);
    close(fd);
}

/* More than a socket's buffer: the rest has to follow by events of the loop. */
START_TEST(large_answers_arrive_whole)
{
    char topic[64];
    for (int i = 0; i < 20000; i++) {
        snprintf(topic, sizeof(topic), "topic-%d", i);
        ef_metrics_get(fake.metrics, EF_COUNTER, "messages_produced_total", "Messages.", "topic",
                       topic, NULL);
    }
    fake_run(talk_large);
    assert_status(got.data, 200);
    ck_assert_uint_gt(got.len, 1000000);
    size_t announced = strtoul(strstr(got.data, "Content-Length: ") + 16, NULL, 10);
    ck_assert_uint_eq(got.len - (size_t)(body(got.data) - got.data), announced);
}
END_TEST

static uint64_t callbacks_before;

static void talk_idle(void)
{
    int fd = dial();
    char part[1024];
    say(fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ck_assert_int_gt(recv(fd, part, sizeof(part), 0), 0);
    callbacks_before = ef_loop_stats(fake.loop)->callbacks;
    /* a look at the clock, not a wait for something to happen */
    poll(NULL, 0, 1500);
    close(fd);
}

START_TEST(an_idle_connection_costs_next_to_nothing)
{
    fake_run(talk_idle);
    ck_assert_uint_lt(ef_loop_stats(fake.loop)->callbacks - callbacks_before, 20);
}
END_TEST

static int64_t skipped_us; /* atomic: the client's thread moves it */

static ef_mono skipped_mono(void *ctx)
{
    (void)ctx;
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (ef_mono){now.tv_sec * EF_S_US + now.tv_nsec / 1000 +
                     __atomic_load_n(&skipped_us, __ATOMIC_RELAXED)};
}

static void talk_slowly(void)
{
    struct pollfd fd = {.fd = dial(), .events = POLLIN};
    char part[1024];
    int rounds = 0;
    say(fd.fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ck_assert_int_gt(recv(fd.fd, part, sizeof(part), 0), 0); /* the connection is known by now */
    say(fd.fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ");
    __atomic_store_n(&skipped_us, 31 * EF_S_US, __ATOMIC_RELAXED);
    /* never silent for long; the server looks every 5 s */
    while (poll(&fd, 1, 500) == 0) {
        ck_assert_int_lt(rounds++, 60 * fake_scale());
        send(fd.fd, "x", 1, MSG_NOSIGNAL);
    }
    ck_assert_int_le(recv(fd.fd, part, 1, 0), 0);
    close(fd.fd);
}

START_TEST(a_request_may_not_take_for_ever)
{
    struct ef_clock_source source = {.mono = skipped_mono};
    ef_clock_use(&source);
    fake_run(talk_slowly);
    ef_clock_use(NULL);
}
END_TEST

START_TEST(stop_with_open_connections)
{
    int fd = dial();
    say(fd, "GET /liv");
    ef_http_stop(http);
    http = NULL;
    char byte;
    ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
    close(fd);
}
END_TEST

/* --- addresses --- */

START_TEST(listen_addresses)
{
    static const struct {
        const char *listen, *printed; /* NULL: refused */
        bool any;
    } cases[] = {
        {"127.0.0.1:9464", "127.0.0.1:9464", false},
        {"localhost:80", "127.0.0.1:80", false},
        {"[::1]:9464", "[::1]:9464", false},
        {"[::]:9464", "[::]:9464", true},
        {"0.0.0.0:0", "0.0.0.0:0", true},
        {":9464", "0.0.0.0:9464", true},
        {"*:9464", "0.0.0.0:9464", true},
        {"127.0.0.1", NULL, false},
        {"127.0.0.1:", NULL, false},
        {"127.0.0.1:65536", NULL, false},
        {"127.0.0.1:-1", NULL, false},
        {"127.0.0.1:94 ", NULL, false},
        {"::1:9464", NULL, false},
        {"[::1]9464", NULL, false},
        {"[127.0.0.1]:1", NULL, false},
        {"example.org:9464", NULL, false},
        {"", NULL, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ef_http_address address;
        struct ef_error err = {0};
        char text[64];
        bool ok = ef_http_address_parse(cases[i].listen, &address, &err);
        ck_assert_msg(ok == (cases[i].printed != NULL), "%s: %s", cases[i].listen, err.text);
        if (!ok) {
            ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
            continue;
        }
        ef_http_address_print(&address.addr, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].printed);
        ck_assert_int_eq(address.any, cases[i].any);
    }
}
END_TEST

/* A server for the whole network is scraped by address; only names can be rebound. */
START_TEST(any_address_is_fine_when_listening_on_all)
{
    struct ef_http_address all;
    struct ef_strings none = {0};
    struct ef_error err;
    ck_assert(ef_http_address_parse("0.0.0.0:1", &all, &err));
    ck_assert_int_eq(ef_http_host_check("10.1.2.3:1", &all, &none), EF_HOST_OK);
    ck_assert_int_eq(ef_http_host_check("[fd00::7]:1", &all, &none), EF_HOST_OK);
    ck_assert_int_eq(ef_http_host_check("relay.internal:1", &all, &none), EF_HOST_FOREIGN);
    ck_assert_int_eq(ef_http_host_check("10.1.2.3.example", &all, &none), EF_HOST_FOREIGN);
}
END_TEST

START_TEST(a_taken_port_is_reported)
{
    struct ef_error err = {0};
    ck_assert_ptr_null(ef_http_start(fake.loop, admin, ef_http_listening(http), NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "could not listen on 127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(err.text, "in use"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_http");
    TCase *tc = tcase_create("http");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, livez);
    tcase_add_test(tc, every_answer_has_the_security_headers);
    tcase_add_test(tc, readyz_ready);
    tcase_add_test(tc, readyz_tells_why_not);
    tcase_add_test(tc, status_is_complete_json);
    tcase_add_test(tc, metrics_page);
    tcase_add_test(tc, page_for_people);
    tcase_add_test(tc, head_sends_no_body);
    tcase_add_test(tc, other_methods_are_refused);
    tcase_add_test(tc, unknown_paths_are_404);
    tcase_add_test(tc, queries_change_nothing);
    tcase_add_test(tc, foreign_hosts_are_misdirected);
    tcase_add_test(tc, host_header_is_required_once);
    tcase_add_test(tc, hosts_change_with_a_reload);
    tcase_add_test(tc, large_headers_are_refused);
    tcase_add_test(tc, connections_are_kept_and_requests_may_queue);
    tcase_add_test(tc, the_body_of_a_get_is_no_request);
    tcase_add_test(tc, requests_may_come_byte_by_byte);
    tcase_add_test(tc, too_many_connections_do_not_end_the_service);
    tcase_add_test(tc, large_answers_arrive_whole);
    tcase_add_test(tc, an_idle_connection_costs_next_to_nothing);
    tcase_add_test(tc, a_request_may_not_take_for_ever);
    tcase_add_test(tc, stop_with_open_connections);
    tcase_add_test(tc, listen_addresses);
    tcase_add_test(tc, any_address_is_fine_when_listening_on_all);
    tcase_add_test(tc, a_taken_port_is_reported);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
