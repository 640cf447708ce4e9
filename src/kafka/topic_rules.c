// SPDX-License-Identifier: MIT
#include "kafka/topic_rules.h"

#include <inttypes.h>

bool ef_topic_judge_limit(struct ef_report *report, const char *topic, int64_t limit_bytes,
                          const char *outbox, int64_t max_payload_bytes)
{
    if (max_payload_bytes <= limit_bytes)
        return false;
    ef_report_add(report, "kafka.message_size", EF_LEVEL_WARN,
                  "max_payload of outbox %s is %" PRId64 " bytes, topic \"%s\" takes %" PRId64
                  " (max.message.bytes): larger rows go dead",
                  outbox, max_payload_bytes, topic, limit_bytes);
    return true;
}
