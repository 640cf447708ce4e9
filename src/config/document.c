// SPDX-License-Identifier: MIT
/* --print-options: the option table for people, as text, man page part and Markdown. */
#include <stdio.h>

#include "config/describe.h"

enum { PART_MAX_BYTES = 64 * 1024, TEXT_WIDTH = 96 };

/* "duration, 1ms to 10m; default 50ms; reload" */
static void add_facts(const struct ef_option *option, struct ef_buf *out)
{
    struct ef_buf def;
    ef_buf_init(&def, PART_MAX_BYTES);
    ef_describe_type(option, out);
    ef_describe_default(option, &def);
    if (option->flags & EF_OPT_REQUIRED)
        ef_buf_puts(out, "; required");
    else if (def.len)
        ef_buf_printf(out, "; default %s", def.data);
    if (ef_describe_change(option)[0])
        ef_buf_printf(out, "; %s", ef_describe_change(option));
    ef_buf_done(&def);
}

void ef_document_text(struct ef_buf *out)
{
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        struct ef_buf facts;
        ef_buf_init(&facts, PART_MAX_BYTES);
        add_facts(option, &facts);
        ef_buf_printf(out, "%s\n", option->path);
        ef_describe_wrap(facts.data, "    ", TEXT_WIDTH, out);
        ef_describe_wrap(option->help, "    ", TEXT_WIDTH, out);
        ef_buf_done(&facts);
    }
}

/* roff takes backslashes, and a dot or quote at the start of a line, for its own (mdoc(7)). */
static void add_roff(const char *text, struct ef_buf *out)
{
    bool start = true;
    for (const char *p = text; *p; p++) {
        if (start && (*p == '.' || *p == '\''))
            ef_buf_puts(out, "\\&");
        if (*p == '\\')
            ef_buf_puts(out, "\\e");
        else if (*p == '-')
            ef_buf_puts(out, "\\-");
        else if (*p == '~')
            ef_buf_puts(out, "\\(ti");
        else
            ef_buf_add(out, p, 1);
        start = *p == '\n';
    }
}

/* mdoc wants each sentence on a line of its own. */
static void add_sentences(const char *text, struct ef_buf *out)
{
    struct ef_buf lines;
    ef_buf_init(&lines, PART_MAX_BYTES);
    for (const char *p = text; *p; p++) {
        bool end = *p == '.' && p[1] == ' ';
        ef_buf_add(&lines, p, 1);
        if (end) {
            ef_buf_puts(&lines, "\n");
            p++;
        }
    }
    add_roff(lines.data, out);
    ef_buf_puts(out, "\n");
    ef_buf_done(&lines);
}

void ef_document_man(struct ef_buf *out)
{
    ef_buf_puts(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        struct ef_buf facts;
        ef_buf_init(&facts, PART_MAX_BYTES);
        add_facts(option, &facts);
        ef_buf_puts(out, ".It Cm ");
        add_roff(option->path, out);
        ef_buf_puts(out, "\n");
        add_sentences(option->help, out);
        ef_buf_puts(out, ".Pq ");
        add_roff(facts.data, out);
        ef_buf_puts(out, "\n");
        ef_buf_done(&facts);
    }
    ef_buf_puts(out, ".El\n");
}

static void add_cell(const char *text, struct ef_buf *out)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|' || *p == '*' || *p == '<' || *p == '_' || *p == '$')
            ef_buf_puts(out, "\\");
        ef_buf_add(out, p, 1);
    }
}

static void add_row(const struct ef_option *option, struct ef_buf *out)
{
    struct ef_buf type, def;
    ef_buf_init(&type, PART_MAX_BYTES);
    ef_buf_init(&def, PART_MAX_BYTES);
    ef_describe_type(option, &type);
    ef_describe_default(option, &def);
    ef_buf_printf(out, "| `%s` | ", option->path);
    add_cell(type.data, out);
    ef_buf_puts(out, " | ");
    if (option->flags & EF_OPT_REQUIRED)
        ef_buf_puts(out, "required");
    else if (def.data)
        add_cell(def.data, out);
    ef_buf_printf(out, " | %s | ", ef_describe_change(option));
    add_cell(option->help, out);
    ef_buf_puts(out, " |\n");
    ef_buf_done(&type);
    ef_buf_done(&def);
}

/* A table for each first part of a path, and one for the options that have but one part. */
static void section_of(const struct ef_option *option, char *ret, size_t size)
{
    bool general =
        !strpbrk(option->path, ".[") && option->type != EF_OPT_MAP && !option->collection;
    snprintf(ret, size, "%.*s", general ? 7 : (int)strcspn(option->path, ".["),
             general ? "general" : option->path);
}

void ef_document_markdown(struct ef_buf *out)
{
    char section[32] = "";
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        char name[32];
        section_of(option, name, sizeof(name));
        if (strcmp(section, name) != 0) {
            ef_buf_printf(out, "%s### %s\n\n", section[0] ? "\n" : "", name);
            ef_buf_puts(out, "| Option | Type | Default | A change needs | Meaning |\n"
                             "|---|---|---|---|---|\n");
            memcpy(section, name, sizeof(section));
        }
        add_row(option, out);
    }
}

bool ef_config_print_options(const char *form, struct ef_buf *out, struct ef_error *err)
{
    static const struct {
        const char *name;
        void (*print)(struct ef_buf *out);
    } forms[] = {
        {"text", ef_document_text},     {"yaml", ef_document_sample},
        {"man", ef_document_man},       {"markdown", ef_document_markdown},
        {"schema", ef_document_schema},
    };
    if (!form || !form[0])
        form = "text";
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (strcmp(forms[i].name, form) == 0) {
            forms[i].print(out);
            return true;
        }
    return ef_error_set(
        err, EF_CLASS_CONFIG,
        "\"%.40s\" is no form of the option list; use text, yaml, man, markdown or schema", form);
}
