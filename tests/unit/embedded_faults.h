// SPDX-License-Identifier: MIT
/*
 * Faults of the embedded broker, and a look at what it holds, for unit tests; no rdkafka.h needed.
 * Codes are librdkafka's numbers. Errors wait on a stack: each request of that kind takes one and
 * is not carried out (except answers that only come late).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kafka/embedded.h"

enum ef_fault_api { /* Kafka's API keys */
                    EF_FAULT_PRODUCE = 0,
                    EF_FAULT_FETCH = 1,
                    EF_FAULT_METADATA = 3,
                    EF_FAULT_INIT_PRODUCER_ID = 22,
};

enum { EF_FAULT_DISCONNECT = -195 }; /* instead of a code: close the connection (_TRANSPORT) */

/* The next `count` requests of this kind fail with these codes, in order; 0 lets one pass. */
void ef_faults_push(struct ef_embedded *embedded, enum ef_fault_api api, const int *codes,
                    size_t count);
/* The next `count` requests of this kind get this code (0: are carried out), their answer rtt_ms
 * late. */
void ef_faults_push_late(struct ef_embedded *embedded, enum ef_fault_api api, int code, int rtt_ms,
                         int count);
void ef_faults_clear(struct ef_embedded *embedded, enum ef_fault_api api);

/* Down: connections are closed and refused until up. */
void ef_faults_down(struct ef_embedded *embedded);
void ef_faults_up(struct ef_embedded *embedded);
/* Every answer comes this much later; 0: at once. */
void ef_faults_rtt(struct ef_embedded *embedded, int rtt_ms);

/*
 * Metadata answers for this topic carry the code; 0: none any more. A topic that is new gets no
 * partitions, which is how a real broker answers. For one that has partitions only
 * UNKNOWN_TOPIC_OR_PART is safe: the mock then sends error and partitions together, and
 * librdkafka 2.8's client crashes on that with other codes.
 */
void ef_faults_topic_error(struct ef_embedded *embedded, const char *topic, int code);
/* A topic with a number of partitions of its own. */
void ef_faults_topic(struct ef_embedded *embedded, const char *topic, int partitions);
/* Take a partition's leader away, or give it back. */
void ef_faults_leader(struct ef_embedded *embedded, const char *topic, int partition, bool present);

struct ef_held_message {
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    bool has_key, has_value;
    char key[64], value[64]; /* cut to fit, NUL-terminated */
    int header_count;
};

/*
 * All messages a topic holds, each partition in the order of its log. Waits until there are at
 * least `want`, at most 10 s (times EF_TEST_TIMEOUT_SCALE), and reads every partition to its end.
 * Returns how many are in out.
 */
size_t ef_faults_read(struct ef_embedded *embedded, const char *topic, size_t want,
                      struct ef_held_message *out, size_t max);
