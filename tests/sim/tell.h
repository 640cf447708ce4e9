// SPDX-License-Identifier: MIT
/* The story of a schedule, line by line, for people: only when it is asked for. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

extern bool sim_telling;
/* What the product logs as an error is none of ours: it is only told. */
extern bool sim_errors_expected;

/* Simulated milliseconds stand in front. */
void sim_tell(const char *fmt, ...) EF_PRINTF(1, 2);
/* Where the story goes: NULL is standard output; a buffer grows as needed and is owned by the
 * caller. */
struct ef_buf;
void sim_tell_into(struct ef_buf *buf);

#define TELL(...)                                                                                  \
    do {                                                                                           \
        if (sim_telling)                                                                           \
            sim_tell(__VA_ARGS__);                                                                 \
    } while (0)
