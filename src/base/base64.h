// SPDX-License-Identifier: MIT
/* Base64 with padding (RFC 4648, section 4). Pure. Thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* NUL-terminated; the caller's. */
char *ef_base64_encode(const void *data, size_t len);
/* 0..63; -1: the character stands for none. */
int ef_base64_digit(char c);
/* False: it is no base64. The bytes are the caller's, with a NUL behind them. */
bool ef_base64_decode(const char *text, char **ret, size_t *ret_len);
