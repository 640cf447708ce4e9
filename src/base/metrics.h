// SPDX-License-Identifier: MIT
/*
 * Counters, gauges and histograms with labels, and their Prometheus text form (exposition format
 * 0.0.4).
 *
 * A family is named once (name, help, type); its series are found by their label values. Handles
 * stay valid for the life of the registry, so hot paths keep them. Plain int64/double writes: loop
 * thread only. Life: ef_metrics_new .. ef_metrics_free. A series may be removed (an outbox that
 * left the config): it is no longer shown, and begins at 0 again when it is asked for anew.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

struct ef_metrics;

/* EF_SUMMARY: a quantile told by somebody else, its label is "quantile". */
enum ef_metric_type { EF_COUNTER, EF_GAUGE, EF_HISTOGRAM, EF_SUMMARY };

struct ef_metric {     /* one series; borrowed from the registry */
    double value;      /* counter, gauge */
    uint64_t *buckets; /* histogram: count per bucket, the last one is +Inf */
    double sum;
};

struct ef_metrics *ef_metrics_new(void);
void ef_metrics_free(struct ef_metrics *metrics);

/*
 * The series of a family with these labels; made if new. `labels` is pairs name, value, ..., NULL.
 * Names are without the prefix "eventferry_" (added on output) unless they begin with "process_".
 * help and type must be the same at each call for a name.
 */
struct ef_metric *ef_metrics_get(struct ef_metrics *metrics, enum ef_metric_type type,
                                 const char *name, const char *help, ...) __attribute__((sentinel));

/* Remove every series that has this label value (label "outbox" = "orders"). */
void ef_metrics_remove(struct ef_metrics *metrics, const char *label, const char *value);

/* The same series if it is there and shown, else NULL: for those who only read. */
const struct ef_metric *ef_metrics_find(const struct ef_metrics *metrics, const char *name, ...)
    __attribute__((sentinel));

/* Leave the page until the series is asked for again (then from 0): its value is not known now. */
void ef_metric_hide(struct ef_metric *m);

static inline void ef_metric_add(struct ef_metric *m, double v)
{
    m->value += v;
}
static inline void ef_metric_set(struct ef_metric *m, double v)
{
    m->value = v;
}
/* Upper bounds of a histogram's buckets in seconds; the last bucket, +Inf, has none. */
enum { EF_METRIC_BUCKETS = 16 };
extern const double ef_metric_bounds[EF_METRIC_BUCKETS - 1];
/* Seconds; buckets .001 .0025 .005 .01 .025 .05 .1 .25 .5 1 2.5 5 10 30 60 +Inf. */
void ef_metric_observe(struct ef_metric *m, double seconds);

/* Append the whole page: families and series in the order they were first asked for. */
void ef_metrics_render(const struct ef_metrics *metrics, struct ef_buf *out);
