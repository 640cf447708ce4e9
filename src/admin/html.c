// SPDX-License-Identifier: MIT
#include "admin/html.h"

#include "base/utf8.h"

enum { TEXT_MAX_BYTES = 4096 };

void ef_html_text(struct ef_buf *out, const char *text)
{
    struct ef_buf clean;
    size_t len = strnlen(text, TEXT_MAX_BYTES);
    ef_buf_init(&clean, 3 * len); /* U+FFFD has three bytes */
    ef_utf8_add(&clean, text, len);
    for (size_t i = 0; i < clean.len; i++) {
        switch (clean.data[i]) {
        case '&':
            ef_buf_puts(out, "&amp;");
            break;
        case '<':
            ef_buf_puts(out, "&lt;");
            break;
        case '>':
            ef_buf_puts(out, "&gt;");
            break;
        case '"':
            ef_buf_puts(out, "&quot;");
            break;
        case '\'':
            ef_buf_puts(out, "&#39;");
            break;
        default:
            ef_buf_add(out, &clean.data[i], 1);
        }
    }
    ef_buf_done(&clean);
}
