// SPDX-License-Identifier: MIT
/*
 * Inserts outbox rows at a fixed rate, for bench/run: one connection, one prepared statement a
 * transaction, on a schedule that does not drift. A transaction that is late is sent at once, and
 * how late the schedule was is part of the answer: one line of JSON. Behind every POISON_EVERY rows
 * comes one that can never be delivered: with a payload of POISON_BYTES, which the topic is to be
 * too small for, or with bad headers when that is 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "writer.h"

struct times {
    int32_t *late_us, *commit_us;
    int64_t count;
};

static int64_t now_us(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void sleep_until(int64_t us)
{
    struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0)
        ;
}

/* Exactly payload_bytes as databases print it. */
static void put_payload(char *out, const struct plan *plan, int64_t n, int64_t at_us)
{
    int used =
        snprintf(out, PAYLOAD_MAX, "{\"e\": \"#n:%ld;a:%ld;t:%ld#", n, n % plan->aggregates, at_us);
    while (used < plan->payload_bytes - 2)
        out[used++] = 'x';
    memcpy(out + used, "\"}", 3);
}

static void send_one(const struct plan *plan, int64_t first)
{
    static char payloads[ROWS_MAX][PAYLOAD_MAX];
    int64_t at_us = now_us(CLOCK_REALTIME);
    for (int i = 0; i < plan->rows; i++)
        put_payload(payloads[i], plan, first + i, at_us);
    sink_add(plan, first, (const char(*)[PAYLOAD_MAX])payloads);
}

static void send_poison(const struct plan *plan, int64_t n)
{
    static char payload[POISON_MAX + 16];
    int used = snprintf(payload, sizeof(payload), "{\"e\": \"");
    while (used < plan->poison_bytes - 2)
        payload[used++] = 'p';
    memcpy(payload + used, "\"}", 3);
    sink_add_poison(plan, n, payload, plan->poison_bytes ? "{}" : "[1]");
}

static int by_size(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(int32_t *values, int64_t count, double q)
{
    qsort(values, (size_t)count, sizeof(*values), by_size);
    int64_t at = (int64_t)(q * (double)count);
    return values[at < count ? at : count - 1] / 1000.0;
}

static void run(const struct plan *plan, struct times *times)
{
    int64_t begin = now_us(CLOCK_MONOTONIC) + 10000;
    for (int64_t n = 0; n < plan->count; n += plan->rows) {
        int64_t due = begin + n * 1000000 / plan->rate;
        sleep_until(due);
        int64_t sent = now_us(CLOCK_MONOTONIC);
        send_one(plan, n + 1);
        times->late_us[times->count] = (int32_t)(sent - due);
        times->commit_us[times->count++] = (int32_t)(now_us(CLOCK_MONOTONIC) - sent);
        if (plan->poison_every > 0 &&
            n / plan->poison_every != (n + plan->rows) / plan->poison_every)
            send_poison(plan, n + plan->rows);
    }
    double seconds = (double)(now_us(CLOCK_MONOTONIC) - begin) / 1e6;
    printf("{\"rows\": %ld, \"seconds\": %.3f, \"rate\": %.1f, \"late_p50_ms\": %.2f, "
           "\"late_p99_ms\": %.2f, \"commit_p50_ms\": %.2f, \"commit_p99_ms\": %.2f, "
           "\"cpu_s\": %.3f}\n",
           plan->count, seconds, (double)plan->count / seconds,
           quantile_ms(times->late_us, times->count, 0.5),
           quantile_ms(times->late_us, times->count, 0.99),
           quantile_ms(times->commit_us, times->count, 0.5),
           quantile_ms(times->commit_us, times->count, 0.99),
           (double)now_us(CLOCK_PROCESS_CPUTIME_ID) / 1e6);
}

int main(int argc, char **argv)
{
    if (argc != 9 && argc != 11) {
        fprintf(stderr, "usage: writer TARGET TABLE TOPIC ROWS_A_SECOND ROWS_A_TRANSACTION ROWS "
                        "AGGREGATES PAYLOAD_BYTES [POISON_EVERY POISON_BYTES]\n");
        return 64;
    }
    struct plan plan = {.target = argv[1],
                        .table = argv[2],
                        .topic = argv[3],
                        .rate = atoll(argv[4]),
                        .rows = atoi(argv[5]),
                        .count = atoll(argv[6]),
                        .aggregates = atoll(argv[7]),
                        .payload_bytes = atoi(argv[8]),
                        .poison_every = argc > 9 ? atoll(argv[9]) : 0,
                        .poison_bytes = argc > 9 ? atoi(argv[10]) : 0};
    if (plan.rows < 1 || plan.rows > ROWS_MAX || plan.rate < 1 || plan.aggregates < 1 ||
        plan.payload_bytes > PAYLOAD_MAX - 1 || plan.poison_bytes > POISON_MAX ||
        plan.count % plan.rows != 0) {
        fprintf(stderr, "writer: a number is out of range\n");
        return 64;
    }
    struct times times = {0};
    times.late_us = malloc((size_t)plan.count * sizeof(int32_t));
    times.commit_us = malloc((size_t)plan.count * sizeof(int32_t));
    if (!times.late_us || !times.commit_us) {
        fprintf(stderr, "writer: out of memory\n");
        return 1;
    }
    sink_open(&plan);
    run(&plan, &times);
    free(times.late_us);
    free(times.commit_us);
    return 0;
}
