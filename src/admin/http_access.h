// SPDX-License-Identifier: MIT
/*
 * Who may see the page, /status and /events: whoever knows the token of http.token_file or is a
 * user of http.basic_file. Without either file they are open on a loopback address and closed on
 * any other.
 *
 * Token file: the token and nothing else, 16 to 1024 visible ASCII characters without spaces (RFC
 * 6750). User file: a line "user:password" each; empty lines and those that begin with # do not
 * count. Both are refused where others may read them (config/secret.h).
 *
 * Owns: copies of the secrets, wiped at the end. Thread: the loop's (loading reads two small
 * files). Life: ef_http_access_load .. ef_http_access_done.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"

struct ef_http_access {
    char *token;  /* NULL: none */
    char **users; /* "user:password" */
    size_t user_count;
};

/* Either file may be NULL. Errors name the file and the line, never what stands there. */
EF_MUST_CHECK bool ef_http_access_load(const char *token_file, const char *basic_file,
                                       struct ef_http_access *ret, struct ef_error *err);
void ef_http_access_done(struct ef_http_access *access);

/* The contents of the files, for ef_http_access_load and its tests. Names are for the errors. */
EF_MUST_CHECK bool ef_http_access_parse_token(struct ef_http_access *access, const char *text,
                                              size_t len, const char *name, struct ef_error *err);
EF_MUST_CHECK bool ef_http_access_parse_users(struct ef_http_access *access, const char *text,
                                              size_t len, const char *name, struct ef_error *err);

enum ef_access {
    EF_ACCESS_OK,
    EF_ACCESS_MISSING, /* 401: credentials are wanted */
    EF_ACCESS_WRONG,   /* 401: these are not the right ones */
    EF_ACCESS_CLOSED,  /* 403: nobody comes in before a file is configured */
};

/* authorization: the header's value; NULL: there is none. The time it takes tells nothing of the
 * secrets but how many users there are. */
enum ef_access ef_http_access_check(const struct ef_http_access *access, bool loopback,
                                    const char *authorization);

/* What a 401 asks for (WWW-Authenticate). */
const char *ef_http_access_challenge(const struct ef_http_access *access);
