// SPDX-License-Identifier: MIT
#include "loop/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/str.h"

/* c-ares asks each server for 2 s, then once more for longer: within our own limit for two servers.
 */
enum { TIMEOUT_S = 10, TRY_MS = 2000, TRIES = 2, ADDRESSES_MAX = 64 };

struct ef_resolver {
    struct ef_loop *loop;
    int64_t timeout_us;
    const char *servers; /* borrowed; NULL: resolv.conf's */
    struct ef_resolve *open;
};

struct query_socket { /* one of a channel's descriptors (its own) */
    struct query_socket *prev, *next;
    struct ef_resolve *resolve;
    int fd;
    struct ef_io io;
};

struct ef_resolve {
    struct ef_resolve *prev, *next; /* in resolver->open */
    struct ef_resolver *resolver;
    char *host;
    ef_resolve_fn *fn;
    void *arg;
    ares_channel channel; /* NULL: a literal, or it could not be made */
    struct query_socket *sockets;
    struct ef_timer retry; /* when c-ares wants to look at its own timeouts */
    struct ef_timer deadline;
    struct ef_deferred finish;
    bool answered; /* addresses or status are set; finish is on its way */
    bool expired;  /* by our deadline */
    int status;    /* ARES_* */
    char *addresses[ADDRESSES_MAX];
    int count;
};

static void on_finish(void *arg);
static void on_retry(void *arg);
static void on_deadline(void *arg);

struct ef_resolver *ef_resolver_new(struct ef_loop *loop)
{
    ares_library_init(ARES_LIB_INIT_ALL); /* counted; does nothing on Unix */
    struct ef_resolver *resolver = ef_xcalloc(1, sizeof(*resolver));
    resolver->loop = loop;
    resolver->timeout_us = TIMEOUT_S * EF_S_US;
    return resolver;
}

void ef_resolver_free(struct ef_resolver *resolver)
{
    if (!resolver)
        return;
    while (resolver->open)
        ef_resolve_cancel(resolver->open);
    free(resolver);
    ares_library_cleanup();
}

void ef_resolver_set_timeout(struct ef_resolver *resolver, int64_t timeout_us)
{
    resolver->timeout_us = timeout_us;
}

void ef_resolver_set_servers(struct ef_resolver *resolver, const char *servers)
{
    resolver->servers = servers;
}

/* Whatever the answer is, it is given from the loop. */
static void answer(struct ef_resolve *resolve, int status)
{
    if (resolve->answered)
        return;
    resolve->answered = true;
    resolve->status = status;
    ef_defer(&resolve->finish);
}

static void add_address(struct ef_resolve *resolve, const char *address)
{
    for (int i = 0; i < resolve->count; i++)
        if (strcmp(resolve->addresses[i], address) == 0)
            return;
    if (resolve->count < ADDRESSES_MAX)
        resolve->addresses[resolve->count++] = ef_xstrdup(address);
}

static void on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct ef_resolve *resolve = arg;
    (void)timeouts;
    for (struct ares_addrinfo_node *node = result ? result->nodes : NULL;
         node && !resolve->answered; node = node->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const void *raw = node->ai_family == AF_INET
                              ? (const void *)&((struct sockaddr_in *)node->ai_addr)->sin_addr
                              : (const void *)&((struct sockaddr_in6 *)node->ai_addr)->sin6_addr;
        if (inet_ntop(node->ai_family, raw, text, sizeof(text)))
            add_address(resolve, text);
    }
    if (result)
        ares_freeaddrinfo(result);
    /* a name can exist without an address */
    answer(resolve, status == ARES_SUCCESS && resolve->count == 0 ? ARES_ENODATA : status);
}

static void arm_retry(struct ef_resolve *resolve)
{
    struct timeval left;
    if (!resolve->answered && ares_timeout(resolve->channel, NULL, &left))
        ef_timer_start(&resolve->retry, left.tv_sec * EF_S_US + left.tv_usec);
    else
        ef_timer_stop(&resolve->retry);
}

static void on_socket(void *arg, int events)
{
    struct query_socket *sock = arg;
    struct ef_resolve *resolve = sock->resolve;
    int fd = sock->fd;
    /* may close and free this socket, not the lookup */
    ares_process_fd(resolve->channel, events & EF_IO_READ ? fd : ARES_SOCKET_BAD,
                    events & EF_IO_WRITE ? fd : ARES_SOCKET_BAD);
    arm_retry(resolve);
}

static void drop_socket(struct query_socket *sock)
{
    ef_io_stop(&sock->io);
    DL_DELETE(sock->resolve->sockets, sock);
    free(sock);
}

/* c-ares says what it waits for on a descriptor; nothing: it is about to close it. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct ef_resolve *resolve = arg;
    struct query_socket *sock;
    DL_FOREACH (resolve->sockets, sock) {
        if (sock->fd == fd)
            break;
    }
    if (!readable && !writable) {
        if (sock)
            drop_socket(sock);
        return;
    }
    if (!sock) {
        sock = ef_xcalloc(1, sizeof(*sock));
        sock->resolve = resolve;
        sock->fd = fd;
        ef_io_init(&sock->io, resolve->resolver->loop, "loop", on_socket, sock);
        DL_APPEND(resolve->sockets, sock);
    }
    ef_io_start(&sock->io, fd, (readable ? EF_IO_READ : 0) | (writable ? EF_IO_WRITE : 0));
}

static bool is_literal(const char *host)
{
    struct in6_addr raw;
    if (inet_pton(AF_INET, host, &raw) == 1 || inet_pton(AF_INET6, host, &raw) == 1)
        return true;
    const char *scope = strchr(host, '%'); /* fe80::1%eth0 */
    char address[INET6_ADDRSTRLEN];
    size_t len = scope ? (size_t)(scope - host) : 0;
    if (!scope || !scope[1] || len >= sizeof(address))
        return false;
    memcpy(address, host, len);
    address[len] = '\0';
    return inet_pton(AF_INET6, address, &raw) == 1;
}

static void ask(struct ef_resolve *resolve)
{
    struct ares_options options = {.timeout = TRY_MS,
                                   .tries = TRIES,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = resolve};
    int status = ares_init_options(&resolve->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        resolve->channel = NULL;
        answer(resolve, status);
        return;
    }
    if (resolve->resolver->servers) {
        status = ares_set_servers_ports_csv(resolve->channel, resolve->resolver->servers);
        if (status != ARES_SUCCESS) {
            answer(resolve, status);
            return;
        }
    }
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(resolve->channel, resolve->host, NULL, &hints, on_addrinfo, resolve);
    arm_retry(resolve);
}

struct ef_resolve *ef_resolve(struct ef_resolver *resolver, const char *host, ef_resolve_fn *fn,
                              void *arg)
{
    struct ef_resolve *resolve = ef_xcalloc(1, sizeof(*resolve));
    resolve->resolver = resolver;
    resolve->host = ef_xstrdup(host);
    resolve->fn = fn;
    resolve->arg = arg;
    ef_timer_init(&resolve->retry, resolver->loop, "loop", on_retry, resolve);
    ef_timer_init(&resolve->deadline, resolver->loop, "loop", on_deadline, resolve);
    ef_deferred_init(&resolve->finish, resolver->loop, "loop", on_finish, resolve);
    DL_APPEND(resolver->open, resolve);
    if (!host[0]) {
        answer(resolve, ARES_EBADNAME);
    } else if (is_literal(host)) {
        add_address(resolve, host);
        answer(resolve, ARES_SUCCESS);
    } else {
        ef_timer_start(&resolve->deadline, resolver->timeout_us);
        ask(resolve);
    }
    return resolve;
}

static void on_retry(void *arg)
{
    struct ef_resolve *resolve = arg;
    ares_process_fd(resolve->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_retry(resolve);
}

static void on_deadline(void *arg)
{
    struct ef_resolve *resolve = arg;
    if (resolve->answered)
        return;
    resolve->expired = true;
    answer(resolve, ARES_ETIMEOUT);
}

/* Everything but the memory. on_addrinfo, which ares_destroy calls for what is open, then does
 * nothing. */
static void stop(struct ef_resolve *resolve)
{
    ef_deferred_cancel(&resolve->finish);
    ef_timer_stop(&resolve->retry);
    ef_timer_stop(&resolve->deadline);
    resolve->answered = true;
    if (resolve->channel)
        ares_destroy(resolve->channel); /* closes its descriptors, through on_socket_state */
    resolve->channel = NULL;
    while (resolve->sockets)
        drop_socket(resolve->sockets);
    DL_DELETE(resolve->resolver->open, resolve);
}

static void release(struct ef_resolve *resolve)
{
    for (int i = 0; i < resolve->count; i++)
        free(resolve->addresses[i]);
    free(resolve->host);
    free(resolve);
}

static void on_finish(void *arg)
{
    struct ef_resolve *resolve = arg;
    stop(resolve);
    if (resolve->status == ARES_SUCCESS) {
        resolve->fn(resolve->arg, (const char *const *)resolve->addresses, resolve->count, NULL);
    } else {
        struct ef_error err;
        ef_error_set(&err, EF_CLASS_OUTAGE, "could not resolve host \"%s\": %s", resolve->host,
                     resolve->expired ? "no answer in time" : ares_strerror(resolve->status));
        err.code = resolve->status;
        resolve->fn(resolve->arg, NULL, 0, &err);
    }
    release(resolve);
}

void ef_resolve_cancel(struct ef_resolve *resolve)
{
    stop(resolve);
    release(resolve);
}
