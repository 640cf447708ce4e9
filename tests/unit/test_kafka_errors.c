// SPDX-License-Identifier: MIT
/* The table of Kafka errors: complete against the library it runs with, and right where it matters.
 */
#include <check.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/errors.h"
#include "unit/run_suite.h"

static const char *const kinds[] = {"retriable",    "fatal", "poison",
                                    "backpressure", "quota", "fenced"};

static bool is_kind(const char *kind)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

static void check_row(int code, const struct ef_kafka_error_row *row)
{
    ck_assert_msg(!(row->flags & EF_KAFKA_UNLISTED), "no row for %d (%s)", code,
                  rd_kafka_err2name(code));
    ck_assert_int_eq(row->code, code);
    ck_assert_str_eq(row->name, rd_kafka_err2name(code));
    ck_assert_msg(is_kind(row->kind), "%s: kind %s", row->name, row->kind);
    switch (row->delivery) {
    case EF_CLASS_NONE:
        ck_assert_int_eq(code, RD_KAFKA_RESP_ERR_NO_ERROR);
        break;
    case EF_CLASS_BUSY:
        ck_assert_int_eq(code, RD_KAFKA_RESP_ERR__QUEUE_FULL);
        break;
    case EF_CLASS_TRANSIENT:
    case EF_CLASS_RECORD:
    case EF_CLASS_DESTINATION:
    case EF_CLASS_OUTAGE:
    case EF_CLASS_FATAL:
        break;
    default:
        ck_abort_msg("%s: class %s cannot be a delivery's", row->name,
                     ef_class_name(row->delivery));
    }
    switch (row->event) {
    case EF_CLASS_NONE:
        ck_assert_int_eq(code, RD_KAFKA_RESP_ERR_NO_ERROR);
        break;
    case EF_CLASS_TRANSIENT:
    case EF_CLASS_DESTINATION:
    case EF_CLASS_OUTAGE:
    case EF_CLASS_FATAL:
        break;
    default:
        ck_abort_msg("%s: class %s cannot be an event's", row->name, ef_class_name(row->event));
    }
}

START_TEST(every_code_of_the_library_has_a_row)
{
    const struct rd_kafka_err_desc *descs;
    size_t count, seen = 0;
    rd_kafka_get_err_descs(&descs, &count);
    for (size_t i = 0; i < count; i++) {
        if (!descs[i].desc) /* a hole in the numbering, or a mark */
            continue;
        check_row(descs[i].code, ef_kafka_error_row(descs[i].code));
        seen++;
    }
    ck_assert_uint_ge(seen, 158); /* librdkafka 2.0.2 */
}
END_TEST

/* What a row costs its owner: each case is a decision named in the design. */
static const struct {
    int code;
    enum ef_class delivery;
    const char *kind;
} decisions[] = {
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, EF_CLASS_BUSY, "backpressure"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, EF_CLASS_DESTINATION, "retriable"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, EF_CLASS_DESTINATION, "poison"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, EF_CLASS_DESTINATION, "fatal"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, EF_CLASS_DESTINATION, "fatal"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, EF_CLASS_DESTINATION, "fatal"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, EF_CLASS_TRANSIENT, "poison"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, EF_CLASS_RECORD, "poison"},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, EF_CLASS_RECORD, "poison"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, EF_CLASS_RECORD, "poison"},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, EF_CLASS_RECORD, "poison"},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, EF_CLASS_RECORD, "poison"},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, EF_CLASS_TRANSIENT, "retriable"},
    {RD_KAFKA_RESP_ERR__TRANSPORT, EF_CLASS_OUTAGE, "retriable"},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, EF_CLASS_OUTAGE, "retriable"},
    {RD_KAFKA_RESP_ERR__RESOLVE, EF_CLASS_OUTAGE, "retriable"},
    {RD_KAFKA_RESP_ERR__SSL, EF_CLASS_OUTAGE, "fatal"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, EF_CLASS_OUTAGE, "fatal"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, EF_CLASS_OUTAGE, "fatal"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, EF_CLASS_OUTAGE, "fatal"},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, EF_CLASS_TRANSIENT, "retriable"},
    {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, EF_CLASS_TRANSIENT, "quota"},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, EF_CLASS_FATAL, "retriable"},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, EF_CLASS_FATAL, "retriable"},
    {RD_KAFKA_RESP_ERR__DESTROY, EF_CLASS_FATAL, "retriable"},
    {RD_KAFKA_RESP_ERR__FATAL, EF_CLASS_FATAL, "fatal"},
    {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, EF_CLASS_FATAL, "retriable"},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, EF_CLASS_FATAL, "retriable"},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, EF_CLASS_FATAL, "retriable"},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, EF_CLASS_FATAL, "fenced"},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, EF_CLASS_FATAL, "fenced"},
    {RD_KAFKA_RESP_ERR__FENCED, EF_CLASS_FATAL, "fenced"},
    {-138 /* _INVALID_DIFFERENT_RECORD, since 2.4 */, EF_CLASS_FATAL, "retriable"},
    {100 /* UNKNOWN_TOPIC_ID */, EF_CLASS_DESTINATION, "retriable"},
};

START_TEST(a_code_has_the_class_decided_for_it)
{
    const struct ef_kafka_error_row *row = ef_kafka_error_row(decisions[_i].code);
    ck_assert_msg(row->delivery == decisions[_i].delivery, "%s is %s", row->name,
                  ef_class_name(row->delivery));
    ck_assert_str_eq(ef_kafka_error_kind(decisions[_i].code), decisions[_i].kind);
}
END_TEST

START_TEST(an_ended_instance_is_known_by_its_event)
{
    ck_assert_int_eq(ef_kafka_error_row(RD_KAFKA_RESP_ERR__FATAL)->event, EF_CLASS_FATAL);
    ck_assert_int_eq(ef_kafka_error_row(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)->event,
                     EF_CLASS_OUTAGE);
    ck_assert(
        !(ef_kafka_error_row(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)->flags & EF_KAFKA_ONE_BROKER));
    ck_assert(ef_kafka_error_row(RD_KAFKA_RESP_ERR__TRANSPORT)->flags & EF_KAFKA_ONE_BROKER);
}
END_TEST

START_TEST(only_a_refused_timestamp_is_sent_again_with_another)
{
    for (int code = -200; code <= 140; code++) {
        bool flagged = ef_kafka_error_row(code)->flags & EF_KAFKA_SEND_TIME;
        ck_assert_int_eq(flagged, code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP);
    }
}
END_TEST

START_TEST(a_code_of_the_future_is_transient)
{
    static const int codes[] = {INT32_MIN, -201, -120, 139, 141, 32767, INT32_MAX};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        const struct ef_kafka_error_row *row = ef_kafka_error_row(codes[i]);
        ck_assert(row->flags & EF_KAFKA_UNLISTED);
        ck_assert_int_eq(row->delivery, EF_CLASS_TRANSIENT);
        ck_assert_int_eq(row->event, EF_CLASS_TRANSIENT);
    }
    struct ef_error err;
    ef_kafka_error_fill(&err, 139, NULL);
    ck_assert_int_eq(err.class, EF_CLASS_TRANSIENT);
    ck_assert_int_eq(err.code, 139);
    ck_assert_ptr_nonnull(strstr(err.text, "unknown code"));
    ck_assert_ptr_nonnull(strstr(err.name, "139"));
}
END_TEST

START_TEST(an_error_is_filled_with_code_name_and_detail)
{
    struct ef_error err;
    ef_kafka_error_fill(&err, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "unable to enqueue");
    ck_assert_int_eq(err.class, EF_CLASS_RECORD);
    ck_assert_int_eq(err.code, 10);
    ck_assert_str_eq(err.name, "MSG_SIZE_TOO_LARGE");
    ck_assert_str_eq(err.text, "Broker: Message size too large: unable to enqueue");
    ef_kafka_error_fill_event(&err, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "");
    ck_assert_int_eq(err.class, EF_CLASS_TRANSIENT);
    ck_assert_str_eq(err.text, "Broker: Message size too large");
    ef_kafka_error_fill(NULL, RD_KAFKA_RESP_ERR__FATAL, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_errors");
    TCase *tcase = tcase_create("table");
    tcase_add_test(tcase, every_code_of_the_library_has_a_row);
    tcase_add_loop_test(tcase, a_code_has_the_class_decided_for_it, 0,
                        sizeof(decisions) / sizeof(decisions[0]));
    tcase_add_test(tcase, an_ended_instance_is_known_by_its_event);
    tcase_add_test(tcase, only_a_refused_timestamp_is_sent_again_with_another);
    tcase_add_test(tcase, a_code_of_the_future_is_transient);
    tcase_add_test(tcase, an_error_is_filled_with_code_name_and_detail);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
