// SPDX-License-Identifier: MIT
/* Memory is short while an HTTP request is answered. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/http.h"
#include "base/log.h"
#include "memory/failing.h"
#include "memory/scenarios.h"
#include "unit/fake_view.h"

void memory_prepare(const char *directory)
{
    (void)directory; /* no files */
}

static struct {
    int port, event_fd;
    const char *path;
    char answer[1 << 17], again[4096];
    struct ef_io io;
} client;

static void exchange(const char *path, char *answer, size_t size)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons((in_port_t)client.port)};
    char request[256];
    int len = snprintf(request, sizeof(request),
                       "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t got = 0;
    ssize_t n = -1;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        send(fd, request, (size_t)len, MSG_NOSIGNAL) == len)
        while (got < size - 1 && (n = recv(fd, answer + got, size - 1 - got, 0)) > 0)
            got += (size_t)n;
    answer[got] = '\0';
    close(fd);
}

static void *talk(void *arg)
{
    uint64_t one = 1;
    (void)arg;
    exchange(client.path, client.answer, sizeof(client.answer));
    /* memory is short for the first one only: a second failure would hide what the first one left
     */
    exchange("/livez", client.again, sizeof(client.again));
    if (write(client.event_fd, &one, sizeof(one)) != sizeof(one))
        abort();
    return NULL;
}

static void on_talked(void *arg, int events)
{
    (void)arg;
    (void)events;
    ef_loop_stop(fake.loop);
}

/* An answer has to be whole, and nothing of its protection may be missing. */
static int judge_answer(void)
{
    static const char *const wanted[] = {"Content-Security-Policy: ", "X-Content-Type-Options: ",
                                         "X-Frame-Options: ", "Cache-Control: no-store",
                                         "Content-Type: "};
    const char *answer = client.answer, *length = strstr(answer, "\r\nContent-Length: ");
    const char *body = strstr(answer, "\r\n\r\n");
    if (!answer[0])
        return MEMORY_CLOSED;
    if (strncmp(answer, "HTTP/1.1 5", 10) == 0)
        return MEMORY_REFUSED;
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || !length || !body ||
        strlen(body + 4) != strtoul(length + 18, NULL, 10) || strlen(body + 4) == 0)
        return MEMORY_WRONG;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!strstr(answer, wanted[i]))
            return MEMORY_WRONG;
    return 0;
}

static int request(const char *path)
{
    struct ef_error err;
    pthread_t thread;
    ef_log_setup(EF_LOG_ERROR, EF_LOG_LOGFMT, false);
    fake_setup();
    struct ef_admin *admin = ef_admin_new(&(struct ef_admin_options){.loop = fake.loop,
                                                                     .view = &fake.view,
                                                                     .librdkafka = "2.0.2",
                                                                     .libpq = "15.20",
                                                                     .libmariadb = "3.3.14"});
    struct ef_http *http = ef_http_start(fake.loop, admin, "127.0.0.1:0", NULL, &err);
    if (!http)
        return MEMORY_WRONG;
    client.port = atoi(strrchr(ef_http_listening(http), ':') + 1);
    client.path = path;
    client.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ef_io_init(&client.io, fake.loop, "test", on_talked, NULL);
    ef_io_start(&client.io, client.event_fd, EF_IO_READ);
    if (pthread_create(&thread, NULL, talk, NULL) != 0)
        return MEMORY_WRONG;
    failing_begin();
    ef_loop_run(fake.loop);
    failing_end();
    pthread_join(thread, NULL);
    int result = judge_answer();
    if (result != 0 && !failing_onwards() && strncmp(client.again, "HTTP/1.1 200 ", 13) != 0)
        result = MEMORY_WRONG;
    if (result == MEMORY_WRONG)
        printf("%.2000s\n", client.answer);
    ef_http_stop(http);
    ef_admin_free(admin);
    fake_teardown();
    return result;
}

#define ANSWERED                                                                                   \
    {                                                                                              \
        0, EX_SOFTWARE, MEMORY_CLOSED, MEMORY_REFUSED, -1                                          \
    }

const struct memory_scenario memory_scenarios[] = {
    {"page", request, "/", false, ANSWERED, 1},
    {"metrics", request, "/metrics", false, ANSWERED, 1},
    {"status", request, "/status", false, ANSWERED, 1},
    {"readyz", request, "/readyz", false, ANSWERED, 1},
    {"livez", request, "/livez", false, ANSWERED, 1},
};
const int memory_scenario_count = sizeof(memory_scenarios) / sizeof(memory_scenarios[0]);
