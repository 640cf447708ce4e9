// SPDX-License-Identifier: MIT
/*
 * Credential files and Authorization headers. Pieces of the input, separated by NUL, are the
 * header, the token file and the user file. Beyond "no crash": without credentials nobody comes in,
 * a header comes in only if it holds what one of the files holds, and no error quotes a file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/http_access.h"
#include "base/str.h"
#include "fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next piece; the caller frees. */
static char *cut(const uint8_t **data, size_t *size)
{
    const uint8_t *end = memchr(*data, '\0', *size);
    size_t len = end ? (size_t)(end - *data) : *size;
    char *piece = ef_xstrndup((const char *)*data, len);
    *data += end ? len + 1 : len;
    *size -= end ? len + 1 : len;
    return piece;
}

static void base64(const char *text, struct ef_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;
        bits |= i + 1 < len ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (uint32_t)(unsigned char)text[i + 2] : 0;
        ef_buf_printf(out, "%c%c%c%c", digits[bits >> 18], digits[bits >> 12 & 63],
                      i + 1 < len ? digits[bits >> 6 & 63] : '=',
                      i + 2 < len ? digits[bits & 63] : '=');
    }
}

static void check_entry(const struct ef_http_access *access, const char *scheme, const char *value)
{
    struct ef_buf header;
    ef_buf_init(&header, 4096);
    ef_buf_printf(&header, "%s ", scheme);
    if (strcmp(scheme, "Basic") == 0)
        base64(value, &header);
    else
        ef_buf_puts(&header, value);
    require(ef_http_access_check(access, false, header.data) == EF_ACCESS_OK);
    header.data[header.len - 1] ^= 1; /* in base64 that may be a bit without meaning */
    if (strcmp(scheme, "Bearer") == 0)
        require(ef_http_access_check(access, true, header.data) == EF_ACCESS_WRONG);
    ef_buf_done(&header);
}

static void check_header(const struct ef_http_access *access, const char *header)
{
    bool guarded = access->token || access->user_count;
    enum ef_access found = ef_http_access_check(access, false, header);
    require(guarded ? found == EF_ACCESS_OK || found == EF_ACCESS_WRONG
                    : found == EF_ACCESS_CLOSED);
    require(ef_http_access_check(access, false, NULL) ==
            (guarded ? EF_ACCESS_MISSING : EF_ACCESS_CLOSED));
    require(ef_http_access_check(access, true, header) == (guarded ? found : EF_ACCESS_OK));
    if (found == EF_ACCESS_OK && strncasecmp(header, "Bearer ", 7) == 0)
        require(access->token && strstr(header, access->token));
    else if (found == EF_ACCESS_OK)
        require(access->user_count > 0 && strncasecmp(header, "Basic ", 6) == 0);
    for (size_t i = 0; i < access->user_count; i++)
        check_entry(access, "Basic", access->users[i]);
    if (access->token)
        check_entry(access, "Bearer", access->token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_http_access access = {0};
    struct ef_error err;
    char *header = cut(&data, &size), *token = cut(&data, &size), *users = cut(&data, &size);
    if (token[0] && !ef_http_access_parse_token(&access, token, strlen(token), "f", &err))
        /* words of the message itself are no secret; none of its pieces is as long without a space
         */
        require(strlen(token) < 16 || strchr(token, ' ') || !strstr(err.text, token));
    if (users[0] && !ef_http_access_parse_users(&access, users, strlen(users), "f", &err))
        require(strstr(err.text, "cannot use \"f\": ") == err.text);
    check_header(&access, header);
    ef_http_access_done(&access);
    free(header);
    free(token);
    free(users);
    return 0;
}
