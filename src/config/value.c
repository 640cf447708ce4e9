// SPDX-License-Identifier: MIT
#include "config/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EXPECT_DURATION "is not accepted; durations need a unit: 10s, 500ms, 5m, 24h"
#define EXPECT_SIZE     "is not accepted; sizes need a unit: 16KiB, 4MiB, 1MB"

struct unit {
    const char *name;
    int64_t factor;
};

enum { SECOND_MS = 1000, MINUTE_MS = 60 * 1000, HOUR_MS = 60 * 60 * 1000 };
static const int64_t day_ms = INT64_C(24) * HOUR_MS;

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", SECOND_MS}, {"m", MINUTE_MS}, {"h", HOUR_MS}, {"d", INT64_C(24) * HOUR_MS},
    {0},
};

/* In the order format tries them: of two equally short spellings the first is taken. */
static const struct unit size_units[] = {
    {"TiB", INT64_C(1) << 40},
    {"TB", INT64_C(1000000000000)},
    {"GiB", INT64_C(1) << 30},
    {"GB", INT64_C(1000000000)},
    {"MiB", INT64_C(1) << 20},
    {"MB", INT64_C(1000000)},
    {"KiB", INT64_C(1) << 10},
    {"kB", INT64_C(1000)},
    {"KB", INT64_C(1000)},
    {"B", 1},
    {0},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name; units++)
        if (strcmp(units->name, name) == 0)
            return units;
    return NULL;
}

/* Digits, perhaps a fraction of at most 9 digits, then the unit. False with *too_large set on
 * overflow. */
static bool parse_quantity(const char *text, const struct unit *units, int64_t *ret,
                           bool *too_large)
{
    int64_t whole = 0, fraction = 0, scale = 1;
    const char *p = text;
    *too_large = false;
    if (!is_digit(*p))
        return false;
    for (; is_digit(*p); p++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, *p - '0', &whole))
            *too_large = true;
    if (*p == '.') {
        const char *first = ++p;
        for (; is_digit(*p) && p - first < 9; p++) {
            fraction = fraction * 10 + (*p - '0');
            scale *= 10;
        }
        if (p == first)
            return false;
    }
    const struct unit *unit = find_unit(units, p);
    if (!unit)
        return false;
    __int128 part = (__int128)fraction * unit->factor;
    if (part % scale != 0)
        return false;
    if (__builtin_mul_overflow(whole, unit->factor, &whole) ||
        __builtin_add_overflow(whole, (int64_t)(part / scale), &whole))
        *too_large = true;
    *ret = whole;
    return !*too_large;
}

static bool quantity(const char *text, const struct unit *units, const char *expect, int64_t *ret,
                     struct ef_error *err)
{
    bool too_large;
    if (parse_quantity(text, units, ret, &too_large))
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG, "%s", too_large ? "is too large" : expect);
}

bool ef_value_parse_duration(const char *text, int64_t *ret_ms, struct ef_error *err)
{
    return quantity(text, duration_units, EXPECT_DURATION, ret_ms, err);
}

bool ef_value_parse_size(const char *text, int64_t *ret_bytes, struct ef_error *err)
{
    return quantity(text, size_units, EXPECT_SIZE, ret_bytes, err);
}

bool ef_value_parse_int(const char *text, int64_t *ret, struct ef_error *err)
{
    const char *p = text;
    bool negative = *p == '-';
    int64_t value = 0;
    if (negative)
        p++;
    if (!is_digit(*p) || (*p == '0' && p[1] != '\0'))
        return ef_error_set(err, EF_CLASS_CONFIG, "is not a whole number");
    for (; is_digit(*p); p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? '0' - *p : *p - '0', &value))
            return ef_error_set(err, EF_CLASS_CONFIG, "is too large");
    if (*p != '\0')
        return ef_error_set(err, EF_CLASS_CONFIG, "is not a whole number");
    *ret = value;
    return true;
}

bool ef_value_parse_bool(const char *text, bool *ret, struct ef_error *err)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return ef_error_set(err, EF_CLASS_CONFIG, "is not accepted; use true or false");
    *ret = yes;
    return true;
}

void ef_value_format_duration(int64_t ms, char ret[EF_VALUE_TEXT_MAX])
{
    const struct unit *unit = &duration_units[0];
    for (const struct unit *u = duration_units; u->name; u++) {
        /* hours up to four days: people write a retention of 24h or 72h */
        bool natural = u->factor < day_ms || ms >= 4 * day_ms;
        if (ms != 0 && ms % u->factor == 0 && natural)
            unit = u;
    }
    if (ms == 0)
        snprintf(ret, EF_VALUE_TEXT_MAX, "0s");
    else
        snprintf(ret, EF_VALUE_TEXT_MAX, "%" PRId64 "%s", ms / unit->factor, unit->name);
}

void ef_value_format_size(int64_t bytes, char ret[EF_VALUE_TEXT_MAX])
{
    static const struct unit bytes_alone = {"B", 1};
    const struct unit *unit = &bytes_alone;
    for (const struct unit *u = size_units; u->name; u++)
        if (bytes != 0 && bytes % u->factor == 0 && u->factor > unit->factor)
            unit = u;
    snprintf(ret, EF_VALUE_TEXT_MAX, "%" PRId64 "%s", bytes / unit->factor, unit->name);
}
