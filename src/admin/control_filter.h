// SPDX-License-Identifier: MIT
/*
 * Which rows are meant, as JSON: members "statuses" [0..4], "ids", "topic", "aggregate", "error",
 * "created_from_us", "created_to_us", "after_id", "newest", "limit" (1000), "payload",
 * "successors"; all may be absent. Pure. Thread: any.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "outbox/command.h"

/* The filter borrows its texts from json and owns its ids (ef_control_filter_done). Class CONFIG.
 */
EF_MUST_CHECK bool ef_control_filter(const json_t *json, struct ef_row_filter *ret,
                                     struct ef_error *err);
/* Also after a refusal. */
void ef_control_filter_done(struct ef_row_filter *filter);
