// SPDX-License-Identifier: MIT
/*
 * Reads a topic from its beginning and judges what it holds, for bench/run.
 *
 * Every benchmark row carries "#n:<number>;a:<aggregate>;t:<microseconds>#" in its payload, which
 * survives whatever a relay wraps around it. Numbers run from 1 to the expected count. Ends once
 * all of them were seen and each partition was read to its end, or at the time limit; then one line
 * of JSON. "ready" is printed when every partition was read to its end for the first time.
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARTITIONS_MAX = 1024, BATCH = 2000, HEADERS_MANY = 1000 };

struct verdict {
    int64_t expected, skip_until; /* latencies count from row skip_until on */
    int64_t messages, distinct, repeated, invented, out_of_order, bytes;
    int64_t first_append_ms, last_append_ms; /* the broker's clock; 0 when it tells none */
    int headers_min, headers_max;
    uint8_t *seen;       /* by number */
    int64_t *last_of;    /* by aggregate: highest number so far */
    int64_t aggregates;  /* size of last_of */
    int32_t *latency_us; /* by arrival */
    int64_t latency_count;
};

static int64_t now_us(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "reader: %s: %s\n", what, why);
    exit(1);
}

static int64_t *last_of(struct verdict *v, int64_t aggregate)
{
    if (aggregate >= v->aggregates) {
        int64_t size = (aggregate + 1) * 2;
        v->last_of = realloc(v->last_of, (size_t)size * sizeof(*v->last_of));
        if (!v->last_of)
            die("memory", "none left");
        memset(v->last_of + v->aggregates, 0, (size_t)(size - v->aggregates) * sizeof(*v->last_of));
        v->aggregates = size;
    }
    return &v->last_of[aggregate];
}

/* The payload is not terminated: the mark is looked for within its bounds. */
static bool read_mark(const char *p, size_t len, int64_t *n, int64_t *a, int64_t *t)
{
    const char *mark = memmem(p, len, "#n:", 3);
    char text[96];
    if (!mark)
        return false;
    size_t left = len - (size_t)(mark - p);
    size_t take = left < sizeof(text) - 1 ? left : sizeof(text) - 1;
    memcpy(text, mark, take);
    text[take] = '\0';
    return sscanf(text, "#n:%ld;a:%ld;t:%ld#", n, a, t) == 3 && *a >= 0;
}

static void count_headers(struct verdict *v, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    int count = 0;
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        count = (int)rd_kafka_header_cnt(headers);
    v->headers_min = count < v->headers_min ? count : v->headers_min;
    v->headers_max = count > v->headers_max ? count : v->headers_max;
}

static void note_append_time(struct verdict *v, const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t kind;
    int64_t ms = rd_kafka_message_timestamp(m, &kind);
    if (kind != RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME)
        return;
    if (v->first_append_ms == 0 || ms < v->first_append_ms)
        v->first_append_ms = ms;
    if (ms > v->last_append_ms)
        v->last_append_ms = ms;
}

static void judge(struct verdict *v, const rd_kafka_message_t *m, int64_t arrived_us)
{
    int64_t n, a, t;
    v->messages++;
    v->bytes += (int64_t)m->len;
    note_append_time(v, m);
    count_headers(v, m);
    if (!m->payload || !read_mark(m->payload, m->len, &n, &a, &t) || n < 1 || n > v->expected) {
        v->invented++;
        return;
    }
    if (v->seen[n]) {
        v->repeated++;
        return;
    }
    v->seen[n] = 1;
    v->distinct++;
    int64_t *last = last_of(v, a);
    if (n < *last)
        v->out_of_order++;
    else
        *last = n;
    if (t > 0 && n >= v->skip_until)
        v->latency_us[v->latency_count++] = (int32_t)(arrived_us - t);
}

static int by_size(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(const struct verdict *v, double q)
{
    int64_t at = (int64_t)(q * (double)v->latency_count);
    return v->latency_us[at < v->latency_count ? at : v->latency_count - 1] / 1000.0;
}

static void print(struct verdict *v)
{
    printf("{\"messages\": %ld, \"distinct\": %ld, \"lost\": %ld, \"repeated\": %ld, "
           "\"invented\": %ld, \"out_of_order\": %ld, \"payload_bytes\": %ld, "
           "\"headers_min\": %d, \"headers_max\": %d, \"first_append_ms\": %ld, "
           "\"last_append_ms\": %ld, \"cpu_s\": %.3f",
           v->messages, v->distinct, v->expected - v->distinct, v->repeated, v->invented,
           v->out_of_order, v->bytes, v->messages > 0 ? v->headers_min : 0, v->headers_max,
           v->first_append_ms, v->last_append_ms, (double)now_us(CLOCK_PROCESS_CPUTIME_ID) / 1e6);
    if (v->latency_count > 0) {
        qsort(v->latency_us, (size_t)v->latency_count, sizeof(*v->latency_us), by_size);
        printf(", \"latencies\": %ld, \"p50_ms\": %.2f, \"p90_ms\": %.2f, \"p99_ms\": %.2f, "
               "\"p999_ms\": %.2f, \"max_ms\": %.2f",
               v->latency_count, quantile_ms(v, 0.5), quantile_ms(v, 0.9), quantile_ms(v, 0.99),
               quantile_ms(v, 0.999), v->latency_us[v->latency_count - 1] / 1000.0);
    }
    printf("}\n");
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
        die(name, text);
}

static rd_kafka_t *connect_to(const char *brokers)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "bench-reader");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "fetch.wait.max.ms", "100");
    set(conf, "fetch.error.backoff.ms", "5");
    set(conf, "socket.nagle.disable", "true");
    set(conf, "log_level", "3");
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (!rk)
        die("consumer", text);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

static int assign_all(rd_kafka_t *rk, const char *name)
{
    const struct rd_kafka_metadata *found;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    if (rd_kafka_metadata(rk, 0, topic, &found, 20000) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        found->topic_cnt != 1 || found->topics[0].partition_cnt < 1 ||
        found->topics[0].partition_cnt > PARTITIONS_MAX)
        die(name, "no such topic");
    int count = found->topics[0].partition_cnt;
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(all, name, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, all);
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_metadata_destroy(found);
    rd_kafka_topic_destroy(topic);
    return count;
}

/* at_end tells which partitions were last seen at their end; true once all are. */
static bool note_end(bool *at_end, int32_t partition, bool end, int count)
{
    if (partition < 0 || partition >= count)
        return false;
    at_end[partition] = end;
    for (int i = 0; i < count; i++)
        if (!at_end[i])
            return false;
    return true;
}

static void run(struct verdict *v, rd_kafka_t *rk, int partitions, int64_t deadline_us)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    rd_kafka_message_t *batch[BATCH];
    static bool at_end[PARTITIONS_MAX];
    bool ready = false, all_at_end = false;
    while (now_us(CLOCK_MONOTONIC) < deadline_us && !(v->distinct >= v->expected && all_at_end)) {
        /* one at a time when little comes: waiting to fill a batch would count as latency */
        ssize_t got = rd_kafka_consume_batch_queue(queue, 0, batch, BATCH);
        if (got == 0)
            got = rd_kafka_consume_batch_queue(queue, 100, batch, 1);
        int64_t arrived_us = now_us(CLOCK_REALTIME);
        for (ssize_t i = 0; i < got; i++) {
            rd_kafka_message_t *m = batch[i];
            bool end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
            if (!m->err)
                judge(v, m, arrived_us);
            if (!m->err || end)
                all_at_end = note_end(at_end, m->partition, end, partitions);
            rd_kafka_message_destroy(m);
        }
        if (all_at_end && !ready) {
            ready = true;
            printf("ready\n");
            fflush(stdout);
        }
    }
    rd_kafka_queue_destroy(queue);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: reader BROKERS TOPIC EXPECTED SKIP SECONDS\n");
        return 64;
    }
    struct verdict v = {
        .expected = atoll(argv[3]), .skip_until = atoll(argv[4]), .headers_min = HEADERS_MANY};
    v.seen = calloc((size_t)v.expected + 1, 1);
    v.latency_us = malloc(((size_t)v.expected + 1) * sizeof(*v.latency_us));
    if (!v.seen || !v.latency_us)
        die("memory", "none left");
    rd_kafka_t *rk = connect_to(argv[1]);
    int partitions = assign_all(rk, argv[2]);
    run(&v, rk, partitions, now_us(CLOCK_MONOTONIC) + (int64_t)(atof(argv[5]) * 1e6));
    print(&v);
    fflush(stdout);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    free(v.seen);
    free(v.last_of);
    free(v.latency_us);
    return 0;
}
