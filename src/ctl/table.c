// SPDX-License-Identifier: MIT
#include "ctl/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLORED = 1, NOTE_MAX_BYTES = 64 * 1024, TABLE_MAX_BYTES = 64 * 1024 * 1024 };

void ef_ctl_plain(const char *text, struct ef_buf *out)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        /* C0, DEL, and C1 in UTF-8 (C2 80 to C2 9F) make terminals do things */
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;
        if (c1 || (*p < 0x20 && *p != '\n') || *p == 0x7f)
            ef_buf_puts(out, "?");
        else
            ef_buf_add(out, p, 1);
        if (c1)
            p++;
    }
}

int ef_ctl_width(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

void ef_table_init(struct ef_table *table, const char *const *titles, int column_count,
                   unsigned right)
{
    *table = (struct ef_table){.column_count = column_count, .right = right};
    ef_table_row(table);
    for (int c = 0; c < column_count; c++)
        ef_table_set(table, c, titles[c]);
}

void ef_table_done(struct ef_table *table)
{
    for (int i = 0; i < table->row_count; i++)
        free(table->notes[i]);
    free(table->notes);
    free(table->colors);
    free(table->cells);
    *table = (struct ef_table){0};
}

void ef_table_row(struct ef_table *table)
{
    size_t count = (size_t)++table->row_count;
    table->cells = ef_xrealloc(table->cells, count * sizeof(*table->cells));
    table->notes = ef_xrealloc(table->notes, count * sizeof(*table->notes));
    table->colors = ef_xrealloc(table->colors, count * sizeof(*table->colors));
    table->notes[count - 1] = NULL;
    table->colors[count - 1] = NULL;
    for (int c = 0; c < EF_TABLE_COLUMNS_MAX; c++)
        memcpy(table->cells[count - 1][c], "-", 2);
}

void ef_table_set(struct ef_table *table, int column, const char *text)
{
    struct ef_buf plain;
    ef_buf_init(&plain, EF_TABLE_CELL_BYTES * 4);
    ef_ctl_plain(text, &plain);
    for (size_t i = 0; i < plain.len; i++)
        if (plain.data[i] == '\n')
            plain.data[i] = ' ';
    size_t len = plain.len;
    if (len >= EF_TABLE_CELL_BYTES) { /* cut between characters */
        len = EF_TABLE_CELL_BYTES - 1;
        while (len && ((unsigned char)plain.data[len] & 0xc0) == 0x80)
            len--;
        plain.data[len] = '\0';
    }
    snprintf(table->cells[table->row_count - 1][column], EF_TABLE_CELL_BYTES, "%s",
             len ? plain.data : "-");
    ef_buf_done(&plain);
}

void ef_table_setf(struct ef_table *table, int column, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = ef_xvprintf(fmt, ap);
    va_end(ap);
    ef_table_set(table, column, text);
    free(text);
}

void ef_table_note(struct ef_table *table, const char *text)
{
    struct ef_buf plain;
    char **note = &table->notes[table->row_count - 1];
    ef_buf_init(&plain, NOTE_MAX_BYTES);
    if (*note)
        ef_buf_printf(&plain, "%s\n", *note);
    ef_ctl_plain(text, &plain);
    free(*note);
    *note = ef_xstrdup(plain.len ? plain.data : "");
    ef_buf_done(&plain);
}

void ef_table_color(struct ef_table *table, const char *escape)
{
    table->colors[table->row_count - 1] = escape;
}

static void add_cell(const struct ef_table *table, int column, int wide, const char *text,
                     const char *color, struct ef_buf *out)
{
    int pad = wide - ef_ctl_width(text);
    bool right = table->right & (1u << column), last = column == table->column_count - 1;
    if (right)
        ef_buf_printf(out, "%*s", pad, "");
    ef_buf_printf(out, "%s%s%s", color, text, color[0] ? "\033[0m" : "");
    if (last)
        ef_buf_puts(out, "\n");
    else
        ef_buf_printf(out, "%*s  ", right ? 0 : pad, "");
}

static void add_note(const char *note, struct ef_buf *out)
{
    ef_buf_puts(out, "    ");
    for (; *note; note++) {
        ef_buf_add(out, note, 1);
        if (*note == '\n')
            ef_buf_puts(out, "    ");
    }
    ef_buf_puts(out, "\n");
}

void ef_table_render(const struct ef_table *table, bool colors, struct ef_buf *out)
{
    int wide[EF_TABLE_COLUMNS_MAX] = {0};
    for (int i = 0; i < table->row_count; i++)
        for (int c = 0; c < table->column_count; c++) {
            int width = ef_ctl_width(table->cells[i][c]);
            wide[c] = width > wide[c] ? width : wide[c];
        }
    for (int i = 0; i < table->row_count; i++) {
        const char *color = colors && table->colors[i] ? table->colors[i] : "";
        for (int c = 0; c < table->column_count; c++)
            add_cell(table, c, wide[c], table->cells[i][c], c == COLORED ? color : "", out);
        if (table->notes[i])
            add_note(table->notes[i], out);
    }
}

void ef_table_print(const struct ef_table *table, bool colors)
{
    struct ef_buf out;
    ef_buf_init(&out, TABLE_MAX_BYTES);
    ef_table_render(table, colors, &out);
    fputs(out.len ? out.data : "", stdout);
    ef_buf_done(&out);
}
