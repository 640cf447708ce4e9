// SPDX-License-Identifier: MIT
/*
 * What is wrong slowly, by the doctor's checks, while the daemon runs: each finding that is not OK
 * once, whoever found it. Logs a finding when it appears and when it is gone, and counts them for
 * the metrics page.
 *
 * Owns: copies of the findings. Borrows: metrics. Thread: the loop's. Life: ef_warnings_new ..
 * ef_warnings_free.
 */
#pragma once

#include "base/clock.h"
#include "base/metrics.h"
#include "base/report.h"

struct ef_warning {
    struct ef_finding finding;
    ef_wall since; /* first seen */
};

struct ef_warnings;

struct ef_warnings *ef_warnings_new(struct ef_metrics *metrics);
void ef_warnings_free(struct ef_warnings *warnings);
/* What a source has found, in place of what it had found before; NULL: nothing any more. source is
 * any address that stands for it. Several sources may find the same (outboxes of one database). */
void ef_warnings_take(struct ef_warnings *warnings, const void *source,
                      const struct ef_report *report);
/* All of them, the worst first; borrowed until the next take. warnings may be NULL: none. */
const struct ef_warning *ef_warnings_all(const struct ef_warnings *warnings, size_t *ret_count);
