// SPDX-License-Identifier: MIT
/*
 * What eventferryctl makes of any answer on the control socket: JSON to a table for a terminal.
 * Beyond "no crash": no byte reaches the terminal that could steer it, but its own colours.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/control_table.h"
#include "ctl/table.h"
#include "fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plain(const struct ef_buf *text)
{
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];
        require(c == '\n' || (c >= 0x20 && c != 0x7f));
        if (c == 0xc2 && i + 1 < text->len &&
            (unsigned char)text->data[i + 1] >=
                0x80) /* U+0080 to U+009F, which steer terminals as well */
            require((unsigned char)text->data[i + 1] >= 0xa0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_buf text;
    json_error_t error;
    ef_buf_init(&text, 1 << 24);
    json_t *answer = json_loadb((const char *)data, size, JSON_DECODE_ANY, &error);
    if (answer) {
        ef_ctl_table(answer, true, &text);
        ef_buf_clear(&text);
        ef_ctl_table(answer, false, &text);
        check_plain(&text);
        json_decref(answer);
    }
    ef_buf_clear(&text);
    char *words = ef_xstrndup((const char *)data, size);
    ef_ctl_plain(words, &text);
    check_plain(&text);
    free(words);
    ef_buf_done(&text);
    return 0;
}
