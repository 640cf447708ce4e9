// SPDX-License-Identifier: MIT
/*
 * One line of the control socket as a request. Pure: bytes in, values out; the bytes come from
 * whoever may open the socket. Thread: any.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

enum { EF_CONTROL_LINE_MAX_BYTES = 64 * 1024 };

enum ef_control_verb {
    EF_CONTROL_STATUS,
    EF_CONTROL_PAUSE,
    EF_CONTROL_RESUME,
    EF_CONTROL_DRAIN,
    EF_CONTROL_RELOAD,
    EF_CONTROL_LIVEZ,
    EF_CONTROL_READYZ,
    EF_CONTROL_METRICS,
    EF_CONTROL_VERB_COUNT,
};

struct ef_control_request {
    enum ef_control_verb verb;
    char outbox[256]; /* "*" all; status: "*" when absent; pause, resume, drain: never empty */
    char reason[256]; /* pause only; "" if none */
};

const char *ef_control_verb_name(enum ef_control_verb verb);

/* line: without its line feed, at most EF_CONTROL_LINE_MAX_BYTES. */
EF_MUST_CHECK bool ef_control_parse(const char *line, size_t len, struct ef_control_request *ret,
                                    struct ef_error *err);
