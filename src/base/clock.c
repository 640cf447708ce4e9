// SPDX-License-Identifier: MIT
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static struct ef_clock_source replaced;

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * EF_S_US + ts.tv_nsec / 1000;
}

ef_mono ef_clock_mono(void)
{
    if (replaced.mono)
        return replaced.mono(replaced.ctx);
    return (ef_mono){read_us(CLOCK_BOOTTIME)};
}

ef_wall ef_clock_wall(void)
{
    if (replaced.wall)
        return replaced.wall(replaced.ctx);
    return (ef_wall){read_us(CLOCK_REALTIME)};
}

int64_t ef_clock_thread_cpu_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}

void ef_clock_use(const struct ef_clock_source *source)
{
    replaced = source ? *source : (struct ef_clock_source){0};
}

void ef_wall_iso8601(ef_wall t, char *out, size_t size)
{
    time_t s = (time_t)(t.us / EF_S_US);
    int64_t rest_us = t.us % EF_S_US;
    if (rest_us < 0) { /* before 1970, where C's division rounds towards zero */
        rest_us += EF_S_US;
        s--;
    }
    struct tm tm;
    gmtime_r(&s, &tm);
    snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(rest_us / 1000));
}
