// SPDX-License-Identifier: MIT
/*
 * The last 15 minutes of one outbox, one sample each 5 s: what the page draws. A ring of fixed
 * size, embedded in its owner (rates.c); no memory of its own. Thread: the loop's. Life: zeroed at
 * first.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/metrics.h"

enum { EF_HISTORY_EVERY_S = 5, EF_HISTORY_SAMPLES = 15 * 60 / EF_HISTORY_EVERY_S };

/* The histograms of the relay, by the way of a row. */
enum ef_stage {
    EF_STAGE_SEEN,    /* created_at to read */
    EF_STAGE_ACKED,   /* read to Kafka's acknowledgement */
    EF_STAGE_SETTLED, /* acknowledgement to settled */
    EF_STAGE_WHOLE,   /* created_at to acknowledgement */
    EF_STAGE_COUNT,
};

struct ef_latency { /* seconds; below 0: nothing passed in that time */
    float median, p99;
};

struct ef_sample {
    float delivered; /* rows a second */
    int32_t backlog; /* rows; -1: not known */
    struct ef_latency stages[EF_STAGE_COUNT];
};

struct ef_history {
    struct ef_sample samples[EF_HISTORY_SAMPLES]; /* number n is at n modulo the size */
    int64_t total;                                /* ever taken */
    uint64_t former[EF_STAGE_COUNT][EF_METRIC_BUCKETS];
    bool former_known;
};

/* Take a sample. The histograms are those of this outbox in `metrics`; the first call only notes
 * where they stand. */
void ef_history_look(struct ef_history *history, const struct ef_metrics *metrics,
                     const char *outbox, double delivered, int64_t backlog);
/* Sample number n; NULL: not taken yet, or no longer kept. */
const struct ef_sample *ef_history_at(const struct ef_history *history, int64_t n);

/* The value that a share q (0..1) of the observations does not pass, told as a histogram can tell
 * it: straight within a bucket, the last bound for those beyond it. Below 0: there are none. */
double ef_history_quantile(const uint64_t counts[EF_METRIC_BUCKETS], double q);
