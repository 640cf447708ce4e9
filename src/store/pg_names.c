// SPDX-License-Identifier: MIT
#include "store/pg_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static bool is_first(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_plain(char c)
{
    return is_first(c) || (c >= '0' && c <= '9') || c == '$';
}

/* One part, quoted or not; returns what follows it, or NULL after setting err. */
static const char *parse_part(const char *p, const char *text, char out[EF_PG_NAME_MAX + 1],
                              struct ef_error *err)
{
    size_t len = 0;
    bool quoted = *p == '"';
    if (quoted)
        p++;
    else if (!is_first(*p))
        goto malformed;
    for (; quoted ? *p != '\0' : is_plain(*p); p++) {
        if (quoted && *p == '"') {
            if (p[1] != '"')
                break;
            p++;
        }
        if (len == EF_PG_NAME_MAX) {
            ef_error_set(err, EF_CLASS_CONFIG, "table '%s' has a name of over %d bytes", text,
                         EF_PG_NAME_MAX);
            return NULL;
        }
        out[len++] = *p;
    }
    if (quoted && (*p++ != '"' || len == 0))
        goto malformed;
    out[len] = '\0';
    return p;
malformed:
    ef_error_set(
        err, EF_CLASS_CONFIG,
        "table '%s' is not of the form schema.table (names of letters, digits, _ and $, or "
        "any name in double quotes)",
        text);
    return NULL;
}

bool ef_pg_table_parse(const char *text, struct ef_pg_table *ret, struct ef_error *err)
{
    struct ef_pg_table table;
    const char *p = parse_part(text, text, table.schema, err);
    if (!p)
        return false;
    if (*p == '\0')
        return ef_error_set(err, EF_CLASS_CONFIG, "table '%s' needs its schema: 'public.%s'", text,
                            text);
    if (*p != '.')
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "table '%s' has a character that needs double quotes around the name",
                            text);
    p = parse_part(p + 1, text, table.table, err);
    if (!p)
        return false;
    if (*p != '\0')
        return ef_error_set(err, EF_CLASS_CONFIG, "table '%s' goes on after schema and table",
                            text);
    *ret = table;
    return true;
}

bool ef_pg_table_check(const char *text, struct ef_error *err)
{
    struct ef_pg_table ignored;
    return ef_pg_table_parse(text, &ignored, err);
}

bool ef_pg_quote_ident(char *out, size_t size, const char *name)
{
    size_t n = 0;
    if (size < 3)
        return false;
    out[n++] = '"';
    for (; *name; name++) {
        if (n + (*name == '"') + 3 > size) /* this byte, the closing quote, NUL */
            return false;
        if (*name == '"')
            out[n++] = '"';
        out[n++] = *name;
    }
    out[n++] = '"';
    out[n] = '\0';
    return true;
}

void ef_pg_display_name(char out[EF_PG_QUOTED_SIZE], const char *name)
{
    const char *p = name;
    if (is_first(*p))
        while (is_plain(*p))
            p++;
    if (*name && !*p)
        snprintf(out, EF_PG_QUOTED_SIZE, "%s", name);
    else if (!ef_pg_quote_ident(out, EF_PG_QUOTED_SIZE, name))
        snprintf(out, EF_PG_QUOTED_SIZE, "\"...\"");
}

/* No byte sequence of UTF-8 is cut in the middle. */
static size_t whole_characters(const char *s, size_t len)
{
    while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
        len--;
    return len;
}

void ef_pg_derived_name(char out[EF_PG_NAME_MAX + 1], const char *name, const char *suffix,
                        size_t max)
{
    size_t len = strlen(name), tail = strlen(suffix);
    char mark[16] = "";
    if (max > EF_PG_NAME_MAX)
        max = EF_PG_NAME_MAX;
    if (len + tail > max) {
        uint64_t hash = ef_hash64(name, len);
        int mark_len = snprintf(mark, sizeof(mark), "_%08" PRIx32, (uint32_t)(hash ^ hash >> 32));
        size_t taken = tail + (size_t)mark_len;
        len = max > taken ? whole_characters(name, max - taken) : 0;
    }
    memcpy(out, name, len);
    snprintf(out + len, EF_PG_NAME_MAX + 1 - len, "%s%s", mark, suffix);
}

void ef_pg_object_name(char out[EF_PG_NAME_MAX + 1], const char *prefix, const char *schema,
                       const char *table)
{
    char full[4 * EF_PG_NAME_MAX];
    snprintf(full, sizeof(full), "%s_%s_%s", prefix, schema, table);
    ef_pg_derived_name(out, full, "", EF_PG_NAME_MAX);
}
