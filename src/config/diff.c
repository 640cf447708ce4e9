// SPDX-License-Identifier: MIT
/* What differs between two configurations, by the option table. */
#include <stdlib.h>

#include "config/options.h"

struct diff {
    struct ef_strings *changed, *restart;
};

static void compare_scope(const struct diff *diff, const char *scope, const char *shown,
                          const void *old, const void *fresh);

static void add(struct ef_strings *strings, const char *text)
{
    strings->items = ef_xrealloc(strings->items, (strings->count + 1) * sizeof(strings->items[0]));
    strings->items[strings->count++] = ef_xstrdup(text);
}

static void report(const struct diff *diff, const char *text, bool restart)
{
    add(diff->changed, text);
    if (restart)
        add(diff->restart, text);
}

static bool same_string(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_strings(const struct ef_strings *a, const struct ef_strings *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

static bool has_property(const struct ef_properties *properties, const struct ef_property *wanted)
{
    for (size_t i = 0; i < properties->count; i++)
        if (strcmp(properties->items[i].name, wanted->name) == 0)
            return strcmp(properties->items[i].value, wanted->value) == 0;
    return false;
}

/* In any order; a name stands there once. */
static bool same_properties(const struct ef_properties *a, const struct ef_properties *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = has_property(b, &a->items[i]);
    return same;
}

static bool same_brokers(const struct ef_config_kafka *a, const struct ef_config_kafka *b)
{
    return a->embedded == b->embedded && same_string(a->brokers, b->brokers);
}

static bool same_column(const struct ef_column_map *a, const struct ef_column_map *b)
{
    return same_string(a->column, b->column) && same_string(a->value, b->value) &&
           a->named == b->named;
}

/* Elements in the same order with the same names and values. */
static bool same_elements(const struct ef_option *option, const void *old, const void *fresh)
{
    size_t count = ef_option_elements(option, old);
    struct ef_strings changed = {0};
    bool same = count == ef_option_elements(option, fresh);
    for (size_t i = 0; same && i < count; i++) {
        void *a = ef_option_element(option, old, i), *b = ef_option_element(option, fresh, i);
        struct diff inner = {.changed = &changed, .restart = &changed};
        compare_scope(&inner, option->collection->scope, "", a, b);
        same =
            same_string(*ef_option_element_name(option, a), *ef_option_element_name(option, b)) &&
            changed.count == 0;
    }
    ef_strings_free(&changed);
    return same;
}

static bool same_value(const struct ef_option *option, const void *old, const void *fresh)
{
    const void *a = ef_option_at(option, old), *b = ef_option_at(option, fresh);
    switch (option->type) {
    case EF_OPT_MAP:
        return true;
    case EF_OPT_STRING:
    case EF_OPT_WORD:
        return same_string(*(char *const *)a, *(char *const *)b);
    case EF_OPT_STRINGS:
        return same_strings(a, b);
    case EF_OPT_PROPERTIES:
        return same_properties(a, b);
    case EF_OPT_BROKERS:
        return same_brokers(a, b);
    case EF_OPT_COLUMN:
        return same_column(a, b);
    case EF_OPT_TABLE:
    case EF_OPT_LIST:
        return same_elements(option, old, fresh);
    default:
        return ef_option_get_int(option, old) == ef_option_get_int(option, fresh);
    }
}

static void *find_element(const struct ef_option *option, const void *base, const char *name)
{
    for (size_t i = 0; i < ef_option_elements(option, base); i++) {
        void *element = ef_option_element(option, base, i);
        if (same_string(*ef_option_element_name(option, element), name))
            return element;
    }
    return NULL;
}

/* Databases and outboxes are matched by name: their place in the file means nothing. */
static void compare_named(const struct diff *diff, const struct ef_option *option,
                          const char *shown, const void *old, const void *fresh)
{
    for (size_t i = 0; i < ef_option_elements(option, old); i++) {
        void *a = ef_option_element(option, old, i);
        const char *name = *ef_option_element_name(option, a);
        void *b = find_element(option, fresh, name);
        char *path = ef_xprintf("%s.%s%s", shown, name, b ? "" : " (removed)");
        if (b)
            compare_scope(diff, option->collection->scope, path, a, b);
        else
            report(diff, path, true);
        free(path);
    }
    for (size_t i = 0; i < ef_option_elements(option, fresh); i++) {
        const char *name = *ef_option_element_name(option, ef_option_element(option, fresh, i));
        if (find_element(option, old, name))
            continue;
        char *path = ef_xprintf("%s.%s (added)", shown, name);
        report(diff, path, true);
        free(path);
    }
}

static void compare_scope(const struct diff *diff, const char *scope, const char *shown,
                          const void *old, const void *fresh)
{
    size_t len = strlen(scope);
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        if (ef_option_scope_len(option->path) != len || strncmp(option->path, scope, len) != 0)
            continue;
        char *path = ef_xprintf("%s%s%s", shown, shown[0] ? "." : "", option->path + len);
        bool whole = option->flags & EF_OPT_RELOAD;
        if ((option->type == EF_OPT_TABLE || option->type == EF_OPT_LIST) && !whole)
            compare_named(diff, option, path, old, fresh);
        else if (!same_value(option, old, fresh))
            report(diff, path, !whole);
        free(path);
    }
}

void ef_config_diff(const struct ef_config *old, const struct ef_config *fresh,
                    struct ef_strings *ret_changed, struct ef_strings *ret_restart_needed)
{
    struct diff diff = {.changed = ret_changed, .restart = ret_restart_needed};
    *ret_changed = *ret_restart_needed = (struct ef_strings){0};
    compare_scope(&diff, "", "", old, fresh);
}
