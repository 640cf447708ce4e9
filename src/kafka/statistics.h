// SPDX-License-Identifier: MIT
/*
 * What librdkafka says of itself and of its brokers (STATISTICS.md there), read into plain values.
 * It puts texts of the brokers' into it. Pure. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ef_kafka_broker_statistics {
    int64_t node;
    double rtt_p50_us, rtt_p99_us;
};

struct ef_kafka_statistics {
    double messages, bytes; /* in the library's queues */
    double retries, timeouts;
    int brokers_up;
    struct ef_kafka_broker_statistics *brokers; /* owned */
    size_t broker_count;
};

/* False: it is no JSON object. Life: .. ef_kafka_statistics_done, which is due after true only. */
EF_MUST_CHECK bool ef_kafka_statistics_read(const char *json, struct ef_kafka_statistics *ret);
void ef_kafka_statistics_done(struct ef_kafka_statistics *statistics);
