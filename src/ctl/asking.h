// SPDX-License-Identifier: MIT
/*
 * A question to the daemon as verbs ask it: which socket, what to say when nobody answers, and
 * reading answers that may lack anything. Thread: the program's only one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "ctl/args.h"
#include "ctl/ctl.h"

/* A verb may wait for the database of an outbox, whose statements may take 30 s. */
enum { EF_CTL_ANSWER_TIMEOUT_MS = 60 * 1000 };

/* The path to ask at (the caller frees it), or NULL with the exit code, the complaint made. */
char *ef_ctl_socket(const struct ef_ctl *ctl, const char *given, int *ret_code);

/*
 * The answer (the caller's), which may be a refusal, or NULL with the exit code, the complaint
 * made. Takes over the request.
 */
json_t *ef_ctl_request(const struct ef_ctl *ctl, const char *socket, json_t *request,
                       int64_t timeout_ms, int *ret_code);
/* The same where a refusal is the end of it, too: said, and exit code 1. */
json_t *ef_ctl_request_ok(const struct ef_ctl *ctl, const char *socket, json_t *request,
                          int64_t timeout_ms, int *ret_code);

/* Words of a daemon or a database, on stderr. */
void ef_ctl_complain_plainly(const char *text);

/* --- JSON that may lack anything --- */

/* "" where it is no string. Borrowed. */
const char *ef_ctl_text(const json_t *json, const char *name);
bool ef_ctl_is(const json_t *json, const char *name);
int64_t ef_ctl_number(const json_t *json, const char *name);
double ef_ctl_real(const json_t *json, const char *name);
/* "ok": true */
bool ef_ctl_is_ok(const json_t *answer);

/* On stdout, with a line feed. */
void ef_ctl_print_json(const json_t *json);
/* True on a terminal that may have colors (NO_COLOR, TERM). */
bool ef_ctl_wants_colors(void);
