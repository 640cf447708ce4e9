// SPDX-License-Identifier: MIT
/*
 * The operators' verbs over a Unix socket: one JSON object a line in, one a line out, in the order
 * they came.
 *
 *   {"verb": "status"|"pause"|"resume"|"drain"|"reload"|"livez"|"readyz"|"metrics",
 *    "outbox": "name or *", "reason": "..."}
 *   {"verb": "log-level", "level": "debug"|"info"|"warn"|"error"|"reset", "room": "...", "for_ms":
 * N}
 *   {"ok": true, ...}  or  {"ok": false, "class": "...", "error": "..."}
 *
 * pause, resume and drain are answered when every relay meant is done, with "outboxes": [{"outbox",
 * "ok", "class", "error"}]. Who may open the socket may do all of it; the name of the user is the
 * pause's actor.
 *
 * Owns: the socket, its file, up to 16 clients (closed after 30 s of silence). Borrows: loop,
 * admin. Thread: the loop's. Life: ef_control_start .. ef_control_stop; relays may be freed before
 * or after.
 */
#pragma once

#include "admin/admin.h"
#include "base/error.h"
#include "loop/loop.h"

struct ef_control;

/* NULL: no socket at this path; the error says why. */
struct ef_control *ef_control_start(struct ef_loop *loop, struct ef_admin *admin, const char *path,
                                    struct ef_error *err);
/* Clients are closed at once; verbs under way go on and tell nobody. Not from inside a callback of
 * a client. */
void ef_control_stop(struct ef_control *control);
