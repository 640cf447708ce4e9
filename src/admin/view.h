// SPDX-License-Identifier: MIT
/*
 * What the endpoints may see and do: the daemon fills this in, admin never reaches further.
 * Borrowed by http.c and control.c for their whole life. Thread: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "admin/warnings.h"
#include "base/error.h"
#include "base/metrics.h"
#include "relay/relay.h"

struct ef_view_kafka {
    char brokers[512];
    bool embedded, up;
    int brokers_up;   /* -1: not known yet, in the first seconds */
    char reason[256]; /* why it is not up */
};

struct ef_view {
    void *arg;
    const char *instance; /* borrowed */
    struct ef_metrics *metrics;
    const struct ef_warnings *warnings; /* borrowed; NULL: none are kept */
    int (*relay_count)(void *arg);
    struct ef_relay *(*relay_at)(void *arg, int i);
    void (*kafka)(void *arg, struct ef_view_kafka *ret);
    /* Bring gauges up to date before a scrape. */
    void (*refresh)(void *arg);
    /* All or nothing; the error says why nothing was changed. text receives what changed and what
     * needs a restart. */
    bool (*reload)(void *arg, struct ef_buf *text, struct ef_error *err);
};
