// SPDX-License-Identifier: MIT
/*
 * One option's value between its node and its place in the struct: every type of the table that
 * holds no further options. Part of fill.c's work. Thread: any one.
 */
#pragma once

#include "config/fill.h"

/* shown: the path for messages, "outboxes[0].wake". */
void ef_scalar_fill(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                    void *base, const struct ef_node *node);
void ef_scalar_default(const struct ef_option *option, void *base);
void ef_scalar_free(const struct ef_option *option, void *base);

/* Text to number by the option's type and words, its range not yet looked at; err as in value.h. */
bool ef_scalar_parse(const struct ef_option *option, const char *text, int64_t *ret,
                     struct ef_error *err) EF_MUST_CHECK;
/* The same the other way round: "50ms", "archive", "true". */
void ef_scalar_format(const struct ef_option *option, int64_t value, struct ef_buf *out);
/* "2s to 10m", "1m to 3650d or never", "poll or notify". */
void ef_scalar_accepted(const struct ef_option *option, struct ef_buf *out);
struct ef_reading;
/* A string that passes its option's syntax, or NULL after a problem. Caller frees. */
char *ef_scalar_string(const struct ef_reading *value);
