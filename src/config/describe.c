// SPDX-License-Identifier: MIT
#include "config/describe.h"

#include "config/scalar.h"

static const char *const type_names[] = {
    [EF_OPT_MAP] = "mapping",
    [EF_OPT_TABLE] = "mapping, one entry for each",
    [EF_OPT_LIST] = "list, one item for each",
    [EF_OPT_STRING] = "text",
    [EF_OPT_WORD] = "",
    [EF_OPT_BOOL] = "true or false",
    [EF_OPT_INT] = "whole number, ",
    [EF_OPT_DURATION] = "duration, ",
    [EF_OPT_SIZE] = "size, ",
    [EF_OPT_ENUM] = "",
    [EF_OPT_FLAGS] = "list of ",
    [EF_OPT_STRINGS] = "list of texts",
    [EF_OPT_BROKERS] = "list of host:port, or embedded",
    [EF_OPT_PROPERTIES] = "mapping of property and value",
    [EF_OPT_COLUMN] = "column",
};

void ef_describe_type(const struct ef_option *option, struct ef_buf *out)
{
    ef_buf_puts(out, type_names[option->type]);
    if (option->collection)
        ef_buf_printf(out, " %s", option->collection->noun);
    if (option->words || option->min < option->max)
        ef_scalar_accepted(option, out);
    if (option->flags & EF_OPT_CONSTANT)
        ef_buf_puts(out, " or {value: text}");
}

void ef_describe_default(const struct ef_option *option, struct ef_buf *out)
{
    if (option->default_note)
        ef_buf_puts(out, option->default_note);
    else if (option->def)
        ef_buf_puts(out, option->def);
    else if (option->flags & EF_OPT_REQUIRED)
        ef_buf_puts(out, "");
    else if (option->type != EF_OPT_MAP && option->type != EF_OPT_LIST && !option->collection)
        ef_buf_puts(out, "none");
}

const char *ef_describe_change(const struct ef_option *option)
{
    if (option->type == EF_OPT_MAP)
        return "";
    return option->flags & EF_OPT_RELOAD ? "reload" : "restart";
}

void ef_describe_wrap(const char *text, const char *prefix, size_t width, struct ef_buf *out)
{
    size_t column = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + 1 + len > width) {
            ef_buf_puts(out, "\n");
            column = 0;
        }
        ef_buf_puts(out, column == 0 ? prefix : " ");
        column += column == 0 ? strlen(prefix) : 1;
        ef_buf_add(out, text, len);
        column += len;
        text += len + strspn(text + len, " ");
    }
    ef_buf_puts(out, "\n");
}
