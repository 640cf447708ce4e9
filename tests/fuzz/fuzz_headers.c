// SPDX-License-Identifier: MIT
/*
 * The header scanner on any bytes. Beyond "no crash": what it accepts is UTF-8 within the limits,
 * every value that is no string stands in the text as it is, and reading is repeatable.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "fuzz/require.h"
#include "outbox/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_utf8(struct ef_slice s)
{
    for (size_t at = 0; at < s.len;) {
        size_t n = ef_utf8_length(s.p + at, s.len - at);
        require(n > 0);
        at += n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_slice text = {(const char *)data, size};
    struct ef_header headers[EF_ROW_HEADERS_MAX], again[EF_ROW_HEADERS_MAX];
    struct ef_arena arena;
    struct ef_error err = {0};
    int count = 0, again_count = 0;

    ef_arena_init(&arena, 4096);
    bool ok = ef_headers_read(text, &arena, headers, &count, &err);
    require(ok == ef_headers_read(text, &arena, again, &again_count, NULL));
    if (!ok) {
        require(err.class == EF_CLASS_RECORD && err.text[0] != '\0');
        ef_arena_done(&arena);
        return 0;
    }
    require(count >= 0 && count <= EF_ROW_HEADERS_MAX && again_count == count);
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        require(headers[i].name.p != NULL);
        require_utf8(headers[i].name);
        require_utf8(headers[i].value);
        require(ef_slice_eq(headers[i].name, again[i].name));
        require(ef_slice_eq(headers[i].value, again[i].value));
        for (int k = 0; k < i; k++)
            require(!ef_slice_eq(headers[k].name, headers[i].name));
        bytes += headers[i].name.len + headers[i].value.len;
    }
    require(bytes <= EF_ROW_HEADERS_MAX_BYTES);
    ef_arena_done(&arena);
    return 0;
}
