// SPDX-License-Identifier: MIT
/*
 * What the verbs do, apart from sockets: request in, one JSON answer out, at once or when the
 * relays are done. Thread: the loop's.
 */
#pragma once

#include <jansson.h>

#include "admin/admin.h"
#include "admin/control_request.h"

/*
 * Exactly one call of done(arg, answer), perhaps from inside this call; it takes over the answer.
 * The work cannot be called back: `arg` has to live until then, even if nobody wants the answer any
 * more.
 */
void ef_control_do(struct ef_admin *admin, const struct ef_control_request *request,
                   const char *actor, void (*done)(void *arg, json_t *answer), void *arg);

/* {"ok": false, "class": ..., "error": ...} */
json_t *ef_control_refusal(const struct ef_error *err);
