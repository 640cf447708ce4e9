// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "admin"
#include "admin/http.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "admin/events.h"
#include "admin/http_access.h"
#include "admin/http_host.h"
#include "admin/http_routes.h"
#include "base/log.h"
#include "base/str.h"

enum {
    CONNECTION_LIMIT = 64,
    CONNECTION_MEMORY_BYTES = 16 * 1024, /* request line and headers have to fit */
    SILENCE_LIMIT_S = 10,
    REQUEST_LIMIT_US = 30 * 1000 * 1000, /* for clients that send or read a byte at a time */
    SWEEP_EVERY_US = 5 * 1000 * 1000,
    STREAM_BLOCK_BYTES = 8 * 1024, /* of a connection's memory, see above */
    LAST_TURNS = 8,
    NAP_MAX_MS = 1000, /* longest one while libmicrohttpd has a timeout of its own */
};

struct connection {
    int fd;         /* libmicrohttpd's */
    ef_mono due;    /* a request has to be finished by then */
    bool streaming; /* it never is, then */
    struct connection *prev, *next;
};

/* An answer to /events: libmicrohttpd asks for its bytes, and is suspended while there are none. */
struct stream {
    struct ef_http *http;
    struct MHD_Connection *mhd;
    struct connection *connection;
    struct ef_listener *listener; /* NULL: only the headers were asked for */
    bool suspended;
};

struct ef_http {
    struct ef_admin *admin;
    struct MHD_Daemon *mhd;
    struct ef_http_address listen;
    struct ef_strings hosts; /* owned */
    struct ef_http_access access;
    struct ef_events *events;
    struct ef_log_limit refused; /* lines about wrong credentials */
    char listening[64];
    struct connection *connections;
    struct ef_io io;       /* libmicrohttpd's epoll descriptor */
    struct ef_timer timer; /* what it would do without an event (MHD_get_timeout) */
    struct ef_timer sweeper;
};

/* --- running libmicrohttpd on the loop --- */

/* Its epoll use is edge-triggered: work it has left over shows in the timeout only, never on the
 * descriptor. */
static void arm(struct ef_http *http)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(http->mhd, &timeout_ms) != MHD_YES) {
        ef_timer_stop(&http->timer);
        return;
    }
    if (timeout_ms > NAP_MAX_MS)
        timeout_ms = NAP_MAX_MS;
    ef_timer_start(&http->timer, (int64_t)timeout_ms * EF_MS_US);
}

static void turn(struct ef_http *http)
{
    MHD_run(http->mhd);
    arm(http);
}

static void on_event(void *arg, int events)
{
    (void)events;
    turn(arg);
}

static void on_timer(void *arg)
{
    turn(arg);
}

/* --- connections --- */

static ef_mono due_from_now(void)
{
    return (ef_mono){ef_clock_mono().us + REQUEST_LIMIT_US};
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct ef_http *http = arg;
    struct connection *connection = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection = ef_xcalloc(1, sizeof(*connection));
        connection->fd =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        connection->due = due_from_now();
        DL_APPEND(http->connections, connection);
        *context = connection;
        if (!ef_timer_active(&http->sweeper))
            ef_timer_start(&http->sweeper, SWEEP_EVERY_US);
    } else if (connection) {
        DL_DELETE(http->connections, connection);
        free(connection);
        *context = NULL;
    }
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **request,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)request;
    (void)code;
    struct connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!connection)
        return;
    connection->due = due_from_now();
    connection->streaming = false;
}

static void on_sweep(void *arg)
{
    struct ef_http *http = arg;
    struct connection *connection;
    int64_t now_us = ef_clock_mono().us;

    DL_FOREACH (http->connections, connection)
        if (!connection->streaming && connection->due.us <= now_us)
            shutdown(connection->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes */
    turn(http);
    if (http->connections)
        ef_timer_start(&http->sweeper, SWEEP_EVERY_US);
}

/* --- streams --- */

static ssize_t read_stream(void *arg, uint64_t at, char *out, size_t size)
{
    struct stream *stream = arg;
    (void)at;
    ssize_t n = stream->listener ? ef_listener_read(stream->listener, out, size) : -1;
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0) {
        MHD_suspend_connection(stream->mhd);
        stream->suspended = true;
    }
    return n;
}

static void free_stream(void *arg)
{
    struct stream *stream = arg;
    if (stream->listener)
        ef_events_leave(stream->listener);
    free(stream);
}

static void on_ready(void *arg)
{
    struct stream *stream = arg;
    if (!stream->suspended)
        return;
    stream->suspended = false;
    MHD_resume_connection(stream->mhd);
    ef_timer_start(&stream->http->timer, 0);
}

static void on_too_slow(void *arg)
{
    struct stream *stream = arg;
    shutdown(stream->connection->fd, SHUT_RDWR);
    on_ready(stream);
}

static struct MHD_Response *make_stream(struct ef_http *http, struct MHD_Connection *mhd, bool head,
                                        struct ef_answer *answer)
{
    struct stream *stream = ef_xcalloc(1, sizeof(*stream));
    stream->http = http;
    stream->mhd = mhd;
    stream->connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!head) {
        stream->listener = ef_events_join(http->events, stream);
        if (!stream->listener) {
            free(stream);
            ef_http_refuse(503, "too many listen to /events already", answer);
            return NULL;
        }
        stream->connection->streaming = true;
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream, stream, free_stream);
    if (!response)
        free_stream(stream);
    return response;
}

/* --- requests --- */

/* False: there is no memory for one of them. */
static bool add_headers(struct MHD_Response *response, const struct ef_answer *answer)
{
    const char *const headers[][2] = {
        {"Content-Type", answer->type},
        {"Content-Security-Policy", answer->policy},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
        {"X-Accel-Buffering", answer->stream ? "no" : NULL}, /* nginx would hold a stream back */
        {"WWW-Authenticate", answer->challenge},
        {"Allow", "GET, HEAD"}, /* last: of one status only */
    };
    size_t count = sizeof(headers) / sizeof(headers[0]) - (answer->status != 405);
    for (size_t i = 0; i < count; i++)
        if (headers[i][1] &&
            MHD_add_response_header(response, headers[i][0], headers[i][1]) != MHD_YES)
            return false;
    return true;
}

static enum MHD_Result queue(struct MHD_Connection *connection, struct MHD_Response *response,
                             const struct ef_answer *answer)
{
    enum MHD_Result queued = MHD_NO; /* closes: an answer without its protection is none */
    if (add_headers(response, answer))
        queued = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result reply(struct MHD_Connection *connection, struct ef_answer *answer)
{
    /* the response takes the body; for HEAD libmicrohttpd sends its length only */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->body.len, answer->body.data, MHD_RESPMEM_MUST_FREE);
    if (response)
        return queue(connection, response, answer);
    ef_buf_done(&answer->body);
    return MHD_NO;
}

static enum MHD_Result reply_stream(struct ef_http *http, struct MHD_Connection *connection,
                                    bool head, struct ef_answer *answer)
{
    struct MHD_Response *response = make_stream(http, connection, head, answer);
    if (response)
        return queue(connection, response, answer);
    return answer->stream ? MHD_NO : reply(connection, answer);
}

struct header {
    const char *name;
    const char *value; /* of the last one; NULL: there is none */
    int count;
};

static enum MHD_Result see_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct header *header = arg;
    (void)kind;
    if (strcasecmp(name, header->name) == 0) {
        header->value = value ? value : "";
        header->count++;
    }
    return MHD_YES;
}

/* HTTP/1.0 knows no Host header and no browser speaks it; from 1.1 on exactly one is required (RFC
 * 9112, section 3.2). */
static bool host_refused(struct ef_http *http, struct MHD_Connection *connection,
                         const char *version, struct ef_answer *ret)
{
    struct header host = {.name = "Host"};
    MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, &host);
    if (host.count == 0 && strcmp(version, "HTTP/1.0") == 0)
        return false;
    if (host.count != 1) {
        ef_http_refuse(400, "exactly one Host header is wanted", ret);
        return true;
    }
    switch (ef_http_host_check(host.value ? host.value : "", &http->listen, &http->hosts)) {
    case EF_HOST_OK:
        return false;
    case EF_HOST_MALFORMED:
        ef_http_refuse(400, "the Host header is malformed", ret);
        return true;
    default:
        ef_http_refuse(421, "this Host is not served here; http.hosts names the accepted ones",
                       ret);
        return true;
    }
}

static void log_refused(struct ef_http *http, struct MHD_Connection *connection)
{
    char peer[64];
    uint64_t suppressed;
    const struct sockaddr *addr =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    if (!ef_log_allow(&http->refused, 5, 60 * EF_S_US, &suppressed))
        return;
    ef_http_address_print((const struct sockaddr_storage *)addr, peer, sizeof(peer));
    ef_warn("HTTP request with wrong credentials refused", EF_STR("peer", peer),
            EF_INT("suppressed", suppressed));
}

static bool access_refused(struct ef_http *http, struct MHD_Connection *connection,
                           const char *path, struct ef_answer *ret)
{
    struct header authorization = {.name = "Authorization"};
    if (!ef_http_route_guarded(path))
        return false;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, &authorization);
    if (authorization.count > 1) {
        ef_http_refuse(400, "more than one Authorization header", ret);
        return true;
    }
    switch (ef_http_access_check(&http->access, http->listen.loopback, authorization.value)) {
    case EF_ACCESS_OK:
        return false;
    case EF_ACCESS_CLOSED:
        ef_http_refuse(403,
                       "closed on an address that others reach: set http.token_file or "
                       "http.basic_file, or let http.listen be a loopback address",
                       ret);
        return true;
    case EF_ACCESS_WRONG:
        log_refused(http, connection);
        ef_http_refuse(401, "these credentials are not the right ones", ret);
        break;
    default:
        ef_http_refuse(401, "this wants the token of http.token_file or a user of http.basic_file",
                       ret);
    }
    ret->challenge = ef_http_access_challenge(&http->access);
    return true;
}

/* Called once with the headers, then for pieces of a body, then at the end. An answer given before
 * the end closes the connection: right for a refusal (its body is never read), wrong for a scraper.
 */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **request)
{
    static char accepted;
    struct ef_http *http = arg;
    struct ef_answer answer;
    (void)upload;

    if (!*request) {
        if (host_refused(http, connection, version, &answer))
            return reply(connection, &answer);
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
            ef_http_refuse(405, "only GET and HEAD; verbs go over the control socket", &answer);
            return reply(connection, &answer);
        }
        if (access_refused(http, connection, url, &answer))
            return reply(connection, &answer);
        *request = &accepted;
        return MHD_YES;
    }
    if (*upload_bytes) {
        *upload_bytes = 0; /* the body of a GET has no meaning (RFC 9110, section 9.3.1) */
        return MHD_YES;
    }
    ef_http_route(http->admin, url, &answer);
    if (answer.stream)
        return reply_stream(http, connection, strcmp(method, "HEAD") == 0, &answer);
    return reply(connection, &answer);
}

/* Paths are compared as they were sent: "%2e" is not a dot, "%00" ends nothing. */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

/* Clients that break off are no news. */
static void on_mhd_message(void *arg, const char *format, va_list ap) EF_PRINTF(2, 0);
static void on_mhd_message(void *arg, const char *format, va_list ap)
{
    char text[256];
    (void)arg;
    vsnprintf(text, sizeof(text), format, ap);
    text[strcspn(text, "\n")] = '\0';
    ef_debug("http server", EF_STR("said", text));
}

/* --- life --- */

void ef_http_set_hosts(struct ef_http *http, const struct ef_strings *hosts)
{
    struct ef_strings old = http->hosts;
    http->hosts = (struct ef_strings){0};
    if (hosts && hosts->count) {
        http->hosts.items = ef_xcalloc(hosts->count, sizeof(*hosts->items));
        for (size_t i = 0; i < hosts->count; i++)
            http->hosts.items[http->hosts.count++] = ef_xstrdup(hosts->items[i]);
    }
    for (size_t i = 0; i < old.count; i++)
        free(old.items[i]);
    free(old.items);
}

void ef_http_take_access(struct ef_http *http, struct ef_http_access *access)
{
    ef_http_access_done(&http->access);
    http->access = *access;
    *access = (struct ef_http_access){0};
}

static struct MHD_Daemon *start_mhd(struct ef_http *http, int fd)
{
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
                            NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_message,
                            NULL, /* first: it reports on the others */
                            MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)CONNECTION_LIMIT, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)SILENCE_LIMIT_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
                            http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
}

struct ef_http *ef_http_start(struct ef_loop *loop, struct ef_admin *admin, const char *listen,
                              const struct ef_strings *hosts, struct ef_error *err)
{
    struct ef_http_address address;
    if (!ef_http_address_parse(listen, &address, err))
        return NULL;
    int fd = ef_http_bind(&address, err);
    if (fd < 0)
        return NULL;

    struct ef_http *http = ef_xcalloc(1, sizeof(*http));
    http->admin = admin;
    http->listen = address;
    ef_http_set_hosts(http, hosts);
    http->events = ef_events_new(loop, admin,
                                 &(struct ef_events_calls){.ready = on_ready, .drop = on_too_slow});
    ef_io_init(&http->io, loop, "admin", on_event, http);
    ef_timer_init(&http->timer, loop, "admin", on_timer, http);
    ef_timer_init(&http->sweeper, loop, "admin", on_sweep, http);
    socklen_t len = sizeof(address.addr);
    getsockname(fd, (struct sockaddr *)&address.addr, &len);
    ef_http_address_print(&address.addr, http->listening, sizeof(http->listening));
    http->mhd = start_mhd(http, fd);
    if (!http->mhd) {
        ef_error_set(err, EF_CLASS_CONFIG, "could not start the HTTP server on %s",
                     http->listening);
        close(fd);
        ef_http_stop(http);
        return NULL;
    }
    ef_io_start(&http->io, MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
                EF_IO_READ);
    arm(http);
    return http;
}

void ef_http_stop(struct ef_http *http)
{
    if (!http)
        return;
    ef_io_stop(&http->io);
    ef_events_end(http->events);
    if (http->mhd) {
        /* the ends of streams go out; and it must not be stopped with a suspended connection */
        for (int i = 0; i < LAST_TURNS && ef_events_count(http->events) > 0; i++)
            MHD_run(http->mhd);
        MHD_stop_daemon(http->mhd); /* closes the connections and the listening socket */
    }
    ef_events_free(http->events);
    ef_http_access_done(&http->access);
    ef_timer_stop(&http->timer);
    ef_timer_stop(&http->sweeper);
    ef_http_set_hosts(http, NULL);
    free(http);
}

const char *ef_http_listening(const struct ef_http *http)
{
    return http->listening;
}
