// SPDX-License-Identifier: MIT
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"

const double ef_metric_bounds[] = {.001, .0025, .005, .01, .025, .05, .1, .25,
                                   .5,   1,     2.5,  5,   10,   30,  60};
enum {
    BUCKET_COUNT = EF_METRIC_BUCKETS,
    BOUND_COUNT = BUCKET_COUNT - 1, /* all but +Inf */
    VALUE_MAX_BYTES = 512,          /* a longer label value is cut */
    LABELS_MAX_BYTES = 16384,       /* of one series, escaped: room for ten of the longest values */
};

/* A removed series keeps its memory (handles stay valid) and starts again from 0 when asked for
 * anew. */
struct series {
    struct ef_metric metric;
    char *labels; /* as in the output, without braces: `outbox="orders",topic="a"` */
    bool removed;
    struct series *next; /* in the order they were made */
    UT_hash_handle hh;
};

struct family {
    char *name; /* with prefix */
    char *help;
    enum ef_metric_type type;
    struct series *by_labels;
    struct series *first, *last;
    struct family *next;
    UT_hash_handle hh;
};

struct ef_metrics {
    struct family *by_name;
    struct family *first, *last;
};

struct ef_metrics *ef_metrics_new(void)
{
    return ef_xcalloc(1, sizeof(struct ef_metrics));
}

static void family_free(struct family *family)
{
    struct series *next;
    HASH_CLEAR(hh, family->by_labels);
    for (struct series *s = family->first; s; s = next) {
        next = s->next;
        free(s->metric.buckets);
        free(s->labels);
        free(s);
    }
    free(family->name);
    free(family->help);
    free(family);
}

void ef_metrics_free(struct ef_metrics *metrics)
{
    struct family *next;
    if (!metrics)
        return;
    HASH_CLEAR(hh, metrics->by_name);
    for (struct family *f = metrics->first; f; f = next) {
        next = f->next;
        family_free(f);
    }
    free(metrics);
}

static size_t full_name(const char *name, char *out, size_t size)
{
    bool standard = strncmp(name, "process_", 8) == 0;
    int len = snprintf(out, size, "%s%s", standard ? "" : "eventferry_", name);
    assert(len > 0 && (size_t)len < size);
    return (size_t)len;
}

static struct family *family_get(struct ef_metrics *metrics, enum ef_metric_type type,
                                 const char *name, const char *help)
{
    char full[128];
    struct family *family;
    size_t len = full_name(name, full, sizeof(full));

    HASH_FIND(hh, metrics->by_name, full, len, family);
    if (family) {
        assert(family->type == type);
        return family;
    }
    family = ef_xcalloc(1, sizeof(*family));
    family->name = ef_xstrdup(full);
    family->help = ef_xstrdup(help);
    family->type = type;
    HASH_ADD_KEYPTR(hh, metrics->by_name, family->name, len, family);
    if (metrics->last)
        metrics->last->next = family;
    else
        metrics->first = family;
    metrics->last = family;
    return family;
}

static struct series *series_get(struct family *family, const struct ef_buf *labels)
{
    struct series *series;
    const char *key = labels->len ? labels->data : "";

    HASH_FIND(hh, family->by_labels, key, labels->len, series);
    if (series) {
        if (series->removed) {
            uint64_t *buckets = series->metric.buckets;
            if (buckets)
                memset(buckets, 0, BUCKET_COUNT * sizeof(*buckets));
            series->metric = (struct ef_metric){.buckets = buckets};
            series->removed = false;
        }
        return series;
    }
    series = ef_xcalloc(1, sizeof(*series));
    series->labels = ef_xstrndup(key, labels->len);
    if (family->type == EF_HISTOGRAM)
        series->metric.buckets = ef_xcalloc(BUCKET_COUNT, sizeof(*series->metric.buckets));
    HASH_ADD_KEYPTR(hh, family->by_labels, series->labels, labels->len, series);
    if (family->last)
        family->last->next = series;
    else
        family->first = series;
    family->last = series;
    return series;
}

/* Prometheus text format 0.0.4: backslash and line feed are escaped, in label values also quotes.
 */
static void add_escaped(struct ef_buf *out, const char *text, size_t len, bool quotes)
{
    struct ef_buf clean;
    ef_buf_init(&clean, 3 * len); /* U+FFFD has three bytes */
    ef_utf8_add(&clean, text, len);
    for (size_t i = 0; i < clean.len; i++) {
        char c = clean.data[i];
        if (c == '\n')
            ef_buf_puts(out, "\\n");
        else if (c == '\\' || (c == '"' && quotes))
            ef_buf_add(out, (char[]){'\\', c}, 2);
        else
            ef_buf_add(out, &c, 1);
    }
    ef_buf_done(&clean);
}

static void add_label(struct ef_buf *out, const char *name, const char *value)
{
    if (out->len)
        ef_buf_puts(out, ",");
    ef_buf_puts(out, name);
    ef_buf_puts(out, "=\"");
    add_escaped(out, value, strnlen(value, VALUE_MAX_BYTES), true);
    ef_buf_puts(out, "\"");
}

struct ef_metric *ef_metrics_get(struct ef_metrics *metrics, enum ef_metric_type type,
                                 const char *name, const char *help, ...)
{
    struct ef_buf labels;
    const char *label;
    va_list ap;

    ef_buf_init(&labels, LABELS_MAX_BYTES);
    va_start(ap, help);
    while ((label = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);
        add_label(&labels, label, value ? value : "");
    }
    va_end(ap);
    struct series *series = series_get(family_get(metrics, type, name, help), &labels);
    ef_buf_done(&labels);
    return &series->metric;
}

const struct ef_metric *ef_metrics_find(const struct ef_metrics *metrics, const char *name, ...)
{
    char full[128];
    struct ef_buf labels;
    const char *label;
    struct family *family;
    struct series *series = NULL;
    va_list ap;

    ef_buf_init(&labels, LABELS_MAX_BYTES);
    va_start(ap, name);
    while ((label = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);
        add_label(&labels, label, value ? value : "");
    }
    va_end(ap);
    full_name(name, full, sizeof(full));
    HASH_FIND_STR(metrics->by_name, full, family);
    if (family)
        HASH_FIND(hh, family->by_labels, labels.len ? labels.data : "", labels.len, series);
    ef_buf_done(&labels);
    return series && !series->removed ? &series->metric : NULL;
}

/* Inside a value a quote always follows a backslash, so `name="` can only be the beginning of a
 * label. */
static bool has_label(const struct series *series, const struct ef_buf *label)
{
    const char *at = series->labels;
    while ((at = strstr(at, label->data))) {
        if (at == series->labels || at[-1] == ',')
            return true;
        at++;
    }
    return false;
}

void ef_metrics_remove(struct ef_metrics *metrics, const char *label, const char *value)
{
    struct ef_buf wanted;
    ef_buf_init(&wanted, LABELS_MAX_BYTES);
    add_label(&wanted, label, value);
    for (struct family *f = metrics->first; f; f = f->next)
        for (struct series *s = f->first; s; s = s->next)
            if (has_label(s, &wanted))
                s->removed = true;
    ef_buf_done(&wanted);
}

void ef_metric_hide(struct ef_metric *m)
{
    ((struct series *)m)->removed = true; /* the metric is its first member */
}

void ef_metric_observe(struct ef_metric *m, double seconds)
{
    int i = 0;
    while (i < BOUND_COUNT && seconds > ef_metric_bounds[i])
        i++;
    m->buckets[i]++;
    m->sum += seconds;
}

static void add_number(struct ef_buf *out, double v)
{
    const double exact_max = 9007199254740992.0; /* 2^53: every integer up to here is exact */
    char text[32];

    if (isnan(v)) {
        ef_buf_puts(out, "NaN");
    } else if (isinf(v)) {
        ef_buf_puts(out, v > 0 ? "+Inf" : "-Inf");
    } else if (fabs(v) <= exact_max && v == (double)(int64_t)v) {
        ef_buf_printf(out, "%" PRId64, (int64_t)v);
    } else {
        /* the shortest of the two forms that reads back as the same number */
        snprintf(text, sizeof(text), "%.15g", v);
        if (strtod(text, NULL) != v)
            snprintf(text, sizeof(text), "%.17g", v);
        ef_buf_puts(out, text);
    }
}

static void add_sample(struct ef_buf *out, const char *name, const char *suffix, const char *labels,
                       double value)
{
    ef_buf_puts(out, name);
    ef_buf_puts(out, suffix);
    if (*labels) {
        ef_buf_puts(out, "{");
        ef_buf_puts(out, labels);
        ef_buf_puts(out, "}");
    }
    ef_buf_puts(out, " ");
    add_number(out, value);
    ef_buf_puts(out, "\n");
}

static void add_histogram(struct ef_buf *out, const struct family *family,
                          const struct series *series)
{
    uint64_t count = 0;
    const char *comma = series->labels[0] ? "," : "";

    for (int i = 0; i < BUCKET_COUNT; i++) {
        count += series->metric.buckets[i];
        ef_buf_printf(out, "%s_bucket{%s%sle=\"", family->name, series->labels, comma);
        add_number(out, i < BOUND_COUNT ? ef_metric_bounds[i] : INFINITY);
        ef_buf_printf(out, "\"} %" PRIu64 "\n", count);
    }
    add_sample(out, family->name, "_sum", series->labels, series->metric.sum);
    add_sample(out, family->name, "_count", series->labels, (double)count);
}

static const char *const type_names[] = {[EF_COUNTER] = "counter",
                                         [EF_GAUGE] = "gauge",
                                         [EF_HISTOGRAM] = "histogram",
                                         [EF_SUMMARY] = "summary"};

void ef_metrics_render(const struct ef_metrics *metrics, struct ef_buf *out)
{
    for (const struct family *f = metrics->first; f; f = f->next) {
        bool announced = false;
        for (const struct series *s = f->first; s; s = s->next) {
            if (s->removed)
                continue;
            if (!announced) {
                ef_buf_printf(out, "# HELP %s ", f->name);
                add_escaped(out, f->help, strlen(f->help), false);
                ef_buf_printf(out, "\n# TYPE %s %s\n", f->name, type_names[f->type]);
                announced = true;
            }
            if (f->type == EF_HISTOGRAM)
                add_histogram(out, f, s);
            else
                add_sample(out, f->name, "", s->labels, s->metric.value);
        }
    }
}
