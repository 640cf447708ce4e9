// SPDX-License-Identifier: MIT
/*
 * What message a row becomes: topic, key, partition, value, timestamp, headers (contract.md,
 * Message).
 *
 * Decides nothing about retries; a row that can never be a message gets an error of class RECORD.
 * Changes neither row nor config. Pure. Thread: the loop's. Life: a config per outbox, made again
 * at a reload.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "config/config.h"
#include "outbox/message.h"
#include "outbox/row.h"

struct ef_route_config {
    unsigned headers; /* EF_HEADER_* */
    bool tombstone_on_empty;
    enum ef_timestamp timestamp;
    /* Always the time of sending: a dead row sent again, or after INVALID_TIMESTAMP. Set in a copy
     * of the outbox's config. With timestamp created_at a header `created-at` then carries it. */
    bool send_time;
    int64_t timestamp_max_age_us;
    int64_t message_max_bytes;             /* the producer's message.max.bytes */
    const struct ef_strings *topics_allow; /* borrowed from the outbox's config */
};

/* Borrows from outbox. */
void ef_route_config_init(struct ef_route_config *ret, const struct ef_config_outbox *outbox,
                          int64_t message_max_bytes);

/*
 * The message of a row. It borrows from row and scratch (which may be reset once produce has
 * returned), its value from the row alone. On failure ret is undefined and err is of class RECORD,
 * by name: TOPIC_INVALID       no topic, or none that Kafka accepts TOPIC_NOT_ALLOWED   by
 * topics.allow, or it begins with "__" PARTITION_INVALID   below -1 HEADERS_UNREADABLE  see
 * headers.h MSG_SIZE_TOO_LARGE  payload not loaded, or the message exceeds message_max_bytes
 */
bool ef_route(const struct ef_route_config *config, const struct ef_row *row, ef_wall now,
              struct ef_arena *scratch, struct ef_message *ret, struct ef_error *err) EF_MUST_CHECK;

/* --- what dead letters share --- */

/* NULL if Kafka accepts the name (1 to 249 of [a-zA-Z0-9._-], not "." or ".."), else what is wrong.
 */
const char *ef_topic_fault(struct ef_slice topic);
/* Pattern in which '*' stands for any bytes, also none. */
bool ef_topic_matches(const char *pattern, struct ef_slice topic);
/* True if the row has a payload that is neither loaded nor NULL. */
bool ef_row_payload_omitted(const struct ef_row *row);
/* The payload, or NULL where the config makes a tombstone of it. */
struct ef_slice ef_route_value(const struct ef_route_config *config, const struct ef_row *row);
/* The headers of contract.md that the config asks for; each replaces one of the same name. */
void ef_route_standard_headers(const struct ef_route_config *config, const struct ef_row *row,
                               struct ef_message *msg);
/* Timestamp, and `created-at` where it is not the one of the row. */
void ef_route_timestamp(const struct ef_route_config *config, const struct ef_row *row, ef_wall now,
                        struct ef_arena *scratch, struct ef_message *msg);
/* Replace the header of this name, or append one. The caller keeps to EF_HEADERS_MAX. */
void ef_message_put(struct ef_message *msg, struct ef_slice name, struct ef_slice value);
/* Upper bound of what it takes as a batch of its own, uncompressed. */
int64_t ef_message_bytes(const struct ef_message *msg);
