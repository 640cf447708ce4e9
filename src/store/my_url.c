// SPDX-License-Identifier: MIT
#include "store/my_url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

static bool refuse(struct ef_error *err, const char *why)
{
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "cannot read the database url: %s; accepted: "
                        "mysql://user@host:port/database?socket=/path",
                        why);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* NULL if a %XX is malformed or stands for NUL. */
static char *decode(const char *s, size_t len)
{
    char *out = ef_xmalloc(len + 1), *to = out;
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '%') {
            *to++ = s[i];
            continue;
        }
        int high = i + 2 < len ? hex(s[i + 1]) : -1;
        int low = high >= 0 ? hex(s[i + 2]) : -1;
        if (low < 0 || (high == 0 && low == 0)) {
            free(out);
            return NULL;
        }
        *to++ = (char)(high * 16 + low);
        i += 2;
    }
    *to = '\0';
    return out;
}

static bool take(const char *s, size_t len, char **ret, struct ef_error *err)
{
    *ret = decode(s, len);
    return *ret || refuse(err, "a % is not followed by two hexadecimal digits");
}

static bool take_user(const char *s, size_t len, struct ef_my_url *url, struct ef_error *err)
{
    const char *colon = memchr(s, ':', len);
    size_t name = colon ? (size_t)(colon - s) : len;
    if (name == 0)
        return refuse(err, "it names no user");
    return take(s, name, &url->user, err) &&
           (!colon || take(colon + 1, len - name - 1, &url->password, err));
}

static bool take_port(const char *s, size_t len, int *ret, struct ef_error *err)
{
    int port = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || port > 65535)
            return refuse(err, "a port is not a number from 1 to 65535");
        port = port * 10 + (s[i] - '0');
    }
    if (port < 1 || port > 65535)
        return refuse(err, "a port is not a number from 1 to 65535");
    *ret = port;
    return true;
}

static bool take_host(const char *s, size_t len, struct ef_my_url *url, struct ef_error *err)
{
    const char *end = s + len, *name = s, *rest;
    if (url->hosts == EF_MY_HOSTS_MAX)
        return refuse(err, "it names more than 16 hosts");
    if (len > 0 && *s == '[') {
        rest = memchr(s, ']', len);
        if (!rest)
            return refuse(err, "an address in brackets does not end");
        name++;
        len = (size_t)(rest - name);
        rest++;
    } else {
        rest = memchr(s, ':', len);
        rest = rest ? rest : end;
        len = (size_t)(rest - s);
    }
    if (len == 0)
        return refuse(err, "it names no host");
    url->port[url->hosts] = EF_MY_PORT;
    if (rest < end && (*rest != ':' ||
                       !take_port(rest + 1, (size_t)(end - rest) - 1, &url->port[url->hosts], err)))
        return *rest == ':' ? false : refuse(err, "an address in brackets goes on after them");
    url->host[url->hosts++] = ef_xstrndup(name, len);
    return true;
}

static bool take_option(const char *s, size_t len, struct ef_my_url *url, struct ef_error *err)
{
    static const char socket[] = "socket=";
    size_t name = sizeof(socket) - 1;
    if (len <= name || strncmp(s, socket, name) != 0)
        return refuse(err, "the only option after a ? is socket");
    if (url->socket)
        return refuse(err, "socket is given twice");
    return take(s + name, len - name, &url->socket, err);
}

static bool parse(const char *text, struct ef_my_url *url, struct ef_error *err)
{
    const char *p = strstr(text, "://");
    if (!p || !((p - text == 5 && strncasecmp(text, "mysql", 5) == 0) ||
                (p - text == 7 && strncasecmp(text, "mariadb", 7) == 0)))
        return refuse(err, "it does not begin with mysql://");
    p += 3;
    /* the first @ before a slash ends the user's part, as in postgresql:// URLs */
    size_t authority = strcspn(p, "/?");
    const char *at = memchr(p, '@', authority);
    if (!at)
        return refuse(err, "it names no user");
    if (!take_user(p, (size_t)(at - p), url, err))
        return false;
    const char *end = p + authority;
    for (p = at + 1;; p++) {
        size_t len = (size_t)(end - p);
        const char *comma = memchr(p, ',', len);
        if (!take_host(p, comma ? (size_t)(comma - p) : len, url, err))
            return false;
        if (!comma)
            break;
        p = comma;
    }
    p = end;
    if (*p == '/') {
        size_t len = strcspn(++p, "?");
        if (len > 0 && !take(p, len, &url->database, err))
            return false;
        p += len;
    }
    while (*p) {
        size_t len = strcspn(++p, "&");
        if (!take_option(p, len, url, err))
            return false;
        p += len;
    }
    return true;
}

bool ef_my_url_parse(const char *text, struct ef_my_url *ret, struct ef_error *err)
{
    *ret = (struct ef_my_url){0};
    if (parse(text, ret, err))
        return true;
    ef_my_url_done(ret);
    return false;
}

void ef_my_url_done(struct ef_my_url *url)
{
    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    free(url->password);
    free(url->user);
    free(url->database);
    free(url->socket);
    for (int i = 0; i < url->hosts; i++)
        free(url->host[i]);
    *url = (struct ef_my_url){0};
}
