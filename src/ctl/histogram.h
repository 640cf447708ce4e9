// SPDX-License-Identifier: MIT
/*
 * A latency histogram out of a Prometheus page (text format 0.0.4), as base/metrics.c writes it.
 * Pure. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { EF_HISTOGRAM_BUCKETS_MAX = 32 };

struct ef_histogram {
    int count;                                 /* of buckets; the last one's bound is infinite */
    double bounds[EF_HISTOGRAM_BUCKETS_MAX];   /* seconds */
    uint64_t totals[EF_HISTOGRAM_BUCKETS_MAX]; /* cumulative, as on the page */
};

/* False: the page has no such family with this outbox label. name with its prefix. */
bool ef_histogram_read(const char *page, const char *name, const char *outbox,
                       struct ef_histogram *ret);
/*
 * The quantile (0 to 1) of what came after `before` (NULL: of everything), by the straight line
 * between a bucket's bounds; -1: nothing came. Above the last bound it is that bound.
 */
double ef_histogram_quantile(const struct ef_histogram *now, const struct ef_histogram *before,
                             double quantile);
