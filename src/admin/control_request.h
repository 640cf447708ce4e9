// SPDX-License-Identifier: MIT
/*
 * One line of the control socket as a request. Pure: bytes in, values out; the bytes come from
 * whoever may open the socket. A request owns the document it came as. Thread: any. Life:
 * ef_control_parse .. ef_control_request_done.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "outbox/command.h"

/* An edit carries a payload in base64. */
enum { EF_CONTROL_LINE_MAX_BYTES = 8 * 1024 * 1024 };

enum ef_control_verb {
    EF_CONTROL_STATUS,
    EF_CONTROL_PAUSE,
    EF_CONTROL_RESUME,
    EF_CONTROL_DRAIN,
    EF_CONTROL_RELOAD,
    EF_CONTROL_LIVEZ,
    EF_CONTROL_READYZ,
    EF_CONTROL_METRICS,
    EF_CONTROL_LOG_LEVEL,
    EF_CONTROL_ROWS,
    EF_CONTROL_COMMAND,
    EF_CONTROL_VERB_COUNT,
};

struct ef_control_request {
    enum ef_control_verb verb;
    /* "*" all; status: "*" when absent; pause, resume, drain: never empty; rows, command: one */
    char outbox[256];
    char reason[256]; /* pause only; "" if none */
    /* log-level: of this room, "" all */
    char room[EF_LOG_ROOM_MAX_BYTES + 1];
    bool level_given, restore; /* restore: level "reset" */
    enum ef_log_level level;
    int64_t for_ms;              /* default 15 min */
    char command[16];            /* command: its verb */
    const json_t *args;          /* command: an object; borrowed from the document */
    struct ef_row_filter filter; /* rows */
    json_t *document;            /* owned */
};

const char *ef_control_verb_name(enum ef_control_verb verb);

/* line: without its line feed, at most EF_CONTROL_LINE_MAX_BYTES. */
EF_MUST_CHECK bool ef_control_parse(const char *line, size_t len, struct ef_control_request *ret,
                                    struct ef_error *err);
/* Also after a refusal. */
void ef_control_request_done(struct ef_control_request *request);
