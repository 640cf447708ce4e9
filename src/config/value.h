// SPDX-License-Identifier: MIT
/*
 * Scalars of the configuration: text to number and back, strictly. Nothing may follow a number but
 * its unit. Pure. On failure err->text is what comes after the quoted value in a message: "is not
 * accepted; durations need a unit: 10s, 500ms, 5m, 24h".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Whole numbers, decimal, without leading zeros. */
bool ef_value_parse_int(const char *text, int64_t *ret, struct ef_error *err) EF_MUST_CHECK;
/* true or false; YAML 1.1's other spellings are refused. */
bool ef_value_parse_bool(const char *text, bool *ret, struct ef_error *err) EF_MUST_CHECK;
/* A number and ms, s, m, h or d; a fraction is allowed where it comes out at whole milliseconds. */
bool ef_value_parse_duration(const char *text, int64_t *ret_ms, struct ef_error *err) EF_MUST_CHECK;
/* A number and B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (of 1024). */
bool ef_value_parse_size(const char *text, int64_t *ret_bytes, struct ef_error *err) EF_MUST_CHECK;

enum { EF_VALUE_TEXT_MAX = 32 }; /* bytes the format functions need, with the NUL */

/* The shortest exact spelling: 1500 -> "1500ms", 86400000 -> "24h". */
void ef_value_format_duration(int64_t ms, char ret[EF_VALUE_TEXT_MAX]);
/* 4194304 -> "4MiB", 1000000 -> "1MB". */
void ef_value_format_size(int64_t bytes, char ret[EF_VALUE_TEXT_MAX]);
