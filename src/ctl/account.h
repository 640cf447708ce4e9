// SPDX-License-Identifier: MIT
/*
 * MySQL's accounts: who connects, and from where. Pure. Owns: nothing. Thread: any.
 */
#pragma once

#include "base/error.h"

enum {
    EF_ACCOUNT_USER_MAX = 80,  /* bytes; MariaDB's limit, MySQL's is 32 characters */
    EF_ACCOUNT_HOST_MAX = 255, /* both */
};

struct ef_account {
    char user[EF_ACCOUNT_USER_MAX + 1];
    char host[EF_ACCOUNT_HOST_MAX + 1];
    char text[EF_ACCOUNT_USER_MAX + EF_ACCOUNT_HOST_MAX + 6]; /* 'user'@'host' */
};

/* user, user@host or 'user'@'host'; no host is '%'. A name has no quotes in it. Class CONFIG. */
EF_MUST_CHECK bool ef_account_parse(const char *text, struct ef_account *ret, struct ef_error *err);
