// SPDX-License-Identifier: MIT
/*
 * Table names on any text. Beyond "no crash": what is accepted fits PostgreSQL's limit, and quoted
 * by us it is read back as the same name.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fuzz/require.h"
#include "store/pg_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_pg_table table, again;
    struct ef_error err;
    char schema[EF_PG_QUOTED_SIZE], name[EF_PG_QUOTED_SIZE], both[2 * EF_PG_QUOTED_SIZE + 2];
    char *text = ef_xstrndup((const char *)data, size);
    bool ok = ef_pg_table_parse(text, &table, &err);
    require(ef_pg_table_check(text, &err) == ok);
    if (ok) {
        require(strlen(table.schema) <= EF_PG_NAME_MAX && strlen(table.table) <= EF_PG_NAME_MAX);
        require(ef_pg_quote_ident(schema, sizeof(schema), table.schema));
        require(ef_pg_quote_ident(name, sizeof(name), table.table));
        snprintf(both, sizeof(both), "%s.%s", schema, name);
        require(ef_pg_table_parse(both, &again, &err));
        require(strcmp(again.schema, table.schema) == 0 && strcmp(again.table, table.table) == 0);
    }
    free(text);
    return 0;
}
