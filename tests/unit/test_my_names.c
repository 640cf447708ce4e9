// SPDX-License-Identifier: MIT
/* Names in MySQL and MariaDB: how a table is written in the config, quoting, derived names. */
#include "store/my_names.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/run_suite.h"

static const char a64[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl";

START_TEST(tables)
{
    static const struct {
        const char *text, *database, *table;
    } good[] = {
        {"shop.outbox", "shop", "outbox"},
        {"Shop.OutBox", "Shop", "OutBox"},
        {"1st.t$1", "1st", "t$1"},
        {"`my db`.`a.b`", "my db", "a.b"},
        {"\"my db\".outbox", "my db", "outbox"},
        {"`a``b`.outbox", "a`b", "outbox"},
        {"`a\"b`.outbox", "a\"b", "outbox"},
        {"shop.`bücher`", "shop", "bücher"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct ef_my_table table;
        struct ef_error err = {0};
        ck_assert_msg(ef_my_table_parse(good[i].text, &table, &err), "%s: %s", good[i].text,
                      err.text);
        ck_assert_str_eq(table.database, good[i].database);
        ck_assert_str_eq(table.table, good[i].table);
    }
}
END_TEST

START_TEST(tables_refused)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "database.table"},        {"outbox", "shop.outbox"},     {".outbox", "database.table"},
        {"shop.", "database.table"},   {"a-b.c", "backquotes"},       {"a.b.c", "goes on"},
        {"a.b c", "goes on"},          {"`a.b", "database.table"},    {"``.b", "database.table"},
        {"b\xc3\xbc.b", "backquotes"}, {"a.`b`c", "goes on"},         {"`a``.b", "database.table"},
        {" a.b", "database.table"},    {"`a\"b.c", "database.table"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ef_my_table table = {.database = "untouched"};
        struct ef_error err = {0};
        ck_assert_msg(!ef_my_table_parse(bad[i].text, &table, &err), "%s", bad[i].text);
        ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
        ck_assert_msg(strstr(err.text, bad[i].why) != NULL, "%s: %s", bad[i].text, err.text);
        ck_assert_str_eq(table.database, "untouched");
        ck_assert(!ef_my_table_check(bad[i].text, &err));
    }
}
END_TEST

START_TEST(names_are_limited_in_characters)
{
    struct ef_my_table table;
    struct ef_error err;
    char text[1024], umlauts[2 * 65 + 1] = "";
    snprintf(text, sizeof(text), "%s.%s", a64, a64);
    ck_assert(ef_my_table_parse(text, &table, &err));
    ck_assert_str_eq(table.table, a64);
    snprintf(text, sizeof(text), "shop.%sx", a64);
    ck_assert(!ef_my_table_parse(text, &table, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "64 characters"));
    for (int i = 0; i < 64; i++)
        strcat(umlauts, "\xc3\xbc");
    snprintf(text, sizeof(text), "shop.`%s`", umlauts);
    ck_assert(ef_my_table_parse(text, &table, &err));
    strcat(umlauts, "\xc3\xbc");
    snprintf(text, sizeof(text), "shop.`%s`", umlauts);
    ck_assert(!ef_my_table_parse(text, &table, &err));
}
END_TEST

START_TEST(quoting)
{
    char out[EF_MY_IDENT_MAX];
    ef_my_quote_ident(out, "outbox");
    ck_assert_str_eq(out, "\"outbox\"");
    ef_my_quote_ident(out, "a\"b`c");
    ck_assert_str_eq(out, "\"a\"\"b`c\"");
}
END_TEST

START_TEST(derived_names)
{
    char out[EF_MY_NAME_MAX + 1], other[EF_MY_NAME_MAX + 1], long_name[65];
    ef_my_derived_name(out, "outbox", "_archive");
    ck_assert_str_eq(out, "outbox_archive");
    ef_my_derived_name(out, a64, "_archive");
    ck_assert_uint_eq(strlen(out), 64);
    ck_assert_int_eq(strncmp(out, a64, 64 - 8 - 9), 0);
    ck_assert_str_eq(out + 64 - 8, "_archive");
    snprintf(long_name, sizeof(long_name), "%s", a64);
    long_name[63] = 'x';
    ef_my_derived_name(other, long_name, "_archive");
    ck_assert_str_ne(out, other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names of mysql");
    TCase *tc = tcase_create("names");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, tables);
    tcase_add_test(tc, tables_refused);
    tcase_add_test(tc, names_are_limited_in_characters);
    tcase_add_test(tc, quoting);
    tcase_add_test(tc, derived_names);
    return run_suite(suite);
}
