// SPDX-License-Identifier: MIT
#include "admin/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/words.h"
#include "base/str.h"

static void by_class(const struct ef_metrics *metrics, const char *family, const char *outbox,
                     int64_t ret[EF_CLASS_COUNT])
{
    for (int class = EF_CLASS_TRANSIENT; class < EF_CLASS_COUNT; class ++) {
        const struct ef_metric *metric = ef_metrics_find(
            metrics, family, "outbox", outbox, "class", ef_class_name((enum ef_class) class), NULL);
        ret[class] = metric ? (int64_t)metric->value : 0;
    }
}

void ef_snapshot_take(struct ef_snapshot *ret, const struct ef_view *view,
                      const struct ef_rates *rates)
{
    *ret = (struct ef_snapshot){
        .instance = view->instance,
        .taken_at = ef_clock_wall(),
        .count = view->relay_count(view->arg),
    };
    ef_process_read(&ret->process);
    view->kafka(view->arg, &ret->kafka);
    ret->warnings = ef_warnings_all(view->warnings, &ret->warning_count);
    ret->outboxes = ef_xcalloc((size_t)ret->count, sizeof(*ret->outboxes));
    for (int i = 0; i < ret->count; i++) {
        struct ef_snapshot_outbox *outbox = &ret->outboxes[i];
        ef_relay_status(view->relay_at(view->arg, i), &outbox->status);
        outbox->history = rates ? ef_rates_history(rates, outbox->status.name) : NULL;
        by_class(view->metrics, "rows_retried_total", outbox->status.name, outbox->retried);
        by_class(view->metrics, "rows_dead_total", outbox->status.name, outbox->dead);
        outbox->rate_known = rates && ef_rates_get(rates, outbox->status.name, &outbox->rate);
    }
}

void ef_snapshot_done(struct ef_snapshot *snapshot)
{
    free(snapshot->outboxes);
    free(snapshot->happenings);
    *snapshot = (struct ef_snapshot){0};
}

bool ef_snapshot_ready(const struct ef_snapshot *snapshot)
{
    for (int i = 0; i < snapshot->count; i++)
        if (!snapshot->outboxes[i].status.ready)
            return false;
    return true;
}

void ef_snapshot_reason(const struct ef_relay_status *status, char *out, size_t size)
{
    char since[32];
    out[0] = '\0';
    if (status->reason[0])
        snprintf(out, size, "%s", status->reason);
    else if (status->paused)
        snprintf(out, size, "paused by %s%s%s", status->paused_by[0] ? status->paused_by : "?",
                 status->pause_reason[0] ? ": " : "", status->pause_reason);
    else if (status->outage)
        snprintf(out, size, "Kafka cannot be reached");
    else if (!status->ready && status->last_settle_ms >= 0)
        snprintf(out, size, "nothing was settled for %s",
                 ef_words_duration(status->last_settle_ms, since, sizeof(since)));
    else if (!status->ready)
        snprintf(out, size, "nothing was settled so far");
}
