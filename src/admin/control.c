// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "admin"
#include "admin/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "admin/control_request.h"
#include "admin/control_socket.h"
#include "admin/control_verbs.h"
#include "admin/status_json.h"
#include "base/log.h"

enum {
    CLIENTS_MAX = 16,
    SILENCE_LIMIT_US = 30 * 1000 * 1000,
    LOOK_EVERY_US = 1000 * 1000, /* whether a client that waits for its answer is still there */
    IN_MAX_BYTES = EF_CONTROL_LINE_MAX_BYTES + 1, /* and the line feed */
    OUT_MAX_BYTES = 16 * 1024 * 1024,
};

struct client;

/* A request under way. It outlives its client: relays cannot be called back. */
struct errand {
    struct client *client; /* NULL: gone */
};

struct client {
    struct ef_control *control;
    int fd;
    char user[64];
    struct ef_io io;
    struct ef_timer timer;
    struct ef_timer work; /* goes on in the next turn, so that others come in between */
    struct ef_buf in, out;
    size_t written;        /* of out */
    struct errand *errand; /* one at a time */
    bool ended;            /* it sends nothing more */
    struct client *prev, *next;
};

struct ef_control {
    struct ef_loop *loop;
    struct ef_admin *admin;
    char *path;
    int fd;
    struct ef_io io;
    struct ef_timer pause; /* before the next try to accept */
    struct client *clients;
    int client_count;
};

static void client_close(struct client *client)
{
    struct ef_control *control = client->control;
    if (client->errand)
        client->errand->client = NULL;
    ef_io_stop(&client->io);
    ef_timer_stop(&client->timer);
    ef_timer_stop(&client->work);
    close(client->fd);
    ef_buf_done(&client->in);
    ef_buf_done(&client->out);
    DL_DELETE(control->clients, client);
    control->client_count--;
    free(client);
}

static bool pending_output(const struct client *client)
{
    return client->written < client->out.len;
}

/* Wait for what can go on now. While an answer is due no further request is read than fits the
 * buffer. */
static void client_arm(struct client *client)
{
    int events = 0;
    if (!client->ended && client->in.len < client->in.max)
        events |= EF_IO_READ;
    if (pending_output(client))
        events |= EF_IO_WRITE;
    if (events)
        ef_io_start(&client->io, client->fd, events);
    else
        ef_io_stop(&client->io);
    ef_timer_start(&client->timer, client->errand ? LOOK_EVERY_US : SILENCE_LIMIT_US);
}

static void client_answer(struct client *client, json_t *answer)
{
    size_t begin = client->out.len;
    if (!ef_json_write(answer, JSON_COMPACT, &client->out) || !ef_buf_puts(&client->out, "\n")) {
        /* the part that fitted is no line: it must not be sent */
        struct ef_error err;
        client->out.len = begin;
        client->out.overflow = false;
        ef_error_set(&err, EF_CLASS_BUSY, "the answer is larger than %d bytes", OUT_MAX_BYTES);
        json_t *refusal = ef_control_refusal(&err);
        ef_json_write(refusal, JSON_COMPACT, &client->out);
        ef_buf_puts(&client->out, "\n");
        json_decref(refusal);
    }
    json_decref(answer);
}

static void on_answer(void *arg, json_t *answer)
{
    struct errand *errand = arg;
    struct client *client = errand->client;
    free(errand);
    if (!client) {
        json_decref(answer);
        return;
    }
    client->errand = NULL;
    client_answer(client, answer);
    ef_timer_start(&client->work, 0); /* this may run inside of ef_control_do */
}

static void client_refuse(struct client *client, const struct ef_error *err)
{
    client_answer(client, ef_control_refusal(err));
}

static void client_request(struct client *client, const char *line, size_t len)
{
    struct ef_control_request request;
    struct ef_error err;
    if (!ef_control_parse(line, len, &request, &err)) {
        ef_control_request_done(&request);
        client_refuse(client, &err);
        return;
    }
    client->errand = ef_xmalloc(sizeof(*client->errand));
    client->errand->client = client;
    ef_control_do(client->control->admin, &request, client->user, on_answer, client->errand);
    ef_control_request_done(&request);
}

static void client_consume(struct client *client, size_t len)
{
    memmove(client->in.data, client->in.data + len, client->in.len - len);
    client->in.len -= len;
}

/* Take the finished lines, one request at a time. False: the client broke the rules. */
static bool client_requests(struct client *client)
{
    while (client->in.len && !client->errand && !pending_output(client)) {
        char *end = memchr(client->in.data, '\n', client->in.len);
        size_t len = end ? (size_t)(end - client->in.data) : client->in.len;
        if (!end && client->in.len >= client->in.max) {
            struct ef_error err;
            ef_error_set(&err, EF_CLASS_CONFIG, "the request is longer than %d bytes",
                         EF_CONTROL_LINE_MAX_BYTES);
            client_refuse(client, &err);
            return false;
        }
        if (!end && !client->ended)
            return true;
        if (len)
            client_request(client, client->in.data, len);
        client_consume(client, end ? len + 1 : len);
    }
    return true;
}

/* False: the client is gone. */
static bool client_write(struct client *client)
{
    while (pending_output(client)) {
        ssize_t n = send(client->fd, client->out.data + client->written,
                         client->out.len - client->written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        client->written += (size_t)n;
    }
    ef_buf_clear(&client->out);
    client->written = 0;
    return true;
}

/* Both directions closed (unix(7) through poll): nobody is there to read an answer. */
static bool client_gone(const struct client *client)
{
    struct pollfd fd = {.fd = client->fd};
    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR));
}

static bool has_request(const struct client *client)
{
    return client->in.len && (client->ended || memchr(client->in.data, '\n', client->in.len));
}

static void client_go_on(struct client *client)
{
    if (!client_requests(client)) {
        client->ended = true; /* what it sent is no line: nothing behind it can be understood */
        ef_buf_clear(&client->in);
    }
    bool alive = client_write(client);
    bool busy = client->errand || pending_output(client);
    if (!alive || (client->ended && !busy && !has_request(client))) {
        client_close(client);
        return;
    }
    if (!busy && has_request(client))
        ef_timer_start(&client->work, 0);
    client_arm(client);
}

static void on_work(void *arg)
{
    client_go_on(arg);
}

/* False: nothing more will come and nobody reads either. */
static bool client_read(struct client *client)
{
    char part[64 * 1024]; /* the search for a line's end begins anew with each part */
    size_t room = client->in.max - client->in.len;
    ssize_t n = recv(client->fd, part, room < sizeof(part) ? room : sizeof(part), MSG_DONTWAIT);
    if (n > 0)
        ef_buf_add(&client->in, part, (size_t)n);
    else if (n == 0)
        client->ended = true;
    else if (errno != EAGAIN && errno != EINTR)
        return false;
    return !(client->ended && client_gone(client));
}

static void on_client(void *arg, int events)
{
    struct client *client = arg;
    if ((events & EF_IO_READ) && !client->ended && client->in.len < client->in.max &&
        !client_read(client)) {
        client_close(client);
        return;
    }
    client_go_on(client);
}

static void on_silence(void *arg)
{
    struct client *client = arg;
    if (!client->errand || client_gone(client))
        client_close(client);
    else
        ef_timer_start(&client->timer, LOOK_EVERY_US);
}

static void refuse_crowd(int fd)
{
    static const char text[] = "{\"ok\":false,\"class\":\"busy\",\"error\":\"16 clients are "
                               "connected to the control socket already\"}\n";
    /* a new socket's buffer takes a line; who cannot be told is refused all the same */
    ssize_t ignored = send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    close(fd);
}

static void on_pause_over(void *arg)
{
    struct ef_control *control = arg;
    ef_io_start(&control->io, control->fd, EF_IO_READ);
}

static void on_connection(void *arg, int events)
{
    struct ef_control *control = arg;
    (void)events;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            /* the socket stays readable: without a pause the loop would spin */
            ef_io_stop(&control->io);
            ef_timer_start(&control->pause, LOOK_EVERY_US);
        }
        return;
    }
    if (control->client_count >= CLIENTS_MAX) {
        refuse_crowd(fd);
        return;
    }
    struct client *client = ef_xcalloc(1, sizeof(*client));
    client->control = control;
    client->fd = fd;
    ef_control_peer(fd, client->user, sizeof(client->user));
    ef_io_init(&client->io, control->loop, "admin", on_client, client);
    ef_timer_init(&client->timer, control->loop, "admin", on_silence, client);
    ef_timer_init(&client->work, control->loop, "admin", on_work, client);
    ef_buf_init(&client->in, IN_MAX_BYTES);
    ef_buf_init(&client->out, OUT_MAX_BYTES);
    DL_APPEND(control->clients, client);
    control->client_count++;
    client_arm(client);
}

struct ef_control *ef_control_start(struct ef_loop *loop, struct ef_admin *admin, const char *path,
                                    struct ef_error *err)
{
    int fd = ef_control_bind(path, err);
    if (fd < 0)
        return NULL;
    struct ef_control *control = ef_xcalloc(1, sizeof(*control));
    control->loop = loop;
    control->admin = admin;
    control->path = ef_xstrdup(path);
    control->fd = fd;
    ef_io_init(&control->io, loop, "admin", on_connection, control);
    ef_timer_init(&control->pause, loop, "admin", on_pause_over, control);
    ef_io_start(&control->io, fd, EF_IO_READ);
    return control;
}

void ef_control_stop(struct ef_control *control)
{
    struct client *client, *next;
    if (!control)
        return;
    DL_FOREACH_SAFE (control->clients, client, next)
        client_close(client);
    ef_io_stop(&control->io);
    ef_timer_stop(&control->pause);
    ef_control_unlink(control->path, control->fd);
    free(control->path);
    free(control);
}
