// SPDX-License-Identifier: MIT
/*
 * The page for people: one HTML document that needs no other files. Its numbers stand in it; a
 * script in it then replaces the parts that changed (events.h). Style, script and frame are files
 * below page/, embedded at build time. Pure: snapshot in, HTML out. Thread: the loop's.
 */
#pragma once

#include "admin/snapshot.h"

/* A piece of the page that changes as a whole: the content of the element with this id. */
struct ef_page_part {
    char id[24];
    struct ef_buf html; /* owned */
};

struct ef_page_parts {
    struct ef_page_part *items; /* owned */
    int count;
};

/* Always as many and the same ids, in the same order, for as many outboxes. */
void ef_page_parts_make(const struct ef_snapshot *snapshot, struct ef_page_parts *ret);
void ef_page_parts_done(struct ef_page_parts *parts);

/* The outboxes as the page shows them, those with trouble first: "o1 bad,o0 ok". */
void ef_page_layout(const struct ef_snapshot *snapshot, struct ef_buf *out);

/* nonce: of the style and script elements, as named in the Content-Security-Policy. */
void ef_page_render(const struct ef_snapshot *snapshot, const char *nonce, struct ef_buf *out);
