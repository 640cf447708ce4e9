// SPDX-License-Identifier: MIT
/* Which partition a key belongs to, as the producer and Java's client choose. Pure. Thread: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* murmur2 of the key; count is above 0. */
int32_t ef_kafka_partition(const void *key, size_t len, int32_t count);
