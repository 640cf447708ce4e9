// SPDX-License-Identifier: MIT
#include "base/utf8.h"

/* RFC 3629, section 4: the first continuation byte has a narrower range after E0, ED, F0 and F4
 * (overlong forms, surrogates, beyond U+10FFFF). */
size_t ef_utf8_length(const char *p, size_t len)
{
    const unsigned char *s = (const unsigned char *)p;
    unsigned char low = 0x80, high = 0xbf;
    size_t need;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        need = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        need = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        need = 4;
    else
        return 0;
    if (len < need)
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return need;
}

void ef_utf8_add(struct ef_buf *out, const char *s, size_t len)
{
    size_t from = 0, i = 0;
    while (i < len) {
        size_t n = ef_utf8_length(s + i, len - i);
        if (n) {
            i += n;
            continue;
        }
        ef_buf_add(out, s + from, i - from);
        ef_buf_puts(out, "\xef\xbf\xbd");
        from = ++i;
    }
    ef_buf_add(out, s + from, len - from);
}
