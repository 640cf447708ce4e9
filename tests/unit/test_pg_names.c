// SPDX-License-Identifier: MIT
/* Names in PostgreSQL: how a table is written in the config, quoting, and what our objects are
 * called. */
#include "store/pg_names.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/run_suite.h"

static const char a63[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk";

START_TEST(tables)
{
    static const struct {
        const char *text, *schema, *table;
    } good[] = {
        {"public.outbox", "public", "outbox"},
        {"Public.OutBox", "Public", "OutBox"}, /* nothing is folded */
        {"_s.t$1", "_s", "t$1"},
        {"\"my schema\".\"a.b\"", "my schema", "a.b"},
        {"\"a\"\"b\".outbox", "a\"b", "outbox"},
        {"public.\"été\"", "public", "été"},
        {"public.\"1\"", "public", "1"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct ef_pg_table table;
        struct ef_error err = {0};
        ck_assert_msg(ef_pg_table_parse(good[i].text, &table, &err), "%s: %s", good[i].text,
                      err.text);
        ck_assert_str_eq(table.schema, good[i].schema);
        ck_assert_str_eq(table.table, good[i].table);
    }
}
END_TEST

START_TEST(tables_refused)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "schema.table"},          {"outbox", "public.outbox"}, {".outbox", "schema.table"},
        {"public.", "schema.table"},   {"1a.b", "schema.table"},    {"a-b.c", "double quotes"},
        {"a.b.c", "goes on"},          {"a.b c", "goes on"},        {"\"a.b", "schema.table"},
        {"\"\".b", "schema.table"},    {"été.b", "schema.table"},   {"a.\"b\"c", "goes on"},
        {"\"a\"\".b", "schema.table"}, {"a. b", "schema.table"},    {" a.b", "schema.table"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ef_pg_table table = {.schema = "untouched"};
        struct ef_error err = {0};
        ck_assert_msg(!ef_pg_table_parse(bad[i].text, &table, &err), "%s", bad[i].text);
        ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
        ck_assert_msg(strstr(err.text, bad[i].why), "%s: %s", bad[i].text, err.text);
        ck_assert_str_eq(table.schema, "untouched");
    }
}
END_TEST

START_TEST(tables_of_63_bytes)
{
    char text[160];
    struct ef_pg_table table;
    struct ef_error err = {0};
    snprintf(text, sizeof(text), "public.%s", a63);
    ck_assert(ef_pg_table_parse(text, &table, &err));
    ck_assert_str_eq(table.table, a63);
    strcat(text, "l");
    ck_assert(!ef_pg_table_parse(text, &table, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "over 63 bytes"));
    snprintf(text, sizeof(text), "\"%sl\".outbox", a63);
    ck_assert(!ef_pg_table_parse(text, &table, &err));
    /* a doubled quote is one byte of the name */
    snprintf(text, sizeof(text), "\"%.62s\"\"\".outbox", a63);
    ck_assert(ef_pg_table_parse(text, &table, &err));
    ck_assert_uint_eq(strlen(table.schema), 63);
}
END_TEST

START_TEST(quoting)
{
    char out[EF_PG_QUOTED_SIZE], all[EF_PG_NAME_MAX + 1];
    ck_assert(ef_pg_quote_ident(out, sizeof(out), "outbox"));
    ck_assert_str_eq(out, "\"outbox\"");
    ck_assert(ef_pg_quote_ident(out, sizeof(out), "a\"b;--"));
    ck_assert_str_eq(out, "\"a\"\"b;--\"");
    memset(all, '"', EF_PG_NAME_MAX);
    all[EF_PG_NAME_MAX] = '\0';
    ck_assert(ef_pg_quote_ident(out, sizeof(out), all));
    ck_assert_uint_eq(strlen(out), sizeof(out) - 1);
    ck_assert(!ef_pg_quote_ident(out, sizeof(out) - 1, all));
    ck_assert(ef_pg_quote_ident(out, 5, "ab"));
    ck_assert(!ef_pg_quote_ident(out, 4, "ab"));
    ck_assert(!ef_pg_quote_ident(out, 2, ""));
    ef_pg_display_name(out, "outBox_1");
    ck_assert_str_eq(out, "outBox_1");
    ef_pg_display_name(out, "my box");
    ck_assert_str_eq(out, "\"my box\"");
}
END_TEST

START_TEST(object_names)
{
    char out[EF_PG_NAME_MAX + 1], other[EF_PG_NAME_MAX + 1];
    ef_pg_object_name(out, "archive", "public", "outbox");
    ck_assert_str_eq(out, "archive_public_outbox");
    ef_pg_object_name(out, "bell", "my schema", "Out\"box");
    ck_assert_str_eq(out, "bell_my schema_Out\"box");
    /* exactly 63 bytes are kept, 64 are cut */
    ef_pg_object_name(out, "bell", "public", a63 + 12);
    ck_assert_uint_eq(strlen(out), 63);
    ck_assert_ptr_nonnull(strstr(out, a63 + 12));
    ef_pg_object_name(out, "bell", "public", a63 + 11);
    ck_assert_str_eq(out, "bell_public_lmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyza_faead393");
    /* what was cut away still tells two names apart */
    ef_pg_object_name(out, "archive", a63, a63);
    ck_assert_uint_eq(strlen(out), 63);
    ef_pg_object_name(other, "archive", a63, "outbox");
    ck_assert_int_eq(strncmp(out, other, 54), 0);
    ck_assert_str_ne(out, other);
}
END_TEST

START_TEST(derived_names)
{
    char out[EF_PG_NAME_MAX + 1], name[EF_PG_NAME_MAX + 1];
    ef_pg_derived_name(out, "outbox", "_waiting", EF_PG_NAME_MAX);
    ck_assert_str_eq(out, "outbox_waiting");
    ef_pg_derived_name(out, a63, "_waiting", EF_PG_NAME_MAX);
    ck_assert_uint_eq(strlen(out), 63);
    ck_assert_str_eq(out + 63 - 8, "_waiting");
    ef_pg_derived_name(out, a63, "", 52);
    ck_assert_uint_eq(strlen(out), 52);
    /* a character of several bytes is not cut in the middle, wherever the cut falls */
    for (int shift = 0; shift < 3; shift++) {
        snprintf(name, sizeof(name), "%.*s%s", shift, "abc", "€€€€€€€€€€€€€€€€€€€€");
        ef_pg_derived_name(out, name, "_waiting", EF_PG_NAME_MAX);
        ck_assert_uint_le(strlen(out), 63);
        ck_assert_int_eq((int)(strstr(out, "_") - out - shift) % 3, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pg_names");
    TCase *tc = tcase_create("pg_names");
    tcase_add_test(tc, tables);
    tcase_add_test(tc, tables_refused);
    tcase_add_test(tc, tables_of_63_bytes);
    tcase_add_test(tc, quoting);
    tcase_add_test(tc, object_names);
    tcase_add_test(tc, derived_names);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
