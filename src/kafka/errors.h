// SPDX-License-Identifier: MIT
/*
 * What each of librdkafka's error codes means for a row: one table for every code of rdkafka.h, and
 * for those that later versions and later brokers added.
 *
 * Owns: the table (constant). Does not decide what is done about an error: that is the policy's, by
 * class. Needs no rdkafka.h: codes are plain numbers here. Thread: any. Life: always there.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

enum ef_kafka_error_flag {
    /* As an event it speaks of one broker's connection: an outage only when no other broker is up.
     */
    EF_KAFKA_ONE_BROKER = 1,
    /* The broker refuses a whole batch: every message of it may carry the error, one is the
     * culprit. Send that range one message at a time before a row is blamed. */
    EF_KAFKA_WHOLE_BATCH = 2,
    /* The record's timestamp is refused: send it again with send time; never the record's end. */
    EF_KAFKA_SEND_TIME = 4,
    /* Not in the table: a code of a library or broker newer than this program. Log it. */
    EF_KAFKA_UNLISTED = 8,
};

struct ef_kafka_error_row {
    int code;
    const char *name; /* librdkafka's, without ERR_ in front: "MSG_SIZE_TOO_LARGE" */
    /*
     * As a delivery report's error, or produce()'s answer: NONE, TRANSIENT, RECORD, DESTINATION,
     * OUTAGE, FATAL, and BUSY from produce() only. OUTAGE and FATAL say that it is not the row's
     * fault and no attempt counts: produce it again once somebody takes it (OUTAGE) or from a new
     * instance (FATAL).
     */
    enum ef_class delivery;
    /* As an error event: OUTAGE, FATAL, DESTINATION; TRANSIENT for what is only worth a log line.
     */
    enum ef_class event;
    const char
        *kind; /* eventferry's errorKind: retriable, fatal, poison, backpressure, quota, fenced */
    unsigned flags; /* EF_KAFKA_* */
};

/* Never NULL: a code without a row gets a TRANSIENT one with EF_KAFKA_UNLISTED (its code is then
 * 0). */
const struct ef_kafka_error_row *ef_kafka_error_row(int code);

/* eventferry's kind for headers, metrics and logs. Never NULL. */
const char *ef_kafka_error_kind(int code);

/*
 * Fill err from a code as a delivery error, or as an error event. `detail` (may be NULL): what the
 * library said beyond the code; it is shown behind the code's own sentence.
 */
void ef_kafka_error_fill(struct ef_error *err, int code, const char *detail);
void ef_kafka_error_fill_event(struct ef_error *err, int code, const char *detail);
