// SPDX-License-Identifier: MIT
#include "store/versions.h"

#include <libpq-fe.h>
#include <mysql.h>
#include <stdio.h>

const char *ef_store_libpq_version(void)
{
    static char text[32];
    int version = PQlibVersion(); /* 150020 for 15.20 */
    snprintf(text, sizeof(text), "%d.%d", version / 10000, version % 10000);
    return text;
}

const char *ef_store_libmariadb_version(void)
{
    return mysql_get_client_info();
}
