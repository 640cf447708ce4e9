// SPDX-License-Identifier: MIT
#include "sim/tell.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"
#include "sim/clockwork.h"

bool sim_telling;
static struct ef_buf *into;

void sim_tell_into(struct ef_buf *buf)
{
    into = buf;
}

void sim_tell(const char *fmt, ...)
{
    char line[1200];
    int n = snprintf(line, sizeof(line), "%10.3f  ", (double)sim_now_us() / 1000);
    va_list ap;
    va_start(ap, fmt);
    n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n] = '\n';
    line[n + 1] = '\0';
    if (into)
        ef_buf_puts(into, line);
    else
        fputs(line, stdout);
}
