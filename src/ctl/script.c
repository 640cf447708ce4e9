// SPDX-License-Identifier: MIT
#include "ctl/script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool begins(struct ef_slice line, const char *prefix)
{
    size_t len = strlen(prefix);
    return line.len >= len && memcmp(line.p, prefix, len) == 0;
}

/* The line at p without its end; *next is where the following one begins. */
static struct ef_slice line_at(const char *p, const char **next)
{
    const char *end = strchrnul(p, '\n');
    *next = *end ? end + 1 : end;
    return (struct ef_slice){p, (size_t)(end - p)};
}

/* "--@ key: rest" or "--@ key" */
static bool directive(struct ef_slice line, const char *key, struct ef_slice *rest)
{
    size_t len = strlen(key);
    struct ef_slice word = {line.p + 4, line.len - 4};
    if (!begins(line, "--@ ") || !begins(word, key))
        return false;
    *rest = (struct ef_slice){word.p + len, word.len - len};
    if (rest->len == 0)
        return true;
    if (rest->p[0] != ':')
        return false;
    do {
        rest->p++;
        rest->len--;
    } while (rest->len && rest->p[0] == ' ');
    return true;
}

static void append_line(char **text, struct ef_slice line)
{
    size_t old = *text ? strlen(*text) : 0;
    *text = ef_xrealloc(*text, old + line.len + 2);
    memcpy(*text + old, line.p, line.len);
    memcpy(*text + old + line.len, "\n", 2);
}

/* Where the block of comment lines that ends at `end` begins. */
static const char *comment_before(const char *text, const char *end)
{
    while (end > text) {
        const char *line = end - 1;
        while (line > text && line[-1] != '\n')
            line--;
        if (strncmp(line, "--", 2) != 0 || strncmp(line, "-- SPDX", 7) == 0)
            break;
        end = line;
    }
    return end;
}

static const char *next_step(const char *p)
{
    static const char mark[] = "\n--@ step";
    const char *found = strstr(p, mark);
    return found ? found + 1 : NULL;
}

/* The directives at p, the first of which is the step; returns what follows them, NULL for a bad
 * one. */
static const char *parse_directives(struct ef_step *step, const char *p)
{
    char **last = NULL;
    for (;;) {
        const char *next;
        struct ef_slice line = line_at(p, &next), rest;
        if (!begins(line, "--@"))
            return step->what ? p : NULL;
        if (begins(line, "--@  ")) { /* goes on */
            if (!last)
                return NULL;
            append_line(last, (struct ef_slice){line.p + 4, line.len - 4});
        } else if (directive(line, "quiet", &rest)) {
            step->quiet = true;
        } else if (directive(line, "repeat", &rest)) {
            step->repeat = true;
        } else {
            last = directive(line, "step", &rest)     ? &step->what
                   : directive(line, "if", &rest)     ? &step->conditions
                   : directive(line, "unless", &rest) ? &step->unless
                   : directive(line, "verb", &rest)   ? &step->verb
                   : directive(line, "index", &rest)  ? &step->index
                                                      : NULL;
            if (!last || *last || rest.len == 0)
                return NULL;
            append_line(last, rest);
        }
        p = next;
    }
}

static void chomp(char *text)
{
    size_t len = text ? strlen(text) : 0;
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        text[--len] = '\0';
}

static void step_free(struct ef_step *step)
{
    free(step->what);
    free(step->comment);
    free(step->conditions);
    free(step->unless);
    free(step->verb);
    free(step->index);
    free(step->sql);
}

static bool parse_step(struct ef_step *step, const char *text, const char *at, const char *end)
{
    const char *comment = comment_before(text, at);
    const char *sql = parse_directives(step, at);
    if (!sql || sql >= end)
        return false;
    step->comment = ef_xstrndup(comment, (size_t)(at - comment));
    step->sql = ef_xstrndup(sql, (size_t)(end - sql));
    if (!step->conditions)
        step->conditions = ef_xstrdup("");
    if (!step->verb)
        step->verb = ef_xstrdup("created");
    char *texts[] = {step->what,   step->comment, step->conditions, step->verb,
                     step->unless, step->index,   step->sql};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        chomp(texts[i]);
    return step->sql[0] != '\0';
}

bool ef_script_parse(struct ef_script *script, const char *path, const char *text,
                     struct ef_error *err)
{
    const char *at = strncmp(text, "--@ step", 8) == 0 ? text : next_step(text);
    while (at) {
        const char *next = next_step(at);
        const char *end = next ? comment_before(text, next) : text + strlen(text);
        struct ef_step step = {0};
        if (!parse_step(&step, text, at, end)) {
            step_free(&step);
            const char *ignored;
            struct ef_slice line = line_at(at, &ignored);
            return ef_error_set(err, EF_CLASS_FATAL, "%s: malformed step '%.*s'", path,
                                (int)line.len, line.p);
        }
        script->steps = ef_xrealloc(script->steps, (script->count + 1) * sizeof(step));
        script->steps[script->count++] = step;
        at = next;
    }
    return true;
}

void ef_script_free(struct ef_script *script)
{
    for (size_t i = 0; i < script->count; i++)
        step_free(&script->steps[i]);
    free(script->steps);
    *script = (struct ef_script){0};
}

void ef_step_text_id(const struct ef_step *step, char out[9])
{
    uint64_t hash = ef_hash64(step->sql, strlen(step->sql));
    snprintf(out, 9, "%08" PRIx32, (uint32_t)(hash ^ hash >> 32));
}

void ef_vars_init(struct ef_vars *vars, enum ef_dialect dialect)
{
    vars->dialect = dialect;
    vars->count = 0;
}

void ef_vars_done(struct ef_vars *vars)
{
    for (size_t i = 0; i < vars->count; i++)
        free(vars->items[i].value);
    vars->count = 0;
}

static struct ef_var *find(const struct ef_vars *vars, struct ef_slice name)
{
    for (size_t i = 0; i < vars->count; i++) {
        const struct ef_var *var = &vars->items[i];
        if (ef_slice_eq(ef_slice_of(var->name), name))
            return (struct ef_var *)var;
    }
    return NULL;
}

void ef_vars_set(struct ef_vars *vars, const char *name, const char *value)
{
    struct ef_var *var = find(vars, ef_slice_of(name));
    if (!var) {
        if (vars->count == EF_VARS_MAX)
            abort();
        var = &vars->items[vars->count++];
        *var = (struct ef_var){.name = name};
    }
    free(var->value);
    var->value = ef_xstrdup(value);
}

bool ef_vars_get(const struct ef_vars *vars, const char *name, const char **ret)
{
    const struct ef_var *var = find(vars, ef_slice_of(name));
    if (var)
        *ret = var->value;
    return var != NULL;
}

bool ef_vars_hold(const struct ef_vars *vars, const char *conditions)
{
    for (const char *p = conditions; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        const struct ef_var *var = find(vars, (struct ef_slice){p, len});
        if (!var || !var->value)
            return false;
        p += len;
    }
    return true;
}

static void put_doubled(struct ef_buf *out, const char *text, const char *doubled)
{
    for (; *text; text++) {
        if (strchr(doubled, *text))
            ef_buf_add(out, text, 1);
        ef_buf_add(out, text, 1);
    }
}

void ef_put_ident(struct ef_buf *out, const char *name)
{
    ef_buf_puts(out, "\"");
    put_doubled(out, name, "\"");
    ef_buf_puts(out, "\"");
}

void ef_put_name(struct ef_buf *out, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789$";
    static const char digits[] = "0123456789$";
    if (*name && !strchr(digits, *name) && strspn(name, plain) == strlen(name))
        ef_buf_puts(out, name);
    else
        ef_put_ident(out, name);
}

/* Both databases' sessions are set so that only the quote itself is doubled. On PostgreSQL a
 * backslash gets the E form all the same, which means the same whatever that setting is. */
static void put_literal(struct ef_buf *out, const char *value, enum ef_dialect dialect,
                        bool display)
{
    bool escapes = dialect == EF_DIALECT_POSTGRES && value && strchr(value, '\\');
    if (!value || display) {
        ef_buf_puts(out, value ? value : "NULL");
        return;
    }
    ef_buf_puts(out, escapes ? "E'" : "'");
    put_doubled(out, value, escapes ? "'\\" : "'");
    ef_buf_puts(out, "'");
}

/* The closing character of a reference that begins at p (a colon), or 0 if it is none. */
static char closing(const char *text, const char *p)
{
    if (p[0] != ':' || (p > text && p[-1] == ':'))
        return 0;
    return p[1] == '"' ? '"' : p[1] == '\'' ? '\'' : p[1] == '{' ? '}' : 0;
}

static bool replace(const struct ef_vars *vars, const char *text, bool display, struct ef_buf *out,
                    struct ef_error *err)
{
    for (const char *p = text; *p;) {
        char close = closing(text, p);
        if (!close) {
            ef_buf_add(out, p++, 1);
            continue;
        }
        size_t len = strcspn(p + 2, "\"'}\n");
        struct ef_slice name = {p + 2, len};
        const struct ef_var *var = p[2 + len] == close ? find(vars, name) : NULL;
        if (!var)
            return ef_error_set(err, EF_CLASS_FATAL, "the SQL has an unknown name ':%c%.*s'", p[1],
                                (int)len, name.p);
        if (close == '"')
            (display ? ef_put_name : ef_put_ident)(out, var->value ? var->value : "");
        else if (close == '\'')
            put_literal(out, var->value, vars->dialect, display);
        else
            ef_buf_puts(out, var->value ? var->value : "");
        p += len + 3;
    }
    if (out->overflow)
        return ef_error_set(err, EF_CLASS_FATAL, "an SQL statement is too long");
    return true;
}

bool ef_vars_expand(const struct ef_vars *vars, const char *text, struct ef_buf *out,
                    struct ef_error *err)
{
    return replace(vars, text, false, out, err);
}

bool ef_vars_describe(const struct ef_vars *vars, const char *text, struct ef_buf *out,
                      struct ef_error *err)
{
    return replace(vars, text, true, out, err);
}
