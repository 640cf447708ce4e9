// SPDX-License-Identifier: MIT
/*
 * UTF-8 (RFC 3629) for texts that go to readers who refuse anything else: JSON, Prometheus,
 * browsers. Texts cut at a fixed size may end inside a character. Pure. Thread: any.
 */
#pragma once

#include <stddef.h>

#include "base/str.h"

/* Bytes of the character at p, 1 to 4; 0 if none is well formed there. `len` > 0 bytes may be read.
 */
size_t ef_utf8_length(const char *p, size_t len);

/* Append s; each byte that belongs to no well-formed character becomes U+FFFD. */
void ef_utf8_add(struct ef_buf *out, const char *s, size_t len);
