// SPDX-License-Identifier: MIT
#include "config/fill.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/scalar.h"
#include "config/suggest.h"

/* "outboxes[0]" and "wake" make "outboxes[0].wake". Caller frees. */
static char *join(const char *shown, const char *name)
{
    return ef_xprintf("%s%s%s", shown, shown[0] ? "." : "", name);
}

static void fill_mapping(struct ef_fill *fill, const char *prefix, const char *shown, void *base,
                         const struct ef_node *node);

static void wrong_kind(struct ef_fill *fill, const char *shown, const struct ef_node *node,
                       const char *wanted)
{
    ef_problems_add(fill->problems, node->line, node->column, false, "%s: %s is needed, not %s",
                    shown, wanted, ef_node_kind_name(node->kind));
}

/* True if there is something of the wanted kind to look into; an empty value counts as absent. */
static bool usable(struct ef_fill *fill, const char *shown, const struct ef_node *node,
                   enum ef_node_kind kind, const char *wanted)
{
    if (node->kind == kind)
        return true;
    if (node->kind != EF_NODE_BAD && !ef_node_is_null(node))
        wrong_kind(fill, shown, node, wanted);
    return false;
}

static void *add_element(const struct ef_option *option, void *base, const struct ef_node *node)
{
    const struct ef_collection *collection = option->collection;
    size_t *count = (size_t *)((char *)base + collection->count_offset);
    char **elements = ef_option_at(option, base);
    *elements = ef_xrealloc(*elements, (*count + 1) * collection->element_size);
    char *element = *elements + (*count)++ * collection->element_size;
    memset(element, 0, collection->element_size);
    ef_fill_defaults(collection->scope, element);
    if (collection->line_offset != SIZE_MAX)
        *(int *)(element + collection->line_offset) = node->key ? node->key_line : node->line;
    return element;
}

static void fill_table(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                       void *base, const struct ef_node *node)
{
    char wanted[96];
    snprintf(wanted, sizeof(wanted), "a mapping with one entry for each %s",
             option->collection->noun);
    if (!usable(fill, shown, node, EF_NODE_MAPPING, wanted))
        return;
    for (const struct ef_node *child = node->children; child; child = child->next) {
        struct ef_error err;
        char *path = join(shown, child->key);
        if (!option->check(child->key, &err)) {
            struct ef_buf quoted;
            ef_buf_init(&quoted, 512);
            ef_problems_quote(&quoted, child->key);
            ef_problems_add(fill->problems, child->key_line, child->key_column, false, "%s: %s %s",
                            shown, quoted.data, err.text);
            ef_buf_done(&quoted);
        }
        void *element = add_element(option, base, child);
        *ef_option_element_name(option, element) = ef_xstrdup(child->key);
        fill_mapping(fill, option->collection->scope, path, element, child);
        free(path);
    }
}

static void fill_list(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                      void *base, const struct ef_node *node)
{
    size_t i = 0;
    if (!usable(fill, shown, node, EF_NODE_SEQUENCE, "a list, each item beginning with \"- \","))
        return;
    for (const struct ef_node *child = node->children; child; child = child->next, i++) {
        char *path = ef_xprintf("%s[%zu]", shown, i);
        fill_mapping(fill, option->collection->scope, path, add_element(option, base, child),
                     child);
        free(path);
    }
}

static void fill_option(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                        void *base, const struct ef_node *node)
{
    char prefix[128];
    switch (option->type) {
    case EF_OPT_MAP:
        snprintf(prefix, sizeof(prefix), "%s.", option->path);
        fill_mapping(fill, prefix, shown, base, node);
        break;
    case EF_OPT_TABLE:
        fill_table(fill, option, shown, base, node);
        break;
    case EF_OPT_LIST:
        fill_list(fill, option, shown, base, node);
        break;
    default:
        ef_scalar_fill(fill, option, shown, base, node);
    }
}

static void report_missing(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                           const struct ef_node *node)
{
    const char *name = ef_option_name(option), *example = option->example;
    bool single = option->type != EF_OPT_MAP && option->type != EF_OPT_TABLE &&
                  option->type != EF_OPT_LIST && example;
    ef_problems_add(fill->problems, node->line, node->column, false,
                    "%s%s\"%s\" is missing%s%s%s%s", shown, shown[0] ? ": " : "", name,
                    single ? "; for example " : "", single ? name : "", single ? ": " : "",
                    single ? example : "");
}

/* Not written, or written with nothing in it. An empty mapping is looked into: it says what it
 * lacks. */
static bool is_missing(const struct ef_option *option, const struct ef_node *given)
{
    if (!given)
        return true;
    if (option->type == EF_OPT_MAP)
        return false;
    if (ef_node_is_null(given))
        return true;
    bool holds_others = given->kind == EF_NODE_MAPPING || given->kind == EF_NODE_SEQUENCE;
    return option->collection && holds_others && given->count == 0;
}

static void report_all_missing(struct ef_fill *fill, const char *prefix, const char *shown,
                               const struct ef_node *node)
{
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        if (!(option->flags & EF_OPT_REQUIRED) || !ef_option_is_child(option, prefix))
            continue;
        const struct ef_node *given = ef_node_get(node, ef_option_name(option));
        if (is_missing(option, given))
            report_missing(fill, option, shown, given ? given : node);
    }
}

static void fill_mapping(struct ef_fill *fill, const char *prefix, const char *shown, void *base,
                         const struct ef_node *node)
{
    if (!usable(fill, shown[0] ? shown : "the file", node, EF_NODE_MAPPING,
                "a mapping (name: value)") &&
        !ef_node_is_null(node))
        return;
    for (const struct ef_node *child = node->children; child; child = child->next) {
        const struct ef_option *option = ef_option_find(prefix, child->key);
        char *path = join(shown, child->key);
        if (option)
            fill_option(fill, option, path, base, child);
        else
            ef_suggest_option(fill->problems, prefix, shown, child);
        free(path);
    }
    report_all_missing(fill, prefix, shown, node);
}

void ef_fill_root(struct ef_fill *fill, const struct ef_node *root)
{
    fill_mapping(fill, "", "", fill->config, root);
}

/* Calls fn for each option of the scope itself, not of scopes within it. */
static void each_of_scope(const char *scope, void *base,
                          void (*fn)(const struct ef_option *option, void *base))
{
    size_t len = strlen(scope);
    for (size_t i = 0; i < ef_option_count; i++)
        if (ef_option_scope_len(ef_options[i].path) == len &&
            strncmp(ef_options[i].path, scope, len) == 0)
            fn(&ef_options[i], base);
}

void ef_fill_defaults(const char *scope, void *base)
{
    each_of_scope(scope, base, ef_scalar_default);
}

static void free_option(const struct ef_option *option, void *base)
{
    if (option->type != EF_OPT_TABLE && option->type != EF_OPT_LIST) {
        ef_scalar_free(option, base);
        return;
    }
    for (size_t i = 0; i < ef_option_elements(option, base); i++) {
        void *element = ef_option_element(option, base, i);
        if (option->type == EF_OPT_TABLE)
            free(*ef_option_element_name(option, element));
        ef_fill_free(option->collection->scope, element);
    }
    free(*(void **)ef_option_at(option, base));
}

void ef_fill_free(const char *scope, void *base)
{
    each_of_scope(scope, base, free_option);
}
