// SPDX-License-Identifier: MIT
/* What bench/run's writer wants of a database: one connection, a transaction for each call. */
#pragma once

#include <stdint.h>

enum { ROWS_MAX = 100, PAYLOAD_MAX = 8192, POISON_MAX = 1 << 20 };

struct plan {
    const char *target; /* what a sink connects to */
    const char *table, *topic;
    int64_t rate; /* rows a second */
    int rows;     /* rows a transaction */
    int64_t count, aggregates;
    int payload_bytes;
    int64_t poison_every; /* 0: none */
    int poison_bytes;
};

/* Ends the program with a message when the database says no. */
void sink_open(const struct plan *plan);
/* Rows with these payloads (text, terminated) and the numbers from first on. */
void sink_add(const struct plan *plan, int64_t first, const char (*payloads)[PAYLOAD_MAX]);
/* A row of the aggregate of number n, with these headers. */
void sink_add_poison(const struct plan *plan, int64_t n, const char *payload, const char *headers);
