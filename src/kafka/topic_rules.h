// SPDX-License-Identifier: MIT
/*
 * Rules about topics that eventferryctl judges by when it is asked and the daemon while it runs.
 * Pure. Thread: any.
 */
#pragma once

#include <stdint.h>

#include "base/report.h"

/* Key, usual headers and the batch's own, beside a row's payload. */
enum { EF_TOPIC_ENVELOPE_BYTES = 4096 };

/*
 * Adds kafka.message_size if an outbox lets through payloads that the topic does not take
 * (max.message.bytes): true then. No row is known to be so large, so it is a warning.
 */
bool ef_topic_judge_limit(struct ef_report *report, const char *topic, int64_t limit_bytes,
                          const char *outbox, int64_t max_payload_bytes);
