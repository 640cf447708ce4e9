// SPDX-License-Identifier: MIT
#include "config/scalar.h"

#include <inttypes.h>
#include <stdlib.h>

#include "config/secret.h"
#include "config/substitute.h"
#include "config/value.h"

enum { VALUE_MAX_BYTES = 1024 * 1024 };

/* A value on its way: its text with everything substituted, and where it came from. */
struct value {
    struct ef_fill *fill;
    const struct ef_option *option;
    const char *shown;
    const struct ef_node *node;
    struct ef_buf text;
    struct ef_substitution how;
};

/*
 * "path: "value" reason". The value is quoted as the file has it, never as a substitution made it,
 * and not at all where it may be a secret.
 */
static void complain(const struct value *value, const char *reason)
{
    struct ef_buf text;
    ef_buf_init(&text, 8192);
    ef_buf_printf(&text, "%s: ", value->shown);
    if (value->option->flags & (EF_OPT_SECRET | EF_OPT_URL))
        ef_buf_puts(&text, "the value");
    else
        ef_problems_quote(&text, value->node->text);
    ef_buf_printf(&text, " %s", reason);
    ef_problems_add(value->fill->problems, value->node->line, value->node->column, false, "%s",
                    text.data);
    ef_buf_done(&text);
}

static void complain_plainly(const struct value *value, const char *reason)
{
    ef_problems_add(value->fill->problems, value->node->line, value->node->column, false, "%s: %s",
                    value->shown, reason);
}

static void value_done(struct value *value)
{
    ef_buf_done(&value->text);
}

static void remember_masked(struct ef_fill *fill, const char *shown)
{
    struct ef_strings *masked = &fill->config->masked;
    masked->items = ef_xrealloc(masked->items, (masked->count + 1) * sizeof(masked->items[0]));
    masked->items[masked->count++] = ef_xstrdup(shown);
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* Reads a scalar node into value->text. On true, value_done is due. */
static bool value_read(struct value *value, struct ef_fill *fill, const struct ef_option *option,
                       const char *shown, const struct ef_node *node)
{
    *value = (struct value){.fill = fill, .option = option, .shown = shown, .node = node};
    if (node->kind == EF_NODE_BAD)
        return false;
    if (node->kind != EF_NODE_SCALAR) {
        ef_problems_add(fill->problems, node->line, node->column, false,
                        "%s: a single value is needed, not %s", shown,
                        ef_node_kind_name(node->kind));
        return false;
    }
    if (ef_node_is_null(node)) {
        complain_plainly(value, "has no value; give one or remove the line");
        return false;
    }
    value->how.dir = fill->dir;
    value->how.topic = option->flags & EF_OPT_TOPIC;
    value->how.no_secrets = fill->no_secrets;
    ef_buf_init(&value->text, VALUE_MAX_BYTES);
    struct ef_error err;
    if (!ef_substitute(&value->how, node->text, &value->text, &err)) {
        fill->unread_count += err.class == EF_CLASS_OUTAGE;
        complain_plainly(value, err.text);
        value_done(value);
        return false;
    }
    if (value->how.secret && option->type != EF_OPT_PROPERTIES)
        remember_masked(fill, shown);
    return true;
}

/* With secrets left unread the value is not the real one: nothing can be said against it. */
static bool unknown(const struct value *value)
{
    return value->how.secret && value->how.no_secrets;
}

bool ef_scalar_parse(const struct ef_option *option, const char *text, int64_t *ret,
                     struct ef_error *err)
{
    const struct ef_word *word;
    bool yes = false;
    switch (option->type) {
    case EF_OPT_INT:
        return ef_value_parse_int(text, ret, err);
    case EF_OPT_DURATION:
        return ef_value_parse_duration(text, ret, err);
    case EF_OPT_SIZE:
        return ef_value_parse_size(text, ret, err);
    case EF_OPT_BOOL:
        if (!ef_value_parse_bool(text, &yes, err))
            return false;
        *ret = yes;
        return true;
    default:
        word = ef_option_word(option, text);
        if (word)
            *ret = word->value;
        return word != NULL;
    }
}

void ef_scalar_format(const struct ef_option *option, int64_t value, struct ef_buf *out)
{
    char text[EF_VALUE_TEXT_MAX];
    if (option->zero && value == 0) {
        ef_buf_puts(out, option->zero);
        return;
    }
    switch (option->type) {
    case EF_OPT_DURATION:
        ef_value_format_duration(value, text);
        ef_buf_puts(out, text);
        break;
    case EF_OPT_SIZE:
        ef_value_format_size(value, text);
        ef_buf_puts(out, text);
        break;
    case EF_OPT_BOOL:
        ef_buf_puts(out, value ? "true" : "false");
        break;
    case EF_OPT_ENUM:
        ef_buf_puts(out, ef_option_word_text(option, (int)value));
        break;
    default:
        ef_buf_printf(out, "%" PRId64, value);
    }
}

void ef_scalar_accepted(const struct ef_option *option, struct ef_buf *out)
{
    if (!option->words) {
        struct ef_option bare = *option;
        bare.zero = NULL;
        ef_scalar_format(&bare, option->min, out);
        ef_buf_puts(out, " to ");
        ef_scalar_format(&bare, option->max, out);
        if (option->zero)
            ef_buf_printf(out, " or %s", option->zero);
        return;
    }
    size_t count = 0, i = 0;
    for (const struct ef_word *word = option->words; word->text; word++)
        count += !word->alias;
    for (const struct ef_word *word = option->words; word->text; word++)
        if (!word->alias)
            ef_buf_printf(out, "%s%s",
                          i == 0           ? ""
                          : i + 1 == count ? " or "
                                           : ", ",
                          word->text),
                i++;
}

static void not_accepted(const struct value *value)
{
    struct ef_buf reason;
    ef_buf_init(&reason, 1024);
    ef_buf_puts(&reason, "is not accepted; use ");
    ef_scalar_accepted(value->option, &reason);
    complain(value, reason.data);
    ef_buf_done(&reason);
}

static void fill_number(const struct value *value, void *base)
{
    const struct ef_option *option = value->option;
    const char *text = value->text.data;
    struct ef_error err;
    int64_t number = 0;
    if (option->zero && strcmp(text, option->zero) == 0) {
        ef_option_set_int(option, base, 0);
    } else if (option->type == EF_OPT_ENUM && !ef_option_word(option, text)) {
        not_accepted(value);
    } else if (!ef_scalar_parse(option, text, &number, &err)) {
        complain(value, err.text);
    } else if (option->min < option->max && (number < option->min || number > option->max)) {
        struct ef_buf reason;
        ef_buf_init(&reason, 256);
        ef_buf_puts(&reason, "is out of range; accepted: ");
        ef_scalar_accepted(option, &reason);
        complain(value, reason.data);
        ef_buf_done(&reason);
    } else {
        ef_option_set_int(option, base, number);
    }
}

/* A string that passes its option's syntax, or NULL after a problem. Caller frees. */
static char *checked_string(const struct value *value)
{
    const char *text = value->text.data;
    struct ef_error err;
    /* "" is how an inherited or default value is turned off where the syntax does not say otherwise
     */
    bool off = text[0] == '\0' && (value->option->flags & EF_OPT_TOPIC);
    if (unknown(value))
        return ef_xstrdup(text);
    if (has_control(text)) {
        complain(value, "holds a control character or a line end");
        return NULL;
    }
    if (value->option->check && !off && !value->option->check(text, &err)) {
        complain(value, err.text);
        return NULL;
    }
    return ef_xstrdup(text);
}

static void fill_string(const struct value *value, void *base)
{
    char **at = ef_option_at(value->option, base);
    char *text = checked_string(value);
    if (!text)
        return;
    if (value->option->flags & EF_OPT_PATH) {
        char *path = ef_substitute_path(value->fill->dir, text);
        free(text);
        text = path;
    }
    free(*at);
    *at = text;
}

static void fill_word(const struct value *value, void *base)
{
    char **at = ef_option_at(value->option, base);
    if (!ef_option_word(value->option, value->text.data)) {
        not_accepted(value);
        return;
    }
    free(*at);
    *at = ef_xstrdup(value->text.data);
}

static void strings_add(struct ef_strings *strings, char *owned)
{
    strings->items = ef_xrealloc(strings->items, (strings->count + 1) * sizeof(strings->items[0]));
    strings->items[strings->count++] = owned;
}

/* The items of a list, one by one; false after a problem with the list itself. */
static bool fill_items(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                       const struct ef_node *node,
                       void (*each)(const struct value *item, void *arg), void *arg)
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
        struct value item;
        if (value_read(&item, fill, option, path, child)) {
            each(&item, arg);
            value_done(&item);
        }
        free(path);
    }
    return true;
}

static void add_string(const struct value *item, void *arg)
{
    char *text = checked_string(item);
    if (text)
        strings_add(arg, text);
}

static void add_flag(const struct value *item, void *arg)
{
    const struct ef_word *word = ef_option_word(item->option, item->text.data);
    if (word)
        *(unsigned *)arg |= (unsigned)word->value;
    else
        not_accepted(item);
}

static void add_broker(const struct value *item, void *arg)
{
    struct ef_buf *list = arg;
    char *text = checked_string(item);
    if (text)
        ef_buf_printf(list, "%s%s", list->len ? "," : "", text);
    free(text);
}

/* "a:9092,b:9092" as one string. */
static void add_broker_string(struct value *value, struct ef_buf *list)
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

static void fill_brokers(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                         void *base, const struct ef_node *node)
{
    struct ef_config_kafka *kafka = ef_option_at(option, base);
    struct ef_buf list;
    struct value value;
    ef_buf_init(&list, VALUE_MAX_BYTES);
    if (node->kind == EF_NODE_SEQUENCE) {
        fill_items(fill, option, shown, node, add_broker, &list);
        if (node->count == 0)
            ef_problems_add(fill->problems, node->line, node->column, false,
                            "%s: the list is empty; for example [localhost:9092]", shown);
    } else if (!ef_node_is_null(node) && value_read(&value, fill, option, shown, node)) {
        kafka->embedded = strcmp(value.text.data, "embedded") == 0;
        if (!kafka->embedded)
            add_broker_string(&value, &list);
        value_done(&value);
    }
    if (list.len)
        kafka->brokers = ef_xstrdup(list.data);
    ef_buf_done(&list);
}

bool ef_scalar_is_secret_property(const char *name)
{
    static const char *const parts[] = {"password",           "secret", "key.pem", "jaas",
                                        "oauthbearer.config", "token"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcasestr(name, parts[i]) && !strcasestr(name, "token.endpoint"))
            return true;
    return false;
}

static void fill_properties(struct ef_fill *fill, const struct ef_option *option, const char *shown,
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
        struct value value;
        char *path = ef_xprintf("%s.%s", shown, child->key);
        if (value_read(&value, fill, option, path, child)) {
            properties->items = ef_xrealloc(properties->items,
                                            (properties->count + 1) * sizeof(properties->items[0]));
            properties->items[properties->count++] = (struct ef_property){
                .name = ef_xstrdup(child->key),
                .value = ef_xstrdup(value.text.data),
                .secret = value.how.secret || ef_scalar_is_secret_property(child->key),
                .line = child->line,
                .column = child->column,
            };
            value_done(&value);
        }
        free(path);
    }
}

/* {value: text}: a constant instead of a column. */
static void fill_constant(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                          struct ef_column_map *map, const struct ef_node *node)
{
    const struct ef_node *constant = ef_node_get(node, "value");
    struct value value;
    if (!constant || node->count != 1 || !(option->flags & EF_OPT_CONSTANT)) {
        ef_problems_add(fill->problems, node->line, node->column, false,
                        option->flags & EF_OPT_CONSTANT
                            ? "%s: a column's name or {value: text} is needed"
                            : "%s: a column's name is needed; a constant makes no sense here",
                        shown);
        return;
    }
    if (value_read(&value, fill, option, shown, constant)) {
        free(map->column);
        *map = (struct ef_column_map){.value = ef_xstrdup(value.text.data), .named = true};
        value_done(&value);
    }
}

static void fill_column(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                        void *base, const struct ef_node *node)
{
    struct ef_column_map *map = ef_option_at(option, base);
    struct value value;
    if (node->kind == EF_NODE_MAPPING) {
        fill_constant(fill, option, shown, map, node);
    } else if (ef_node_is_null(node)) {
        free(map->column);
        *map = (struct ef_column_map){.named = true};
    } else if (value_read(&value, fill, option, shown, node)) {
        char *text = checked_string(&value);
        if (text && !text[0])
            complain(&value, "is no column's name; ~ means that there is none");
        if (text && text[0]) {
            free(map->column);
            *map = (struct ef_column_map){.column = text, .named = true};
        } else {
            free(text);
        }
        value_done(&value);
    }
}

static void fill_single(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                        void *base, const struct ef_node *node)
{
    struct value value;
    if (!value_read(&value, fill, option, shown, node))
        return;
    if (option->type == EF_OPT_STRING)
        fill_string(&value, base);
    else if (!unknown(&value) && option->type == EF_OPT_WORD)
        fill_word(&value, base);
    else if (!unknown(&value))
        fill_number(&value, base);
    value_done(&value);
}

void ef_scalar_fill(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                    void *base, const struct ef_node *node)
{
    unsigned flags = 0;
    switch (option->type) {
    case EF_OPT_STRINGS:
        fill_items(fill, option, shown, node, add_string, ef_option_at(option, base));
        break;
    case EF_OPT_FLAGS:
        if (fill_items(fill, option, shown, node, add_flag, &flags))
            ef_option_set_int(option, base, flags);
        break;
    case EF_OPT_BROKERS:
        fill_brokers(fill, option, shown, base, node);
        break;
    case EF_OPT_PROPERTIES:
        fill_properties(fill, option, shown, base, node);
        break;
    case EF_OPT_COLUMN:
        fill_column(fill, option, shown, base, node);
        break;
    default:
        fill_single(fill, option, shown, base, node);
    }
}

static void default_flags(const struct ef_option *option, void *base)
{
    unsigned all = 0;
    for (const struct ef_word *word = option->words; word->text; word++)
        if (strstr(option->def, word->text))
            all |= (unsigned)word->value;
    ef_option_set_int(option, base, all);
}

void ef_scalar_default(const struct ef_option *option, void *base)
{
    int64_t number = 0;
    struct ef_error err;
    if (option->type == EF_OPT_COLUMN) {
        struct ef_column_map *map = ef_option_at(option, base);
        map->column = ef_xstrdup(ef_option_name(option));
    } else if (!option->def || (option->zero && strcmp(option->def, option->zero) == 0)) {
        return;
    } else if (option->type == EF_OPT_STRING) {
        *(char **)ef_option_at(option, base) = ef_xstrdup(option->def);
    } else if (option->type == EF_OPT_FLAGS) {
        default_flags(option, base);
    } else if (ef_scalar_parse(option, option->def, &number, &err)) {
        ef_option_set_int(option, base, number);
    }
}

void ef_scalar_free(const struct ef_option *option, void *base)
{
    void *at = ef_option_at(option, base);
    switch (option->type) {
    case EF_OPT_STRING:
    case EF_OPT_WORD:
        free(*(char **)at);
        break;
    case EF_OPT_STRINGS:
        ef_strings_free(at);
        break;
    case EF_OPT_BROKERS:
        free(((struct ef_config_kafka *)at)->brokers);
        break;
    case EF_OPT_PROPERTIES:
        for (size_t i = 0; i < ((struct ef_properties *)at)->count; i++) {
            free(((struct ef_properties *)at)->items[i].name);
            free(((struct ef_properties *)at)->items[i].value);
        }
        free(((struct ef_properties *)at)->items);
        break;
    case EF_OPT_COLUMN:
        free(((struct ef_column_map *)at)->column);
        free(((struct ef_column_map *)at)->value);
        break;
    default:
        break;
    }
}
