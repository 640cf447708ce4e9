// SPDX-License-Identifier: MIT
#include "config/reading.h"

#include "config/lists.h"
#include "config/scalar.h"

enum { VALUE_MAX_BYTES = 1024 * 1024 };

void ef_reading_complain(const struct ef_reading *value, const char *reason)
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

static void complain_plainly(const struct ef_reading *value, const char *reason)
{
    ef_problems_add(value->fill->problems, value->node->line, value->node->column, false, "%s: %s",
                    value->shown, reason);
}

void ef_reading_done(struct ef_reading *value)
{
    ef_buf_done(&value->text);
}

bool ef_reading_begin(struct ef_reading *value, struct ef_fill *fill,
                      const struct ef_option *option, const char *shown, const struct ef_node *node)
{
    *value = (struct ef_reading){.fill = fill, .option = option, .shown = shown, .node = node};
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
    value->how.word = ef_option_placeholder(option);
    value->how.no_secrets = fill->no_secrets;
    value->how.hide = option->flags & (EF_OPT_SECRET | EF_OPT_URL) ||
                      (option->type == EF_OPT_PROPERTIES && ef_lists_is_secret_property(node->key));
    ef_buf_init(&value->text, VALUE_MAX_BYTES);
    struct ef_error err;
    if (!ef_substitute(&value->how, node->text, &value->text, &err)) {
        fill->unread_count += err.class == EF_CLASS_OUTAGE;
        complain_plainly(value, err.text);
        ef_reading_done(value);
        return false;
    }
    if (value->how.secret && option->type != EF_OPT_PROPERTIES)
        ef_config_add_masked(fill->config, shown);
    return true;
}

bool ef_reading_unknown(const struct ef_reading *value)
{
    return value->how.secret && value->how.no_secrets;
}

void ef_reading_not_accepted(const struct ef_reading *value)
{
    struct ef_buf reason;
    ef_buf_init(&reason, 1024);
    ef_buf_puts(&reason, "is not accepted; use ");
    ef_scalar_accepted(value->option, &reason);
    ef_reading_complain(value, reason.data);
    ef_buf_done(&reason);
}

void ef_reading_plain_secret(const struct ef_reading *value)
{
    struct ef_config *config = value->fill->config;
    if (value->how.used || config->secret_line)
        return;
    config->secret_line = value->node->line;
    config->secret_column = value->node->column;
}
