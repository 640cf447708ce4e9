// SPDX-License-Identifier: MIT
/*
 * The publisher on librdkafka: an idempotent, gapless producer, and one aside for dead letters and
 * probes.
 *
 * Owns: the librdkafka instances, topics, messages under way. Replaces an instance that has failed
 * (fatal error, a message refused for good, a topic that does not answer) and reports what had no
 * ack to its users. Thread: the loop's; librdkafka's threads reach it through an eventfd, and
 * through the partitioner callback, which touches only an atomic and the message. Life: _new ->
 * users join and leave -> _free.
 */
#pragma once

#include "base/metrics.h"
#include "base/report.h"
#include "config/config.h"
#include "kafka/publisher.h"
#include "loop/loop.h"

struct ef_embedded;
struct ef_producer;

/* For examinations of topics; borrowed by them. */
struct ef_producer_examiner {
    /* max_payload of the outbox if it is ours to send now, else 0 */
    int64_t (*max_payload)(void *arg, const char *outbox);
    /* What is not well with topics that were sent to, in place of what was; borrowed until the call
     * returns. */
    void (*found)(void *arg, const struct ef_report *report);
    void *arg;
    const char *config_path; /* for commands that mend */
};

struct ef_producer_params {
    struct ef_loop *loop;
    struct ef_metrics *metrics;
    const struct ef_config_kafka *config;
    struct ef_embedded *embedded; /* borrowed; NULL: real brokers */
    const char *cluster;          /* label in metrics */
    int64_t queue_messages;       /* of all windows together: they are the bound, not the library */
    int64_t queue_bytes;          /* of all windows together */
    int64_t message_max_bytes;
    struct ef_producer_examiner examiner; /* zeroed: nobody wants to know */
};

struct ef_producer_view {
    bool up;           /* no outage is known */
    int brokers_up;    /* by the last statistics; -1: none yet */
    char reason[256];  /* why not up */
    int64_t in_flight; /* messages without a report, held ones included */
    uint64_t recreations;
};

struct ef_producer *ef_producer_new(const struct ef_producer_params *params, struct ef_error *err);
/* Blocks for at most a second or two while librdkafka ends; only at the daemon's end. */
void ef_producer_free(struct ef_producer *producer);
/* A thread still ends a client that was replaced: whoever ends the process must not call exit(),
 * which takes away what it uses (OpenSSL's tables). Any thread. */
bool ef_producer_lingers(void);
struct ef_publisher *ef_producer_publisher(struct ef_producer *producer);
void ef_producer_view(const struct ef_producer *producer, struct ef_producer_view *ret);

/*
 * Tells the examiner what is known of the topics, asks the brokers how large their messages may be,
 * and tells again when they have answered. A number of partitions that changed is told when it is
 * seen, too, and for an hour.
 */
void ef_producer_examine(struct ef_producer *producer);
/* An operator has seen which numbers of partitions have changed. */
void ef_producer_forget_changes(struct ef_producer *producer);
