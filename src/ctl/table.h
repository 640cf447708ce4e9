// SPDX-License-Identifier: MIT
/*
 * Aligned columns of text for a terminal, and text of unknown origin made harmless for one. Pure.
 *
 * Owns: copies of its cells. Thread: any. Life: ef_table_init .. ef_table_done.
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

enum { EF_TABLE_COLUMNS_MAX = 12, EF_TABLE_CELL_BYTES = 160 };

struct ef_table {
    int column_count;
    unsigned right; /* bit n: numbers, which stand at the right */
    char (*cells)[EF_TABLE_COLUMNS_MAX][EF_TABLE_CELL_BYTES];
    char **notes;        /* a line or more below a row, indented; NULL: none */
    const char **colors; /* of the second column; NULL: none. Constants */
    int row_count;
};

/* The titles are the first row. */
void ef_table_init(struct ef_table *table, const char *const *titles, int column_count,
                   unsigned right);
void ef_table_done(struct ef_table *table);
void ef_table_row(struct ef_table *table);
/* Of the last row; longer text is cut, control characters become '?', "" becomes '-'. */
void ef_table_set(struct ef_table *table, int column, const char *text);
void ef_table_setf(struct ef_table *table, int column, const char *fmt, ...) EF_PRINTF(3, 4);
/* Below the last row; may be called more than once. */
void ef_table_note(struct ef_table *table, const char *text);
/* Escape code for the second column of the last row; shown only where colors are wanted. */
void ef_table_color(struct ef_table *table, const char *escape);
void ef_table_render(const struct ef_table *table, bool colors, struct ef_buf *out);
/* To stdout. */
void ef_table_print(const struct ef_table *table, bool colors);

/* Append text for a terminal: control characters become '?', line feeds stay. */
void ef_ctl_plain(const char *text, struct ef_buf *out);
/* Characters, which is good enough for names: continuation bytes of UTF-8 take no place. */
int ef_ctl_width(const char *text);
