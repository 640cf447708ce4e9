// SPDX-License-Identifier: MIT
/* Lookups on the loop: literals, /etc/hosts, and a name server that runs on the same loop and can
 * be silent. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/resolver.h"
#include "unit/run_suite.h"

static struct ef_loop *loop;
static struct ef_resolver *resolver;
static struct ef_timer guard;

/* what the last callback was given */
static struct {
    int calls;
    int count;
    char addresses[8][64];
    bool failed;
    struct ef_error err;
} got;

static int64_t scaled_us(int64_t us)
{
    const char *scale = getenv("EF_TEST_TIMEOUT_SCALE");
    return (int64_t)((double)us * (scale ? atof(scale) : 1));
}

static void on_guard(void *arg)
{
    (void)arg;
    ck_abort_msg("no callback in time");
}

static void on_resolved(void *arg, const char *const *addresses, int count,
                        const struct ef_error *err)
{
    ck_assert_ptr_eq(arg, &got);
    got.calls++;
    got.count = count;
    got.failed = err != NULL;
    if (err)
        got.err = *err;
    for (int i = 0; i < count && i < 8; i++)
        snprintf(got.addresses[i], sizeof(got.addresses[i]), "%s", addresses[i]);
    ef_loop_stop(loop);
}

/* A name server: what it answers depends on the name. */

static struct {
    int fd;
    struct ef_io io;
    int queries, stop_after;
    char address[32];
} server;

enum { TYPE_A = 1, TYPE_AAAA = 28, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, HEADER_BYTES = 12 };

struct reply {
    unsigned char bytes[512];
    size_t len;
    int answers;
};

/* A record that points back at the question's name (RFC 1035, 4.1.3 and 4.1.4). */
static void add_record(struct reply *reply, int type, const char *address)
{
    unsigned char raw[16];
    size_t len = type == TYPE_A ? 4 : 16;
    ck_assert_int_eq(inet_pton(type == TYPE_A ? AF_INET : AF_INET6, address, raw), 1);
    unsigned char head[12] = {0xc0, HEADER_BYTES, 0, (unsigned char)type, 0, 1, 0, 0,
                              0,    60,           0, (unsigned char)len};
    memcpy(reply->bytes + reply->len, head, sizeof(head));
    memcpy(reply->bytes + reply->len + sizeof(head), raw, len);
    reply->len += sizeof(head) + len;
    reply->answers++;
}

/* "two.test" of a question section; returns the section's length. */
static size_t read_question(const unsigned char *query, size_t size, char *name, int *type)
{
    size_t at = HEADER_BYTES, out = 0;
    while (at < size && query[at]) {
        size_t label = query[at++];
        ck_assert_uint_le(at + label, size);
        memcpy(name + out, query + at, label);
        out += label;
        at += label;
        name[out++] = '.';
    }
    name[out ? out - 1 : 0] = '\0';
    ck_assert_uint_le(at + 5, size);
    *type = query[at + 1] << 8 | query[at + 2];
    return at + 5 - HEADER_BYTES;
}

static void on_query(void *arg, int events)
{
    unsigned char query[512];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    (void)arg;
    (void)events;
    ssize_t size =
        recvfrom(server.fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);
    ck_assert_int_gt(size, HEADER_BYTES);
    if (++server.queries == server.stop_after)
        ef_loop_stop(loop);
    char name[256];
    int type, rcode = 0;
    size_t question = read_question(query, (size_t)size, name, &type);
    struct reply reply = {.len = HEADER_BYTES + question};
    memcpy(reply.bytes, query, reply.len);
    if (strcasecmp(name, "silent.test") == 0)
        return;
    if (strcasecmp(name, "two.test") == 0 && type == TYPE_A) {
        add_record(&reply, TYPE_A, "192.0.2.1");
        add_record(&reply, TYPE_A, "192.0.2.2");
        add_record(&reply, TYPE_A, "192.0.2.1");
    } else if (strcasecmp(name, "two.test") == 0) {
        add_record(&reply, TYPE_AAAA, "2001:db8::1");
    } else if (strcasecmp(name, "broken.test") == 0) {
        rcode = RCODE_SERVFAIL;
    } else if (strcasecmp(name, "empty.test") != 0) {
        rcode = RCODE_NXDOMAIN;
    }
    reply.bytes[2] = 0x84; /* an answer, authoritative */
    reply.bytes[3] = (unsigned char)rcode;
    memset(reply.bytes + 6, 0, 6);
    reply.bytes[7] = (unsigned char)reply.answers;
    ck_assert_int_eq(
        sendto(server.fd, reply.bytes, reply.len, 0, (struct sockaddr *)&from, from_len),
        (ssize_t)reply.len);
}

static void start_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    server.queries = 0;
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(getsockname(server.fd, (struct sockaddr *)&at, &len), 0);
    snprintf(server.address, sizeof(server.address), "127.0.0.1:%d", ntohs(at.sin_port));
    ef_io_init(&server.io, loop, "test", on_query, NULL);
    ef_io_start(&server.io, server.fd, EF_IO_READ);
    ef_resolver_set_servers(resolver, server.address);
}

static void setup(void)
{
    memset(&got, 0, sizeof(got));
    loop = ef_loop_new();
    resolver = ef_resolver_new(loop);
    ef_timer_init(&guard, loop, "test", on_guard, NULL);
    ef_timer_start(&guard, scaled_us(20 * EF_S_US));
    start_server();
}

static void teardown(void)
{
    ef_io_stop(&server.io);
    close(server.fd);
    ef_timer_stop(&guard);
    ef_resolver_free(resolver);
    ef_loop_free(loop);
}

/* Start a lookup and wait for its one callback, which must not come from the start itself. */
static void look_up(const char *host)
{
    ck_assert_ptr_nonnull(ef_resolve(resolver, host, on_resolved, &got));
    ck_assert_int_eq(got.calls, 0);
    ef_loop_run(loop);
    ck_assert_int_eq(got.calls, 1);
}

static bool has(const char *address)
{
    for (int i = 0; i < got.count; i++)
        if (strcmp(got.addresses[i], address) == 0)
            return true;
    return false;
}

static const char *const literals[] = {"127.0.0.1",     "255.255.255.255",    "::1",
                                       "2001:db8::1:2", "::ffff:192.0.2.128", "fe80::1%lo"};

START_TEST(a_literal_comes_back_as_it_is)
{
    look_up(literals[_i]);
    ck_assert(!got.failed);
    ck_assert_int_eq(got.count, 1);
    ck_assert_str_eq(got.addresses[0], literals[_i]);
    ck_assert_int_eq(server.queries, 0);
}
END_TEST

START_TEST(localhost_is_found_without_a_name_server)
{
    look_up("localhost");
    ck_assert_msg(!got.failed, "%s", got.err.text);
    ck_assert(has("127.0.0.1") || has("::1"));
    ck_assert_int_eq(server.queries, 0);
}
END_TEST

START_TEST(both_families_come_without_repeats)
{
    look_up("two.test");
    ck_assert_msg(!got.failed, "%s", got.err.text);
    ck_assert_int_eq(got.count, 3);
    ck_assert(has("192.0.2.1") && has("192.0.2.2") && has("2001:db8::1"));
}
END_TEST

static const struct {
    const char *host, *words;
} failures[] = {
    {"nx.invalid", "\"nx.invalid\": Domain name not found"},
    {"broken.test", "\"broken.test\": "},
    {"empty.test", "\"empty.test\": "},
    {"", "\"\": "},
};

START_TEST(a_failed_lookup_is_an_outage_with_the_reason)
{
    look_up(failures[_i].host);
    ck_assert(got.failed);
    ck_assert_int_eq(got.count, 0);
    ck_assert_int_eq(got.err.class, EF_CLASS_OUTAGE);
    ck_assert_msg(strstr(got.err.text, "could not resolve host ") == got.err.text, "%s",
                  got.err.text);
    ck_assert_msg(strstr(got.err.text, failures[_i].words) != NULL, "%s", got.err.text);
}
END_TEST

START_TEST(a_silent_server_ends_at_the_deadline)
{
    ef_resolver_set_timeout(resolver, 200 * EF_MS_US);
    ef_mono began = ef_clock_mono();
    look_up("silent.test");
    ck_assert(got.failed);
    ck_assert_int_ge(server.queries, 1);
    ck_assert_int_ge(ef_clock_mono().us - began.us, 190 * EF_MS_US);
    ck_assert_str_eq(got.err.text, "could not resolve host \"silent.test\": no answer in time");
}
END_TEST

START_TEST(a_silent_server_is_asked_again)
{
    server.stop_after = 4; /* two families, twice each */
    struct ef_resolve *silent = ef_resolve(resolver, "silent.test", on_resolved, &got);
    ef_loop_run(loop);
    ck_assert_int_eq(server.queries, 4);
    ck_assert_int_eq(got.calls, 0);
    ef_resolve_cancel(silent);
}
END_TEST

START_TEST(a_cancelled_lookup_calls_nobody)
{
    struct ef_resolve *silent = ef_resolve(resolver, "silent.test", on_resolved, &got);
    struct ef_resolve *hosts = ef_resolve(resolver, "localhost", on_resolved, &got);
    struct ef_resolve *literal = ef_resolve(resolver, "127.0.0.1", on_resolved, &got);
    ef_resolve_cancel(hosts);
    ef_resolve_cancel(literal);
    look_up("two.test"); /* turns the loop */
    ef_resolve_cancel(silent);
    ck_assert_int_eq(got.calls, 1);
    ck_assert_int_eq(got.count, 3);
}
END_TEST

START_TEST(lookups_still_open_end_with_the_resolver)
{
    ef_resolve(resolver, "silent.test", on_resolved, &got);
    ef_resolve(resolver, "127.0.0.1", on_resolved, &got);
    ef_resolver_free(resolver);
    resolver = ef_resolver_new(loop);
    ef_resolver_set_servers(resolver, server.address);
    look_up("two.test");
    ck_assert_int_eq(got.calls, 1);
}
END_TEST

static int many_calls;

static void on_many(void *arg, const char *const *addresses, int count, const struct ef_error *err)
{
    (void)arg;
    ck_assert_ptr_null(err);
    ck_assert_int_eq(count, 3);
    ck_assert_ptr_nonnull(addresses[2]);
    if (++many_calls == 20)
        ef_loop_stop(loop);
}

START_TEST(many_lookups_run_at_once)
{
    many_calls = 0;
    for (int i = 0; i < 20; i++)
        ef_resolve(resolver, "two.test", on_many, NULL);
    ef_loop_run(loop);
    ck_assert_int_eq(many_calls, 20);
}
END_TEST

static void on_first(void *arg, const char *const *addresses, int count, const struct ef_error *err)
{
    (void)addresses;
    (void)count;
    (void)err;
    ef_resolve(resolver, "127.0.0.1", on_resolved, arg);
}

START_TEST(a_lookup_can_start_another_from_its_callback)
{
    ef_resolve(resolver, "nx.invalid", on_first, &got);
    ef_loop_run(loop);
    ck_assert_int_eq(got.calls, 1);
    ck_assert(has("127.0.0.1"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolver");
    TCase *tcase = tcase_create("lookups");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_literal_comes_back_as_it_is, 0,
                        sizeof(literals) / sizeof(literals[0]));
    tcase_add_test(tcase, localhost_is_found_without_a_name_server);
    tcase_add_test(tcase, both_families_come_without_repeats);
    tcase_add_loop_test(tcase, a_failed_lookup_is_an_outage_with_the_reason, 0,
                        sizeof(failures) / sizeof(failures[0]));
    tcase_add_test(tcase, a_silent_server_ends_at_the_deadline);
    tcase_add_test(tcase, a_silent_server_is_asked_again);
    tcase_add_test(tcase, a_cancelled_lookup_calls_nobody);
    tcase_add_test(tcase, lookups_still_open_end_with_the_resolver);
    tcase_add_test(tcase, many_lookups_run_at_once);
    tcase_add_test(tcase, a_lookup_can_start_another_from_its_callback);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
