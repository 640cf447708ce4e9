// SPDX-License-Identifier: MIT
/*
 * URLs and table names of MySQL on any text. Beyond "no crash": what is accepted has a user, hosts
 * and ports in range; an accepted table name, quoted by us, is read back as the same name.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fuzz/require.h"
#include "store/my_names.h"
#include "store/my_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_url(const char *text)
{
    struct ef_my_url url;
    struct ef_error err;
    if (!ef_my_url_parse(text, &url, &err)) {
        require(err.class == EF_CLASS_CONFIG && !url.user && url.hosts == 0);
        return;
    }
    require(url.user && url.user[0] && url.hosts > 0 && url.hosts <= EF_MY_HOSTS_MAX);
    for (int i = 0; i < url.hosts; i++)
        require(url.host[i][0] && url.port[i] > 0 && url.port[i] < 65536);
    ef_my_url_done(&url);
}

static void try_table(const char *text)
{
    struct ef_my_table table, again;
    struct ef_error err;
    char database[EF_MY_IDENT_MAX], name[EF_MY_IDENT_MAX], both[2 * EF_MY_IDENT_MAX + 2];
    if (!ef_my_table_parse(text, &table, &err))
        return;
    ef_my_quote_ident(database, table.database);
    ef_my_quote_ident(name, table.table);
    snprintf(both, sizeof(both), "%s.%s", database, name);
    require(ef_my_table_parse(both, &again, &err));
    require(strcmp(again.database, table.database) == 0 && strcmp(again.table, table.table) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = ef_xstrndup((const char *)data, size);
    try_url(text);
    try_table(text);
    free(text);
    return 0;
}
