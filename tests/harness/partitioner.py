# SPDX-License-Identifier: MIT
"""The partition Kafka's Java client picks for a key: murmur2 of its bytes, without the sign."""

SEED = 0x9747B28C
M = 0x5BD1E995
MASK = 0xFFFFFFFF


def murmur2(data):
    """MurmurHash2, 32 bits, as org.apache.kafka.common.utils.Utils computes it."""
    h = (SEED ^ len(data)) & MASK
    whole = len(data) - len(data) % 4
    for position in range(0, whole, 4):
        k = int.from_bytes(data[position:position + 4], "little") * M & MASK
        k = (k ^ k >> 24) * M & MASK
        h = (h * M & MASK) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * M & MASK
    h = (h ^ h >> 13) * M & MASK
    return h ^ h >> 15


def partition_of(key, partitions):
    return (murmur2(key) & 0x7FFFFFFF) % partitions
