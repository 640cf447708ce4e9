// SPDX-License-Identifier: MIT
#include "config/print.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "config/fill.h"
#include "config/scalar.h"
#include "config/url.h"

enum { PART_MAX_BYTES = 4 * 1024 * 1024 };

static const char plain_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:-";

/* Words that other readers of YAML take for something else than text. */
static bool is_word_of_yaml(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

static bool is_plain(const char *text)
{
    return text[0] && text[strspn(text, plain_chars)] == '\0' && text[0] != '-' && text[0] != '.' &&
           text[0] != ':' && text[strlen(text) - 1] != ':' && !is_word_of_yaml(text);
}

/*
 * Characters that YAML 1.1 takes for line ends or does not take at all (section 5.1: c-printable,
 * b-char): in quotes they must be escaped. Returns false for all others.
 */
static bool add_special(const char *p, size_t len, struct ef_buf *out)
{
    unsigned char second = len > 1 ? (unsigned char)p[1] : 0;
    if (len == 2 && (unsigned char)p[0] == 0xc2 && second < 0xa0)
        return ef_buf_printf(out, "\\x%02x", second);
    if (len != 3)
        return false;
    if (memcmp(p, "\xe2\x80\xa8", 3) == 0)
        return ef_buf_puts(out, "\\u2028");
    if (memcmp(p, "\xe2\x80\xa9", 3) == 0)
        return ef_buf_puts(out, "\\u2029");
    if (memcmp(p, "\xef\xbb\xbf", 3) == 0)
        return ef_buf_puts(out, "\\ufeff");
    if (memcmp(p, "\xef\xbf", 2) == 0 && second == 0xbf && (unsigned char)p[2] >= 0xbe)
        return ef_buf_printf(out, "\\uff%02x", (unsigned)(p[2] & 1) + 0xfe);
    return false;
}

/* One character inside double quotes; returns its length. */
static size_t add_quoted(const char *p, size_t left, struct ef_buf *out)
{
    unsigned char c = (unsigned char)*p;
    size_t len = ef_utf8_length(p, left);
    if (len == 0) {
        ef_buf_puts(out, "\\ufffd"); /* a byte that is no text: from a variable or a file */
        return 1;
    }
    if (c == '"' || c == '\\')
        ef_buf_printf(out, "\\%c", c);
    else if (c == '\n')
        ef_buf_puts(out, "\\n");
    else if (c < 0x20 || c == 0x7f)
        ef_buf_printf(out, "\\x%02x", c);
    else if (!add_special(p, len, out))
        ef_buf_add(out, p, len);
    return len;
}

void ef_print_string(const char *text, const char *word, struct ef_buf *out)
{
    if (is_plain(text)) {
        ef_buf_puts(out, text);
        return;
    }
    const char *end = text + strlen(text);
    ef_buf_puts(out, "\"");
    for (const char *p = text; p < end;) {
        bool dollar = *p == '$' && p[1] == '{';
        if (dollar && !(word && strncmp(p, word, strlen(word)) == 0))
            ef_buf_puts(out, "$");
        p += add_quoted(p, (size_t)(end - p), out);
    }
    ef_buf_puts(out, "\"");
}

/* Where the printing is: what the options' values are read from, and how far it is indented. */
struct printer {
    const struct ef_config *config;
    struct ef_buf *out;
    int indent;
};

static void print_children(const struct printer *printer, const char *prefix, const char *shown,
                           const void *base);

static void begin_line(const struct printer *printer, const char *name)
{
    ef_buf_printf(printer->out, "%*s", printer->indent, "");
    ef_print_string(name, NULL, printer->out);
    ef_buf_puts(printer->out, ":");
}

static void print_line(const struct printer *printer, const char *name, const char *value)
{
    begin_line(printer, name);
    ef_buf_printf(printer->out, " %s\n", value);
}

static void add_string(const struct ef_option *option, const char *text, struct ef_buf *value)
{
    struct ef_buf masked;
    if (option->flags & EF_OPT_SECRET) {
        ef_print_string(EF_MASK, NULL, value);
    } else if (option->flags & EF_OPT_URL) {
        ef_buf_init(&masked, PART_MAX_BYTES);
        ef_url_mask(text, &masked);
        ef_print_string(masked.data, NULL, value);
        ef_buf_done(&masked);
    } else {
        ef_print_string(text, ef_option_placeholder(option), value);
    }
}

static void add_list(const struct ef_strings *strings, struct ef_buf *value)
{
    for (size_t i = 0; i < strings->count; i++) {
        ef_buf_puts(value, i == 0 ? "[" : ", ");
        ef_print_string(strings->items[i], NULL, value);
    }
    if (strings->count)
        ef_buf_puts(value, "]");
}

static void add_flags(const struct ef_option *option, unsigned flags, struct ef_buf *value)
{
    bool first = true;
    ef_buf_puts(value, "[");
    for (const struct ef_word *word = option->words; word->text; word++)
        if (flags & (unsigned)word->value) {
            ef_buf_printf(value, "%s%s", first ? "" : ", ", word->text);
            first = false;
        }
    ef_buf_puts(value, "]");
}

static void add_brokers(const struct ef_config_kafka *kafka, struct ef_buf *value)
{
    if (kafka->embedded)
        ef_buf_puts(value, "embedded");
    if (kafka->embedded || !kafka->brokers)
        return;
    char *all = ef_xstrdup(kafka->brokers), *rest = all, *one;
    ef_buf_puts(value, "[");
    while ((one = strsep(&rest, ","))) {
        ef_print_string(one, NULL, value);
        ef_buf_puts(value, rest ? ", " : "]");
    }
    free(all);
}

static void add_column(const struct ef_option *option, const struct ef_column_map *map,
                       struct ef_buf *value)
{
    if (!map->named)
        return;
    if (map->value) {
        ef_buf_puts(value, "{value: ");
        ef_print_string(map->value, ef_option_placeholder(option), value);
        ef_buf_puts(value, "}");
    } else if (map->column) {
        ef_print_string(map->column, NULL, value);
    } else {
        ef_buf_puts(value, "~");
    }
}

/* The value of a single option; nothing if it has none. */
static void add_value(const struct ef_option *option, const void *base, struct ef_buf *value)
{
    const void *at = ef_option_at(option, base);
    switch (option->type) {
    case EF_OPT_STRING:
    case EF_OPT_WORD:
        if (*(char *const *)at)
            add_string(option, *(char *const *)at, value);
        break;
    case EF_OPT_STRINGS:
        add_list(at, value);
        break;
    case EF_OPT_FLAGS:
        add_flags(option, (unsigned)ef_option_get_int(option, base), value);
        break;
    case EF_OPT_BROKERS:
        add_brokers(at, value);
        break;
    case EF_OPT_COLUMN:
        add_column(option, at, value);
        break;
    default:
        ef_scalar_format(option, ef_option_get_int(option, base), value);
    }
}

static void print_properties(const struct printer *printer, const struct ef_properties *properties)
{
    struct printer inner = *printer;
    struct ef_buf value;
    inner.indent += 2;
    ef_buf_init(&value, PART_MAX_BYTES);
    for (size_t i = 0; i < properties->count; i++) {
        ef_buf_clear(&value);
        ef_print_string(properties->items[i].secret ? EF_MASK : properties->items[i].value, NULL,
                        &value);
        print_line(&inner, properties->items[i].name, value.data);
    }
    ef_buf_done(&value);
}

static void print_elements(const struct printer *printer, const struct ef_option *option,
                           const char *shown, const void *base)
{
    struct printer inner = *printer;
    inner.indent += 4;
    for (size_t i = 0; i < ef_option_elements(option, base); i++) {
        void *element = ef_option_element(option, base, i);
        const char *name = *ef_option_element_name(option, element);
        bool list = option->type == EF_OPT_LIST;
        char *path = list ? ef_xprintf("%s[%zu]", shown, i) : ef_xprintf("%s.%s", shown, name);
        if (!list) {
            struct printer key = *printer;
            key.indent += 2;
            begin_line(&key, name);
            ef_buf_puts(printer->out, "\n");
        }
        size_t start = printer->out->len;
        print_children(&inner, option->collection->scope, path, element);
        if (list && printer->out->len > start + (size_t)inner.indent)
            printer->out->data[start + (size_t)inner.indent - 2] = '-';
        free(path);
    }
}

/* A mapping with nothing in it is left out. */
static void print_nested(const struct printer *printer, const struct ef_option *option,
                         const char *shown, const void *base)
{
    size_t start = printer->out->len;
    begin_line(printer, ef_option_name(option));
    ef_buf_puts(printer->out, "\n");
    size_t inside = printer->out->len;
    if (option->type == EF_OPT_MAP) {
        struct printer inner = *printer;
        char *prefix = ef_xprintf("%s.", option->path);
        inner.indent += 2;
        print_children(&inner, prefix, shown, base);
        free(prefix);
    } else if (option->type == EF_OPT_PROPERTIES) {
        print_properties(printer, ef_option_at(option, base));
    } else {
        print_elements(printer, option, shown, base);
    }
    if (printer->out->len == inside && !printer->out->overflow) {
        printer->out->len = start;
        printer->out->data[start] = '\0';
    }
}

/* Written out, these would mean something else, or bring a warning, when the text is read again. */
static bool left_out(const struct printer *printer, const struct ef_option *option,
                     const void *base)
{
    if (strcmp(option->path, "kafka.embedded") == 0)
        return !printer->config->kafka.embedded;
    if (strcmp(option->path, "outboxes[].columns") == 0)
        return ((const struct ef_config_outbox *)base)->layout == EF_LAYOUT_EVENTFERRY;
    if (strcmp(option->path, "outboxes[].retention") != 0)
        return false;
    const struct ef_config_outbox *outbox = base;
    if (!outbox->retention_given && outbox->retention_ms > 0) {
        ef_buf_printf(printer->out, "%*s# retention: ", printer->indent, "");
        ef_scalar_format(option, outbox->retention_ms, printer->out);
        ef_buf_puts(printer->out, "\n");
    }
    return !outbox->retention_given;
}

static void print_option(const struct printer *printer, const struct ef_option *option,
                         const char *shown, const void *base)
{
    if (left_out(printer, option, base))
        return;
    if (option->type == EF_OPT_MAP || option->type == EF_OPT_TABLE || option->type == EF_OPT_LIST ||
        option->type == EF_OPT_PROPERTIES) {
        print_nested(printer, option, shown, base);
        return;
    }
    struct ef_buf value;
    ef_buf_init(&value, PART_MAX_BYTES);
    add_value(option, base, &value);
    if (value.len > 0)
        print_line(printer, ef_option_name(option),
                   ef_config_is_masked(printer->config, shown) ? "\"" EF_MASK "\"" : value.data);
    ef_buf_done(&value);
}

static void print_children(const struct printer *printer, const char *prefix, const char *shown,
                           const void *base)
{
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        if (!ef_option_is_child(option, prefix))
            continue;
        char *path = ef_xprintf("%s%s%s", shown, shown[0] ? "." : "", ef_option_name(option));
        print_option(printer, option, path, base);
        free(path);
    }
}

void ef_config_print(const struct ef_config *config, struct ef_buf *out)
{
    struct printer printer = {.config = config, .out = out};
    print_children(&printer, "", "", config);
}
