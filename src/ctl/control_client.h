// SPDX-License-Identifier: MIT
/*
 * The other end of the daemon's control socket: one question, one answer, waiting for it (see
 * admin/control.h for the language). Thread: any one. Life: each call opens and closes a
 * connection.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Takes over `request`. The caller owns the answer, which is an object and may well be a refusal.
 * Classes of errors: OUTAGE nobody answers there; UNCERTAIN the time passed, the verb goes on;
 * CONFIG the path cannot be a socket's; FATAL what came is no answer.
 */
EF_MUST_CHECK bool ef_ctl_ask(const char *socket_path, json_t *request, int64_t timeout_ms,
                              json_t **ret, struct ef_error *err);
/* The error says that no daemon runs there: no socket, or one that was left behind. */
bool ef_ctl_nobody_listens(const struct ef_error *err);
