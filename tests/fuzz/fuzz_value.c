// SPDX-License-Identifier: MIT
/*
 * Numbers, durations and sizes as the configuration has them, on any text. Beyond "no crash": what
 * is accepted is within its type's range, and the way we print it is read back as the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "config/value.h"
#include "fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_duration(const char *text)
{
    int64_t ms, again;
    char printed[EF_VALUE_TEXT_MAX];
    struct ef_error err;
    if (!ef_value_parse_duration(text, &ms, &err))
        return;
    require(ms >= 0);
    ef_value_format_duration(ms, printed);
    require(ef_value_parse_duration(printed, &again, &err) && again == ms);
}

static void check_size(const char *text)
{
    int64_t bytes, again;
    char printed[EF_VALUE_TEXT_MAX];
    struct ef_error err;
    if (!ef_value_parse_size(text, &bytes, &err))
        return;
    require(bytes >= 0);
    ef_value_format_size(bytes, printed);
    require(ef_value_parse_size(printed, &again, &err) && again == bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t number;
    bool flag;
    struct ef_error err;
    char *text = ef_xstrndup((const char *)data, size);
    if (ef_value_parse_int(text, &number, &err))
        require(text[0] == '-' || number >= 0);
    if (ef_value_parse_bool(text, &flag, &err))
        require(!ef_value_parse_int(text, &number, &err));
    check_duration(text);
    check_size(text);
    free(text);
    return 0;
}
