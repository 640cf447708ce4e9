// SPDX-License-Identifier: MIT
#include "store/my_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { CHARACTERS_MAX = 64 };

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

static size_t characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* One part, quoted or not; returns what follows it, or NULL after setting err. */
static const char *parse_part(const char *p, const char *text, char out[EF_MY_NAME_MAX + 1],
                              struct ef_error *err)
{
    size_t len = 0;
    char quote = *p == '`' || *p == '"' ? *p : '\0';
    if (quote)
        p++;
    for (; quote ? *p != '\0' : is_plain(*p); p++) {
        if (quote && *p == quote && *++p != quote) {
            p--;
            break;
        }
        if (len == EF_MY_NAME_MAX)
            break;
        out[len++] = *p;
    }
    out[len] = '\0';
    if (characters(out) > CHARACTERS_MAX || len == EF_MY_NAME_MAX) {
        ef_error_set(err, EF_CLASS_CONFIG, "table '%s' has a name of over %d characters", text,
                     CHARACTERS_MAX);
        return NULL;
    }
    if (len > 0 && (!quote || *p++ == quote))
        return p;
    ef_error_set(err, EF_CLASS_CONFIG,
                 "table '%s' is not of the form database.table (names of letters, digits, _ and $, "
                 "or any name in backquotes)",
                 text);
    return NULL;
}

bool ef_my_table_parse(const char *text, struct ef_my_table *ret, struct ef_error *err)
{
    struct ef_my_table table;
    const char *p = parse_part(text, text, table.database, err);
    if (!p)
        return false;
    if (*p == '\0')
        return ef_error_set(err, EF_CLASS_CONFIG, "table '%s' needs its database: 'shop.%s'", text,
                            text);
    if (*p != '.')
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "table '%s' has a character that needs backquotes around the name",
                            text);
    p = parse_part(p + 1, text, table.table, err);
    if (!p)
        return false;
    if (*p != '\0')
        return ef_error_set(err, EF_CLASS_CONFIG, "table '%s' goes on after database and table",
                            text);
    *ret = table;
    return true;
}

bool ef_my_table_check(const char *text, struct ef_error *err)
{
    struct ef_my_table ignored;
    return ef_my_table_parse(text, &ignored, err);
}

void ef_my_quote_ident(char out[EF_MY_IDENT_MAX], const char *name)
{
    char *to = out;
    *to++ = '"';
    for (; *name && to < out + EF_MY_IDENT_MAX - 4; name++) {
        if (*name == '"')
            *to++ = '"';
        *to++ = *name;
    }
    *to++ = '"';
    *to = '\0';
}

/* Bytes of the first `count` characters. */
static size_t bytes_of(const char *s, size_t count)
{
    size_t i = 0;
    for (; s[i]; i++)
        if (((unsigned char)s[i] & 0xc0) != 0x80 && count-- == 0)
            break;
    return i;
}

void ef_my_derived_name(char out[EF_MY_NAME_MAX + 1], const char *name, const char *suffix)
{
    size_t tail = characters(suffix);
    char mark[16] = "";
    size_t len = strlen(name);
    if (characters(name) + tail > CHARACTERS_MAX) {
        uint64_t hash = ef_hash64(name, len);
        size_t taken = tail + (size_t)snprintf(mark, sizeof(mark), "_%08" PRIx32,
                                               (uint32_t)(hash ^ hash >> 32));
        len = bytes_of(name, CHARACTERS_MAX > taken ? CHARACTERS_MAX - taken : 0);
    }
    snprintf(out, EF_MY_NAME_MAX + 1, "%.*s%s%s", (int)len, name, mark, suffix);
}
