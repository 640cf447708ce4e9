// SPDX-License-Identifier: MIT
#include "kafka/errors.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/*
 * Sources. Codes and meanings: rdkafka.h 2.0.2 (rd_kafka_resp_err_t) and, for numbers from 98 on
 * and below -139, Kafka's protocol guide ("Error codes") and the rdkafka.h of 2.4 to 2.12. Which of
 * them the library retries by itself: rd_kafka_err_action() and rd_kafka_handle_Produce_error() in
 * its rdkafka_request.c; those come out as a delivery error only when something has limited the
 * retries. Kinds: the table of eventferry's librdkafka driver, kept as it is there even where we
 * decide otherwise; for the codes it does not know, the kind nearest to our class.
 *
 * With the gapless guarantee, any delivery error the library thinks permanent also ends the
 * instance (_FATAL, _GAPLESS_GUARANTEE): the classes here say who was at fault, which is needed
 * before a new one is made.
 */

#define RETRIABLE    "retriable"
#define FATAL_KIND   "fatal" /* nothing but an operator helps */
#define POISON       "poison"
#define BACKPRESSURE "backpressure"
#define QUOTA        "quota"
#define FENCED_KIND  "fenced"

/* The table is indexed by the code. -200 and -100 are only marks (__BEGIN, __END). */
enum { CODE_MIN = -200, CODE_MAX = 140, ROWS = CODE_MAX - CODE_MIN + 1 };
#define AT(number) ((number)-CODE_MIN)

/* A code of rdkafka.h 2.0.2; the compiler refuses an enumerator that does not exist, or a second
 * row for it. */
#define ROW(suffix, d, e, k, f)                                                                    \
    [AT(RD_KAFKA_RESP_ERR_##suffix)] = {.code = RD_KAFKA_RESP_ERR_##suffix,                        \
                                        .name = #suffix,                                           \
                                        .delivery = EF_CLASS_##d,                                  \
                                        .event = EF_CLASS_##e,                                     \
                                        .kind = (k),                                               \
                                        .flags = (f)}
/* A code that only later headers have. */
#define LATER(number, text, d, e, k, f)                                                            \
    [AT(number)] = {.code = (number),                                                              \
                    .name = (text),                                                                \
                    .delivery = EF_CLASS_##d,                                                      \
                    .event = EF_CLASS_##e,                                                         \
                    .kind = (k),                                                                   \
                    .flags = (f)}
/* Answers to requests a producer never makes (consumer groups, administration, brokers among
 * themselves), and conditions inside the library that never leave it. Should one come after all,
 * trying again is safe. */
#define ELSEWHERE(suffix)             ROW(suffix, TRANSIENT, TRANSIENT, RETRIABLE, 0)
#define LATER_ELSEWHERE(number, text) LATER(number, text, TRANSIENT, TRANSIENT, RETRIABLE, 0)

static const struct ef_kafka_error_row rows[ROWS] = {
    ROW(NO_ERROR, NONE, NONE, RETRIABLE, 0),

    /* Our own limit (queue.buffering.max.*): produce() says so at once, nothing was queued. */
    ROW(_QUEUE_FULL, BUSY, TRANSIENT, BACKPRESSURE, 0),

    /* The connection to one broker, or to all. The library reconnects for ever (message.timeout.ms
     * = 0), so as a delivery error these come only from a producer that has a time limit. */
    ROW(_TRANSPORT, OUTAGE, OUTAGE, RETRIABLE, EF_KAFKA_ONE_BROKER),
    ROW(_RESOLVE, OUTAGE, OUTAGE, RETRIABLE, EF_KAFKA_ONE_BROKER),
    ROW(_ALL_BROKERS_DOWN, OUTAGE, OUTAGE, RETRIABLE, 0),
    ROW(_FAIL, OUTAGE, OUTAGE, RETRIABLE, EF_KAFKA_ONE_BROKER),
    /* A request unanswered in socket.timeout.ms: one slow broker is no outage. */
    ROW(_TIMED_OUT, TRANSIENT, TRANSIENT, RETRIABLE, EF_KAFKA_ONE_BROKER),
    ROW(_TIMED_OUT_QUEUE, TRANSIENT, TRANSIENT, RETRIABLE, EF_KAFKA_ONE_BROKER),

    /* Who we are: refused by the cluster, so for every topic alike. Often mended from outside (a
     * new certificate, an ACL), so rows wait and nothing is counted; the kind tells people that
     * they must act. */
    ROW(_AUTHENTICATION, OUTAGE, OUTAGE, FATAL_KIND, EF_KAFKA_ONE_BROKER),
    ROW(_SSL, OUTAGE, OUTAGE, FATAL_KIND, EF_KAFKA_ONE_BROKER),
    ROW(SASL_AUTHENTICATION_FAILED, OUTAGE, OUTAGE, FATAL_KIND, EF_KAFKA_ONE_BROKER),
    ROW(UNSUPPORTED_SASL_MECHANISM, OUTAGE, OUTAGE, FATAL_KIND, EF_KAFKA_ONE_BROKER),
    ROW(ILLEGAL_SASL_STATE, OUTAGE, OUTAGE, FATAL_KIND, EF_KAFKA_ONE_BROKER),
    ROW(SECURITY_DISABLED, OUTAGE, OUTAGE, FATAL_KIND, 0),
    ROW(CLUSTER_AUTHORIZATION_FAILED, OUTAGE, OUTAGE, FATAL_KIND, 0),
    ROW(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, OUTAGE, OUTAGE, FATAL_KIND, 0),
    /* The cluster is too old for an idempotent producer, or for what was configured. */
    ROW(UNSUPPORTED_VERSION, OUTAGE, OUTAGE, FATAL_KIND, 0),
    ROW(_UNSUPPORTED_FEATURE, OUTAGE, OUTAGE, FATAL_KIND, 0),

    /* This topic cannot take it now; other topics can. Never the row's fault, although eventferry
     * calls some of them poison: topics get made, ACLs get granted. */
    ROW(UNKNOWN_TOPIC_OR_PART, DESTINATION, DESTINATION, RETRIABLE, 0),
    ROW(_UNKNOWN_TOPIC, DESTINATION, DESTINATION, POISON, 0),
    ROW(TOPIC_EXCEPTION, DESTINATION, DESTINATION, FATAL_KIND,
        0), /* invalid name, or an internal topic */
    ROW(TOPIC_AUTHORIZATION_FAILED, DESTINATION, DESTINATION, FATAL_KIND, 0),
    ROW(POLICY_VIOLATION, DESTINATION, DESTINATION, FATAL_KIND, 0),
    ROW(INVALID_CONFIG, DESTINATION, DESTINATION, FATAL_KIND, 0),
    /* The topic's settings against ours: its message format is too old for headers and idempotence,
     * its codec is not ours, acks is none that Kafka knows. Rows are as good as before once that is
     * mended. */
    ROW(UNSUPPORTED_FOR_MESSAGE_FORMAT, DESTINATION, DESTINATION, FATAL_KIND, 0),
    ROW(UNSUPPORTED_COMPRESSION_TYPE, DESTINATION, DESTINATION, POISON, 0),
    ROW(INVALID_REQUIRED_ACKS, DESTINATION, DESTINATION, FATAL_KIND, 0),
    LATER(100, "UNKNOWN_TOPIC_ID", DESTINATION, DESTINATION, RETRIABLE, 0),
    LATER(103, "INCONSISTENT_TOPIC_ID", DESTINATION, DESTINATION, RETRIABLE, 0),

    /* The explicit partition column names one that does not exist. What is known of the topic may
     * be minutes old, so the row is tried again; but it says so itself, and keeping it would block
     * its aggregate for ever. */
    ROW(_UNKNOWN_PARTITION, TRANSIENT, TRANSIENT, POISON, 0),
    /* From produce(): larger than message.max.bytes; from the broker: the batch is above the
       topic's limit. */
    ROW(MSG_SIZE_TOO_LARGE, RECORD, TRANSIENT, POISON, EF_KAFKA_WHOLE_BATCH),
    ROW(RECORD_LIST_TOO_LARGE, RECORD, TRANSIENT, POISON, EF_KAFKA_WHOLE_BATCH),
    ROW(INVALID_MSG_SIZE, RECORD, TRANSIENT, POISON, EF_KAFKA_WHOLE_BATCH),
    /* Corrupt, or (older brokers) without a key on a compacted topic. */
    ROW(INVALID_MSG, RECORD, TRANSIENT, POISON, EF_KAFKA_WHOLE_BATCH),
    ROW(INVALID_RECORD, RECORD, TRANSIENT, POISON, EF_KAFKA_WHOLE_BATCH),
    ROW(_KEY_SERIALIZATION, RECORD, TRANSIENT, POISON, 0),
    ROW(_VALUE_SERIALIZATION, RECORD, TRANSIENT, POISON, 0),
    /* From produce(): an argument it cannot take, such as a topic name that is empty or over 512
       bytes. */
    ROW(_INVALID_ARG, RECORD, TRANSIENT, POISON, 0),

    /* Outside the topic's message.timestamp.difference.max.ms (or .before/.after). */
    ROW(INVALID_TIMESTAMP, TRANSIENT, TRANSIENT, RETRIABLE,
        EF_KAFKA_WHOLE_BATCH | EF_KAFKA_SEND_TIME),

    /* The brokers are busy with themselves. Retried inside the library for as long as it takes. */
    ROW(LEADER_NOT_AVAILABLE, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(NOT_LEADER_FOR_PARTITION, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(REQUEST_TIMED_OUT, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(BROKER_NOT_AVAILABLE, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(REPLICA_NOT_AVAILABLE, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(NETWORK_EXCEPTION, TRANSIENT, TRANSIENT, RETRIABLE, EF_KAFKA_ONE_BROKER),
    ROW(COORDINATOR_LOAD_IN_PROGRESS, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(COORDINATOR_NOT_AVAILABLE, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(NOT_COORDINATOR, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(NOT_ENOUGH_REPLICAS, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(NOT_ENOUGH_REPLICAS_AFTER_APPEND, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(_ISR_INSUFF, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(KAFKA_STORAGE_ERROR, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(CONCURRENT_TRANSACTIONS, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(FENCED_LEADER_EPOCH, TRANSIENT, TRANSIENT, RETRIABLE, 0),  /* of the partition's leader, */
    ROW(UNKNOWN_LEADER_EPOCH, TRANSIENT, TRANSIENT, RETRIABLE, 0), /* not of the producer */
    ROW(PREFERRED_LEADER_NOT_AVAILABLE, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(ELIGIBLE_LEADERS_NOT_AVAILABLE, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(REASSIGNMENT_IN_PROGRESS, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    LATER(107, "INELIGIBLE_REPLICA", TRANSIENT, TRANSIENT, RETRIABLE, 0),
    LATER(108, "NEW_LEADER_ELECTED", TRANSIENT, TRANSIENT, RETRIABLE, 0),
    LATER(129, "REBOOTSTRAP_REQUIRED", TRANSIENT, TRANSIENT, RETRIABLE, 0),
    /* The broker's own exception while it appended: perhaps this record's, so tries are counted. */
    ROW(UNKNOWN, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    ROW(INVALID_REQUEST, TRANSIENT, TRANSIENT, RETRIABLE, 0),
    /* Produce quotas delay answers and are no error; as an error it is an administrative quota. */
    ROW(THROTTLING_QUOTA_EXCEEDED, TRANSIENT, TRANSIENT, QUOTA, 0),

    /* Not the message's fault: this instance can no longer promise order, or was told to let go.
     * What has no ack is produced again, in id order, by a new one. */
    ROW(_FATAL, FATAL, FATAL, FATAL_KIND, 0),
    ROW(_GAPLESS_GUARANTEE, FATAL, FATAL, RETRIABLE, 0),
    ROW(_INCONSISTENT, FATAL, FATAL, RETRIABLE, 0),
    ROW(_STATE, FATAL, FATAL, RETRIABLE, 0),
    ROW(_CRIT_SYS_RESOURCE, FATAL, FATAL, RETRIABLE, 0), /* no thread, no memory */
    ROW(OUT_OF_ORDER_SEQUENCE_NUMBER, FATAL, FATAL, RETRIABLE, 0),
    /* Normally turned into a success by the library (the message is in the log already). */
    ROW(DUPLICATE_SEQUENCE_NUMBER, FATAL, FATAL, RETRIABLE, 0),
    ROW(UNKNOWN_PRODUCER_ID, FATAL, FATAL, RETRIABLE, 0),
    ROW(INVALID_PRODUCER_ID_MAPPING, FATAL, FATAL, RETRIABLE, 0),
    ROW(INVALID_TXN_STATE, FATAL, FATAL, RETRIABLE, 0),
    ROW(INVALID_TRANSACTION_TIMEOUT, FATAL, FATAL, FATAL_KIND, 0),
    LATER(120, "TRANSACTION_ABORTABLE", FATAL, FATAL, RETRIABLE, 0),
    /* The broker's answer could not be read: what it did with the batch is unknown. */
    ROW(_BAD_MSG, FATAL, TRANSIENT, RETRIABLE, 0),
    ROW(_UNDERFLOW, FATAL, TRANSIENT, RETRIABLE, 0),
    ROW(_PURGE_QUEUE, FATAL, TRANSIENT, RETRIABLE, 0),
    ROW(_PURGE_INFLIGHT, FATAL, TRANSIENT, RETRIABLE, 0),
    /* 2.0.2 also gives it to what was in flight when a topic's authorization failed: the next try
       shows that. */
    ROW(_DESTROY, FATAL, TRANSIENT, RETRIABLE, 0),
    LATER(-137, "_DESTROY_BROKER", FATAL, TRANSIENT, RETRIABLE, EF_KAFKA_ONE_BROKER),
    /* Since 2.4: another message of its batch was invalid, this one was not. */
    LATER(-138, "_INVALID_DIFFERENT_RECORD", FATAL, TRANSIENT, RETRIABLE, 0),
    /*
     * message.timeout.ms is 0, so this comes only from the aside producer (30 s), or when an
     * operator overrode it. Whether the broker has the message is unknown, and later ones of its
     * partition may have gone (the gapless guarantee does not cover timeouts): UNCERTAIN would be
     * the true word, but there is no looking it up in Kafka, and what follows is the same as for
     * FATAL: no attempt is counted, everything without an ack goes again in id order, which can
     * only repeat.
     */
    ROW(_MSG_TIMED_OUT, FATAL, TRANSIENT, RETRIABLE, 0),
    /* Epochs of producers. A producer without transactions cannot be fenced by another relay, so
     * this never says that the lease is lost; the idempotent session is, and a new instance starts
     * another. */
    ROW(INVALID_PRODUCER_EPOCH, FATAL, FATAL, FENCED_KIND, 0),
    ROW(PRODUCER_FENCED, FATAL, FATAL, FENCED_KIND, 0),
    ROW(_FENCED, FATAL, FATAL, FENCED_KIND, 0),
    ROW(TRANSACTION_COORDINATOR_FENCED, FATAL, FATAL, FENCED_KIND, 0),

    /* Inside the library, and for consumers and administration. */
    ROW(_BAD_COMPRESSION, TRANSIENT, TRANSIENT, POISON, 0), /* of fetched messages */
    ELSEWHERE(_PARTITION_EOF),
    ELSEWHERE(_FS),
    ELSEWHERE(_NODE_UPDATE),
    ELSEWHERE(_WAIT_COORD),
    ELSEWHERE(_UNKNOWN_GROUP),
    ELSEWHERE(_IN_PROGRESS),
    ELSEWHERE(_PREV_IN_PROGRESS),
    ELSEWHERE(_EXISTING_SUBSCRIPTION),
    ELSEWHERE(_ASSIGN_PARTITIONS),
    ELSEWHERE(_REVOKE_PARTITIONS),
    ELSEWHERE(_CONFLICT),
    ELSEWHERE(_UNKNOWN_PROTOCOL),
    ELSEWHERE(_NOT_IMPLEMENTED),
    ELSEWHERE(_NO_OFFSET),
    ELSEWHERE(_OUTDATED),
    ELSEWHERE(_WAIT_CACHE),
    ELSEWHERE(_INTR),
    ELSEWHERE(_KEY_DESERIALIZATION),
    ELSEWHERE(_VALUE_DESERIALIZATION),
    ELSEWHERE(_PARTIAL),
    ELSEWHERE(_READ_ONLY),
    ELSEWHERE(_NOENT),
    ELSEWHERE(_INVALID_TYPE),
    ELSEWHERE(_RETRY),
    ELSEWHERE(_MAX_POLL_EXCEEDED),
    ELSEWHERE(_UNKNOWN_BROKER),
    ELSEWHERE(_NOT_CONFIGURED),
    ELSEWHERE(_APPLICATION),
    ELSEWHERE(_ASSIGNMENT_LOST),
    ELSEWHERE(_NOOP),
    ELSEWHERE(_AUTO_OFFSET_RESET),
    LATER_ELSEWHERE(-139, "_LOG_TRUNCATION"),
    ELSEWHERE(OFFSET_OUT_OF_RANGE),
    ELSEWHERE(STALE_CTRL_EPOCH),
    ELSEWHERE(OFFSET_METADATA_TOO_LARGE),
    ELSEWHERE(ILLEGAL_GENERATION),
    ELSEWHERE(INCONSISTENT_GROUP_PROTOCOL),
    ELSEWHERE(INVALID_GROUP_ID),
    ELSEWHERE(UNKNOWN_MEMBER_ID),
    ELSEWHERE(INVALID_SESSION_TIMEOUT),
    ELSEWHERE(REBALANCE_IN_PROGRESS),
    ELSEWHERE(INVALID_COMMIT_OFFSET_SIZE),
    ELSEWHERE(GROUP_AUTHORIZATION_FAILED),
    ELSEWHERE(TOPIC_ALREADY_EXISTS),
    ELSEWHERE(INVALID_PARTITIONS),
    ELSEWHERE(INVALID_REPLICATION_FACTOR),
    ELSEWHERE(INVALID_REPLICA_ASSIGNMENT),
    ELSEWHERE(NOT_CONTROLLER),
    ELSEWHERE(OPERATION_NOT_ATTEMPTED),
    ELSEWHERE(LOG_DIR_NOT_FOUND),
    ELSEWHERE(DELEGATION_TOKEN_AUTH_DISABLED),
    ELSEWHERE(DELEGATION_TOKEN_NOT_FOUND),
    ELSEWHERE(DELEGATION_TOKEN_OWNER_MISMATCH),
    ELSEWHERE(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED),
    ELSEWHERE(DELEGATION_TOKEN_AUTHORIZATION_FAILED),
    ELSEWHERE(DELEGATION_TOKEN_EXPIRED),
    ELSEWHERE(INVALID_PRINCIPAL_TYPE),
    ELSEWHERE(NON_EMPTY_GROUP),
    ELSEWHERE(GROUP_ID_NOT_FOUND),
    ELSEWHERE(FETCH_SESSION_ID_NOT_FOUND),
    ELSEWHERE(INVALID_FETCH_SESSION_EPOCH),
    ELSEWHERE(LISTENER_NOT_FOUND),
    ELSEWHERE(TOPIC_DELETION_DISABLED),
    ELSEWHERE(STALE_BROKER_EPOCH),
    ELSEWHERE(OFFSET_NOT_AVAILABLE),
    ELSEWHERE(MEMBER_ID_REQUIRED),
    ELSEWHERE(GROUP_MAX_SIZE_REACHED),
    ELSEWHERE(FENCED_INSTANCE_ID),
    ELSEWHERE(ELECTION_NOT_NEEDED),
    ELSEWHERE(NO_REASSIGNMENT_IN_PROGRESS),
    ELSEWHERE(GROUP_SUBSCRIBED_TO_TOPIC),
    ELSEWHERE(UNSTABLE_OFFSET_COMMIT),
    ELSEWHERE(RESOURCE_NOT_FOUND),
    ELSEWHERE(DUPLICATE_RESOURCE),
    ELSEWHERE(UNACCEPTABLE_CREDENTIAL),
    ELSEWHERE(INCONSISTENT_VOTER_SET),
    ELSEWHERE(INVALID_UPDATE_VERSION),
    ELSEWHERE(FEATURE_UPDATE_FAILED),
    ELSEWHERE(PRINCIPAL_DESERIALIZATION_FAILURE),
    LATER_ELSEWHERE(98, "SNAPSHOT_NOT_FOUND"),
    LATER_ELSEWHERE(99, "POSITION_OUT_OF_RANGE"),
    LATER_ELSEWHERE(101, "DUPLICATE_BROKER_REGISTRATION"),
    LATER_ELSEWHERE(102, "BROKER_ID_NOT_REGISTERED"),
    LATER_ELSEWHERE(104, "INCONSISTENT_CLUSTER_ID"),
    LATER_ELSEWHERE(105, "TRANSACTIONAL_ID_NOT_FOUND"),
    LATER_ELSEWHERE(106, "FETCH_SESSION_TOPIC_ID_ERROR"),
    LATER_ELSEWHERE(109, "OFFSET_MOVED_TO_TIERED_STORAGE"),
    LATER_ELSEWHERE(110, "FENCED_MEMBER_EPOCH"),
    LATER_ELSEWHERE(111, "UNRELEASED_INSTANCE_ID"),
    LATER_ELSEWHERE(112, "UNSUPPORTED_ASSIGNOR"),
    LATER_ELSEWHERE(113, "STALE_MEMBER_EPOCH"),
    LATER_ELSEWHERE(114, "MISMATCHED_ENDPOINT_TYPE"),
    LATER_ELSEWHERE(115, "UNSUPPORTED_ENDPOINT_TYPE"),
    LATER_ELSEWHERE(116, "UNKNOWN_CONTROLLER_ID"),
    LATER_ELSEWHERE(117, "UNKNOWN_SUBSCRIPTION_ID"),
    LATER_ELSEWHERE(118, "TELEMETRY_TOO_LARGE"),
    LATER_ELSEWHERE(119, "INVALID_REGISTRATION"),
    LATER_ELSEWHERE(121, "INVALID_RECORD_STATE"),
    LATER_ELSEWHERE(122, "SHARE_SESSION_NOT_FOUND"),
    LATER_ELSEWHERE(123, "INVALID_SHARE_SESSION_EPOCH"),
    LATER_ELSEWHERE(124, "FENCED_STATE_EPOCH"),
    LATER_ELSEWHERE(125, "INVALID_VOTER_KEY"),
    LATER_ELSEWHERE(126, "DUPLICATE_VOTER"),
    LATER_ELSEWHERE(127, "VOTER_NOT_FOUND"),
    LATER_ELSEWHERE(128, "INVALID_REGULAR_EXPRESSION"),
    LATER_ELSEWHERE(130, "STREAMS_INVALID_TOPOLOGY"),
    LATER_ELSEWHERE(131, "STREAMS_INVALID_TOPOLOGY_EPOCH"),
    LATER_ELSEWHERE(132, "STREAMS_TOPOLOGY_FENCED"),
    LATER_ELSEWHERE(133, "SHARE_SESSION_LIMIT_REACHED"),
};

static const struct ef_kafka_error_row unlisted = {
    .name = "UNLISTED",
    .delivery = EF_CLASS_TRANSIENT,
    .event = EF_CLASS_TRANSIENT,
    .kind = RETRIABLE,
    .flags = EF_KAFKA_UNLISTED,
};

const struct ef_kafka_error_row *ef_kafka_error_row(int code)
{
    if (code < CODE_MIN || code > CODE_MAX || !rows[AT(code)].name)
        return &unlisted;
    return &rows[AT(code)];
}

const char *ef_kafka_error_kind(int code)
{
    return ef_kafka_error_row(code)->kind;
}

static void fill(struct ef_error *err, int code, enum ef_class class,
                 const struct ef_kafka_error_row *row, const char *detail)
{
    if (!err)
        return;
    const char *more = detail ? detail : "";
    /* librdkafka numbers what it has no sentence for: "Err-500?" */
    ef_error_set(err, class, "%s%s%s%s", rd_kafka_err2str((rd_kafka_resp_err_t)code),
                 row->flags & EF_KAFKA_UNLISTED ? " (an unknown code, treated as transient)" : "",
                 more[0] ? ": " : "", more);
    char name[sizeof(err->name)];
    snprintf(name, sizeof(name), "%s", row->name);
    if (row->flags & EF_KAFKA_UNLISTED)
        snprintf(name, sizeof(name), "%s", rd_kafka_err2name((rd_kafka_resp_err_t)code));
    ef_error_code(err, code, name);
}

void ef_kafka_error_fill(struct ef_error *err, int code, const char *detail)
{
    const struct ef_kafka_error_row *row = ef_kafka_error_row(code);
    fill(err, code, row->delivery, row, detail);
}

void ef_kafka_error_fill_event(struct ef_error *err, int code, const char *detail)
{
    const struct ef_kafka_error_row *row = ef_kafka_error_row(code);
    fill(err, code, row->event, row, detail);
}
