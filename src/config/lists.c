// SPDX-License-Identifier: MIT
#include "config/lists.h"

#include <stdlib.h>

#include "config/reading.h"
#include "config/scalar.h"

enum { LIST_MAX_BYTES = 1024 * 1024 };

static void strings_add(struct ef_strings *strings, char *owned)
{
    strings->items = ef_xrealloc(strings->items, (strings->count + 1) * sizeof(strings->items[0]));
    strings->items[strings->count++] = owned;
}

/* The items of a list, one by one; false after a problem with the list itself. */
static bool fill_items(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                       const struct ef_node *node,
                       void (*each)(const struct ef_reading *item, void *arg), void *arg)
{
    if (node->kind == EF_NODE_BAD || ef_node_is_null(node))
        return false;
    if (node->kind != EF_NODE_SEQUENCE) {
        ef_problems_add(fill->problems, node->line, node->column, false,
                        "%s: a list is needed, for example %s", shown,
                        option->example ? option->example : option->def);
        return false;
    }
    size_t i = 0;
    for (const struct ef_node *child = node->children; child; child = child->next) {
        char *path = ef_xprintf("%s[%zu]", shown, i++);
        struct ef_reading item;
        if (ef_reading_begin(&item, fill, option, path, child)) {
            each(&item, arg);
            ef_reading_done(&item);
        }
        free(path);
    }
    return true;
}

static void add_string(const struct ef_reading *item, void *arg)
{
    char *text = ef_scalar_string(item);
    if (text)
        strings_add(arg, text);
}

static void add_flag(const struct ef_reading *item, void *arg)
{
    const struct ef_word *word = ef_option_word(item->option, item->text.data);
    if (word)
        *(unsigned *)arg |= (unsigned)word->value;
    else
        ef_reading_not_accepted(item);
}

static void add_broker(const struct ef_reading *item, void *arg)
{
    struct ef_buf *list = arg;
    char *text = ef_scalar_string(item);
    if (text)
        ef_buf_printf(list, "%s%s", list->len ? "," : "", text);
    free(text);
}

/* "a:9092,b:9092" as one string. */
static void add_broker_string(struct ef_reading *value, struct ef_buf *list)
{
    char *all = ef_xstrdup(value->text.data), *rest = all, *one;
    while ((one = strsep(&rest, ","))) {
        one += strspn(one, " ");
        one[strcspn(one, " ")] = '\0';
        ef_buf_clear(&value->text);
        ef_buf_puts(&value->text, one);
        add_broker(value, list);
    }
    free(all);
}

void ef_lists_brokers(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                      void *base, const struct ef_node *node)
{
    struct ef_config_kafka *kafka = ef_option_at(option, base);
    struct ef_buf list;
    struct ef_reading value;
    ef_buf_init(&list, LIST_MAX_BYTES);
    if (node->kind == EF_NODE_SEQUENCE) {
        fill_items(fill, option, shown, node, add_broker, &list);
        if (node->count == 0)
            ef_problems_add(fill->problems, node->line, node->column, false,
                            "%s: the list is empty; for example [localhost:9092]", shown);
    } else if (!ef_node_is_null(node) && ef_reading_begin(&value, fill, option, shown, node)) {
        kafka->embedded = strcmp(value.text.data, "embedded") == 0;
        if (!kafka->embedded)
            add_broker_string(&value, &list);
        ef_reading_done(&value);
    }
    if (list.len)
        kafka->brokers = ef_xstrdup(list.data);
    ef_buf_done(&list);
}

bool ef_lists_is_secret_property(const char *name)
{
    static const char *const parts[] = {"password",           "secret", "key.pem", "jaas",
                                        "oauthbearer.config", "token"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcasestr(name, parts[i]) && !strcasestr(name, "token.endpoint"))
            return true;
    return false;
}

void ef_lists_properties(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                         void *base, const struct ef_node *node)
{
    struct ef_properties *properties = ef_option_at(option, base);
    if (node->kind == EF_NODE_BAD || ef_node_is_null(node))
        return;
    if (node->kind != EF_NODE_MAPPING) {
        ef_problems_add(fill->problems, node->line, node->column, false,
                        "%s: a mapping (property: value) is needed, not %s", shown,
                        ef_node_kind_name(node->kind));
        return;
    }
    for (const struct ef_node *child = node->children; child; child = child->next) {
        struct ef_reading value;
        char *path = ef_xprintf("%s.%s", shown, child->key);
        if (ef_reading_begin(&value, fill, option, path, child)) {
            bool secret = ef_lists_is_secret_property(child->key);
            if (secret)
                ef_reading_plain_secret(&value);
            properties->items = ef_xrealloc(properties->items,
                                            (properties->count + 1) * sizeof(properties->items[0]));
            properties->items[properties->count++] = (struct ef_property){
                .name = ef_xstrdup(child->key),
                .value = ef_xstrdup(value.text.data),
                .secret = secret || value.how.secret,
                .line = child->key_line,
                .column = child->key_column,
            };
            ef_reading_done(&value);
        }
        free(path);
    }
}

/* {value: text}: a constant instead of a column. */
static void fill_constant(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                          struct ef_column_map *map, const struct ef_node *node)
{
    const struct ef_node *constant = ef_node_get(node, "value");
    struct ef_reading value;
    if (!constant || node->count != 1 || !(option->flags & EF_OPT_CONSTANT)) {
        ef_problems_add(fill->problems, node->line, node->column, false,
                        option->flags & EF_OPT_CONSTANT
                            ? "%s: a column's name or {value: text} is needed"
                            : "%s: a column's name is needed; a constant makes no sense here",
                        shown);
        return;
    }
    if (ef_reading_begin(&value, fill, option, shown, constant)) {
        free(map->column);
        *map = (struct ef_column_map){.value = ef_xstrdup(value.text.data), .named = true};
        ef_reading_done(&value);
    }
}

void ef_lists_column(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                     void *base, const struct ef_node *node)
{
    struct ef_column_map *map = ef_option_at(option, base);
    struct ef_reading value;
    if (node->kind == EF_NODE_MAPPING) {
        fill_constant(fill, option, shown, map, node);
    } else if (ef_node_is_null(node)) {
        free(map->column);
        *map = (struct ef_column_map){.named = true};
    } else if (ef_reading_begin(&value, fill, option, shown, node)) {
        char *text = ef_scalar_string(&value);
        if (text && !text[0])
            ef_reading_complain(&value, "is no column's name; ~ means that there is none");
        if (text && text[0]) {
            free(map->column);
            *map = (struct ef_column_map){.column = text, .named = true};
        } else {
            free(text);
        }
        ef_reading_done(&value);
    }
}

void ef_lists_strings(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                      void *base, const struct ef_node *node)
{
    fill_items(fill, option, shown, node, add_string, ef_option_at(option, base));
}

void ef_lists_flags(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                    void *base, const struct ef_node *node)
{
    unsigned flags = 0;
    if (fill_items(fill, option, shown, node, add_flag, &flags))
        ef_option_set_int(option, base, flags);
}
