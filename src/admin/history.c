// SPDX-License-Identifier: MIT
#include "admin/history.h"

#include <string.h>

static const char *const histograms[EF_STAGE_COUNT] = {
    [EF_STAGE_SEEN] = "created_to_seen_seconds",
    [EF_STAGE_ACKED] = "seen_to_acked_seconds",
    [EF_STAGE_SETTLED] = "acked_to_settled_seconds",
    [EF_STAGE_WHOLE] = "created_to_acked_seconds",
};

double ef_history_quantile(const uint64_t counts[EF_METRIC_BUCKETS], double q)
{
    uint64_t total = 0;
    double below = 0;
    for (int i = 0; i < EF_METRIC_BUCKETS; i++)
        total += counts[i];
    if (total == 0)
        return -1;
    for (int i = 0; i < EF_METRIC_BUCKETS - 1; i++) {
        double from = i ? ef_metric_bounds[i - 1] : 0, to = ef_metric_bounds[i];
        double here = (double)counts[i], wanted = q * (double)total - below;
        if (here > 0 && wanted <= here)
            return from + (to - from) * wanted / here;
        below += here;
    }
    return ef_metric_bounds[EF_METRIC_BUCKETS - 2];
}

static struct ef_latency look_stage(struct ef_history *history, enum ef_stage stage,
                                    const struct ef_metrics *metrics, const char *outbox)
{
    uint64_t since[EF_METRIC_BUCKETS];
    uint64_t *former = history->former[stage];
    const struct ef_metric *now =
        ef_metrics_find(metrics, histograms[stage], "outbox", outbox, NULL);
    if (!now) {
        memset(former, 0, sizeof(history->former[stage]));
        return (struct ef_latency){-1, -1};
    }
    for (int i = 0; i < EF_METRIC_BUCKETS; i++) /* one that went back was begun anew */
        since[i] = now->buckets[i] - (now->buckets[i] >= former[i] ? former[i] : 0);
    memcpy(former, now->buckets, sizeof(history->former[stage]));
    return (struct ef_latency){(float)ef_history_quantile(since, 0.5),
                               (float)ef_history_quantile(since, 0.99)};
}

void ef_history_look(struct ef_history *history, const struct ef_metrics *metrics,
                     const char *outbox, double delivered, int64_t backlog)
{
    struct ef_sample sample = {
        .delivered = (float)delivered,
        .backlog = (int32_t)(backlog < 0           ? -1
                             : backlog > INT32_MAX ? INT32_MAX
                                                   : backlog),
    };
    for (int stage = 0; stage < EF_STAGE_COUNT; stage++)
        sample.stages[stage] = look_stage(history, (enum ef_stage)stage, metrics, outbox);
    if (history->former_known)
        history->samples[history->total++ % EF_HISTORY_SAMPLES] = sample;
    history->former_known = true;
}

const struct ef_sample *ef_history_at(const struct ef_history *history, int64_t n)
{
    if (n < 0 || n >= history->total || n < history->total - EF_HISTORY_SAMPLES)
        return NULL;
    return &history->samples[n % EF_HISTORY_SAMPLES];
}
