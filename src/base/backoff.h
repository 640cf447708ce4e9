// SPDX-License-Identifier: MIT
/*
 * Waiting times: retry of a row (fixed, linear, exponential; full jitter with a floor) and
 * reconnects. Pure. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

enum ef_backoff_strategy { EF_BACKOFF_EXPONENTIAL, EF_BACKOFF_LINEAR, EF_BACKOFF_FIXED };

struct ef_backoff {
    enum ef_backoff_strategy strategy;
    int64_t base_ms;
    int64_t max_ms;
    bool jitter; /* full jitter: uniform in [floor, delay], floor = delay/10, at least 1 ms */
};

/* Delay in ms before try number attempt+1, attempt counting from 1. Always in [1, max_ms]. */
int64_t ef_backoff_ms(const struct ef_backoff *b, int attempt, struct ef_rng *rng);
