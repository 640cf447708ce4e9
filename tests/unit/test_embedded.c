// SPDX-License-Identifier: MIT
/* The broker in the process, and the faults the producer's tests put into it. */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <librdkafka/rdkafka.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "kafka/embedded.h"
#include "kafka/properties.h"
#include "unit/embedded_faults.h"
#include "unit/run_suite.h"

enum { PARTITIONS = 3, POLL_MS = 10 };

static struct ef_embedded *embedded;
static rd_kafka_t *rk;
/* reports and events of the producer under test */
static int delivered, failed, last_code, outages;

static int64_t deadline_us(int64_t seconds)
{
    const char *scale = getenv("EF_TEST_TIMEOUT_SCALE");
    return ef_clock_mono().us +
           (int64_t)((double)seconds * (scale ? strtod(scale, NULL) : 1)) * EF_S_US;
}

static void on_report(rd_kafka_t *from, const rd_kafka_message_t *message, void *opaque)
{
    (void)from;
    (void)opaque;
    if (message->err) {
        failed++;
        last_code = message->err;
    } else {
        delivered++;
    }
}

static void on_error(rd_kafka_t *from, int code, const char *reason, void *opaque)
{
    (void)from;
    (void)reason;
    (void)opaque;
    outages += code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

static void ignore_log(const rd_kafka_t *from, int level, const char *facility, const char *text)
{
    (void)from;
    (void)level;
    (void)facility;
    (void)text;
}

static void start_producer(bool aside)
{
    struct ef_config_kafka config = {.client_id = "test"};
    struct ef_kafka_params params = {
        .config = &config, .bootstrap = ef_embedded_bootstrap(embedded), .aside = aside};
    struct ef_error err;
    rd_kafka_conf_t *conf;
    char reason[512];
    ck_assert_msg(ef_kafka_conf_new(&params, &conf, &err), "%s", err.text);
    rd_kafka_conf_set(conf, "log.queue", "false", NULL, 0);
    rd_kafka_conf_set_log_cb(conf, ignore_log);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    ck_assert_msg(rk != NULL, "%s", reason);
}

static void produce(const char *topic, int partition, const char *value)
{
    rd_kafka_resp_err_t code =
        rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_KEY("key", 3), RD_KAFKA_V_VALUE((void *)value, strlen(value)),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    ck_assert_msg(code == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(code));
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int64_t until_us = deadline_us(20);                                                        \
        while (!(condition)) {                                                                     \
            ck_assert_msg(ef_clock_mono().us < until_us, "never came: " #condition);               \
            rd_kafka_poll(rk, POLL_MS);                                                            \
        }                                                                                          \
    } while (0)

static void setup(void)
{
    struct ef_error err;
    delivered = failed = last_code = outages = 0;
    embedded = ef_embedded_new(PARTITIONS, &err);
    ck_assert_msg(embedded != NULL, "%s", err.text);
}

static void teardown(void)
{
    if (rk) {
        rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(rk);
        rk = NULL;
    }
    ef_embedded_free(embedded);
}

static void make_topic(const char *name)
{
    struct ef_error err;
    ck_assert_msg(ef_embedded_topic(embedded, name, &err), "%s", err.text);
}

static int partition_count(const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    ck_assert_int_eq(rd_kafka_metadata(rk, 0, rkt, &metadata, 10000), 0);
    rd_kafka_topic_destroy(rkt);
    int count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    return count;
}

static struct sockaddr_in broker_address(struct ef_embedded *of)
{
    const char *bootstrap = ef_embedded_bootstrap(of);
    const char *colon = strrchr(bootstrap, ':');
    ck_assert_msg(strncmp(bootstrap, "127.0.0.1:", 10) == 0, "%s", bootstrap);
    ck_assert_ptr_null(strchr(bootstrap, ','));
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

START_TEST(each_broker_has_a_free_port)
{
    struct ef_error err;
    struct ef_embedded *other = ef_embedded_new(1, &err);
    ck_assert_msg(other != NULL, "%s", err.text);
    ck_assert_int_ne(broker_address(embedded).sin_port, broker_address(other).sin_port);
    ef_embedded_free(other);
}
END_TEST

START_TEST(topics_have_the_configured_partitions)
{
    start_producer(false);
    make_topic("orders");
    make_topic("orders"); /* again: nothing happens */
    ck_assert_int_eq(partition_count("orders"), PARTITIONS);
    ef_faults_topic(embedded, "wide", 7);
    make_topic("wide");
    ck_assert_int_eq(partition_count("wide"), 7);
}
END_TEST

START_TEST(messages_are_kept_in_order)
{
    struct ef_held_message got[64];
    start_producer(false);
    make_topic("orders");
    for (int i = 0; i < 30; i++) {
        char value[16];
        snprintf(value, sizeof(value), "m%d", i);
        produce("orders", i % PARTITIONS, value);
    }
    WAIT_FOR(delivered == 30);
    ck_assert_uint_eq(ef_faults_read(embedded, "orders", 30, got, 64), 30);
    int next[PARTITIONS] = {0, 1, 2};
    for (int i = 0; i < 30; i++) {
        char value[16];
        snprintf(value, sizeof(value), "m%d", next[got[i].partition]);
        ck_assert_str_eq(got[i].value, value);
        ck_assert_str_eq(got[i].key, "key");
        next[got[i].partition] += PARTITIONS;
    }
}
END_TEST

/* The other end, in this process, of a connection that comes from this port. */
static int find_accepted(in_port_t from)
{
    int found = -1;
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct sockaddr_in peer = {0};
        socklen_t len = sizeof(peer);
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_port == from &&
            peer.sin_family == AF_INET)
            found = fd;
    }
    closedir(dir);
    return found;
}

static void assert_nodelay(void)
{
    struct sockaddr_in at = broker_address(embedded), own;
    socklen_t len = sizeof(own);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted, nodelay = 0;
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    int64_t until_us = deadline_us(10);
    while ((accepted = find_accepted(own.sin_port)) < 0) {
        ck_assert_msg(ef_clock_mono().us < until_us, "never accepted");
        poll(NULL, 0, POLL_MS);
    }
    len = sizeof(nodelay);
    ck_assert_int_eq(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
    ck_assert_int_ne(nodelay, 0);
    close(fd);
}

START_TEST(answers_do_not_wait_for_acknowledgements)
{
    assert_nodelay();
    ef_faults_down(embedded);
    ef_faults_up(embedded);
    assert_nodelay();
}
END_TEST

START_TEST(a_pushed_error_meets_the_next_request)
{
    struct ef_held_message got[4];
    static const int retried[] = {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, EF_FAULT_DISCONNECT};
    start_producer(false);
    make_topic("orders");
    ef_faults_push(embedded, EF_FAULT_PRODUCE, retried, 2);
    produce("orders", 0, "m");
    WAIT_FOR(delivered == 1);
    ck_assert_int_eq(failed, 0);
    ck_assert_uint_eq(ef_faults_read(embedded, "orders", 1, got, 4), 1);
}
END_TEST

START_TEST(a_permanent_error_ends_a_gapless_producer)
{
    static const int refused[] = {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE};
    start_producer(false);
    make_topic("orders");
    produce("orders", 0, "m0");
    WAIT_FOR(delivered == 1);
    ef_faults_push(embedded, EF_FAULT_PRODUCE, refused, 1);
    produce("orders", 0, "m1");
    WAIT_FOR(rd_kafka_fatal_error(rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(rd_kafka_fatal_error(rk, NULL, 0), RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE);
}
END_TEST

START_TEST(a_permanent_error_leaves_the_aside_producer_alone)
{
    static const int refused[] = {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE};
    start_producer(true);
    make_topic("orders");
    ef_faults_push(embedded, EF_FAULT_PRODUCE, refused, 1);
    produce("orders", 0, "m0");
    WAIT_FOR(failed == 1);
    ck_assert_int_eq(last_code, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    produce("orders", 0, "m1");
    WAIT_FOR(delivered == 1);
    ck_assert_int_eq(rd_kafka_fatal_error(rk, NULL, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
}
END_TEST

START_TEST(a_broker_goes_down_and_comes_back)
{
    start_producer(false);
    make_topic("orders");
    produce("orders", 0, "m0");
    WAIT_FOR(delivered == 1);
    ef_faults_down(embedded);
    produce("orders", 0, "m1");
    WAIT_FOR(outages > 0);
    ck_assert_int_eq(delivered, 1);
    ef_faults_up(embedded);
    WAIT_FOR(delivered == 2);
    ck_assert_int_eq(failed, 0);
}
END_TEST

START_TEST(a_late_answer_is_an_answer)
{
    start_producer(false);
    make_topic("orders");
    produce("orders", 0, "m0");
    WAIT_FOR(delivered == 1);
    ef_faults_push_late(embedded, EF_FAULT_PRODUCE, 0, 200, 1);
    int64_t began_us = ef_clock_mono().us;
    produce("orders", 0, "m1");
    WAIT_FOR(delivered == 2);
    ck_assert_int_ge(ef_clock_mono().us - began_us, 190 * EF_MS_US);
}
END_TEST

START_TEST(a_partition_without_leader_waits_for_one)
{
    start_producer(false);
    make_topic("orders");
    ef_faults_leader(embedded, "orders", 0, false);
    produce("orders", 0, "m0");
    produce("orders", 1, "m1");
    WAIT_FOR(delivered == 1);
    ef_faults_leader(embedded, "orders", 0, true);
    WAIT_FOR(delivered == 2);
}
END_TEST

START_TEST(a_topic_error_is_told_by_metadata)
{
    start_producer(true);
    ef_faults_topic_error(embedded, "secret", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, "secret", NULL);
    ck_assert_int_eq(rd_kafka_metadata(rk, 0, rkt, &metadata, 10000), 0);
    ck_assert_int_eq(metadata->topics[0].err, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(metadata->topics[0].partition_cnt, 0);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(rkt);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("embedded");
    TCase *tcase = tcase_create("broker");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_broker_has_a_free_port);
    tcase_add_test(tcase, topics_have_the_configured_partitions);
    tcase_add_test(tcase, messages_are_kept_in_order);
    tcase_add_test(tcase, answers_do_not_wait_for_acknowledgements);
    tcase_add_test(tcase, a_pushed_error_meets_the_next_request);
    tcase_add_test(tcase, a_permanent_error_ends_a_gapless_producer);
    tcase_add_test(tcase, a_permanent_error_leaves_the_aside_producer_alone);
    tcase_add_test(tcase, a_broker_goes_down_and_comes_back);
    tcase_add_test(tcase, a_late_answer_is_an_answer);
    tcase_add_test(tcase, a_partition_without_leader_waits_for_one);
    tcase_add_test(tcase, a_topic_error_is_told_by_metadata);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
