// SPDX-License-Identifier: MIT
#include "ctl/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum { ANSWER_MAX_BYTES = 32 * 1024 * 1024 };

static const char *advice(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return "; is eventferryd running, and is this the control.socket of its configuration?";
    case ECONNREFUSED:
        return "; eventferryd left the socket behind, start it again";
    case EACCES:
        return "; root, the daemon's user and the group eventferry-admin may use it";
    default:
        return "";
    }
}

static int dial(const char *path, struct ef_error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(addr.sun_path)) {
        ef_error_set(err, EF_CLASS_CONFIG, "cannot use the socket \"%s\": its path is too long",
                     path);
        return -1;
    }
    memcpy(addr.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    int errnum = errno;
    ef_error_set(err, EF_CLASS_OUTAGE, "no eventferryd answers at \"%s\": %s%s", path,
                 strerror(errnum), advice(errnum));
    ef_error_code(err, errnum, "");
    if (fd >= 0)
        close(fd);
    return -1;
}

bool ef_ctl_nobody_listens(const struct ef_error *err)
{
    return err->class == EF_CLASS_OUTAGE && (err->code == ENOENT || err->code == ECONNREFUSED);
}

/* False: the time is over, or the connection is. A closed one shows with the next read or write. */
static bool wait_for(int fd, short events, ef_mono deadline, struct ef_error *err)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        int64_t left_ms = (deadline.us - ef_clock_mono().us + 999) / 1000;
        int n = poll(&p, 1, left_ms < 0 ? 0 : left_ms > 3600000 ? 3600000 : (int)left_ms);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return ef_error_errno(err, EF_CLASS_FATAL, errno, "could not wait for an answer");
        if (n == 0 && ef_clock_mono().us >= deadline.us)
            return ef_error_set(err, EF_CLASS_UNCERTAIN, "no answer in time");
    }
}

static bool send_line(int fd, const json_t *request, ef_mono deadline, struct ef_error *err)
{
    char *line = json_dumps(request, JSON_COMPACT);
    if (!line)
        return ef_error_set(err, EF_CLASS_CONFIG, "cannot write the request as JSON: not UTF-8?");
    size_t len = strlen(line), sent = 0;
    line[len++] = '\n'; /* in place of the NUL */
    bool ok = true;
    while (ok && sent < len) {
        ok = wait_for(fd, POLLOUT, deadline, err);
        ssize_t n = ok ? send(fd, line + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (n > 0)
            sent += (size_t)n;
        else if (n < 0 && errno == EPIPE)
            break; /* it may have said why before it closed */
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            ok = ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not ask eventferryd");
    }
    free(line);
    return ok;
}

static bool receive_line(int fd, struct ef_buf *line, ef_mono deadline, struct ef_error *err)
{
    char part[16384];
    for (;;) {
        if (!wait_for(fd, POLLIN, deadline, err))
            return false;
        ssize_t n = recv(fd, part, sizeof(part), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not hear eventferryd");
        if (n == 0)
            return ef_error_set(err, EF_CLASS_OUTAGE, "eventferryd hung up without an answer");
        if (!ef_buf_add(line, part, (size_t)n))
            return ef_error_set(err, EF_CLASS_FATAL, "the answer is larger than %d bytes",
                                ANSWER_MAX_BYTES);
        if (part[n - 1] == '\n') /* one question, so nothing comes behind the answer's line */
            return true;
    }
}

static bool exchange(int fd, const json_t *request, int64_t timeout_ms, json_t **ret,
                     struct ef_error *err)
{
    struct ef_buf line;
    json_error_t error;
    ef_mono deadline = {ef_clock_mono().us + timeout_ms * EF_MS_US};
    ef_buf_init(&line, ANSWER_MAX_BYTES);
    bool ok = send_line(fd, request, deadline, err) && receive_line(fd, &line, deadline, err);
    if (ok) {
        *ret = json_loadb(line.data, line.len, 0, &error);
        if (!json_is_object(*ret)) {
            json_decref(*ret);
            ok = ef_error_set(err, EF_CLASS_FATAL, "what answers is no eventferryd");
        }
    }
    ef_buf_done(&line);
    return ok;
}

bool ef_ctl_ask(const char *socket_path, json_t *request, int64_t timeout_ms, json_t **ret,
                struct ef_error *err)
{
    int fd = dial(socket_path, err);
    bool ok = fd >= 0 && exchange(fd, request, timeout_ms, ret, err);
    if (fd >= 0)
        close(fd);
    json_decref(request);
    return ok;
}
