// SPDX-License-Identifier: MIT
/* The writer's rows into PostgreSQL, by a prepared statement for each transaction. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "writer.h"

enum { SQL_MAX = 8192, PARAMS = 4 };

static PGconn *conn;

static void check(PGresult *res, ExecStatusType wanted)
{
    if (PQresultStatus(res) != wanted) {
        fprintf(stderr, "writer: %s", PQerrorMessage(conn));
        exit(1);
    }
    PQclear(res);
}

/* plan->target is a URL. */
void sink_open(const struct plan *plan)
{
    char sql[SQL_MAX];
    conn = PQconnectdb(plan->target);
    if (PQstatus(conn) != CONNECTION_OK) {
        fprintf(stderr, "writer: could not connect: %s", PQerrorMessage(conn));
        exit(1);
    }
    int used = snprintf(sql, sizeof(sql),
                        "INSERT INTO %s (aggregate_type, aggregate_id, topic, payload, trace_id) "
                        "VALUES ",
                        plan->table);
    for (int i = 0; i < plan->rows; i++)
        used +=
            snprintf(sql + used, sizeof(sql) - (size_t)used, "%s('order', $%d, $%d, $%d, $%d)",
                     i ? ", " : "", i * PARAMS + 1, i * PARAMS + 2, i * PARAMS + 3, i * PARAMS + 4);
    check(PQprepare(conn, "add", sql, 0, NULL), PGRES_COMMAND_OK);
    snprintf(sql, sizeof(sql),
             "INSERT INTO %s (aggregate_type, aggregate_id, topic, payload, headers) "
             "VALUES ('order', $1, $2, $3, $4)",
             plan->table);
    check(PQprepare(conn, "poison", sql, 0, NULL), PGRES_COMMAND_OK);
}

void sink_add(const struct plan *plan, int64_t first, const char (*payloads)[PAYLOAD_MAX])
{
    static char aggregate[ROWS_MAX][32], trace[ROWS_MAX][40];
    const char *values[ROWS_MAX * PARAMS];
    for (int i = 0; i < plan->rows; i++) {
        int64_t n = first + i;
        snprintf(aggregate[i], sizeof(aggregate[i]), "order-%ld", n % plan->aggregates);
        snprintf(trace[i], sizeof(trace[i]), "%032lx", (unsigned long)n);
        const char **v = values + i * PARAMS;
        v[0] = aggregate[i];
        v[1] = plan->topic;
        v[2] = payloads[i];
        v[3] = trace[i];
    }
    check(PQexecPrepared(conn, "add", plan->rows * PARAMS, values, NULL, NULL, 0),
          PGRES_COMMAND_OK);
}

void sink_add_poison(const struct plan *plan, int64_t n, const char *payload, const char *headers)
{
    char aggregate[32];
    const char *values[] = {aggregate, plan->topic, payload, headers};
    snprintf(aggregate, sizeof(aggregate), "order-%ld", n % plan->aggregates);
    check(PQexecPrepared(conn, "poison", 4, values, NULL, NULL, 0), PGRES_COMMAND_OK);
}
