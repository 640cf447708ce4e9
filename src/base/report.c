// SPDX-License-Identifier: MIT
#include "base/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *ef_level_name(enum ef_level level)
{
    static const char *const words[] = {"OK", "WARN", "FAIL"};
    return words[level];
}

void ef_report_init(struct ef_report *report)
{
    *report = (struct ef_report){0};
}

void ef_report_done(struct ef_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        free(report->items[i].subject);
        free(report->items[i].key);
        free(report->items[i].text);
        ef_strings_free(&report->items[i].mends);
    }
    free(report->items);
    *report = (struct ef_report){0};
}

void ef_report_subject(struct ef_report *report, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(report->subject, sizeof(report->subject), fmt, ap);
    va_end(ap);
}

static struct ef_finding *more(struct ef_report *report)
{
    report->items = ef_xrealloc(report->items, (report->count + 1) * sizeof(*report->items));
    return &report->items[report->count++];
}

void ef_report_add(struct ef_report *report, const char *id, enum ef_level level, const char *fmt,
                   ...)
{
    va_list ap;
    va_start(ap, fmt);
    *more(report) = (struct ef_finding){.id = id,
                                        .level = level,
                                        .subject = ef_xstrdup(report->subject),
                                        .key = ef_xstrdup(""),
                                        .text = ef_xvprintf(fmt, ap)};
    va_end(ap);
}

void ef_report_key(struct ef_report *report, const char *fmt, ...)
{
    struct ef_finding *last = &report->items[report->count - 1];
    va_list ap;
    va_start(ap, fmt);
    free(last->key);
    last->key = ef_xvprintf(fmt, ap);
    va_end(ap);
}

static void add_string(struct ef_strings *list, char *text)
{
    list->items = ef_xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count++] = text;
}

void ef_report_mend(struct ef_report *report, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_string(&report->items[report->count - 1].mends, ef_xvprintf(fmt, ap));
    va_end(ap);
}

bool ef_report_mend_from(struct ef_report *report, const char *sentence)
{
    const char *begin = strstr(sentence, "run ");
    if (!begin || begin[4] == '`')
        return false;
    begin += 4;
    const char *end = strstr(begin, ", or ");
    ef_report_mend(report, "%.*s", end ? (int)(end - begin) : (int)strlen(begin), begin);
    return true;
}

void ef_report_copy_bad(const struct ef_report *from, struct ef_report *to)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct ef_finding *finding = &from->items[i];
        if (finding->level == EF_LEVEL_OK)
            continue;
        struct ef_finding *copy = more(to);
        *copy = (struct ef_finding){.id = finding->id,
                                    .level = finding->level,
                                    .subject = ef_xstrdup(finding->subject),
                                    .key = ef_xstrdup(finding->key),
                                    .text = ef_xstrdup(finding->text)};
        for (size_t j = 0; j < finding->mends.count; j++)
            add_string(&copy->mends, ef_xstrdup(finding->mends.items[j]));
    }
}

enum ef_level ef_report_worst(const struct ef_report *report)
{
    enum ef_level worst = EF_LEVEL_OK;
    for (size_t i = 0; i < report->count; i++)
        if (report->items[i].level > worst)
            worst = report->items[i].level;
    return worst;
}
