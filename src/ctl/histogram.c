// SPDX-License-Identifier: MIT
#include "ctl/histogram.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static bool take_line(const char *line, struct ef_histogram *ret)
{
    char *end;
    if (ret->count == EF_HISTOGRAM_BUCKETS_MAX)
        return false;
    double bound = strncmp(line, "+Inf\"", 5) == 0 ? INFINITY : strtod(line, &end);
    const char *number = strstr(line, "\"} ");
    if (!number)
        return false;
    ret->bounds[ret->count] = bound;
    ret->totals[ret->count++] = strtoull(number + 3, NULL, 10);
    return true;
}

bool ef_histogram_read(const char *page, const char *name, const char *outbox,
                       struct ef_histogram *ret)
{
    /* names of outboxes hold nothing that the format escapes */
    char *start = ef_xprintf("%s_bucket{outbox=\"%s\",le=\"", name, outbox);
    size_t len = strlen(start);
    *ret = (struct ef_histogram){0};
    for (const char *line = page; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, start, len) == 0)
            take_line(line + len, ret);
        else if (ret->count)
            break;
    }
    free(start);
    return ret->count > 0;
}

/* Cumulative count of a bucket since `before`; a relay that began anew counts from 0. */
static double total(const struct ef_histogram *now, const struct ef_histogram *before, int i)
{
    bool continued = before && before->count == now->count &&
                     now->totals[now->count - 1] >= before->totals[now->count - 1];
    uint64_t former = continued ? before->totals[i] : 0;
    return now->totals[i] >= former ? (double)(now->totals[i] - former) : 0;
}

double ef_histogram_quantile(const struct ef_histogram *now, const struct ef_histogram *before,
                             double quantile)
{
    if (now->count < 2)
        return -1;
    int last = now->count - 1;
    double all = total(now, before, last);
    if (all <= 0)
        return -1;
    double rank = quantile * all;
    for (int i = 0; i < last; i++) {
        double upto = total(now, before, i), below = i ? total(now, before, i - 1) : 0;
        if (upto < rank)
            continue;
        double low = i ? now->bounds[i - 1] : 0, width = now->bounds[i] - low;
        return upto > below ? low + width * (rank - below) / (upto - below) : now->bounds[i];
    }
    return now->bounds[last - 1];
}
