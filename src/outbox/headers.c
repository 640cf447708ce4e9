// SPDX-License-Identifier: MIT
#include "outbox/headers.h"

#include <string.h>

#include "base/utf8.h"

/* Nested values are only checked, never built; the depth is bounded by the bits that remember the
 * brackets. */
enum { NESTING_MAX = 32 };

enum char_class {
    PLAIN,
    SPECIAL, /* ends a plain stretch of a string: quote, backslash, control, beyond ASCII */
};

static const uint8_t string_class[256] = {
    [0x00 ... 0x1f] = SPECIAL, ['"'] = SPECIAL, ['\\'] = SPECIAL, [0x80 ... 0xff] = SPECIAL};

static bool fail(struct ef_header_scanner *s, const char *error)
{
    if (!s->error)
        s->error = error;
    return false;
}

static bool fail_at(struct ef_header_scanner *s, size_t at, const char *error)
{
    if (!s->error)
        s->at = at;
    return fail(s, error);
}

/* The byte at offset i, or 0 past the end: no rule of JSON accepts a raw zero byte. */
static unsigned char byte_at(const struct ef_header_scanner *s, size_t i)
{
    return i < s->text.len ? (unsigned char)s->text.p[i] : 0;
}

static unsigned char skip_space(struct ef_header_scanner *s)
{
    unsigned char c;
    while ((c = byte_at(s, s->at)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        s->at++;
    return c;
}

/* First offset from i on whose byte is not plain, at most the end. */
static size_t plain_end(const struct ef_header_scanner *s, size_t i)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    for (; s->text.len - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, s->text.p + i, 8);
        uint64_t quote = w ^ (ones * '"'), backslash = w ^ (ones * '\\');
        /* a borrow may mark a byte too many, never one too few; the loop below looks byte by byte
         */
        if ((w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops)
            break;
    }
    while (i < s->text.len && string_class[(unsigned char)s->text.p[i]] == PLAIN)
        i++;
    return i;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Value of the four hex digits at offset i, or -1. */
static int32_t hex4(const struct ef_header_scanner *s, size_t i)
{
    int32_t v = 0;
    for (size_t k = 0; k < 4; k++) {
        int digit = hex_digit(byte_at(s, i + k));
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

/*
 * The escape whose backslash is at offset i: its code point and its length in the text (2, 6, or 12
 * for a surrogate pair, RFC 8259 section 7). Returns false if it is malformed or half a pair.
 */
static bool read_escape(const struct ef_header_scanner *s, size_t i, uint32_t *code, size_t *len)
{
    static const char simple[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    unsigned char c = byte_at(s, i + 1);
    if (c != 'u') {
        *code = (unsigned char)simple[c];
        *len = 2;
        return *code != 0;
    }
    int32_t first = hex4(s, i + 2);
    if (first < 0 || (first >= 0xdc00 && first <= 0xdfff))
        return false;
    *code = (uint32_t)first;
    *len = 6;
    if (first < 0xd800 || first > 0xdbff)
        return true;
    int32_t second = byte_at(s, i + 6) == '\\' && byte_at(s, i + 7) == 'u' ? hex4(s, i + 8) : -1;
    if (second < 0xdc00 || second > 0xdfff)
        return false;
    *code = 0x10000 + ((uint32_t)(first - 0xd800) << 10) + (uint32_t)(second - 0xdc00);
    *len = 12;
    return true;
}

static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/*
 * Checks the string whose opening quote is at s->at and moves behind the closing one. *raw is what
 * stands between the quotes, *decoded_bytes its length without escapes.
 */
static bool scan_string(struct ef_header_scanner *s, struct ef_slice *raw, size_t *decoded_bytes)
{
    size_t start = s->at + 1, i = start, saved = 0;
    for (;;) {
        i = plain_end(s, i);
        if (i >= s->text.len)
            return fail_at(s, i, "the text ends within a string");
        unsigned char c = byte_at(s, i);
        if (c == '"')
            break;
        if (c == '\\') {
            uint32_t code;
            size_t len;
            char utf8[4];
            if (!read_escape(s, i, &code, &len))
                return fail_at(s, i, "an escape is malformed or is half a surrogate pair");
            saved += len - put_utf8(utf8, code);
            i += len;
        } else if (c < 0x20) {
            return fail_at(s, i, "a control character stands unescaped in a string");
        } else {
            size_t len = ef_utf8_length(s->text.p + i, s->text.len - i);
            if (len == 0)
                return fail_at(s, i, "a string is not UTF-8");
            i += len;
        }
    }
    *raw = (struct ef_slice){s->text.p + start, i - start};
    *decoded_bytes = raw->len - saved;
    s->at = i + 1;
    return true;
}

static bool take_bytes(struct ef_header_scanner *s, size_t at, size_t len)
{
    if (len > s->left_bytes)
        return fail_at(s, at, "names and values exceed 64 KiB");
    s->left_bytes -= len;
    return true;
}

/* The string at s->at, decoded; its bytes count towards the limit. */
static bool read_string(struct ef_header_scanner *s, struct ef_slice *ret)
{
    struct ef_slice raw;
    size_t len, start = s->at;
    if (!scan_string(s, &raw, &len) || !take_bytes(s, start, len))
        return false;
    if (len == raw.len) { /* every escape is longer than what it stands for, so there was none */
        *ret = raw;
        return true;
    }
    char *out = ef_arena_alloc(s->arena, len);
    *ret = (struct ef_slice){out, len};
    size_t i = start + 1, end = i + raw.len;
    while (i < end) {
        size_t stop = i;
        while (stop < end && s->text.p[stop] != '\\')
            stop++;
        memcpy(out, s->text.p + i, stop - i);
        out += stop - i;
        i = stop;
        if (i < end) {
            uint32_t code = 0;
            size_t escape_len = 0;
            read_escape(s, i, &code, &escape_len); /* scan_string has checked it */
            out += put_utf8(out, code);
            i += escape_len;
        }
    }
    return true;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool skip_digits(struct ef_header_scanner *s)
{
    size_t start = s->at;
    while (is_digit(byte_at(s, s->at)))
        s->at++;
    return s->at > start || fail(s, "a number is malformed");
}

static bool scan_number(struct ef_header_scanner *s)
{
    if (byte_at(s, s->at) == '-')
        s->at++;
    if (byte_at(s, s->at) == '0')
        s->at++;
    else if (!skip_digits(s))
        return false;
    if (byte_at(s, s->at) == '.') {
        s->at++;
        if (!skip_digits(s))
            return false;
    }
    if ((byte_at(s, s->at) | 0x20) == 'e') {
        s->at++;
        if (byte_at(s, s->at) == '+' || byte_at(s, s->at) == '-')
            s->at++;
        if (!skip_digits(s))
            return false;
    }
    return true;
}

static bool scan_word(struct ef_header_scanner *s, const char *word)
{
    for (; *word; word++, s->at++)
        if (byte_at(s, s->at) != (unsigned char)*word)
            return fail(s, "a value is none of JSON");
    return true;
}

/* A value that is no object or array. */
static bool scan_scalar(struct ef_header_scanner *s)
{
    struct ef_slice raw;
    size_t len;
    switch (byte_at(s, s->at)) {
    case '"':
        return scan_string(s, &raw, &len);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    case '-':
    case '0' ... '9':
        return scan_number(s);
    default:
        return fail(s, "a value is none of JSON");
    }
}

/* A member's name and the colon behind it, neither decoded nor kept. */
static bool scan_name(struct ef_header_scanner *s)
{
    struct ef_slice raw;
    size_t len;
    if (skip_space(s) != '"')
        return fail(s, "a member's name is missing");
    if (!scan_string(s, &raw, &len))
        return false;
    if (skip_space(s) != ':')
        return fail(s, "a colon is missing after a name");
    s->at++;
    return true;
}

/* Checks the object or array that begins at s->at and moves behind it. */
static bool scan_nested(struct ef_header_scanner *s)
{
    uint64_t objects = 0; /* bit per level, the innermost lowest: 1 object, 0 array */
    int depth = 0;
    do {
        unsigned char c = skip_space(s);
        if (c == '{' || c == '[') {
            if (++depth > NESTING_MAX)
                return fail(s, "values are nested too deeply");
            objects = objects << 1 | (c == '{');
            s->at++;
            c = skip_space(s);
            if (c != (objects & 1 ? '}' : ']')) { /* not empty: its first member */
                if ((objects & 1) && !scan_name(s))
                    return false;
                continue;
            }
        } else if (!scan_scalar(s)) {
            return false;
        }
        while (depth > 0 && skip_space(s) == (objects & 1 ? '}' : ']')) {
            s->at++;
            objects >>= 1;
            depth--;
        }
        if (depth > 0) {
            if (skip_space(s) != ',')
                return fail(s, "a comma or closing bracket is missing");
            s->at++;
            if ((objects & 1) && !scan_name(s))
                return false;
        }
    } while (depth > 0);
    return true;
}

static bool read_value(struct ef_header_scanner *s, struct ef_slice *ret)
{
    unsigned char c = skip_space(s);
    if (c == '"')
        return read_string(s, ret);
    size_t start = s->at;
    if (c == '{' || c == '[' ? !scan_nested(s) : !scan_scalar(s))
        return false;
    *ret =
        c == 'n' ? (struct ef_slice){NULL, 0} : (struct ef_slice){s->text.p + start, s->at - start};
    return take_bytes(s, start, ret->len);
}

/* Before the first member: the opening brace, or a text that stands for no headers. */
static bool begin(struct ef_header_scanner *s)
{
    unsigned char c = skip_space(s);
    if (s->at >= s->text.len) {
        s->ended = true;
    } else if (c == 'n') {
        if (!scan_word(s, "null"))
            return false;
        s->ended = true;
    } else if (c == '{') {
        s->at++;
        if (skip_space(s) == '}') {
            s->at++;
            s->ended = true;
        }
    } else {
        return fail(s, "it is not a JSON object");
    }
    return true;
}

/* After the last member. */
static bool finish(struct ef_header_scanner *s)
{
    skip_space(s);
    if (s->at < s->text.len)
        return fail(s, "something follows the JSON object");
    return false;
}

void ef_header_scanner_init(struct ef_header_scanner *scanner, struct ef_slice text,
                            struct ef_arena *arena)
{
    *scanner = (struct ef_header_scanner){
        .text = text, .arena = arena, .left_bytes = EF_ROW_HEADERS_MAX_BYTES};
}

bool ef_header_scanner_next(struct ef_header_scanner *s, struct ef_header *ret)
{
    if (s->error)
        return false;
    if (s->at == 0 && !begin(s))
        return false;
    if (s->ended)
        return finish(s);
    if (skip_space(s) != '"')
        return fail(s, "a header's name is missing");
    if (s->count == EF_ROW_HEADERS_MAX)
        return fail(s, "there are more than 64 headers");
    if (!read_string(s, &ret->name))
        return false;
    if (skip_space(s) != ':')
        return fail(s, "a colon is missing after a name");
    s->at++;
    if (!read_value(s, &ret->value))
        return false;
    s->count++;
    unsigned char c = skip_space(s);
    if (c == '}')
        s->ended = true;
    else if (c != ',')
        return fail(s, "a comma or closing brace is missing");
    s->at++;
    return true;
}

bool ef_headers_read(struct ef_slice text, struct ef_arena *arena, struct ef_header *out,
                     int *ret_count, struct ef_error *err)
{
    struct ef_header_scanner s;
    struct ef_header header;
    int count = 0;
    ef_header_scanner_init(&s, text, arena);
    while (ef_header_scanner_next(&s, &header)) {
        int i = 0;
        while (i < count && !ef_slice_eq(out[i].name, header.name))
            i++;
        out[i] = header;
        if (i == count)
            count++;
    }
    if (s.error) {
        ef_error_set(err, EF_CLASS_RECORD, "cannot read the row's headers: %s (byte %zu)", s.error,
                     s.at);
        ef_error_code(err, 0, "HEADERS_UNREADABLE");
        return false;
    }
    *ret_count = count;
    return true;
}
