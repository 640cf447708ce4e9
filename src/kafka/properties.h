// SPDX-License-Identifier: MIT
/*
 * From the configuration to librdkafka's: our own settings, which make the guarantees, then the
 * operator's properties; and the check of those (unknown, refused, unsafe, consumer's, bad value)
 * for the config.
 *
 * Owns: the list of properties that are refused, or need kafka.allow_unsafe, with the reasons.
 * Does not own: callbacks, events and the partitioner, which the producer sets on what it gets from
 * here. Needs no rdkafka.h. Thread: the loop's. Life: none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"

struct rd_kafka_conf_s; /* librdkafka's rd_kafka_conf_t */

struct ef_kafka_params {
    const struct ef_config_kafka *config;
    const char *bootstrap;     /* "host:port,..."; NULL: config->brokers */
    int64_t queue_messages;    /* most messages queued in the library; 0: its own default */
    int64_t queue_bytes;       /* their keys and values; 0: its own default */
    int64_t message_max_bytes; /* largest message produce() takes, with its headers; 0: its own
                                  default */
    int64_t linger_us;         /* how long a batch waits for more messages */
    int64_t statistics_ms;     /* between statistics events; 0: none */
    bool aside; /* for dead letters and probes: no gapless guarantee, messages expire after 30 s */
    bool alone; /* for messages that go by themselves: no promise to the next, one in a request */
};

/*
 * A new configuration, the caller's (rd_kafka_conf_destroy) until rd_kafka_new takes it. Errors:
 * CONFIG, with the property named in the text.
 */
bool ef_kafka_conf_new(const struct ef_kafka_params *params, struct rd_kafka_conf_s **ret,
                       struct ef_error *err) EF_MUST_CHECK;

/*
 * One property of the file, before anything is started. allow_unsafe (may be NULL) lists what the
 * operator takes responsibility for; an alias counts as the same property. Never shows the value of
 * a secret.
 */
bool ef_kafka_property_check(const char *name, const char *value,
                             const struct ef_strings *allow_unsafe,
                             struct ef_error *err) EF_MUST_CHECK;

/* An entry of allow_unsafe: it must be a property that needs it. */
bool ef_kafka_allow_unsafe_check(const char *name, struct ef_error *err) EF_MUST_CHECK;

/*
 * All properties together, and what files they name, by making a producer without brokers and
 * ending it again (about 10 ms, no connection): contradictions, unreadable certificates, missing
 * credentials. Left out for Kerberos, whose start runs kinit.
 */
bool ef_kafka_config_try(const struct ef_config_kafka *config, struct ef_error *err) EF_MUST_CHECK;

/* The operator's own partitioner (allow_unsafe); NULL: none, or the same as ours. Borrowed from
 * config. */
const char *ef_kafka_own_partitioner(const struct ef_config_kafka *config);

/* The two checks above as the config room takes them (ef_config_use_kafka_checks). */
extern const struct ef_config_kafka_checks ef_kafka_config_checks;
