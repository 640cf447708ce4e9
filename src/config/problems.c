// SPDX-License-Identifier: MIT
#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void append(struct ef_config_problems *problems, struct ef_config_problem problem)
{
    problems->items =
        ef_xrealloc(problems->items, (problems->count + 1) * sizeof(problems->items[0]));
    problems->items[problems->count++] = problem;
}

void ef_problems_add(struct ef_config_problems *problems, int line, int column, bool warning,
                     const char *fmt, ...)
{
    if (problems->count > EF_PROBLEMS_MAX) {
        /* too many warnings alone do not forbid a file */
        if (!warning)
            problems->items[EF_PROBLEMS_MAX].warning = false;
        return;
    }
    if (problems->count == EF_PROBLEMS_MAX) {
        append(problems, (struct ef_config_problem){
                             .line = line,
                             .column = column,
                             .warning = warning,
                             .text = ef_xstrdup("more problems follow; these were the first 200"),
                         });
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    char *text = ef_xvprintf(fmt, ap);
    va_end(ap);
    /* names and paths of the file stand in it as they are: none may begin a line of its own */
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    append(problems, (struct ef_config_problem){
                         .line = line, .column = column, .warning = warning, .text = text});
}

static int compare(const void *a, const void *b)
{
    const struct ef_config_problem *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

void ef_problems_sort(struct ef_config_problems *problems)
{
    /* insertion: stable, and the list is short and nearly sorted */
    for (size_t i = 1; i < problems->count; i++) {
        struct ef_config_problem moved = problems->items[i];
        size_t j = i;
        for (; j > 0 && compare(&problems->items[j - 1], &moved) > 0; j--)
            problems->items[j] = problems->items[j - 1];
        problems->items[j] = moved;
    }
}

bool ef_problems_fatal(const struct ef_config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        if (!problems->items[i].warning)
            return true;
    return false;
}

void ef_problems_quote(struct ef_buf *buf, const char *text)
{
    enum { SHOWN_MAX = 60 };
    size_t len = strlen(text), shown = len;
    if (shown > SHOWN_MAX) {
        shown = SHOWN_MAX - 3;
        while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
            shown--; /* never inside a character */
    }
    ef_buf_printf(buf, "\"%.*s%s\"", (int)shown, text, shown < len ? "..." : "");
}

void ef_config_problems_free(struct ef_config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->items[i].text);
    free(problems->items);
    *problems = (struct ef_config_problems){0};
}

void ef_config_problems_print(const struct ef_config_problems *problems, const char *path,
                              struct ef_buf *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct ef_config_problem *problem = &problems->items[i];
        ef_buf_puts(out, path);
        if (problem->line > 0)
            ef_buf_printf(out, ":%d:%d", problem->line, problem->column);
        ef_buf_printf(out, ": %s%s\n", problem->warning ? "warning: " : "", problem->text);
    }
}
