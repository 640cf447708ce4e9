// SPDX-License-Identifier: MIT
/* --print-options=yaml: a file with every option, those that must be given active, the others ready
 * to be. */
#include <stdio.h>
#include <stdlib.h>

#include "config/describe.h"
#include "config/print.h"

enum { PART_MAX_BYTES = 64 * 1024, WIDTH = 96 };

struct sample {
    struct ef_buf *out;
    int indent;
    bool active; /* false below a mapping that is commented out */
    bool dash;   /* the next option begins a list's item */
};

static void add_children(struct sample *sample, const char *prefix);

static void add_comment(const struct sample *sample, const struct ef_option *option)
{
    struct ef_buf text;
    char *prefix = ef_xprintf("%*s# ", sample->indent - (sample->dash ? 2 : 0), "");
    ef_buf_init(&text, PART_MAX_BYTES);
    ef_buf_puts(&text, option->help);
    bool plain = option->type == EF_OPT_STRING && !option->default_note;
    if (option->type != EF_OPT_MAP && option->type != EF_OPT_COLUMN && !option->collection &&
        !plain) {
        ef_buf_puts(&text, " (");
        ef_describe_type(option, &text);
        if (option->default_note) {
            ef_buf_puts(&text, "; default: ");
            ef_describe_default(option, &text);
        }
        ef_buf_puts(&text, ")");
    }
    ef_describe_wrap(text.data, prefix, WIDTH, sample->out);
    ef_buf_done(&text);
    free(prefix);
}

static void begin(struct sample *sample, const char *name, bool active)
{
    int indent = sample->indent - (sample->dash ? 2 : 0);
    ef_buf_printf(sample->out, "%*s%s%s%s:", indent, "", active ? "" : "#",
                  sample->dash ? "- " : "", name);
    sample->dash = false;
}

static void add_nested(struct sample *sample, const struct ef_option *option, bool active)
{
    struct sample inner = {.out = sample->out, .indent = sample->indent + 2, .active = active};
    begin(sample, ef_option_name(option), active);
    ef_buf_puts(sample->out, "\n");
    if (option->type == EF_OPT_MAP) {
        char *prefix = ef_xprintf("%s.", option->path);
        add_children(&inner, prefix);
        free(prefix);
        return;
    }
    if (option->type == EF_OPT_TABLE) {
        begin(&inner, option->example, active);
        ef_buf_puts(sample->out, "\n");
    }
    inner.indent += 2;
    inner.dash = option->type == EF_OPT_LIST;
    add_children(&inner, option->collection->scope);
}

static void add_option(struct sample *sample, const struct ef_option *option)
{
    bool active = sample->active && (option->flags & EF_OPT_REQUIRED);
    add_comment(sample, option);
    if (option->type == EF_OPT_MAP || option->collection) {
        add_nested(sample, option, active);
        return;
    }
    begin(sample, ef_option_name(option), active);
    if (option->example)
        ef_buf_printf(sample->out, " %s\n", option->example);
    else
        ef_buf_printf(sample->out, " %s\n", option->def ? option->def : ef_option_name(option));
}

static void add_children(struct sample *sample, const char *prefix)
{
    bool first = true;
    for (size_t i = 0; i < ef_option_count; i++) {
        if (!ef_option_is_child(&ef_options[i], prefix))
            continue;
        if (!first && sample->indent == 0)
            ef_buf_puts(sample->out, "\n");
        add_option(sample, &ef_options[i]);
        first = false;
    }
}

void ef_document_sample(struct ef_buf *out)
{
    struct sample sample = {.out = out, .active = true};
    ef_buf_puts(
        out, "# Configuration of eventferryd with every option; eventferry.yaml(5) describes it.\n"
             "# Lines that begin with # show defaults or examples. Try a changed file with\n"
             "#   eventferryd --check-config -c FILE\n\n");
    add_children(&sample, "");
}
