// SPDX-License-Identifier: MIT
#include "config/scalar.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "config/lists.h"
#include "config/reading.h"
#include "config/url.h"
#include "config/value.h"

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

static void fill_number(const struct ef_reading *value, void *base)
{
    const struct ef_option *option = value->option;
    const char *text = value->text.data;
    struct ef_error err;
    int64_t number = 0;
    if (option->zero && strcmp(text, option->zero) == 0) {
        ef_option_set_int(option, base, 0);
    } else if (option->type == EF_OPT_ENUM && !ef_option_word(option, text)) {
        ef_reading_not_accepted(value);
    } else if (!ef_scalar_parse(option, text, &number, &err)) {
        ef_reading_complain(value, err.text);
    } else if (option->min < option->max && (number < option->min || number > option->max)) {
        struct ef_buf reason;
        ef_buf_init(&reason, 256);
        ef_buf_puts(&reason, "is out of range; accepted: ");
        ef_scalar_accepted(option, &reason);
        ef_reading_complain(value, reason.data);
        ef_buf_done(&reason);
    } else {
        ef_option_set_int(option, base, number);
    }
}

/* Why a text cannot be logged, compared or printed as it is; NULL if it can. */
static const char *not_a_line(const char *text)
{
    const char *end = text + strlen(text);
    while (text < end) {
        size_t len = ef_utf8_length(text, (size_t)(end - text));
        if (len == 0)
            return "is not UTF-8 text";
        if (len == 1 && ((unsigned char)*text < 0x20 || *text == 0x7f))
            return "holds a control character or a line end";
        text += len;
    }
    return NULL;
}

char *ef_scalar_string(const struct ef_reading *value)
{
    const char *text = value->text.data;
    struct ef_error err;
    /* "" is how an inherited or default value is turned off where the syntax does not say otherwise
     */
    bool off = text[0] == '\0' && (value->option->flags & EF_OPT_TOPIC);
    if (ef_reading_unknown(value))
        return ef_xstrdup(text);
    if (not_a_line(text)) {
        ef_reading_complain(value, not_a_line(text));
        return NULL;
    }
    if (value->option->check && !off && !value->option->check(text, &err)) {
        ef_reading_complain(value, err.text);
        return NULL;
    }
    return ef_xstrdup(text);
}

static void fill_string(const struct ef_reading *value, void *base)
{
    char **at = ef_option_at(value->option, base);
    char *text = ef_scalar_string(value);
    if (!text)
        return;
    if (value->option->flags & EF_OPT_PATH) {
        char *path = ef_substitute_path(value->fill->dir, text);
        free(text);
        text = path;
    }
    if ((value->option->flags & EF_OPT_URL) && ef_url_has_password(text))
        ef_reading_plain_secret(value);
    free(*at);
    *at = text;
}

static void fill_word(const struct ef_reading *value, void *base)
{
    char **at = ef_option_at(value->option, base);
    if (!ef_option_word(value->option, value->text.data)) {
        ef_reading_not_accepted(value);
        return;
    }
    free(*at);
    *at = ef_xstrdup(value->text.data);
}

static void fill_single(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                        void *base, const struct ef_node *node)
{
    struct ef_reading value;
    if (!ef_reading_begin(&value, fill, option, shown, node))
        return;
    if (option->type == EF_OPT_STRING)
        fill_string(&value, base);
    else if (!ef_reading_unknown(&value) && option->type == EF_OPT_WORD)
        fill_word(&value, base);
    else if (!ef_reading_unknown(&value))
        fill_number(&value, base);
    ef_reading_done(&value);
}

void ef_scalar_fill(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                    void *base, const struct ef_node *node)
{
    switch (option->type) {
    case EF_OPT_STRINGS:
        ef_lists_strings(fill, option, shown, base, node);
        break;
    case EF_OPT_FLAGS:
        ef_lists_flags(fill, option, shown, base, node);
        break;
    case EF_OPT_BROKERS:
        ef_lists_brokers(fill, option, shown, base, node);
        break;
    case EF_OPT_PROPERTIES:
        ef_lists_properties(fill, option, shown, base, node);
        break;
    case EF_OPT_COLUMN:
        ef_lists_column(fill, option, shown, base, node);
        break;
    default:
        fill_single(fill, option, shown, base, node);
    }
}

static void default_flags(const struct ef_option *option, void *base)
{
    unsigned flags = 0;
    char *list = ef_xstrdup(option->def), *rest = list, *one;
    while ((one = strsep(&rest, "[], "))) {
        const struct ef_word *word = one[0] ? ef_option_word(option, one) : NULL;
        flags |= word ? (unsigned)word->value : 0;
    }
    free(list);
    ef_option_set_int(option, base, flags);
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
