// SPDX-License-Identifier: MIT
#include "kafka/partition.h"

#include <librdkafka/rdkafka.h>

int32_t ef_kafka_partition(const void *key, size_t len, int32_t count)
{
    return rd_kafka_msg_partitioner_murmur2(NULL, key, len, count, NULL, NULL);
}
