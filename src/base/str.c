// SPDX-License-Identifier: MIT
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static void out_of_memory(void)
{
    static const char line[] = "level=error room=base msg=\"out of memory\"\n";
    ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);
    (void)ignored;
    _exit(EX_SOFTWARE);
}

void *ef_xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *ef_xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *ef_xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    if (!q)
        out_of_memory();
    return q;
}

char *ef_xstrdup(const char *s)
{
    return s ? ef_xstrndup(s, strlen(s)) : NULL;
}

char *ef_xstrndup(const char *s, size_t len)
{
    char *p = ef_xmalloc(len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

char *ef_xprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = ef_xvprintf(fmt, ap);
    va_end(ap);
    return p;
}

char *ef_xvprintf(const char *fmt, va_list ap)
{
    char *p;
    if (vasprintf(&p, fmt, ap) < 0)
        out_of_memory();
    return p;
}

void ef_buf_init(struct ef_buf *buf, size_t max)
{
    *buf = (struct ef_buf){.max = max};
}

void ef_buf_done(struct ef_buf *buf)
{
    free(buf->data);
    *buf = (struct ef_buf){0};
}

void ef_buf_clear(struct ef_buf *buf)
{
    buf->len = 0;
    buf->overflow = false;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Make room for len more bytes and the NUL. */
static bool reserve(struct ef_buf *buf, size_t len)
{
    if (buf->overflow || len > buf->max - buf->len) {
        buf->overflow = true;
        return false;
    }
    size_t need = buf->len + len + 1;
    if (need <= buf->size)
        return true;
    size_t size = buf->size ? buf->size : 64;
    while (size < need)
        size *= 2;
    buf->data = ef_xrealloc(buf->data, size);
    buf->size = size;
    return true;
}

bool ef_buf_add(struct ef_buf *buf, const void *data, size_t len)
{
    if (!reserve(buf, len))
        return false;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return true;
}

bool ef_buf_puts(struct ef_buf *buf, const char *s)
{
    return ef_buf_add(buf, s, strlen(s));
}

bool ef_buf_printf(struct ef_buf *buf, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    bool ok = n >= 0 && reserve(buf, (size_t)n);
    if (ok) {
        vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
    return ok;
}

unsigned ef_edit_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t la = strlen(a), lb = strlen(b);
    if (la >= MAX || lb >= MAX)
        return 1000;
    unsigned row[MAX + 1];
    for (size_t j = 0; j <= lb; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[lb];
}

uint64_t ef_hash64(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

void ef_strings_free(struct ef_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct ef_strings){0};
}
