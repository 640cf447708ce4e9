// SPDX-License-Identifier: MIT
/*
 * Whole HTTP requests through the real server, over a loopback connection: request line, headers,
 * bodies, several requests on one connection, what is no HTTP at all. Beyond "no crash": every
 * answer is one of those that are meant, ours carry the security headers, a request without GET or
 * HEAD is not served, nothing has an effect, and the server goes on.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/http.h"
#include "base/log.h"
#include "fuzz/require.h"
#include "unit/fake_view.h"

enum {
    REQUEST_MAX_BYTES = 64 * 1024,
    PATIENCE_US = 20 * 1000 * 1000,
    IDLE_TURNS = 16,
    PROBE_EVERY =
        64, /* connections the server takes at a time: had it lost them, it would be full */
};

static struct ef_admin *admin;
static struct ef_http *http;
static struct {
    int fd;
    const char *data;
    size_t size, sent;
    int idle_turns;
    struct ef_io io;
    struct ef_timer patience;
    struct ef_buf got;
} client;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void too_long(void *arg)
{
    (void)arg;
    abort(); /* the server neither answered nor closed */
}

static void finish(void)
{
    ef_io_stop(&client.io);
    ef_loop_stop(fake.loop);
}

/* The connection stays writable, so that this runs in each turn of the loop: the turns in which
 * nothing came tell when the server has nothing more to say. A FIN in place of that would make it
 * wait: libmicrohttpd overlooks one that arrives together with data until its time limit. */
static void on_client(void *arg, int events)
{
    char part[16384];
    (void)arg;
    (void)events;
    ssize_t sent = send(client.fd, client.data + client.sent, client.size - client.sent,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        client.sent += (size_t)sent;
    else if (sent < 0 && errno != EAGAIN)
        client.sent = client.size; /* refused before it was read to its end */
    ssize_t n = recv(client.fd, part, sizeof(part), MSG_DONTWAIT);
    if (n > 0)
        ef_buf_add(&client.got, part, (size_t)n);
    client.idle_turns = n > 0 || sent > 0 ? 0 : client.idle_turns + 1;
    if (n == 0 || (n < 0 && errno != EAGAIN) || client.idle_turns == IDLE_TURNS)
        finish();
}

static void dial(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger at_once = {.l_onoff = 1}; /* thousands a second would use up the ports */
    addr.sin_port = htons((in_port_t)atoi(strrchr(ef_http_listening(http), ':') + 1));
    client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(client.fd >= 0);
    setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    require(connect(client.fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
}

static void start(void)
{
    static char *names[] = {"metrics.example.org"};
    struct ef_strings hosts = {names, 1};
    struct ef_error err;
    ef_log_setup(EF_LOG_ERROR, EF_LOG_LOGFMT, false);
    fake_setup();
    admin = ef_admin_new(&(struct ef_admin_options){
        .loop = fake.loop, .view = &fake.view, .librdkafka = "2.0.2", .libpq = "15.20"});
    http = ef_http_start(fake.loop, admin, "127.0.0.1:0", &hosts, &err);
    require(http != NULL);
    ef_io_init(&client.io, fake.loop, "test", on_client, NULL);
    ef_timer_init(&client.patience, fake.loop, "test", too_long, NULL);
    ef_buf_init(&client.got, 1 << 24);
}

static bool known(int status)
{
    static const int statuses[] = {200, 400, 404, 405, 413, 414, 421, 431, 500, 501, 503, 505};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i] == status)
            return true;
    return false;
}

/* libmicrohttpd's own refusals are short pages of its own. */
static bool is_ours(const char *head, size_t len)
{
    return memmem(head, len, "Content-Security-Policy: ", 25) != NULL;
}

static size_t body_bytes(const char *head, size_t len)
{
    const char *at = memmem(head, len, "\r\nContent-Length: ", 18);
    return at ? strtoul(at + 18, NULL, 10) : 0;
}

static void check_head(const char *head, size_t len, int status)
{
    require(known(status));
    if (status == 200 || status == 404 || status == 405 || status == 421 || status == 503)
        require(is_ours(head, len));
    if (is_ours(head, len)) {
        require(memmem(head, len, "X-Content-Type-Options: nosniff", 31) != NULL);
        require(memmem(head, len, "Cache-Control: no-store", 23) != NULL);
    }
    if (status == 200)
        /* a NUL may stand behind: libmicrohttpd hands the method on as a C string */
        require(memmem(client.data, client.size, "GET", 3) ||
                memmem(client.data, client.size, "HEAD", 4));
}

/* The answers, one behind the other; an answer to HEAD names a length that does not follow. */
static void check_answers(void)
{
    const char *at = client.got.data, *end = at + client.got.len;
    bool heads = memmem(client.data, client.size, "HEAD", 4) != NULL;
    while (at < end) {
        if (strncmp(at, "HTTP/1.", 7) != 0) {
            require(strncmp(at, "HTTP/", 5) != 0);
            return; /* cut: the client's reset came first */
        }
        int status = atoi(at + 9);
        const char *blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        if (status == 100) {
            require(blank != NULL);
            at = blank + 4;
            continue;
        }
        size_t len = blank ? (size_t)(blank - at) : (size_t)(end - at);
        check_head(at, len, status);
        if (!blank)
            return;
        size_t body = body_bytes(at, len + 2);
        at = blank + 4;
        if (heads && (at == end || strncmp(at, "HTTP/1.", 7) == 0))
            continue;
        if (body > (size_t)(end - at))
            return;
        at += body;
    }
}

static void talk(const char *data, size_t size)
{
    client.data = data;
    client.size = size;
    client.sent = 0;
    client.idle_turns = 0;
    ef_buf_clear(&client.got);
    dial();
    ef_io_start(&client.io, client.fd, EF_IO_READ | EF_IO_WRITE);
    ef_timer_start(&client.patience, PATIENCE_US);
    ef_loop_run(fake.loop);
    ef_timer_stop(&client.patience);
    close(client.fd);
}

/* The server goes on, whatever it was sent before. */
static void probe(void)
{
    static const char request[] =
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static const char answer[] = "HTTP/1.1 200 OK\r\n";
    talk(request, sizeof(request) - 1);
    require(client.got.len > sizeof(answer) &&
            memcmp(client.got.data, answer, sizeof(answer) - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned runs;
    if (!http)
        start();
    talk((const char *)data, size < REQUEST_MAX_BYTES ? size : REQUEST_MAX_BYTES);
    if (client.got.len)
        check_answers();
    for (int i = 0; i < 3; i++)
        require(fake.relays[i].pauses + fake.relays[i].resumes + fake.relays[i].drains == 0);
    require(fake.reloads == 0);
    if (runs++ % PROBE_EVERY == 0)
        probe();
    return 0;
}
