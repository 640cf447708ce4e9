// SPDX-License-Identifier: MIT
#include "outbox/policy.h"

#include "outbox/route.h"

static struct ef_verdict retry_or_dead(const struct ef_retry *retry, int attempts, bool quota,
                                       struct ef_rng *rng)
{
    struct ef_verdict v = {.fate = EF_FATE_RETRY, .attempts = attempts + 1};
    if (v.attempts >= retry->max_attempts) {
        v.fate = EF_FATE_DEAD;
        return v;
    }
    v.delay_ms = ef_backoff_ms(&retry->backoff, v.attempts, rng);
    if (quota) {
        /* eventferry's rule: a quota error waits longer, but not beyond ten times the usual maximum
         */
        int64_t max = retry->backoff.max_ms * 10;
        v.delay_ms =
            v.delay_ms > max / retry->quota_multiplier ? max : v.delay_ms * retry->quota_multiplier;
    }
    return v;
}

struct ef_retry ef_policy_retry(const struct ef_config_outbox *outbox, struct ef_slice topic)
{
    struct ef_retry retry = outbox->retry;
    int max_attempts = 0;
    int64_t base_ms = 0, max_ms = 0;
    for (size_t i = 0; i < outbox->topic_override_count; i++) {
        const struct ef_topic_override *override = &outbox->topic_overrides[i];
        if (!ef_topic_matches(override->pattern, topic))
            continue;
        max_attempts = max_attempts ? max_attempts : override->max_attempts;
        base_ms = base_ms ? base_ms : override->base_ms;
        max_ms = max_ms ? max_ms : override->max_ms;
    }
    if (max_attempts)
        retry.max_attempts = max_attempts;
    if (base_ms)
        retry.backoff.base_ms = base_ms;
    if (max_ms)
        retry.backoff.max_ms = max_ms;
    if (retry.backoff.max_ms < retry.backoff.base_ms)
        retry.backoff.max_ms = retry.backoff.base_ms;
    return retry;
}

struct ef_verdict ef_policy_judge(const struct ef_retry *retry, const struct ef_error *err,
                                  int attempts, bool alone, bool quota, struct ef_rng *rng)
{
    struct ef_verdict v = {.fate = EF_FATE_DELIVERED, .attempts = attempts};
    switch (err ? err->class : EF_CLASS_NONE) {
    case EF_CLASS_NONE:
        break;
    case EF_CLASS_TRANSIENT:
        return retry_or_dead(retry, attempts, quota, rng);
    case EF_CLASS_RECORD:
        v.fate = alone ? EF_FATE_DEAD : EF_FATE_ALONE;
        if (alone)
            v.attempts = attempts + 1;
        break;
    case EF_CLASS_DESTINATION:
        v.fate = EF_FATE_PAUSE_TOPIC;
        break;
    case EF_CLASS_FENCED:
        v.fate = EF_FATE_STEP_DOWN;
        break;
    case EF_CLASS_BUSY:
    case EF_CLASS_UNCERTAIN:
    case EF_CLASS_OUTAGE:
    case EF_CLASS_CONFIG:
    case EF_CLASS_FATAL:
    case EF_CLASS_COUNT:
        v.fate = EF_FATE_AGAIN; /* nothing is said about this row: it stays as it is */
        break;
    }
    return v;
}
