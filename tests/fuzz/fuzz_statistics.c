// SPDX-License-Identifier: MIT
/*
 * librdkafka's statistics, in which are the brokers' names for themselves: any bytes. Beyond "no
 * crash": whatever stands in them, no count is below zero and no broker is counted that is none.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "fuzz/require.h"
#include "kafka/statistics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_kafka_statistics told;
    char *json = ef_xstrndup((const char *)data, size);
    bool ok = ef_kafka_statistics_read(json, &told);
    free(json);
    if (!ok)
        return 0;
    require(told.messages >= 0 && told.bytes >= 0 && told.retries >= 0 && told.timeouts >= 0);
    require(told.brokers_up >= 0 && (size_t)told.brokers_up <= told.broker_count);
    for (size_t i = 0; i < told.broker_count; i++) {
        const struct ef_kafka_broker_statistics *broker = &told.brokers[i];
        require(broker->node >= 0 && broker->rtt_p50_us >= 0 && broker->rtt_p99_us >= 0);
    }
    ef_kafka_statistics_done(&told);
    return 0;
}
