// SPDX-License-Identifier: MIT
/*
 * The latest dead rows of each outbox, as the page lists them: asked of the relay while somebody
 * looks, and not again before a while has passed. No payloads, keys or aggregate ids: the page may
 * have more readers than the table.
 *
 * Owns: its lists. Borrows: the view. Thread: the loop's. Life: ef_dead_rows_new ..
 * ef_dead_rows_free; an answer may come after that, and is nobody's.
 */
#pragma once

#include <stdint.h>

#include "admin/view.h"

enum { EF_DEAD_ROWS_SHOWN = 5 };

struct ef_dead_row {
    int64_t id;
    char topic[256], at[32];
    char error[300]; /* class and text; cut */
};

struct ef_dead_list {
    int count;
    struct ef_dead_row rows[EF_DEAD_ROWS_SHOWN]; /* the newest first */
};

struct ef_dead_rows;

struct ef_dead_rows *ef_dead_rows_new(const struct ef_view *view);
void ef_dead_rows_free(struct ef_dead_rows *dead);
/* Somebody looks at the page: what is not known or too old is asked for, to be there soon. */
void ef_dead_rows_watched(struct ef_dead_rows *dead);
/* Borrowed until the loop's next turn; NULL: not known. */
const struct ef_dead_list *ef_dead_rows_get(const struct ef_dead_rows *dead, const char *outbox);
