// SPDX-License-Identifier: MIT
/*
 * Borrowed byte ranges (ef_slice) and a growing buffer with a maximum (ef_buf).
 * A slice does not own its bytes; whoever gives it says how long they live. Thread: any.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

struct ef_slice {
    const char *p; /* NULL: SQL NULL, which is not the empty string */
    size_t len;
};

static inline struct ef_slice ef_slice_of(const char *s)
{
    return (struct ef_slice){s, s ? strlen(s) : 0};
}

static inline bool ef_slice_eq(struct ef_slice a, struct ef_slice b)
{
    return a.len == b.len && (a.p == NULL) == (b.p == NULL) &&
           (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Grows by doubling up to max; past it every append fails and `overflow` stays set (sticky). */
struct ef_buf {
    char *data; /* owned; always NUL-terminated once anything was appended */
    size_t len;
    size_t size;
    size_t max;
    bool overflow;
};

void ef_buf_init(struct ef_buf *buf, size_t max);
void ef_buf_done(struct ef_buf *buf);
void ef_buf_clear(struct ef_buf *buf);
bool ef_buf_add(struct ef_buf *buf, const void *data, size_t len);
bool ef_buf_puts(struct ef_buf *buf, const char *s);
bool ef_buf_printf(struct ef_buf *buf, const char *fmt, ...) EF_PRINTF(2, 3);

struct ef_strings { /* a list of strings */
    char **items;   /* owned, and each of them */
    size_t count;
};

void ef_strings_free(struct ef_strings *strings);

/* Memory: a failed allocation ends the process (exit 70 with one line): these are small and
 * bounded. */
void *ef_xmalloc(size_t size);
void *ef_xcalloc(size_t n, size_t size);
void *ef_xrealloc(void *p, size_t size);
char *ef_xstrdup(const char *s);
char *ef_xstrndup(const char *s, size_t len);
char *ef_xprintf(const char *fmt, ...) EF_PRINTF(1, 2);
char *ef_xvprintf(const char *fmt, va_list ap) EF_PRINTF(1, 0);

/* Damerau-free edit distance for "nearest known name"; names up to 63 bytes, else a large number.
 */
unsigned ef_edit_distance(const char *a, const char *b);

/* FNV-1a, 64 bit: for change detection and tables, not for security. */
uint64_t ef_hash64(const void *data, size_t len);
