// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "admin"
#include "admin/warnings.h"

#include <stdlib.h>

#include "base/log.h"

struct source {
    const void *who;
    struct ef_report report;
    struct source *next;
};

struct ef_warnings {
    struct ef_metrics *metrics;
    struct source *sources; /* in the order they came */
    struct ef_warning *all;
    size_t count;
};

static struct ef_metric *metric_of(struct ef_warnings *warnings, const struct ef_finding *finding)
{
    return ef_metrics_get(warnings->metrics, EF_GAUGE, "warnings",
                          "Findings of the doctor's checks that are not well.", "check",
                          finding->id, "subject", finding->subject, NULL);
}

struct ef_warnings *ef_warnings_new(struct ef_metrics *metrics)
{
    struct ef_warnings *warnings = ef_xcalloc(1, sizeof(*warnings));
    warnings->metrics = metrics;
    /* every daemon looks at certificates: so the page has the family before anything is found */
    metric_of(warnings, &(struct ef_finding){.id = "host.certificate", .subject = "host"});
    return warnings;
}

void ef_warnings_free(struct ef_warnings *warnings)
{
    if (!warnings)
        return;
    for (struct source *next, *source = warnings->sources; source; source = next) {
        next = source->next;
        ef_report_done(&source->report);
        free(source);
    }
    free(warnings->all);
    free(warnings);
}

static struct source *source_of(struct ef_warnings *warnings, const void *who)
{
    struct source **at = &warnings->sources;
    while (*at && (*at)->who != who)
        at = &(*at)->next;
    if (!*at) {
        *at = ef_xcalloc(1, sizeof(**at));
        (*at)->who = who;
    }
    return *at;
}

/* The sentence may differ from look to look: how long, how many. */
static bool same(const struct ef_finding *a, const struct ef_finding *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->subject, b->subject) == 0 &&
           strcmp(a->key, b->key) == 0;
}

static const struct ef_warning *find(const struct ef_warning *all, size_t count,
                                     const struct ef_finding *finding)
{
    for (size_t i = 0; i < count; i++)
        if (same(&all[i].finding, finding))
            return &all[i];
    return NULL;
}

static void add_all(struct ef_warnings *warnings, const struct ef_report *report,
                    enum ef_level level)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct ef_finding *finding = &report->items[i];
        if (finding->level != level || find(warnings->all, warnings->count, finding))
            continue;
        warnings->all = ef_xrealloc(warnings->all, (warnings->count + 1) * sizeof(*warnings->all));
        warnings->all[warnings->count++] =
            (struct ef_warning){.finding = *finding, .since = ef_clock_wall()};
        ef_metric_add(metric_of(warnings, finding), 1);
    }
}

static void tell_new(const struct ef_finding *finding)
{
    ef_warn("a check found something that needs a look", EF_STR("check", finding->id),
            EF_STR("severity", ef_level_name(finding->level)), EF_STR("subject", finding->subject),
            EF_STR("what", finding->text),
            EF_STR("mend", finding->mends.count ? finding->mends.items[0] : NULL));
}

static void tell_gone(const struct ef_finding *finding)
{
    ef_info("what a check had found is gone", EF_STR("check", finding->id),
            EF_STR("subject", finding->subject), EF_STR("what", finding->text));
}

void ef_warnings_take(struct ef_warnings *warnings, const void *source,
                      const struct ef_report *report)
{
    struct source *from = source_of(warnings, source);
    struct ef_report before = from->report; /* the former list still borrows from it */
    struct ef_warning *former = warnings->all;
    size_t former_count = warnings->count;
    from->report = (struct ef_report){0};
    if (report)
        ef_report_copy_bad(report, &from->report);
    warnings->all = NULL;
    warnings->count = 0;
    for (size_t i = 0; i < former_count; i++)
        ef_metric_set(metric_of(warnings, &former[i].finding), 0);
    for (int level = EF_LEVEL_FAIL; level > EF_LEVEL_OK; level--)
        for (const struct source *each = warnings->sources; each; each = each->next)
            add_all(warnings, &each->report, (enum ef_level)level);
    for (size_t i = 0; i < warnings->count; i++) {
        struct ef_warning *warning = &warnings->all[i];
        const struct ef_warning *known = find(former, former_count, &warning->finding);
        if (known)
            warning->since = known->since;
        if (!known || known->finding.level < warning->finding.level)
            tell_new(&warning->finding);
    }
    for (size_t i = 0; i < former_count; i++)
        if (!find(warnings->all, warnings->count, &former[i].finding))
            tell_gone(&former[i].finding);
    free(former);
    ef_report_done(&before);
}

const struct ef_warning *ef_warnings_all(const struct ef_warnings *warnings, size_t *ret_count)
{
    *ret_count = warnings ? warnings->count : 0;
    return warnings ? warnings->all : NULL;
}
