// SPDX-License-Identifier: MIT
#include "ctl/my_url.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *const schemes[] = {"mysql://", "mariadb://"};

static const char *after_scheme(const char *text)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            return text + strlen(schemes[i]);
    return NULL;
}

bool ef_my_url_is(const char *text)
{
    return after_scheme(text) != NULL;
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *found = c ? strchr(digits, c | 0x20) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* A part with its percent signs decoded; NULL for a bad one or a NUL byte. */
static char *decode(struct ef_slice part)
{
    char *out = ef_xmalloc(part.len + 1), *to = out;
    for (size_t i = 0; i < part.len; i++) {
        int value = (unsigned char)part.p[i];
        if (value == '%') {
            bool whole = i + 2 < part.len;
            int high = whole ? hex(part.p[i + 1]) : -1, low = whole ? hex(part.p[i + 2]) : -1;
            value = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (value == 0) {
            free(out);
            return NULL;
        }
        *to++ = (char)value;
    }
    *to = '\0';
    return out;
}

/* What is before the first (or last) of these characters; *rest is what follows it, p NULL if there
 * is none. */
static struct ef_slice split(struct ef_slice text, char at, bool last, struct ef_slice *rest)
{
    const char *found = last ? memrchr(text.p, at, text.len) : memchr(text.p, at, text.len);
    *rest = (struct ef_slice){NULL, 0};
    if (!found)
        return text;
    *rest = (struct ef_slice){found + 1, text.len - (size_t)(found + 1 - text.p)};
    return (struct ef_slice){text.p, (size_t)(found - text.p)};
}

static bool take_user(struct ef_slice text, struct ef_my_url *url)
{
    struct ef_slice password, user = split(text, ':', false, &password);
    url->user = decode(user);
    if (password.p)
        url->password = decode(password);
    return url->user && (!password.p || url->password);
}

static bool take_host(struct ef_slice text, struct ef_my_url *url)
{
    struct ef_slice port, host;
    if (text.len && text.p[0] == '[') {
        host = split((struct ef_slice){text.p + 1, text.len - 1}, ']', false, &port);
        if (!port.p || (port.len && port.p[0] != ':'))
            return false;
        port = port.len ? (struct ef_slice){port.p + 1, port.len - 1} : (struct ef_slice){NULL, 0};
    } else {
        host = split(text, ':', false, &port);
    }
    for (size_t i = 0; port.p && i < port.len; i++) {
        if (port.p[i] < '0' || port.p[i] > '9' || url->port > 65535)
            return false;
        url->port = url->port * 10 + (unsigned)(port.p[i] - '0');
    }
    if (url->port > 65535 || (port.p && url->port == 0))
        return false;
    url->host = host.len ? decode(host) : ef_xstrdup("127.0.0.1");
    return url->host != NULL;
}

static bool take_options(struct ef_slice text, struct ef_my_url *url)
{
    while (text.len) {
        struct ef_slice rest, value;
        struct ef_slice name = split(split(text, '&', false, &rest), '=', false, &value);
        char **into = ef_slice_eq(name, ef_slice_of("socket"))     ? &url->socket
                      : ef_slice_eq(name, ef_slice_of("ssl-mode")) ? &url->tls
                                                                   : NULL;
        if (!into || *into || !value.p || !(*into = decode(value)))
            return false;
        text = rest;
    }
    return true;
}

bool ef_my_url_parse(const char *text, struct ef_my_url *ret, struct ef_error *err)
{
    const char *begin = after_scheme(text);
    struct ef_my_url url = {0};
    if (!begin)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "the database's URL does not begin with mysql:// or mariadb://");
    struct ef_slice options, database, where, host;
    struct ef_slice path = split(ef_slice_of(begin), '?', false, &options);
    struct ef_slice authority = split(path, '/', false, &database);
    where = split(authority, '@', true, &host);
    bool ok = (!host.p || take_user(where, &url)) && take_host(host.p ? host : where, &url) &&
              (!options.p || take_options(options, &url));
    if (ok && database.len) {
        url.database = decode(database);
        ok = url.database != NULL;
    }
    if (ok) {
        *ret = url;
        return true;
    }
    ef_my_url_done(&url);
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "the database's URL is not of the form mysql://user:password@host:port/"
                        "database?socket=...&ssl-mode=...");
}

void ef_my_url_done(struct ef_my_url *url)
{
    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    free(url->user);
    free(url->password);
    free(url->host);
    free(url->database);
    free(url->socket);
    free(url->tls);
    *url = (struct ef_my_url){0};
}
