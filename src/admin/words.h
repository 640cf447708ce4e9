// SPDX-License-Identifier: MIT
/*
 * Numbers as people read them, for the page and the operator's tool. Pure. Thread: any.
 * Each writes to `out` and returns it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "0 ms", "850 ms", "3.2 s", "4 min 10 s", "2 h 5 min", "3 d 4 h" */
char *ef_words_duration(int64_t ms, char *out, size_t size);
/* "0 B", "812 B", "4.0 KiB", "1.5 GiB" */
char *ef_words_bytes(int64_t bytes, char *out, size_t size);
/* "0", "1 234", "12 345 678" with thin grouping by plain spaces */
char *ef_words_count(int64_t count, char *out, size_t size);
/* "0/s", "0.4/s", "12/s", "1 234/s" */
char *ef_words_rate(double per_second, char *out, size_t size);
