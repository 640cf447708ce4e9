// SPDX-License-Identifier: MIT
/*
 * What is decided in a schedule of the producer, beside those of tests/sim's sites that it uses as
 * well ("fault", "brokers.forth-longest", ...; sim/choice.h). Producers are 0: the main one, 1:
 * that of messages that go alone, 2: that of dead letters.
 */
#pragma once

/* site, its name in scenario files, for whom, which labels */
#define PRODSIM_SITES(X)                                                                           \
    X(PROD_MESSAGES, "world.messages", WORLD, NONE)                                                \
    X(PROD_ABRUPT, "world.abrupt-end", WORLD, NONE)                                                \
    X(PROD_QUEUE, "library.queue-limited", WORLD, NONE)                                            \
    X(PROD_QUEUE_LIMIT, "library.queue-limit", WORLD, NONE)                                        \
    X(PROD_METADATA, "library.metadata-longest", WORLD, NONE)                                      \
    X(PROD_RETRIABLE, "brokers.retriable", WORLD, NONE)                                            \
    X(PROD_LOST, "brokers.lost-answers", WORLD, NONE)                                              \
    X(TOPIC_MISSING, "topic.missing", WORLD, NONE)                                                 \
    X(TOPIC_COUNT, "topic.partitions", WORLD, NONE)                                                \
    X(TOPIC_KEYS, "topic.wants-keys", WORLD, NONE)                                                 \
    X(TOPIC_MORE, "topic.more-partitions", WORLD, NONE)                                            \
    X(RELIEF_WAIT, "relief.wait", WORLD, NONE)                                                     \
    X(RELIEF_TOPIC, "relief.topic", WORLD, NONE)                                                   \
    X(RELIEF_OUTAGE, "relief.outage-goes-on", WORLD, NONE)                                         \
    X(RELIEF_PRODUCER, "relief.no-producer-goes-on", WORLD, NONE)                                  \
    X(AGGREGATE_TOPIC, "aggregate.topic", AGGREGATE, NONE)                                         \
    X(AGGREGATE_USER, "aggregate.user", AGGREGATE, NONE)                                           \
    X(AGGREGATE_PLACED, "aggregate.has-a-partition", AGGREGATE, NONE)                              \
    X(AGGREGATE_PARTITION, "aggregate.partition", AGGREGATE, NONE)                                 \
    X(AGGREGATE_KEYLESS, "aggregate.keyless", AGGREGATE, NONE)                                     \
    X(AGGREGATE_KEY, "aggregate.key", AGGREGATE, NONE)                                             \
    X(AGGREGATE_PUT_OFF, "aggregate.put-off", AGGREGATE, NONE)                                     \
    X(WRITE_AGGREGATE, "write.aggregate", WORLD, NONE)                                             \
    X(WRITE_COUNT, "write.messages", WORLD, NONE)                                                  \
    X(WRITE_WAIT, "write.wait", WORLD, NONE)                                                       \
    X(MESSAGE_POISON, "message.poison", WORLD, NONE)                                               \
    X(MESSAGE_HUGE, "message.huge", WORLD, NONE)                                                   \
    X(MESSAGE_EMPTY, "message.tombstone", WORLD, NONE)                                             \
    X(USER_FIRST, "user.first-aggregate", USER, NONE)                                              \
    X(LIBRARY_WAKE, "library.wake", PRODUCER, NONE)                                                \
    X(LIBRARY_METADATA, "library.metadata", PRODUCER, NONE)                                        \
    X(LIBRARY_REFRESH, "library.metadata-again", PRODUCER, NONE)                                   \
    X(REQUEST_BATCH, "request.batch", PRODUCER, PARTITION)                                         \
    X(REQUEST_FORTH, "request.forth", PRODUCER, PARTITION)                                         \
    X(REQUEST_BACK, "request.back", PRODUCER, PARTITION)                                           \
    X(REQUEST_RETRIABLE, "request.retriable", PRODUCER, PARTITION)                                 \
    X(REQUEST_LOST, "request.answer-lost", PRODUCER, PARTITION)                                    \
    X(REQUEST_ANSWERED, "request.answered-in-a-purge", PRODUCER, PARTITION)                        \
    X(REQUEST_LATE, "request.late", PRODUCER, PARTITION)                                           \
    X(REQUEST_LATE_BY, "request.late-by", PRODUCER, PARTITION)                                     \
    X(PROD_QUEUE_BYTES, "library.queue-bytes", WORLD, NONE)
