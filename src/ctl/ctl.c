// SPDX-License-Identifier: MIT
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>

static void (*before_complaint)(void);

void ef_ctl_before_complaint(void (*fn)(void))
{
    before_complaint = fn;
}

void ef_ctl_complain(const char *fmt, ...)
{
    va_list ap;
    if (before_complaint)
        before_complaint();
    fflush(stdout);
    fputs("eventferryctl: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void print_problems(const char *path, const struct ef_config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct ef_config_problem *problem = &problems->items[i];
        if (problem->warning)
            continue; /* the daemon and --check-config tell them */
        if (problem->line)
            fprintf(stderr, "%s:%d:%d: %s\n", path, problem->line, problem->column, problem->text);
        else
            fprintf(stderr, "%s: %s\n", path, problem->text);
    }
}

struct ef_config *ef_ctl_load_config(const struct ef_ctl *ctl, bool secrets, int *ret_code)
{
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    struct ef_config *config =
        secrets ? ef_config_load(ctl->config_path, &problems, &err)
                : ef_config_load_without_secrets(ctl->config_path, &problems, &err);
    if (!config) {
        print_problems(ctl->config_path, &problems);
        *ret_code = err.class == EF_CLASS_OUTAGE ? EF_CTL_UNREADABLE : EF_CTL_CONFIG;
    }
    ef_config_problems_free(&problems);
    return config;
}

int ef_ctl_code(const struct ef_error *err)
{
    switch (err->class) {
    case EF_CLASS_NONE:
        return EF_CTL_DONE;
    case EF_CLASS_OUTAGE:
        return EF_CTL_UNREACHABLE;
    case EF_CLASS_FATAL:
        return EF_CTL_INTERNAL;
    default:
        return EF_CTL_REFUSED;
    }
}
