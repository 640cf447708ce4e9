// SPDX-License-Identifier: MIT
/* The librdkafka that is linked at run time, for rooms that do not include rdkafka.h. */
#pragma once

const char *ef_kafka_version(void);
