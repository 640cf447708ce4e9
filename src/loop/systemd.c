// SPDX-License-Identifier: MIT
#include "loop/systemd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/str.h"

#if EF_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#else
static int sd_notify(int unset, const char *text)
{
    (void)unset;
    (void)text;
    return 0;
}
static int sd_watchdog_enabled(int unset, uint64_t *usec)
{
    (void)unset;
    (void)usec;
    return 0;
}
#endif

/* What the end of a stop takes after the waiting: connections and the producer are closed. */
#define STOP_REST_MS INT64_C(10000)

struct ef_systemd {
    struct ef_timer watchdog;
    int64_t watchdog_us; /* 0: not asked for */
    char last_status[256];
};

static void on_watchdog(void *arg)
{
    struct ef_systemd *s = arg;
    sd_notify(0, "WATCHDOG=1");
    ef_timer_start(&s->watchdog, s->watchdog_us / 3);
}

struct ef_systemd *ef_systemd_new(struct ef_loop *loop)
{
    struct ef_systemd *s = ef_xcalloc(1, sizeof(*s));
    uint64_t usec = 0;
    ef_timer_init(&s->watchdog, loop, "systemd", on_watchdog, s);
    if (sd_watchdog_enabled(0, &usec) > 0) {
        s->watchdog_us = (int64_t)usec;
        ef_timer_start(&s->watchdog, 0);
    }
    return s;
}

void ef_systemd_free(struct ef_systemd *s)
{
    if (!s)
        return;
    ef_timer_stop(&s->watchdog);
    free(s);
}

void ef_systemd_ready(struct ef_systemd *s)
{
    (void)s;
    sd_notify(0, "READY=1");
}

void ef_systemd_reloading(struct ef_systemd *s)
{
    (void)s;
    char text[96];
    struct timespec now; /* sd_notify(3) wants CLOCK_MONOTONIC here */
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             (int64_t)now.tv_sec * EF_S_US + now.tv_nsec / 1000);
    sd_notify(0, text);
}

void ef_systemd_stopping(struct ef_systemd *s, int64_t at_most_ms)
{
    (void)s;
    char text[96];
    snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64,
             (at_most_ms + STOP_REST_MS) * EF_MS_US);
    sd_notify(0, text);
}

void ef_systemd_status(struct ef_systemd *s, const char *text)
{
    char line[320];
    if (strcmp(s->last_status, text) == 0)
        return;
    snprintf(s->last_status, sizeof(s->last_status), "%s", text);
    snprintf(line, sizeof(line), "STATUS=%s", s->last_status);
    sd_notify(0, line);
}
