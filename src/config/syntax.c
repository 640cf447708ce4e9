// SPDX-License-Identifier: MIT
#include "config/syntax.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/str.h"

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum { NAME_MAX_BYTES = 63, TOPIC_MAX_BYTES = 249 };

static bool refuse(struct ef_error *err, const char *reason)
{
    return ef_error_set(err, EF_CLASS_CONFIG, "%s", reason);
}

static bool only(const char *text, const char *accepted)
{
    return text[strspn(text, accepted)] == '\0';
}

bool ef_syntax_nonempty(const char *text, struct ef_error *err)
{
    return text[0] ? true : refuse(err, "is empty");
}

bool ef_syntax_name(const char *text, struct ef_error *err)
{
    if (!text[0] || strlen(text) > NAME_MAX_BYTES || !only(text, ALNUM "_.-") ||
        strchr("_.-", text[0]))
        return refuse(err,
                      "is not a name: 1 to 63 of A-Z a-z 0-9 _ . - with a letter or digit first");
    return true;
}

bool ef_syntax_instance(const char *text, struct ef_error *err)
{
    if (!text[0] || strlen(text) > NAME_MAX_BYTES || !only(text, ALNUM "_.:@-"))
        return refuse(err, "is not accepted; use 1 to 63 of A-Z a-z 0-9 _ . : @ -");
    return true;
}

static bool is_port(const char *text, long min)
{
    char *end;
    if (!text[0] || !only(text, "0123456789") || strlen(text) > 5)
        return false;
    long port = strtol(text, &end, 10);
    return port >= min && port <= 65535;
}

/* Splits off the port: points *port at it, or at NULL. False if brackets do not match. */
static bool split_host(const char *text, size_t *host_len, const char **port)
{
    *port = NULL;
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (!close || close == text + 1 || (close[1] && close[1] != ':'))
            return false;
        *host_len = (size_t)(close + 1 - text);
        *port = close[1] ? close + 2 : NULL;
        size_t inside = strspn(text + 1, "0123456789abcdefABCDEF:.%" ALNUM);
        return inside + 2 == *host_len;
    }
    const char *colon = strchr(text, ':');
    *host_len = colon ? (size_t)(colon - text) : strlen(text);
    *port = colon ? colon + 1 : NULL;
    return *host_len == 0 || strspn(text, ALNUM "._-*") >= *host_len;
}

bool ef_syntax_broker(const char *text, struct ef_error *err)
{
    const char *scheme = strstr(text, "://"), *port;
    size_t host_len;
    if (scheme)
        text = scheme + 3;
    if (!split_host(text, &host_len, &port) || host_len == 0 || memchr(text, '*', host_len) ||
        (port && !is_port(port, 1)))
        return refuse(err, "is not a broker; write host:port, for example kafka-1:9092, "
                           "or embedded alone");
    return true;
}

/* What can be listened on without asking a name server (admin/http_host.c takes the same). */
static bool is_address(const char *text, size_t len)
{
    char host[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    bool brackets = text[0] == '[';
    const char *begin = text + brackets;
    len -= brackets ? 2 : 0;
    if (len >= sizeof(host))
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    return inet_pton(brackets ? AF_INET6 : AF_INET, host, bytes) == 1 ||
           (!brackets && strcasecmp(host, "localhost") == 0);
}

bool ef_syntax_listen(const char *text, struct ef_error *err)
{
    size_t host_len;
    const char *port;
    if (only(text, "0123456789") && text[0])
        return refuse(err, "has no address; write 127.0.0.1:PORT for this machine only, "
                           "0.0.0.0:PORT for every network");
    if (!split_host(text, &host_len, &port) || !port || !is_port(port, 0) ||
        !is_address(text, host_len))
        return refuse(err, "is not an address and port; write 127.0.0.1:9464, [::1]:9464 or "
                           "0.0.0.0:9464");
    return true;
}

bool ef_syntax_is_loopback(const char *listen)
{
    char host[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    if (strncasecmp(listen, "localhost:", 10) == 0 || strncmp(listen, "127.", 4) == 0)
        return true;
    size_t len = strcspn(listen, "]");
    if (listen[0] != '[' || len > sizeof(host))
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)len - 1, listen + 1);
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool ef_syntax_host(const char *text, struct ef_error *err)
{
    size_t host_len;
    const char *port;
    if (!split_host(text, &host_len, &port) || host_len == 0 || memchr(text, '*', host_len) ||
        (port && !is_port(port, 1)))
        return refuse(err, "is not a host name");
    return true;
}

/* Kafka's own rule: org.apache.kafka.common.internals.Topic, 249 of [a-zA-Z0-9._-], not "." or
 * "..". */
static bool topic_chars(const char *text, size_t len, const char *accepted)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(accepted, text[i]))
            return false;
    return true;
}

bool ef_syntax_topic_pattern(const char *text, struct ef_error *err)
{
    static const char variable[] = "${topic}";
    const char *p = text, *at;
    bool chars = text[0] != '\0' && strlen(text) <= TOPIC_MAX_BYTES;
    if (strcmp(text, variable) == 0)
        return refuse(err, "would send dead letters to the topic they failed on; "
                           "write for example \"${topic}.dlq\"");
    while ((at = strstr(p, variable))) {
        chars = chars && topic_chars(p, (size_t)(at - p), ALNUM "._-");
        p = at + sizeof(variable) - 1;
    }
    if (!chars || !topic_chars(p, strlen(p), ALNUM "._-") || strcmp(text, ".") == 0 ||
        strcmp(text, "..") == 0)
        return refuse(err, "is not a topic name: 1 to 249 of A-Z a-z 0-9 . _ - and ${topic}");
    if (strncmp(text, "__", 2) == 0)
        return refuse(err, "is not accepted: topics that begin with __ are Kafka's own");
    return true;
}

bool ef_syntax_topic_glob(const char *text, struct ef_error *err)
{
    if (!text[0] || strlen(text) > TOPIC_MAX_BYTES || !only(text, ALNUM "._-*"))
        return refuse(err, "is not a topic name or pattern: 1 to 249 of A-Z a-z 0-9 . _ - and * "
                           "for any characters");
    return true;
}

/* A name of MySQL's (64 characters of four bytes at most) and a header's. */
enum { COLUMN_MAX_BYTES = 512 };

bool ef_syntax_header_column(const char *text, struct ef_error *err)
{
    const char *colon = strchr(text, ':');
    if (!text[0] || colon == text || (colon && !colon[1]) || strlen(text) > COLUMN_MAX_BYTES)
        return refuse(err, "names no column and header; write for example \"type:eventType\"");
    return true;
}

bool ef_syntax_url(const char *text, struct ef_error *err)
{
    static const char *const schemes[] = {"postgresql://", "postgres://", "mysql://", "mariadb://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return refuse(err, "must begin with postgresql://, as in postgresql://relay@db.example/shop");
}

bool ef_syntax_socket(const char *text, struct ef_error *err)
{
    struct sockaddr_un address;
    if (text[0] && text[0] != '/')
        return refuse(err, "is not an absolute path; \"\" turns the socket off");
    if (strlen(text) >= sizeof(address.sun_path))
        return refuse(err, "is too long for a socket: at most 107 bytes");
    return true;
}
