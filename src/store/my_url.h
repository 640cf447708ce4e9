// SPDX-License-Identifier: MIT
/*
 * Where a MySQL or MariaDB server is, as a URL; libmariadb reads none itself.
 *
 *   mysql://USER[:PASSWORD]@HOST[:PORT][,HOST[:PORT]...][/DATABASE][?socket=PATH]
 *
 * "mariadb://" is the same. USER, PASSWORD, DATABASE and PATH may hold %XX (RFC 3986, section 2.1);
 * an IPv6 address stands in brackets. Pure; errors never quote the URL.
 */
#pragma once

#include "base/error.h"

enum { EF_MY_HOSTS_MAX = 16, EF_MY_PORT = 3306 };

struct ef_my_url {
    char *user, *password, *database, *socket; /* owned; NULL: not given */
    int hosts;
    char *host[EF_MY_HOSTS_MAX]; /* owned */
    int port[EF_MY_HOSTS_MAX];
};

bool ef_my_url_parse(const char *text, struct ef_my_url *ret, struct ef_error *err) EF_MUST_CHECK;
/* Wipes the password too. */
void ef_my_url_done(struct ef_my_url *url);
