// SPDX-License-Identifier: MIT
#include "base/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *ef_base64_encode(const void *data, size_t len)
{
    const unsigned char *in = data;
    char *text = ef_xmalloc((len + 2) / 3 * 4 + 1), *out = text;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)in[i] << 16;
        bits |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= left > 2 ? in[i + 2] : 0;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[bits & 63] : '=';
    }
    *out = '\0';
    return text;
}

int ef_base64_digit(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Four characters; the number of bytes in them, or -1. */
static int decode_four(const char *four, char *out)
{
    uint32_t bits = 0;
    int pad = (four[3] == '=') + (four[3] == '=' && four[2] == '=');
    for (int i = 0; i < 4; i++) {
        int digit = i >= 4 - pad ? 0 : ef_base64_digit(four[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
    }
    out[0] = (char)(bits >> 16);
    out[1] = (char)(bits >> 8);
    out[2] = (char)bits;
    return 3 - pad;
}

bool ef_base64_decode(const char *text, char **ret, size_t *ret_len)
{
    size_t len = strlen(text), used = 0;
    if (len % 4)
        return false;
    char *out = ef_xmalloc(len / 4 * 3 + 4);
    for (size_t i = 0; i < len; i += 4) {
        int n = decode_four(text + i, out + used);
        if (n < 0 || (n < 3 && i + 4 < len)) {
            free(out);
            return false;
        }
        used += (size_t)n;
    }
    out[used] = '\0';
    *ret = out;
    *ret_len = used;
    return true;
}
