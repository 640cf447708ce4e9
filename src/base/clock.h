// SPDX-License-Identifier: MIT
/*
 * Time. Monotonic and wall time are different types so that they cannot be mixed.
 * Monotonic time is CLOCK_BOOTTIME: it goes on while a machine is suspended, which a lease needs.
 * The simulation replaces the source (ef_clock_use). Thread: any for reading; ef_clock_use before
 * threads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t us;
} ef_mono; /* microseconds since boot */

typedef struct {
    int64_t us;
} ef_wall; /* microseconds since 1970-01-01 UTC */

struct ef_clock_source {
    ef_mono (*mono)(void *ctx);
    ef_wall (*wall)(void *ctx);
    void *ctx;
};

ef_mono ef_clock_mono(void);
ef_wall ef_clock_wall(void);

/* Microseconds of CPU that the calling thread has used. Never replaced. A system call: some 200 ns.
 */
int64_t ef_clock_thread_cpu_us(void);

/* Replace the source for the whole process; NULL goes back to the operating system's. */
void ef_clock_use(const struct ef_clock_source *source);

/* "2026-11-24T06:14:06.123Z"; out must hold 32 bytes. */
void ef_wall_iso8601(ef_wall t, char *out, size_t size);

#define EF_MS_US INT64_C(1000)
#define EF_S_US  INT64_C(1000000)
