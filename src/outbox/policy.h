// SPDX-License-Identifier: MIT
/*
 * What becomes of a row: a delivery report's error class and the attempts so far give its fate
 * (claim-and-order.md, Settling). Pure. Thread: any.
 */
#pragma once

#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"
#include "config/config.h"

enum ef_fate {
    EF_FATE_DELIVERED,
    EF_FATE_RETRY,       /* status 3, attempts counted, after delay_ms */
    EF_FATE_DEAD,        /* dead letter, then status 4 */
    EF_FATE_PAUSE_TOPIC, /* the topic is paused; status 3, attempts unchanged */
    EF_FATE_AGAIN,       /* not its fault: produce it again, nothing is written */
    EF_FATE_ALONE,       /* refused, perhaps for a neighbour's sake: produce it again by itself */
    EF_FATE_STEP_DOWN,   /* ownership is lost */
};

struct ef_verdict {
    enum ef_fate fate;
    int attempts; /* the new value */
    int64_t delay_ms;
};

/* What holds for rows of this topic: each value from the first override that fits and names it,
 * else the outbox's. */
struct ef_retry ef_policy_retry(const struct ef_config_outbox *outbox, struct ef_slice topic);

/* err NULL: delivered. alone: the message was the only one of its request. */
struct ef_verdict ef_policy_judge(const struct ef_retry *retry, const struct ef_error *err,
                                  int attempts, bool alone, bool quota, struct ef_rng *rng);
