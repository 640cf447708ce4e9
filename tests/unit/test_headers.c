// SPDX-License-Identifier: MIT
/* A row's headers: what each JSON value becomes, what is refused and where, the limits, and that a
 * text cut or damaged anywhere is refused without reading past its end. */
#include "outbox/headers.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "unit/run_suite.h"

static struct ef_arena arena;
static struct ef_header headers[EF_ROW_HEADERS_MAX];
static int count;
static struct ef_error err;

static void setup(void)
{
    ef_arena_init(&arena, 4096);
    count = -1;
    ef_error_clear(&err);
}

static void teardown(void)
{
    ef_arena_done(&arena);
}

static void accept(const char *text)
{
    ck_assert_msg(ef_headers_read(ef_slice_of(text), &arena, headers, &count, &err), "%s: %s", text,
                  err.text);
}

/* Refused at this offset, with a reason that has these words. */
static void refuse_slice(struct ef_slice text, size_t at, const char *words)
{
    struct ef_header_scanner s;
    struct ef_header header;
    ef_header_scanner_init(&s, text, &arena);
    while (ef_header_scanner_next(&s, &header))
        ;
    ck_assert_msg(s.error != NULL, "accepted: %.*s", (int)text.len, text.p);
    ck_assert_msg(strstr(s.error, words) != NULL, "%.*s: %s", (int)text.len, text.p, s.error);
    ck_assert_msg(s.at == at, "%.*s: at %zu", (int)text.len, text.p, s.at);
    const char *first = s.error;
    ck_assert(!ef_header_scanner_next(&s, &header));
    ck_assert_ptr_eq(s.error, first);
    ck_assert_uint_eq(s.at, at);

    ck_assert(!ef_headers_read(text, &arena, headers, &count, &err));
    ck_assert_int_eq(err.class, EF_CLASS_RECORD);
    ck_assert_str_eq(err.name, "HEADERS_UNREADABLE");
    ck_assert_ptr_nonnull(strstr(err.text, words));
}

static void refuse(const char *text, size_t at, const char *words)
{
    refuse_slice(ef_slice_of(text), at, words);
}

static void is(int i, const char *name, const char *value)
{
    ck_assert_int_lt(i, count);
    ck_assert_msg(ef_slice_eq(headers[i].name, ef_slice_of(name)), "%.*s", (int)headers[i].name.len,
                  headers[i].name.p);
    ck_assert_msg(ef_slice_eq(headers[i].value, ef_slice_of(value)), "%s: %.*s", name,
                  (int)headers[i].value.len, headers[i].value.p);
}

START_TEST(none)
{
    static const char *const texts[] = {"", " ", "{}", " { } ", "\t{\n}\r\n", "null", " null "};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        count = -1;
        accept(texts[i]);
        ck_assert_int_eq(count, 0);
    }
    count = -1;
    ck_assert(ef_headers_read((struct ef_slice){NULL, 0}, &arena, headers, &count, &err));
    ck_assert_int_eq(count, 0);
}
END_TEST

START_TEST(kinds_of_values)
{
    accept("{\"s\":\"text\", \"e\":\"\", \"n\":null, \"t\":true, \"f\":false, \"\":\"no name\"}");
    ck_assert_int_eq(count, 6);
    is(0, "s", "text");
    is(1, "e", "");
    is(2, "n", NULL);
    is(3, "t", "true");
    is(4, "f", "false");
    is(5, "", "no name");
    ck_assert_ptr_nonnull(headers[1].value.p);
}
END_TEST

START_TEST(numbers_keep_their_text)
{
    static const char *const numbers[] = {
        "0",   "-0",      "1.10", "12345678901234567890", "1e400", "-1.5E-7", "0.10",
        "2e0", "1E+0010", "0e1",  "9.00000000",           "-12"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"n\": %s }", numbers[i]);
        accept(text);
        is(0, "n", numbers[i]);
    }
}
END_TEST

START_TEST(nested_values_keep_their_text)
{
    static const char *const values[] = {
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1, 2.50,[3 ,{\"a\":[]}]]",
        "{\"a\" : {\"b\": [null, true, \"x\\u0041\\\"]}\"]}, \"c\":1e5}",
        "[[[[[[[[]]]]]]]]",
        "[\"caf\xc3\xa9\", \"]\"]",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"n\":%s,\"m\":\"after\"}", values[i]);
        accept(text);
        ck_assert_int_eq(count, 2);
        is(0, "n", values[i]);
        is(1, "m", "after");
    }
}
END_TEST

START_TEST(escapes)
{
    accept("{\"a\\u0062c\": \"q\\\"b\\\\s\\/\\b\\f\\n\\r\\t.\", \"u\": "
           "\"\\u00e9\\u20AC\\ud83d\\uDE80!\"}");
    is(0, "abc", "q\"b\\s/\b\f\n\r\t.");
    is(1, "u", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80!");
    accept("{\"z\": \"a\\u0000b\"}");
    ck_assert_uint_eq(headers[0].value.len, 3);
    ck_assert_int_eq(memcmp(headers[0].value.p, "a\0b", 3), 0);
    accept("{\"edge\": "
           "\"\\u007f\\u0080\\u07ff\\u0800\\ud7ff\\ue000\\uffff\\ud800\\udc00\\udbff\\udfff\"}");
    is(0, "edge",
       "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80"
       "\xf4\x8f\xbf\xbf");
}
END_TEST

START_TEST(plain_strings_are_borrowed)
{
    const char *text = "{\"name\": \"value \xc3\xa9 of some length\"}";
    accept(text);
    ck_assert_ptr_eq(headers[0].name.p, text + 2);
    ck_assert_ptr_eq(headers[0].value.p, text + 10);
    ck_assert_uint_eq(arena.total_bytes, 0);
}
END_TEST

START_TEST(a_repeated_name_keeps_its_last_value)
{
    accept("{\"a\":\"1\",\"b\":\"2\",\"\\u0061\":\"3\",\"b\":null,\"c\":4}");
    ck_assert_int_eq(count, 3);
    is(0, "a", "3");
    is(1, "b", NULL);
    is(2, "c", "4");
}
END_TEST

START_TEST(not_an_object)
{
    refuse("[]", 0, "not a JSON object");
    refuse(" \"x\"", 1, "not a JSON object");
    refuse("17", 0, "not a JSON object");
    refuse("not json", 1, "none of JSON");
    refuse("nul", 3, "none of JSON");
    refuse("\xef\xbb\xbf{}", 0, "not a JSON object");
}
END_TEST

START_TEST(syntax)
{
    refuse("{", 1, "name is missing");
    refuse("{\"a\"", 4, "colon");
    refuse("{\"a\" 1}", 5, "colon");
    refuse("{\"a\":", 5, "none of JSON");
    refuse("{\"a\":}", 5, "none of JSON");
    refuse("{\"a\":1", 6, "comma");
    refuse("{\"a\":1]", 6, "comma");
    refuse("{\"a\":1,}", 7, "name is missing");
    refuse("{\"a\":1,,\"b\":2}", 7, "name is missing");
    refuse("{,}", 1, "name is missing");
    refuse("{a:1}", 1, "name is missing");
    refuse("{'a':1}", 1, "name is missing");
    refuse("{} {}", 3, "follows");
    refuse("null,", 4, "follows");
    refuse("{\"a\":1}x", 7, "follows");
    refuse("{\"a\":1}}", 7, "follows");
    refuse("{\"a\":nul}", 8, "none of JSON");
    refuse("{\"a\":True}", 5, "none of JSON");
    refuse("{\"a\":truer}", 9, "comma");
    refuse("{\"a\":/**/1}", 5, "none of JSON");
    refuse_slice((struct ef_slice){"{\"a\":1}\0", 8}, 7, "follows");
    refuse_slice((struct ef_slice){"{\"a\0\":1}", 8}, 3, "control character");
}
END_TEST

START_TEST(malformed_numbers)
{
    refuse("{\"a\":-}", 6, "number");
    refuse("{\"a\":01}", 6, "comma");
    refuse("{\"a\":+1}", 5, "none of JSON");
    refuse("{\"a\":.5}", 5, "none of JSON");
    refuse("{\"a\":5.}", 7, "number");
    refuse("{\"a\":5.e1}", 7, "number");
    refuse("{\"a\":1e}", 7, "number");
    refuse("{\"a\":1e+}", 8, "number");
    refuse("{\"a\":-a}", 6, "number");
    refuse("{\"a\":0x10}", 6, "comma");
    refuse("{\"a\":NaN}", 5, "none of JSON");
    refuse("{\"a\":-Infinity}", 6, "number");
}
END_TEST

START_TEST(malformed_nested_values)
{
    refuse("{\"a\":[}", 6, "none of JSON");
    refuse("{\"a\":[1}", 7, "comma");
    refuse("{\"a\":[1,]}", 8, "none of JSON");
    refuse("{\"a\":[,1]}", 6, "none of JSON");
    refuse("{\"a\":{]}", 6, "name");
    refuse("{\"a\":{\"b\"}}", 9, "colon");
    refuse("{\"a\":{\"b\":1,}}", 12, "name");
    refuse("{\"a\":{\"b\":1]}", 11, "comma");
    refuse("{\"a\":[\"\\q\"]}", 7, "escape");
    refuse("{\"a\":[[1]", 9, "comma");
    refuse("{\"a\":[", 6, "none of JSON");
    refuse("{\"a\":{", 6, "name");
}
END_TEST

START_TEST(malformed_strings)
{
    refuse("{\"a", 3, "ends within");
    refuse("{\"a\":\"b", 7, "ends within");
    refuse("{\"a\":\"b\\", 7, "escape");
    refuse("{\"a\":\"\\x41\"}", 6, "escape");
    refuse("{\"a\":\"\\u12\"}", 6, "escape");
    refuse("{\"a\":\"\\u12g4\"}", 6, "escape");
    refuse("{\"a\":\"\\U0041\"}", 6, "escape");
    refuse("{\"a\":\"\\ud83d\"}", 6, "surrogate");
    refuse("{\"a\":\"\\ud83dx\"}", 6, "surrogate");
    refuse("{\"a\":\"\\ud83d\\n\"}", 6, "surrogate");
    refuse("{\"a\":\"\\ud83d\\u0041\"}", 6, "surrogate");
    refuse("{\"a\":\"\\ude80\"}", 6, "surrogate");
    refuse("{\"a\":\"\\ud83d\\ud83d\"}", 6, "surrogate");
    refuse("{\"a\":\"x\ny\"}", 7, "control character");
    refuse("{\"a\":\"tab\there\"}", 9, "control character");
}
END_TEST

START_TEST(strings_that_are_not_utf8)
{
    static const char *const bytes[] = {"\x80",
                                        "\xbf",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xc3",
                                        "\xe0\x80\x80",
                                        "\xe0\x9f\xbf",
                                        "\xe2\x82",
                                        "\xed\xa0\x80",
                                        "\xf0\x80\x80\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf0\x9f\x9a",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xfe"};
    for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"a\":\"0123456789%s\"}", bytes[i]);
        refuse(text, 16, "not UTF-8");
        snprintf(text, sizeof(text), "{\"%s\":1}", bytes[i]);
        refuse(text, 2, "not UTF-8");
    }
}
END_TEST

START_TEST(at_most_64_headers)
{
    char text[2048];
    for (int n = 64; n <= 65; n++) {
        size_t used = 0;
        for (int i = 0; i < n; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%c\"h%02d\":\"v\"",
                                     i ? ',' : '{', i);
        snprintf(text + used, sizeof(text) - used, "}");
        if (n == 64) {
            accept(text);
            ck_assert_int_eq(count, 64);
            is(63, "h63", "v");
        } else {
            refuse(text, 1 + 64 * 10, "more than 64");
        }
    }
}
END_TEST

/* {"a":"xxx..."} with a value of len bytes; the caller frees. */
static char *long_value(size_t len, const char *unit)
{
    size_t unit_len = strlen(unit);
    char *text = malloc(len * unit_len + 16);
    strcpy(text, "{\"a\":\"");
    for (size_t i = 0; i < len; i++)
        memcpy(text + 6 + i * unit_len, unit, unit_len);
    strcpy(text + 6 + len * unit_len, "\"}");
    return text;
}

START_TEST(at_most_64_kib)
{
    char *text = long_value(EF_ROW_HEADERS_MAX_BYTES - 1, "x");
    accept(text);
    ck_assert_uint_eq(headers[0].value.len, EF_ROW_HEADERS_MAX_BYTES - 1);
    free(text);
    text = long_value(EF_ROW_HEADERS_MAX_BYTES, "x");
    refuse(text, 5, "64 KiB");
    free(text);
    /* escapes count as what they stand for */
    text = long_value(EF_ROW_HEADERS_MAX_BYTES - 1, "\\u0041");
    accept(text);
    ck_assert_uint_eq(headers[0].value.len, EF_ROW_HEADERS_MAX_BYTES - 1);
    ck_assert_int_eq(headers[0].value.p[EF_ROW_HEADERS_MAX_BYTES - 2], 'A');
    free(text);
    /* and nested values as their text */
    text = long_value(EF_ROW_HEADERS_MAX_BYTES, "1");
    text[5] = '1';
    strcpy(strrchr(text, '"'), "}");
    refuse(text, 5, "64 KiB");
    free(text);
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char text[200] = "{\"a\":";
    for (int depth = 32; depth <= 33; depth++) {
        memset(text + 5, '[', (size_t)depth);
        memset(text + 5 + depth, ']', (size_t)depth);
        strcpy(text + 5 + 2 * depth, "}");
        if (depth == 32)
            accept(text);
        else
            refuse(text, 5 + 32, "nested too deeply");
    }
}
END_TEST

static const char sample[] =
    "{\"tenant\": \"caf\xc3\xa9-eu \xe2\x82\xac\", \"n\\u0061me\": \"\\ud83d\\ude80\\n\", \"x\": "
    "[1, "
    "{\"k\": "
    "\"\\\"\", \"l\": {}}, -0.5e+3], \"y\": null, \"z\": true , \"w\":false}";

/* A copy that ends where the allocation ends, so that the sanitizer sees the first byte too far. */
static bool reads(const char *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    bool ok = ef_headers_read((struct ef_slice){copy, len}, &arena, headers, &count, &err);
    for (int i = 0; ok && i < count; i++) {
        const struct ef_slice *parts[] = {&headers[i].name, &headers[i].value};
        for (int k = 0; k < 2; k++)
            for (size_t at = 0; at < parts[k]->len;) {
                size_t n = ef_utf8_length(parts[k]->p + at, parts[k]->len - at);
                ck_assert_uint_gt(n, 0);
                at += n;
            }
    }
    free(copy);
    return ok;
}

START_TEST(a_text_cut_anywhere_is_refused)
{
    ck_assert(reads(sample, sizeof(sample) - 1));
    for (size_t len = 1; len < sizeof(sample) - 1; len++)
        ck_assert_msg(!reads(sample, len), "accepted after %zu bytes", len);
}
END_TEST

/* Whatever is done to the text: no crash, and what is accepted is UTF-8 throughout. */
START_TEST(damaged_texts)
{
    struct ef_rng rng;
    ef_rng_seed(&rng, (uint64_t)_i + 1);
    char text[sizeof(sample)];
    int accepted = 0, refused = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(text, sample, sizeof(sample));
        for (uint64_t n = 1 + ef_rng_below(&rng, 3); n > 0; n--)
            text[ef_rng_below(&rng, sizeof(sample) - 1)] =
                ef_rng_below(&rng, 2) ? sample[ef_rng_below(&rng, sizeof(sample) - 1)]
                                      : (char)ef_rng_below(&rng, 256);
        if (reads(text, sizeof(sample) - 1))
            accepted++;
        else
            refused++;
        ef_arena_reset(&arena);
    }
    ck_assert_int_gt(accepted, 100);
    ck_assert_int_gt(refused, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("headers");
    TCase *tc = tcase_create("headers");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, none);
    tcase_add_test(tc, kinds_of_values);
    tcase_add_test(tc, numbers_keep_their_text);
    tcase_add_test(tc, nested_values_keep_their_text);
    tcase_add_test(tc, escapes);
    tcase_add_test(tc, plain_strings_are_borrowed);
    tcase_add_test(tc, a_repeated_name_keeps_its_last_value);
    tcase_add_test(tc, not_an_object);
    tcase_add_test(tc, syntax);
    tcase_add_test(tc, malformed_numbers);
    tcase_add_test(tc, malformed_nested_values);
    tcase_add_test(tc, malformed_strings);
    tcase_add_test(tc, strings_that_are_not_utf8);
    tcase_add_test(tc, at_most_64_headers);
    tcase_add_test(tc, at_most_64_kib);
    tcase_add_test(tc, nesting_is_bounded);
    tcase_add_test(tc, a_text_cut_anywhere_is_refused);
    tcase_add_loop_test(tc, damaged_texts, 0, 4);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
