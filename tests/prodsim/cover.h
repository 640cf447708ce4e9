// SPDX-License-Identifier: MIT
/*
 * What the schedules of the producer have reached, as tests/sim's cover.h has it for relays: `make
 * prove` demands each. Counts of the whole process, over all schedules.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "base/metrics.h"
#include "prodsim/prodsim.h"

#define COVERED(X)                                                                                 \
    X(LIBRARY_FULL, "library refuses", "queue full")                                               \
    X(LIBRARY_FATAL, "library refuses", "it has failed")                                           \
    X(LIBRARY_TOO_LARGE, "library refuses", "too large")                                           \
    X(LIBRARY_NO_TOPIC, "library refuses", "no such topic")                                        \
    X(LIBRARY_NO_PARTITION, "library refuses", "no such partition")                                \
    X(FATAL_MAIN, "fatal error", "of the main producer")                                           \
    X(FATAL_ASIDE, "fatal error", "of that of dead letters")                                       \
    X(PURGE_QUEUE, "purge", "of what is queued")                                                   \
    X(PURGE_SENT, "purge", "of what is under way, too")                                            \
    X(ANSWERED_IN_PURGE, "purge", "an answer came just before")                                    \
    X(OUTAGE_TOLD, "outage", "told")                                                               \
    X(OUTAGE_OVER, "outage", "over")                                                               \
    X(LATE_ARRIVES, "late request", "arrives")                                                     \
    X(LATE_LOST, "late request", "is lost")                                                        \
    X(ANSWER_LOST, "broker", "its answer is lost")                                                 \
    X(APPENDED_BEFORE, "broker", "has it already")                                                 \
    X(OUT_OF_SEQUENCE, "broker", "one before it is missing")                                       \
    X(FORMER_TOPIC, "broker", "meant for the former topic")                                        \
    X(GROWN, "topic", "has more partitions")                                                       \
    X(DELETED, "topic", "deleted")                                                                 \
    X(MADE_AGAIN, "topic", "made again")                                                           \
    X(LEARNT_MORE, "library learns", "of more partitions")                                         \
    X(LEARNT_FEWER, "library learns", "of fewer partitions")                                       \
    X(MADE_MAIN, "producers made", "main")                                                         \
    X(MADE_ALONE, "producers made", "for what goes alone")                                         \
    X(MADE_ASIDE, "producers made", "for dead letters")                                            \
    X(NOT_MADE, "producers made", "not, for a while")                                              \
    X(REPEATED, "message", "appended again")                                                       \
    X(LEFT_UNDER_WAY, "user", "leaves messages under way")                                         \
    X(ROOM, "user", "is told of room")

enum covered {
#define X(name, what, which) COVER_##name,
    COVERED(X)
#undef X
        COVERED_COUNT
};

void cover(enum covered what);
void cover_misfortune(enum misfortune kind);
/* Of a message that is to be sent. */
void cover_refusal(rd_kafka_resp_err_t err);
/* A delivery report of the library's. */
void cover_report(int kind, rd_kafka_resp_err_t err);
/* What users are told. */
void cover_delivery(bool letter, enum ef_class class);
void cover_produced(bool letter, enum ef_produced answer);
/* What it has counted by itself: at the end of its schedule. */
void cover_producer(struct ef_metrics *metrics);
