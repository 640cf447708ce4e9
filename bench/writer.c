// SPDX-License-Identifier: MIT
/*
 * Inserts outbox rows at a fixed rate, for bench/run: one connection, one prepared statement a
 * transaction, on a schedule that does not drift. A transaction that is late is sent at once, and
 * how late the schedule was is part of the answer: one line of JSON.
 */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS_MAX = 100, SQL_MAX = 8192, PARAMS = 4, PAYLOAD_MAX = 8192 };

struct plan {
    const char *table, *topic;
    int64_t rate; /* rows a second */
    int rows;     /* rows a transaction */
    int64_t count, aggregates;
    int payload_bytes;
};

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

static void check(PGconn *conn, PGresult *res, ExecStatusType wanted)
{
    if (PQresultStatus(res) != wanted) {
        fprintf(stderr, "writer: %s", PQerrorMessage(conn));
        exit(1);
    }
    PQclear(res);
}

static void prepare(PGconn *conn, const struct plan *plan)
{
    char sql[SQL_MAX];
    int used = snprintf(sql, sizeof(sql),
                        "INSERT INTO %s (aggregate_type, aggregate_id, topic, payload, trace_id) "
                        "VALUES ",
                        plan->table);
    for (int i = 0; i < plan->rows; i++)
        used +=
            snprintf(sql + used, sizeof(sql) - (size_t)used, "%s('order', $%d, $%d, $%d, $%d)",
                     i ? ", " : "", i * PARAMS + 1, i * PARAMS + 2, i * PARAMS + 3, i * PARAMS + 4);
    check(conn, PQprepare(conn, "add", sql, 0, NULL), PGRES_COMMAND_OK);
}

/* Exactly payload_bytes as PostgreSQL prints jsonb. */
static void put_payload(char *out, const struct plan *plan, int64_t n, int64_t at_us)
{
    int used =
        snprintf(out, PAYLOAD_MAX, "{\"e\": \"#n:%ld;a:%ld;t:%ld#", n, n % plan->aggregates, at_us);
    while (used < plan->payload_bytes - 2)
        out[used++] = 'x';
    memcpy(out + used, "\"}", 3);
}

static void send_one(PGconn *conn, const struct plan *plan, int64_t first)
{
    static char aggregate[ROWS_MAX][32], payload[ROWS_MAX][PAYLOAD_MAX], trace[ROWS_MAX][40];
    const char *values[ROWS_MAX * PARAMS];
    int64_t at_us = now_us(CLOCK_REALTIME);
    for (int i = 0; i < plan->rows; i++) {
        int64_t n = first + i;
        snprintf(aggregate[i], sizeof(aggregate[i]), "order-%ld", n % plan->aggregates);
        snprintf(trace[i], sizeof(trace[i]), "%032lx", (unsigned long)n);
        put_payload(payload[i], plan, n, at_us);
        const char **v = values + i * PARAMS;
        v[0] = aggregate[i];
        v[1] = plan->topic;
        v[2] = payload[i];
        v[3] = trace[i];
    }
    check(conn, PQexecPrepared(conn, "add", plan->rows * PARAMS, values, NULL, NULL, 0),
          PGRES_COMMAND_OK);
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

static void run(PGconn *conn, const struct plan *plan, struct times *times)
{
    int64_t begin = now_us(CLOCK_MONOTONIC) + 10000;
    for (int64_t n = 0; n < plan->count; n += plan->rows) {
        int64_t due = begin + n * 1000000 / plan->rate;
        sleep_until(due);
        int64_t sent = now_us(CLOCK_MONOTONIC);
        send_one(conn, plan, n + 1);
        times->late_us[times->count] = (int32_t)(sent - due);
        times->commit_us[times->count++] = (int32_t)(now_us(CLOCK_MONOTONIC) - sent);
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
    if (argc != 9) {
        fprintf(stderr, "usage: writer URL TABLE TOPIC ROWS_A_SECOND ROWS_A_TRANSACTION ROWS "
                        "AGGREGATES PAYLOAD_BYTES\n");
        return 64;
    }
    struct plan plan = {.table = argv[2],
                        .topic = argv[3],
                        .rate = atoll(argv[4]),
                        .rows = atoi(argv[5]),
                        .count = atoll(argv[6]),
                        .aggregates = atoll(argv[7]),
                        .payload_bytes = atoi(argv[8])};
    if (plan.rows < 1 || plan.rows > ROWS_MAX || plan.rate < 1 || plan.aggregates < 1 ||
        plan.payload_bytes > PAYLOAD_MAX - 1 || plan.count % plan.rows != 0) {
        fprintf(stderr, "writer: a number is out of range\n");
        return 64;
    }
    struct times times = {0};
    times.late_us = malloc((size_t)plan.count * sizeof(int32_t));
    times.commit_us = malloc((size_t)plan.count * sizeof(int32_t));
    PGconn *conn = PQconnectdb(argv[1]);
    if (!times.late_us || !times.commit_us || PQstatus(conn) != CONNECTION_OK) {
        fprintf(stderr, "writer: could not connect: %s", PQerrorMessage(conn));
        return 1;
    }
    prepare(conn, &plan);
    run(conn, &plan, &times);
    PQfinish(conn);
    free(times.late_us);
    free(times.commit_us);
    return 0;
}
