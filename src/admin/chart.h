// SPDX-License-Identifier: MIT
/*
 * Small pictures for the page, as inline SVG without style attributes (the page's policy has none):
 * colours come from the page's style. Pure. Thread: any.
 */
#pragma once

#include "base/str.h"

/* A line over a fixed span of time: values oldest first, 0 or more; below 0 is a gap. The highest
 * one reaches the top. label says what it shows to those who do not see it; it is escaped. */
void ef_chart_line(struct ef_buf *out, const double *values, int count, const char *label);

/* A bar filled to used / total. */
void ef_chart_bar(struct ef_buf *out, double used, double total, const char *label);
