// SPDX-License-Identifier: MIT
#include "kafka/version.h"

#include <librdkafka/rdkafka.h>

const char *ef_kafka_version(void)
{
    return rd_kafka_version_str();
}
