// SPDX-License-Identifier: MIT
/*
 * Metrics that are a picture of the moment: gauges filled from a snapshot just before a scrape, and
 * what the loop and the process say about themselves. Counters and histograms of the work belong to
 * the relays.
 *
 * Owns: the list of topics once shown as paused. Borrows: metrics, loop. Thread: the loop's.
 * Life: ef_collect_new .. ef_collect_free.
 */
#pragma once

#include "admin/snapshot.h"
#include "base/metrics.h"
#include "loop/loop.h"

struct ef_collect;

/* Value of the label `cluster` as long as there is one. */
#define EF_COLLECT_CLUSTER "default"

/* Versions of the libraries, for build_info; NULL: not linked. Takes the loop's observer. */
struct ef_collect *ef_collect_new(struct ef_metrics *metrics, struct ef_loop *loop,
                                  const char *librdkafka, const char *libpq,
                                  const char *libmariadb);
void ef_collect_free(struct ef_collect *collect);
void ef_collect_update(struct ef_collect *collect, const struct ef_snapshot *snapshot);
