// SPDX-License-Identifier: MIT
#include "config/suggest.h"

enum { NAMES_MAX = 64 };

const char *ef_suggest_near(const char *text, const char *const *names, size_t count)
{
    const char *best = NULL;
    /* one slip in three letters, at least one; more is a guess */
    unsigned limit = (unsigned)strlen(text) / 3 + 1, best_distance = limit + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = ef_edit_distance(text, names[i]);
        if (distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

/* Same scope, same last name, another mapping: "batch.max_rows" for "max_rows". */
static void add_elsewhere(struct ef_buf *text, const char *prefix, const char *key)
{
    size_t scope = ef_option_scope_len(prefix), found = 0;
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        if (ef_option_scope_len(option->path) != scope ||
            strncmp(option->path, prefix, scope) != 0 || strcmp(ef_option_name(option), key) != 0)
            continue;
        ef_buf_printf(text, "%s%s", found++ ? " or " : "; did you mean ", option->path + scope);
    }
    if (found)
        ef_buf_puts(text, "?");
}

static void add_accepted(struct ef_buf *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ef_buf_printf(text, "%s%s", i == 0 ? "; accepted here: " : ", ", names[i]);
}

void ef_suggest_option(struct ef_config_problems *problems, const char *prefix, const char *shown,
                       const struct ef_node *child)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    struct ef_buf text;
    ef_buf_init(&text, 4096);
    for (size_t i = 0; i < ef_option_count && count < NAMES_MAX; i++)
        if (ef_option_is_child(&ef_options[i], prefix))
            names[count++] = ef_option_name(&ef_options[i]);
    ef_buf_printf(&text, "%s%sunknown option ", shown, shown[0] ? ": " : "");
    ef_problems_quote(&text, child->key);
    size_t before = text.len;
    const char *near = ef_suggest_near(child->key, names, count);
    if (near)
        ef_buf_printf(&text, "; did you mean %s?", near);
    else
        add_elsewhere(&text, prefix, child->key);
    if (text.len == before)
        add_accepted(&text, names, count);
    ef_problems_add(problems, child->key_line, child->key_column, false, "%s", text.data);
    ef_buf_done(&text);
}
