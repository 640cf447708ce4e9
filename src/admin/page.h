// SPDX-License-Identifier: MIT
/*
 * The page for people: one self-contained HTML document, no scripts, no other files; it asks for
 * itself again every few seconds. Pure: snapshot in, HTML out. Thread: the loop's.
 */
#pragma once

#include "admin/snapshot.h"

/* nonce: of the style element, as named in the Content-Security-Policy. */
void ef_page_render(const struct ef_snapshot *snapshot, const char *nonce, struct ef_buf *out);
