// SPDX-License-Identifier: MIT
/*
 * PostgreSQL names: how table names are written in the config, how names are quoted, and what our
 * own objects of a table are called. Pure. Owns: nothing. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum {
    EF_PG_NAME_MAX = 63,                       /* bytes; NAMEDATALEN - 1 */
    EF_PG_QUOTED_SIZE = 2 * EF_PG_NAME_MAX + 3 /* both quotes, every byte doubled, NUL */
};

struct ef_pg_table {
    char schema[EF_PG_NAME_MAX + 1];
    char table[EF_PG_NAME_MAX + 1];
};

/*
 * `schema.table`. A part is either [A-Za-z_][A-Za-z0-9_$]{0,62}, taken exactly as written (nothing
 * is folded to lower case), or anything within double quotes, where "" stands for one quote. Class
 * CONFIG.
 */
EF_MUST_CHECK bool ef_pg_table_parse(const char *text, struct ef_pg_table *ret,
                                     struct ef_error *err);

/* The same for whoever only wants to know (ef_config_use_table_check). */
EF_MUST_CHECK bool ef_pg_table_check(const char *text, struct ef_error *err);

/* The name within double quotes; false if it does not fit (EF_PG_QUOTED_SIZE always does). */
bool ef_pg_quote_ident(char *out, size_t size, const char *name);

/* The name as ef_pg_table_parse reads it: quoted only where it must be. For people, not for SQL. */
void ef_pg_display_name(char out[EF_PG_QUOTED_SIZE], const char *name);

/*
 * What our object of a table is called: <prefix>_<schema>_<table>. A longer name than PostgreSQL
 * takes is cut, and ends in eight hexadecimal digits of a hash of the whole. The relay and the
 * migration must agree on this for ever: a change would leave archives behind.
 */
void ef_pg_object_name(char out[EF_PG_NAME_MAX + 1], const char *prefix, const char *schema,
                       const char *table);

/* <name><suffix> in at most `max` bytes by the same rule; the suffix is kept whole. */
void ef_pg_derived_name(char out[EF_PG_NAME_MAX + 1], const char *name, const char *suffix,
                        size_t max);
