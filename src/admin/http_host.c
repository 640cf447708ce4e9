// SPDX-License-Identifier: MIT
#include "admin/http_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/str.h"

enum { HOST_MAX_BYTES = 255, BACKLOG = 64 };

/* RFC 9110, section 7.2 and RFC 3986, section 3.2.2: host [":" port], IPv6 in brackets. The host is
 * copied without them; ret_port is the text behind the colon, or NULL. */
static bool split(const char *text, char host[HOST_MAX_BYTES + 1], bool *ret_brackets,
                  const char **ret_port)
{
    const char *begin = text, *end;
    *ret_brackets = text[0] == '[';
    if (*ret_brackets) {
        begin++;
        end = strchr(begin, ']');
        if (!end)
            return false;
    } else {
        end = begin + strcspn(begin, ":");
    }
    size_t len = (size_t)(end - begin);
    if (len > HOST_MAX_BYTES)
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    if (*ret_brackets)
        end++;
    if (*end != '\0' && *end != ':')
        return false;
    *ret_port = *end == ':' ? end + 1 : NULL;
    return true;
}

/* 0 to 65535, digits only. */
static bool parse_port(const char *text, in_port_t *ret)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 5 || text[len] != '\0' || atoi(text) > 65535)
        return false;
    *ret = htons((in_port_t)atoi(text));
    return true;
}

bool ef_http_address_parse(const char *listen, struct ef_http_address *ret, struct ef_error *err)
{
    char host[HOST_MAX_BYTES + 1];
    const char *port_text;
    bool brackets;
    in_port_t port;

    *ret = (struct ef_http_address){0};
    if (!split(listen, host, &brackets, &port_text) || !port_text || !parse_port(port_text, &port))
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot listen on \"%s\": wanted address:port, as in 127.0.0.1:9464 or "
                            "[::1]:9464",
                            listen);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->addr;
    if (!brackets && (host[0] == '\0' || strcmp(host, "*") == 0))
        snprintf(host, sizeof(host), "0.0.0.0");
    else if (!brackets && strcasecmp(host, "localhost") == 0)
        snprintf(host, sizeof(host), "127.0.0.1");
    if (brackets && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = port;
        ret->len = sizeof(*v6);
        ret->any = IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
        ret->loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
        return true;
    }
    if (!brackets && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        ret->len = sizeof(*v4);
        ret->any = v4->sin_addr.s_addr == htonl(INADDR_ANY);
        ret->loopback = ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
        return true;
    }
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "cannot listen on \"%s\": \"%s\" is neither an address nor localhost",
                        listen, host);
}

void ef_http_address_print(const struct sockaddr_storage *addr, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    if (addr->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(out, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(out, size, "%s:%u", host, ntohs(v4->sin_port));
    }
}

int ef_http_bind(const struct ef_http_address *address, struct ef_error *err)
{
    char text[64];
    int on = 1;
    ef_http_address_print(&address->addr, text, sizeof(text));
    int fd = socket(address->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        ef_error_errno(err, EF_CLASS_CONFIG, errno, "could not listen on %s", text);
        return -1;
    }
    /* a restart need not wait for the old connections' TIME_WAIT */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address->addr, address->len) < 0 ||
        listen(fd, BACKLOG) < 0) {
        ef_error_errno(err, EF_CLASS_CONFIG, errno, "could not listen on %s", text);
        close(fd);
        return -1;
    }
    return fd;
}

/* Where the address literal leads; "any" is true for every well-formed one. */
static bool literal_accepted(const char *host, bool brackets, const struct ef_http_address *listen)
{
    if (brackets) {
        struct in6_addr v6;
        const struct sockaddr_in6 *own = (const struct sockaddr_in6 *)&listen->addr;
        if (inet_pton(AF_INET6, host, &v6) != 1)
            return false;
        return listen->any || IN6_IS_ADDR_LOOPBACK(&v6) ||
               (own->sin6_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&v6, &own->sin6_addr));
    }
    struct in_addr v4;
    const struct sockaddr_in *own = (const struct sockaddr_in *)&listen->addr;
    if (inet_pton(AF_INET, host, &v4) != 1)
        return false;
    return listen->any || ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET ||
           (own->sin_family == AF_INET && v4.s_addr == own->sin_addr.s_addr);
}

enum ef_host_check ef_http_host_check(const char *host, const struct ef_http_address *listen,
                                      const struct ef_strings *hosts)
{
    char name[HOST_MAX_BYTES + 1];
    const char *port_text;
    bool brackets;
    in_port_t port;

    if (!split(host, name, &brackets, &port_text) || name[0] == '\0' ||
        (port_text && port_text[0] && !parse_port(port_text, &port)))
        return EF_HOST_MALFORMED;
    if (literal_accepted(name, brackets, listen))
        return EF_HOST_OK;
    if (!brackets && strcasecmp(name, "localhost") == 0)
        return EF_HOST_OK;
    for (size_t i = 0; i < hosts->count; i++) {
        const char *item = hosts->items[i];
        size_t skip = item[0] == '['; /* an IPv6 address may be written either way */
        size_t len = strcspn(item + skip, "]");
        if (strlen(name) == len && strncasecmp(name, item + skip, len) == 0)
            return EF_HOST_OK;
    }
    return EF_HOST_FOREIGN;
}
