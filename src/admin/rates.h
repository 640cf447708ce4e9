// SPDX-License-Identifier: MIT
/*
 * Rows a second of each outbox over the last few seconds, and its last 15 minutes: a timer of its
 * own looks at the relays' counters and histograms. Owns: its samples. Borrows: loop, view. Thread:
 * the loop's. Life: ef_rates_new .. ef_rates_free.
 */
#pragma once

#include <stdbool.h>

#include "admin/history.h"
#include "admin/view.h"
#include "loop/loop.h"

struct ef_rates;

struct ef_rate { /* rows a second */
    double fetched, delivered, settled;
};

struct ef_rates *ef_rates_new(struct ef_loop *loop, const struct ef_view *view);
void ef_rates_free(struct ef_rates *rates);
/* False until this outbox was looked at twice. */
bool ef_rates_get(const struct ef_rates *rates, const char *outbox, struct ef_rate *ret);
/* Borrowed until the loop's next turn; NULL: not looked at yet. */
const struct ef_history *ef_rates_history(const struct ef_rates *rates, const char *outbox);
