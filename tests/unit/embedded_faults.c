// SPDX-License-Identifier: MIT
#include "unit/embedded_faults.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { BROKER = 1, READ_WAIT_MS = 10000, POLL_MS = 20, CODES_MAX = 64, PARTITIONS_MAX = 64 };

void ef_faults_push(struct ef_embedded *embedded, enum ef_fault_api api, const int *codes,
                    size_t count)
{
    rd_kafka_resp_err_t errors[CODES_MAX];
    if (count > CODES_MAX)
        abort();
    for (size_t i = 0; i < count; i++)
        errors[i] = (rd_kafka_resp_err_t)codes[i];
    rd_kafka_mock_push_request_errors_array(ef_embedded_cluster(embedded), (int16_t)api, count,
                                            errors);
}

void ef_faults_push_late(struct ef_embedded *embedded, enum ef_fault_api api, int code, int rtt_ms,
                         int count)
{
    for (int i = 0; i < count; i++)
        rd_kafka_mock_broker_push_request_error_rtts(ef_embedded_cluster(embedded), BROKER,
                                                     (int16_t)api, 1, (rd_kafka_resp_err_t)code,
                                                     rtt_ms);
}

void ef_faults_clear(struct ef_embedded *embedded, enum ef_fault_api api)
{
    rd_kafka_mock_clear_request_errors(ef_embedded_cluster(embedded), (int16_t)api);
}

void ef_faults_down(struct ef_embedded *embedded)
{
    rd_kafka_mock_broker_set_down(ef_embedded_cluster(embedded), BROKER);
}

void ef_faults_up(struct ef_embedded *embedded)
{
    rd_kafka_mock_broker_set_up(ef_embedded_cluster(embedded), BROKER);
    ef_embedded_nodelay(embedded);
}

void ef_faults_rtt(struct ef_embedded *embedded, int rtt_ms)
{
    rd_kafka_mock_broker_set_rtt(ef_embedded_cluster(embedded), BROKER, rtt_ms);
}

void ef_faults_topic_error(struct ef_embedded *embedded, const char *topic, int code)
{
    /* fails if it exists, which is as good */
    rd_kafka_mock_topic_create(ef_embedded_cluster(embedded), topic, 0, 1);
    rd_kafka_mock_topic_set_error(ef_embedded_cluster(embedded), topic, (rd_kafka_resp_err_t)code);
}

void ef_faults_topic(struct ef_embedded *embedded, const char *topic, int partitions)
{
    if (rd_kafka_mock_topic_create(ef_embedded_cluster(embedded), topic, partitions, 1))
        abort();
}

void ef_faults_leader(struct ef_embedded *embedded, const char *topic, int partition, bool present)
{
    if (rd_kafka_mock_partition_set_leader(ef_embedded_cluster(embedded), topic, partition,
                                           present ? BROKER : -1))
        abort();
}

static rd_kafka_t *new_consumer(struct ef_embedded *embedded)
{
    static const char *const settings[][2] = {
        {"group.id", "ef-tests"},          {"enable.auto.commit", "false"},
        {"fetch.wait.max.ms", "10"},       {"enable.partition.eof", "true"},
        {"auto.offset.reset", "earliest"}, {"log_level", "3"},
        {"socket.nagle.disable", "true"}};
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", ef_embedded_bootstrap(embedded), NULL, 0);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (!rk)
        abort();
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

/* Assign all partitions from their beginning. Returns how many; 0: the topic is not there. */
static int assign_all(rd_kafka_t *rk, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, rkt, &metadata, READ_WAIT_MS);
    rd_kafka_topic_destroy(rkt);
    if (code)
        return 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    int count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    if (count > PARTITIONS_MAX || rd_kafka_assign(rk, list))
        abort();
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(metadata);
    return count;
}

static void copy_text(char *out, size_t size, const void *data, size_t len)
{
    snprintf(out, size, "%.*s", (int)len, data ? (const char *)data : "");
}

static void take(struct ef_held_message *out, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    memset(out, 0, sizeof(*out));
    out->partition = message->partition;
    out->offset = message->offset;
    out->timestamp_ms = rd_kafka_message_timestamp(message, NULL);
    out->has_key = message->key != NULL;
    out->has_value = message->payload != NULL;
    copy_text(out->key, sizeof(out->key), message->key, message->key_len);
    copy_text(out->value, sizeof(out->value), message->payload, message->len);
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        out->header_count = (int)rd_kafka_header_cnt(headers);
}

static bool all_ended(const bool *ended, int partitions)
{
    for (int i = 0; i < partitions; i++)
        if (!ended[i])
            return false;
    return true;
}

size_t ef_faults_read(struct ef_embedded *embedded, const char *topic, size_t want,
                      struct ef_held_message *out, size_t max)
{
    const char *scale = getenv("EF_TEST_TIMEOUT_SCALE");
    int64_t wait_us = (int64_t)(READ_WAIT_MS * (scale ? strtod(scale, NULL) : 1)) * EF_MS_US;
    int64_t deadline_us = ef_clock_mono().us + wait_us;
    bool ended[PARTITIONS_MAX] = {false}; /* read to the end, as far as we know */
    rd_kafka_t *rk = new_consumer(embedded);
    int partitions = assign_all(rk, topic);
    size_t count = 0;
    while (count < max && ef_clock_mono().us < deadline_us &&
           (count < want || !all_ended(ended, partitions))) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, POLL_MS);
        if (!message)
            continue;
        if (message->partition >= 0 && message->partition < partitions)
            ended[message->partition] = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!message->err)
            take(&out[count++], message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return count;
}
