// SPDX-License-Identifier: MIT
/*
 * mysql://user:password@host:port/database?option=value for eventferryctl. Owns its strings. Pure.
 * Thread: any. Life: ef_my_url_parse .. ef_my_url_done.
 */
#pragma once

#include "base/error.h"

struct ef_my_url {
    char *user, *password; /* NULL: not given; the password may be "" */
    char *host;            /* an IPv6 address without its brackets */
    unsigned port;         /* 0: the library's, 3306 */
    char *database;        /* NULL: not given */
    char *socket;          /* Unix socket (socket=); NULL: TCP */
    char *tls;             /* ssl-mode=; NULL: not given */
};

/* mariadb:// is the same. Options other than socket and ssl-mode are CONFIG errors, as is
 * everything else that cannot be read; no error names the password. */
EF_MUST_CHECK bool ef_my_url_parse(const char *text, struct ef_my_url *ret, struct ef_error *err);
void ef_my_url_done(struct ef_my_url *url);
/* The text is one of these, by its scheme. */
bool ef_my_url_is(const char *text);
