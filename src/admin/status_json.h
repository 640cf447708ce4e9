// SPDX-License-Identifier: MIT
/*
 * The picture as JSON: /status, /readyz and the control socket's answers. Units are in the names.
 * Pure: snapshot in, JSON out. Thread: the loop's.
 */
#pragma once

#include <jansson.h>

#include "admin/snapshot.h"

/* Everything; `outbox` keeps one only, NULL or "*" all. The caller owns the reference. */
json_t *ef_status_json(const struct ef_snapshot *snapshot, const char *outbox);

/* {"ready": bool, "reasons": [{"outbox", "state", "reason"}]}; reasons of those that are not. */
json_t *ef_readyz_json(const struct ef_snapshot *snapshot);

/* A JSON string of any bytes: what is not UTF-8 becomes U+FFFD. NULL becomes null. */
json_t *ef_json_text(const char *s);

/* Append; flags are jansson's. False: the buffer's maximum was passed. */
bool ef_json_write(const json_t *json, size_t flags, struct ef_buf *out);

/* {"level", "overrides": [{"room", "level", "ends_in_ms"}]}: what is logged now. */
json_t *ef_log_json(void);
