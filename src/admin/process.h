// SPDX-License-Identifier: MIT
/*
 * What the kernel says about this process, from /proc (proc(5)). Reads small files that never
 * block. Pure but for that. Thread: the loop's.
 */
#pragma once

#include <stdint.h>

struct ef_process {
    double cpu_seconds; /* user and system */
    int64_t resident_bytes;
    int64_t open_fds, max_fds;
    int64_t uptime_ms;
    double started_at; /* seconds since 1970 */
    int pid;
};

/* What cannot be read stays 0. */
void ef_process_read(struct ef_process *ret);
