// SPDX-License-Identifier: MIT
#include "base/backoff.h"

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

int64_t ef_backoff_ms(const struct ef_backoff *b, int attempt, struct ef_rng *rng)
{
    int64_t max = b->max_ms > 0 ? b->max_ms : 1;
    int64_t delay = clamp(b->base_ms, 1, max);
    if (attempt < 1)
        attempt = 1;
    switch (b->strategy) {
    case EF_BACKOFF_FIXED:
        break;
    case EF_BACKOFF_LINEAR:
        delay = attempt > max / delay ? max : delay * attempt;
        break;
    case EF_BACKOFF_EXPONENTIAL:
        for (int i = 1; i < attempt && delay < max; i++)
            delay = delay > max / 2 ? max : delay * 2;
        break;
    }
    delay = clamp(delay, 1, max);
    if (!b->jitter)
        return delay;
    /* the floor keeps a row from being tried again at once, which full jitter alone allows */
    int64_t floor_ms = clamp(delay / 10, 1, delay);
    return floor_ms + (int64_t)ef_rng_below(rng, (uint64_t)(delay - floor_ms + 1));
}
