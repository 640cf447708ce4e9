// SPDX-License-Identifier: MIT
#include "config/url.h"

#include <string.h>
#include <strings.h>

/*
 * libpq ends the user part at the first @ before a slash. A password with an unescaped @ or slash
 * in it does not connect, but must not be shown either: so the last @ there, else the last before
 * the query.
 */
static struct ef_slice user_password(const char *url)
{
    const char *scheme = strstr(url, "://");
    if (!scheme)
        return (struct ef_slice){0};
    const char *start = scheme + 3;
    size_t authority = strcspn(start, "/");
    const char *at = memrchr(start, '@', authority);
    if (!at)
        at = memrchr(start, '@', authority + strcspn(start + authority, "?"));
    const char *colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
    return colon ? (struct ef_slice){colon + 1, (size_t)(at - colon) - 1} : (struct ef_slice){0};
}

/* libpq's parameters that hold one: password, sslpassword, oauth_client_secret. It decodes names,
 * too: one with a % may be any of them. */
static bool is_secret_parameter(const char *name, size_t len)
{
    if (memchr(name, '%', len))
        return true;
    static const char *const names[] = {"password", "sslpassword", "oauth_client_secret"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && strncasecmp(name, names[i], len) == 0)
            return true;
    return false;
}

static void mask(const char *url, struct ef_buf *out, bool *found)
{
    struct ef_slice password = user_password(url);
    const char *p = url;
    if (password.p && password.len > 0) {
        ef_buf_add(out, p, (size_t)(password.p - p));
        ef_buf_puts(out, EF_MASK);
        p = password.p + password.len;
        *found = true;
    }
    /* wherever a parameter could begin: where the query does depends on a @ that is in doubt */
    for (const char *at = strpbrk(p, "?&"); at; at = strpbrk(at, "?&")) {
        const char *name = ++at;
        size_t len = strcspn(name, "&"), name_len = strcspn(name, "=&?");
        if (name[name_len] == '=' && len > name_len + 1 && is_secret_parameter(name, name_len)) {
            ef_buf_add(out, p, (size_t)(name + name_len + 1 - p));
            ef_buf_puts(out, EF_MASK);
            p = at = name + len;
            *found = true;
        }
    }
    ef_buf_puts(out, p);
}

void ef_url_mask(const char *url, struct ef_buf *out)
{
    bool found = false;
    mask(url, out, &found);
}

bool ef_url_has_password(const char *url)
{
    struct ef_buf scratch;
    bool found = false;
    ef_buf_init(&scratch, strlen(url) * 2 + 64);
    mask(url, &scratch, &found);
    ef_buf_done(&scratch);
    return found;
}
