// SPDX-License-Identifier: MIT
#include "admin/http_access.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "config/secret.h"

enum {
    TOKEN_MIN_BYTES = 16,
    TOKEN_MAX_BYTES = 1024,
    USERS_MAX = 64,
    USER_MAX_BYTES = 512,
    FILE_MAX_BYTES = 64 * 1024,
};

/* --- files --- */

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void ef_http_access_done(struct ef_http_access *access)
{
    wipe(access->token);
    for (size_t i = 0; i < access->user_count; i++)
        wipe(access->users[i]);
    free(access->users);
    *access = (struct ef_http_access){0};
}

bool ef_http_access_parse_token(struct ef_http_access *access, const char *text, size_t len,
                                const char *name, struct ef_error *err)
{
    if (len < TOKEN_MIN_BYTES || len > TOKEN_MAX_BYTES)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot use \"%s\": a token has %d to %d characters", name,
                            TOKEN_MIN_BYTES, TOKEN_MAX_BYTES);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return ef_error_set(err, EF_CLASS_CONFIG,
                                "cannot use \"%s\": a token is one line of visible ASCII "
                                "characters without spaces",
                                name);
    access->token = ef_xstrndup(text, len);
    return true;
}

static bool user_ok(const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line || colon + 1 == line + len || len > USER_MAX_BYTES)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            return false;
    return true;
}

bool ef_http_access_parse_users(struct ef_http_access *access, const char *text, size_t len,
                                const char *name, struct ef_error *err)
{
    const char *end = text + len;
    access->users = ef_xcalloc(USERS_MAX, sizeof(*access->users));
    for (int line = 1; text < end; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t size = (size_t)((stop ? stop : end) - text);
        const char *begin = text;
        text += size + 1;
        if (size && begin[size - 1] == '\r')
            size--;
        if (size == 0 || begin[0] == '#')
            continue;
        if (!user_ok(begin, size))
            return ef_error_set(err, EF_CLASS_CONFIG,
                                "cannot use \"%s\": line %d is not user:password", name, line);
        if (access->user_count == USERS_MAX)
            return ef_error_set(err, EF_CLASS_CONFIG, "cannot use \"%s\": more than %d users", name,
                                USERS_MAX);
        access->users[access->user_count++] = ef_xstrndup(begin, size);
    }
    if (access->user_count == 0)
        return ef_error_set(err, EF_CLASS_CONFIG, "cannot use \"%s\": it names no user", name);
    return true;
}

static bool read_file(const char *file,
                      bool (*parse)(struct ef_http_access *, const char *, size_t, const char *,
                                    struct ef_error *),
                      struct ef_http_access *ret, struct ef_error *err)
{
    struct ef_buf text;
    if (!file)
        return true;
    ef_buf_init(&text, FILE_MAX_BYTES);
    bool ok = ef_secret_read(file, &text, err) && parse(ret, text.data, text.len, file, err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    ef_buf_done(&text);
    return ok;
}

bool ef_http_access_load(const char *token_file, const char *basic_file, struct ef_http_access *ret,
                         struct ef_error *err)
{
    *ret = (struct ef_http_access){0};
    if (read_file(token_file, ef_http_access_parse_token, ret, err) &&
        read_file(basic_file, ef_http_access_parse_users, ret, err))
        return true;
    ef_http_access_done(ret);
    return false;
}

/* --- requests --- */

/* Looks at every byte given, whatever the secret is; the caller chose how many those are. */
static bool equal(const char *given, size_t len, const char *secret)
{
    size_t secret_len = strlen(secret);
    unsigned char different = len != secret_len;
    for (size_t i = 0; i < len; i++)
        different |= (unsigned char)(given[i] ^ secret[i < secret_len ? i : secret_len]);
    return different == 0;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, section 4, with its padding. False: it is something else, or longer than any user. */
static bool decode(const char *text, char out[USER_MAX_BYTES + 3], size_t *ret_len)
{
    size_t len = strlen(text), used = 0;
    if (len == 0 || len % 4 || len / 4 * 3 > USER_MAX_BYTES + 2)
        return false;
    size_t pad = text[len - 1] == '=' ? (text[len - 2] == '=' ? 2 : 1) : 0;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            int value = i + j >= len - pad ? 0 : sextet(text[i + j]);
            if (value < 0)
                return false;
            bits = bits << 6 | (uint32_t)value;
        }
        out[used++] = (char)(bits >> 16);
        out[used++] = (char)(bits >> 8);
        out[used++] = (char)bits;
    }
    *ret_len = used - pad;
    return true;
}

/* The scheme's name in any case, then spaces (RFC 9110, section 11.4). NULL: another scheme. */
static const char *credentials(const char *authorization, const char *scheme)
{
    size_t len = strlen(scheme);
    if (strncasecmp(authorization, scheme, len) != 0 || authorization[len] != ' ')
        return NULL;
    return authorization + len + strspn(authorization + len, " ");
}

static bool known(const struct ef_http_access *access, const char *authorization)
{
    char user[USER_MAX_BYTES + 3];
    size_t len;
    bool found = false;
    const char *given = credentials(authorization, "Bearer");
    if (given)
        return access->token && equal(given, strlen(given), access->token);
    given = credentials(authorization, "Basic");
    if (!given || !decode(given, user, &len))
        return false;
    for (size_t i = 0; i < access->user_count; i++)
        found |= equal(user, len, access->users[i]);
    explicit_bzero(user, sizeof(user));
    return found;
}

enum ef_access ef_http_access_check(const struct ef_http_access *access, bool loopback,
                                    const char *authorization)
{
    if (!access->token && access->user_count == 0)
        return loopback ? EF_ACCESS_OK : EF_ACCESS_CLOSED;
    if (!authorization)
        return EF_ACCESS_MISSING;
    return known(access, authorization) ? EF_ACCESS_OK : EF_ACCESS_WRONG;
}

const char *ef_http_access_challenge(const struct ef_http_access *access)
{
    if (!access->user_count)
        return "Bearer realm=\"eventferryd\"";
    return access->token ? "Basic realm=\"eventferryd\", charset=\"UTF-8\", "
                           "Bearer realm=\"eventferryd\""
                         : "Basic realm=\"eventferryd\", charset=\"UTF-8\"";
}
