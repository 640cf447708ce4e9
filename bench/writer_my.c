// SPDX-License-Identifier: MIT
/* The writer's rows into MariaDB or MySQL, as root over the server's Unix socket. No text of ours
 * needs a backslash in SQL. */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "writer.h"

static MYSQL *conn;

static void run(const char *sql, size_t len)
{
    if (mysql_real_query(conn, sql, len) != 0) {
        fprintf(stderr, "writer: %s\n", mysql_error(conn));
        exit(1);
    }
}

/* plan->target is "SOCKET:DATABASE". */
void sink_open(const struct plan *plan)
{
    char *path = strdup(plan->target), *database = strrchr(path, ':');
    conn = mysql_init(NULL);
    if (!database)
        exit(64);
    *database++ = '\0';
    if (!mysql_real_connect(conn, NULL, "root", "", database, 0, path, 0)) {
        fprintf(stderr, "writer: could not connect: %s\n", mysql_error(conn));
        exit(1);
    }
    free(path);
    static const char mode[] = "SET NAMES utf8mb4";
    run(mode, sizeof(mode) - 1);
}

static const char head[] = "INSERT INTO %s (message_id, aggregate_type, aggregate_id, topic, "
                           "payload, headers, trace_id) VALUES ";

void sink_add(const struct plan *plan, int64_t first, const char (*payloads)[PAYLOAD_MAX])
{
    static char sql[ROWS_MAX * (PAYLOAD_MAX + 512)];
    int used = snprintf(sql, sizeof(sql), head, plan->table);
    for (int i = 0; i < plan->rows; i++) {
        int64_t n = first + i;
        used +=
            snprintf(sql + used, sizeof(sql) - (size_t)used,
                     "%s(UUID(), 'order', 'order-%ld', '%s', '%s', '{}', '%032lx')", i ? ", " : "",
                     n % plan->aggregates, plan->topic, payloads[i], (unsigned long)n);
    }
    run(sql, (size_t)used);
}

void sink_add_poison(const struct plan *plan, int64_t n, const char *payload, const char *headers)
{
    static char sql[POISON_MAX + 1024];
    int used = snprintf(sql, sizeof(sql), head, plan->table);
    used += snprintf(sql + used, sizeof(sql) - (size_t)used,
                     "(UUID(), 'order', 'order-%ld', '%s', '%s', '%s', NULL)", n % plan->aggregates,
                     plan->topic, payload, headers);
    run(sql, (size_t)used);
}
