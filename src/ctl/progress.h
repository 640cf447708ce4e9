// SPDX-License-Identifier: MIT
/*
 * How far long work is, on one line of a terminal (standard error), drawn over itself: done, rate,
 * time left. Shows nothing where that is no terminal. Thread: the program's only one. Life:
 * ef_progress_init .. ef_progress_done.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct ef_progress {
    bool terminal, drawn;
    ef_mono began;
    int64_t total; /* 0: not known */
    const char *what;
};

void ef_progress_init(struct ef_progress *progress, const char *what, int64_t total);
void ef_progress_show(struct ef_progress *progress, int64_t done);
/* The line is wiped. */
void ef_progress_done(struct ef_progress *progress);
