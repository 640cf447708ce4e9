// SPDX-License-Identifier: MIT
/*
 * What the page shows of one outbox, in pieces that change at their own pace. Each appends HTML
 * whose foreign texts are escaped. Pure. Thread: the loop's.
 */
#pragma once

#include "admin/snapshot.h"

/* How it is, as a class of the page's style; the order is that of the page: trouble first. */
enum ef_tone { EF_TONE_BAD, EF_TONE_WARN, EF_TONE_OK, EF_TONE_CALM, EF_TONE_COUNT };
enum ef_tone ef_page_tone(const struct ef_snapshot_outbox *outbox);
extern const char *const ef_tone_names[EF_TONE_COUNT];

/* Why this outbox needs somebody, in words; "" if it does not. */
void ef_page_trouble(const struct ef_snapshot_outbox *outbox, char *out, size_t size);

/* Name, state, table, reason. */
void ef_page_outbox_head(struct ef_buf *out, const struct ef_snapshot_outbox *outbox);
/* The way of the rows: waiting, in flight, delivered; to be tried again, blocked, dead. */
void ef_page_outbox_flow(struct ef_buf *out, const struct ef_snapshot_outbox *outbox);
/* Rates and latencies of the last 15 minutes. */
void ef_page_outbox_charts(struct ef_buf *out, const struct ef_snapshot_outbox *outbox);
/* Topics on hold, what rows failed of, the lease, and the rest. */
void ef_page_outbox_facts(struct ef_buf *out, const struct ef_snapshot *snapshot,
                          const struct ef_snapshot_outbox *outbox);
