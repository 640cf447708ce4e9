// SPDX-License-Identifier: MIT
/*
 * One picture of everything the endpoints show. Fetching it (ef_snapshot_take) is apart from
 * showing it, so that what renders is pure and needs no relay.
 *
 * Owns: copies of the outboxes and the happenings. Strings marked borrowed live until the loop's
 * next turn. Thread: the loop's. Life: ef_snapshot_take .. ef_snapshot_done.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "admin/dead_rows.h"
#include "admin/happenings.h"
#include "admin/process.h"
#include "admin/rates.h"
#include "admin/view.h"

struct ef_snapshot_outbox {
    struct ef_relay_status status;
    bool rate_known;
    struct ef_rate rate;
    const struct ef_history *history;     /* borrowed; may be NULL */
    const struct ef_dead_list *dead_rows; /* borrowed; NULL: not known, as from ef_snapshot_take */
    /* rows since the start, by the class of what went wrong */
    int64_t retried[EF_CLASS_COUNT], dead[EF_CLASS_COUNT];
};

struct ef_snapshot {
    const char *instance; /* borrowed */
    const char *run; /* borrowed; names this start of the program, NULL from ef_snapshot_take */
    ef_wall taken_at;
    struct ef_process process;
    struct ef_view_kafka kafka;
    struct ef_snapshot_outbox *outboxes;
    int count;
    const struct ef_warning *warnings; /* borrowed; the worst first */
    size_t warning_count;
    struct ef_happening *happenings; /* newest first; ef_snapshot_take leaves them out */
    int happening_count;
};

void ef_snapshot_take(struct ef_snapshot *ret, const struct ef_view *view,
                      const struct ef_rates *rates);
void ef_snapshot_done(struct ef_snapshot *snapshot);

/* True if every outbox is. */
bool ef_snapshot_ready(const struct ef_snapshot *snapshot);

/* Why this outbox is not simply running, in words; "" if there is nothing to say. */
void ef_snapshot_reason(const struct ef_relay_status *status, char *out, size_t size);
