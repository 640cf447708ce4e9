// SPDX-License-Identifier: MIT
/*
 * A broker inside the process, for trying things out and for tests: librdkafka's mock cluster with
 * one broker on a free port of 127.0.0.1. Any Kafka client may connect: it speaks Produce, Fetch,
 * consumer groups.
 *
 * What it is not: durable, replicated, secured, or exact (no duplicate check for idempotent
 * producers, no aborts, a partition keeps its newest 5 MiB or 100 000 messages).
 *
 * Owns: a librdkafka instance and the threads of its cluster. Thread: the loop's. Life:
 * ef_embedded_new .. ef_embedded_free, after every producer that uses it.
 */
#pragma once

#include "base/error.h"

struct ef_embedded;

/* What the log and the status page say about it, loudly. */
#define EF_EMBEDDED_NOTICE                                                                         \
    "the embedded broker keeps messages in memory only: they are gone when the daemon ends, and "  \
    "of each partition only the newest 5 MiB or 100 000 messages stay; use it for trying things "  \
    "out, never for data"

/* partitions: of topics made by ef_embedded_topic, at least 1. NULL: err says why. */
struct ef_embedded *ef_embedded_new(int partitions, struct ef_error *err);
void ef_embedded_free(struct ef_embedded *embedded);

/* "127.0.0.1:40123"; owned by embedded. */
const char *ef_embedded_bootstrap(const struct ef_embedded *embedded);

/*
 * Make a topic with the configured number of partitions, before a producer first asks for it;
 * nothing happens if it exists. A topic that a client asks for first is made by the mock itself,
 * which gives it 4 partitions and has no setting for that.
 */
bool ef_embedded_topic(struct ef_embedded *embedded, const char *name,
                       struct ef_error *err) EF_MUST_CHECK;

/* librdkafka's rd_kafka_mock_cluster_t, for tests that make it fail. */
void *ef_embedded_cluster(struct ef_embedded *embedded);
/* Set TCP_NODELAY on its listening sockets again, when a test has opened them anew. */
void ef_embedded_nodelay(struct ef_embedded *embedded);
