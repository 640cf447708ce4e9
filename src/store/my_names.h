// SPDX-License-Identifier: MIT
/* Names of MySQL and MariaDB: the `table` option, quoting, and what our own objects are called. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A name has 64 characters of up to four bytes in UTF-8 (MySQL manual, "Identifier Length Limits");
 * quoting may double each. */
enum { EF_MY_NAME_MAX = 256, EF_MY_IDENT_MAX = 2 * EF_MY_NAME_MAX + 3 };

struct ef_my_table {
    char database[EF_MY_NAME_MAX + 1], table[EF_MY_NAME_MAX + 1];
};

/* "database.table": plain parts of letters, digits, _ and $, or any name in `backquotes` or "double
 * quotes". */
bool ef_my_table_parse(const char *text, struct ef_my_table *ret,
                       struct ef_error *err) EF_MUST_CHECK;
bool ef_my_table_check(const char *text, struct ef_error *err) EF_MUST_CHECK;

/* In double quotes: the sessions have sql_mode ANSI_QUOTES. */
void ef_my_quote_ident(char out[EF_MY_IDENT_MAX], const char *name);

/* name and suffix, cut with a hash of the whole if longer than 64 characters (interfaces.md). */
void ef_my_derived_name(char out[EF_MY_NAME_MAX + 1], const char *name, const char *suffix);
