// SPDX-License-Identifier: MIT
#include "sim/tell.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "sim/clockwork.h"

bool sim_telling, sim_errors_expected;
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

/* --- log lines become part of the story --- */

bool __wrap_ef_log_wanted(enum ef_log_level level, const char *room);
void __wrap_ef_log_write(enum ef_log_level level, const char *room, const char *msg,
                         const struct ef_field *fields);

bool __wrap_ef_log_wanted(enum ef_log_level level, const char *room)
{
    (void)room;
    return sim_telling || (level >= EF_LOG_ERROR && !sim_errors_expected);
}

void __wrap_ef_log_write(enum ef_log_level level, const char *room, const char *msg,
                         const struct ef_field *fields)
{
    char line[1024];
    int n = snprintf(line, sizeof(line), "  %s says: %s", room, msg);
    for (const struct ef_field *f = fields; f->type != EF_FIELD_END && n < 900; f++) {
        if (f->type == EF_FIELD_STR && f->s)
            n += snprintf(line + n, sizeof(line) - (size_t)n, " %s=%.60s", f->key, f->s);
        else if (f->type == EF_FIELD_INT)
            n += snprintf(line + n, sizeof(line) - (size_t)n, " %s=%lld", f->key, (long long)f->i);
        else if (f->type == EF_FIELD_ERR)
            n += snprintf(line + n, sizeof(line) - (size_t)n, " error=%s: %.80s",
                          ef_class_name(f->err->class), f->err->text);
    }
    TELL("%s", line);
    if (level >= EF_LOG_ERROR && !sim_telling) /* a contract is broken: abort follows */
        fprintf(stderr, "%s\n", line);
}
