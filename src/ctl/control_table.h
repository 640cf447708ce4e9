// SPDX-License-Identifier: MIT
/*
 * The status of a daemon as people read it on a terminal: one line an outbox, aligned. Pure: JSON
 * of admin/status_json.h in, text out; what a newer or older daemon does not say shows as "-".
 * Thread: any one.
 */
#pragma once

#include <jansson.h>

#include "base/str.h"
#include "ctl/table.h"

/* status: the object of the verb "status". colors: with the escape codes of a terminal. */
void ef_ctl_table(const json_t *status, bool colors, struct ef_buf *out);
/* Who stands by, as a note of the table's last row, which is that of this outbox. */
void ef_ctl_note_standbys(struct ef_table *table, const json_t *outbox);
