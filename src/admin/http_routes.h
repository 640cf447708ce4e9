// SPDX-License-Identifier: MIT
/*
 * What is answered to a request for a path: status, type and body. Knows no sockets and no HTTP
 * library. Thread: the loop's.
 */
#pragma once

#include "admin/admin.h"

struct ef_answer {
    unsigned status;
    const char *type;      /* Content-Type */
    const char *policy;    /* Content-Security-Policy */
    const char *challenge; /* WWW-Authenticate; NULL: none */
    bool stream;           /* the body is what ef_events tells, from now on; there is none here */
    struct ef_buf body;    /* the caller's to end */
    char policy_text[320];
};

/* True if it shows more than probes and scrapers need: http_access.h says who may see it. */
bool ef_http_route_guarded(const char *path);

/* Path without query. Always fills ret: 404 for what does not exist, 500 if the body grew too
 * large. */
void ef_http_route(struct ef_admin *admin, const char *path, struct ef_answer *ret);

/* A refusal or an error in words, as plain text. */
void ef_http_refuse(unsigned status, const char *text, struct ef_answer *ret);
