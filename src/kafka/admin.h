// SPDX-License-Identifier: MIT
/*
 * An administrator's connection to the brokers, for eventferryctl: who they are, what topics they
 * have, how both are set. Every call blocks, up to the timeout given with it. Nothing here makes
 * the brokers create a topic that is only asked about, and nothing is produced.
 *
 * Owns: a librdkafka instance made from the configuration, as the daemon's producer is. Does not
 * own: what is done about an answer. Thread: the caller's, one at a time. Life: ef_kafka_admin_new
 * .. ef_kafka_admin_free; what a call returns is the caller's, until the _done of its kind.
 *
 * Classes of errors: OUTAGE (no broker, or not this one, answers or lets us in), DESTINATION (this
 * topic), CONFIG (the configuration, or a right that is missing).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"

struct ef_kafka_admin;

/* Checks the configuration; connects with the first call. bootstrap NULL: config->brokers. */
struct ef_kafka_admin *ef_kafka_admin_new(const struct ef_config_kafka *config,
                                          const char *bootstrap, struct ef_error *err);
void ef_kafka_admin_free(struct ef_kafka_admin *admin); /* NULL is fine */

/* --- brokers --- */

struct ef_kafka_admin_broker {
    int id;
    char *host;
    int port;
};

struct ef_kafka_admin_cluster {
    char *id;       /* NULL: it did not say */
    int controller; /* -1: it did not say */
    struct ef_kafka_admin_broker *brokers;
    size_t broker_count;
};

EF_MUST_CHECK bool ef_kafka_admin_cluster(struct ef_kafka_admin *admin, int timeout_ms,
                                          struct ef_kafka_admin_cluster *ret, struct ef_error *err);
void ef_kafka_admin_cluster_done(struct ef_kafka_admin_cluster *cluster);

/*
 * The error that makes this connection useless for producing (no right to write anywhere is one),
 * once the brokers have said so; false: none so far.
 */
bool ef_kafka_admin_fatal(struct ef_kafka_admin *admin, struct ef_error *ret);

/* --- topics --- */

struct ef_kafka_admin_topic {
    bool exists;          /* false: the brokers do not know it, which is no error */
    bool denied;          /* the broker does not let us see it: exists is unknown, then */
    int partitions;       /* how many */
    int replicas;         /* of the partition that has fewest */
    int in_sync;          /* of the partition that has fewest in sync */
    int leaderless;       /* partitions that nobody leads */
    bool may_write_known; /* by librdkafka 2.3 and later, and brokers that say it */
    bool may_write;
};

/* An error is one of asking; a topic that is missing or denied is an answer. */
EF_MUST_CHECK bool ef_kafka_admin_topic(struct ef_kafka_admin *admin, const char *name,
                                        int timeout_ms, struct ef_kafka_admin_topic *ret,
                                        struct ef_error *err);

/* --- settings of topics and brokers --- */

struct ef_kafka_admin_setting {
    char *name, *value; /* value NULL: a secret, or none */
    bool is_default;    /* not set on this very topic or broker */
    bool read_only;
};

struct ef_kafka_admin_settings {
    struct ef_error err; /* of this topic or broker alone; NONE: read */
    struct ef_kafka_admin_setting *items;
    size_t count;
};

/* One request for all names; ret has `count` elements, filled only on success. */
EF_MUST_CHECK bool ef_kafka_admin_topic_settings(struct ef_kafka_admin *admin,
                                                 const char *const *names, size_t count,
                                                 int timeout_ms,
                                                 struct ef_kafka_admin_settings *ret,
                                                 struct ef_error *err);
/* The request goes to that broker and no other, so an answer proves that it is reachable. */
EF_MUST_CHECK bool ef_kafka_admin_broker_settings(struct ef_kafka_admin *admin, int broker,
                                                  int timeout_ms,
                                                  struct ef_kafka_admin_settings *ret,
                                                  struct ef_error *err);
void ef_kafka_admin_settings_done(struct ef_kafka_admin_settings *settings);
/* NULL: not among them, or no value. Borrowed. */
const char *ef_kafka_admin_setting_value(const struct ef_kafka_admin_settings *settings,
                                         const char *name);

/* --- changes; only_try: the brokers check it and change nothing --- */

struct ef_kafka_admin_pair {
    const char *name, *value;
};

struct ef_kafka_admin_new_topic {
    const char *name;
    int partitions, replicas; /* -1: as the brokers do by default (Kafka 2.4 and later) */
    const struct ef_kafka_admin_pair *settings;
    size_t setting_count;
};

EF_MUST_CHECK bool ef_kafka_admin_create(struct ef_kafka_admin *admin,
                                         const struct ef_kafka_admin_new_topic *wanted,
                                         bool only_try, int timeout_ms, struct ef_error *err);
/* partitions: how many there shall be then, more than now. */
EF_MUST_CHECK bool ef_kafka_admin_grow(struct ef_kafka_admin *admin, const char *name,
                                       int partitions, bool only_try, int timeout_ms,
                                       struct ef_error *err);
/* These settings of a topic; its others stay. */
EF_MUST_CHECK bool ef_kafka_admin_set(struct ef_kafka_admin *admin, const char *name,
                                      const struct ef_kafka_admin_pair *wanted, size_t count,
                                      bool only_try, int timeout_ms, struct ef_error *err);
