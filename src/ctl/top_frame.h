// SPDX-License-Identifier: MIT
/*
 * What `top` shows: answers of the daemon in, one frame of text out. Pure but for its memory of
 * former answers.
 *
 * Owns: history of each outbox. Thread: any one. Life: ef_top_new .. ef_top_free.
 */
#pragma once

#include <jansson.h>

#include "base/str.h"

struct ef_top;

struct ef_top *ef_top_new(void);
void ef_top_free(struct ef_top *top);
/* status: the object of the verb "status"; page: the metrics' text ("" where there is none). */
void ef_top_take(struct ef_top *top, const json_t *status, const char *page, int64_t now_us);
/* Of the last two answers. utf8: bars of a block each, else of ASCII. */
void ef_top_frame(const struct ef_top *top, const json_t *status, bool colors, bool utf8,
                  struct ef_buf *out);

/* values, oldest first, as a bar each from 0 to their largest. */
void ef_top_sparkline(const double *values, int count, bool utf8, struct ef_buf *out);
