// SPDX-License-Identifier: MIT
/*
 * What a MySQL or MariaDB server answers, whatever stands between: any number of result sets, rows
 * and columns, and nulls, to every statement of the driver. Beyond "no crash": as
 * fuzz_pg_answer.c; and no text that goes into a statement ends its literal.
 */
#include <stdlib.h>

#include "fuzz/verbs.h"
#include "store/my_store.h"
#include "store/mysql.h"

enum { COLUMNS_MAX = 20, ROW_COLUMNS = 14, ROWS_MAX = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct verbs *running;
static struct ef_my_request *first, **last = &first;

/* --- seams --- */

void __wrap_ef_my_conn_submit(struct ef_my_conn *conn, struct ef_my_request *req);
bool __wrap_ef_my_conn_ready(const struct ef_my_conn *conn);
void __wrap_ef_my_conn_start(struct ef_my_conn *conn);
void __wrap_ef_my_conn_stop(struct ef_my_conn *conn);
void __wrap_ef_my_conn_pause(struct ef_my_conn *conn);
void __wrap_ef_my_conn_continue(struct ef_my_conn *conn);

void __wrap_ef_my_conn_submit(struct ef_my_conn *conn, struct ef_my_request *req)
{
    (void)conn;
    require(req->sql && strlen(req->sql) == req->sql_len);
    req->next = NULL;
    *last = req;
    last = &req->next;
}

bool __wrap_ef_my_conn_ready(const struct ef_my_conn *conn)
{
    (void)conn;
    return true;
}

void __wrap_ef_my_conn_start(struct ef_my_conn *conn)
{
    conn->up(conn->arg);
}

void __wrap_ef_my_conn_stop(struct ef_my_conn *conn)
{
    (void)conn;
}

void __wrap_ef_my_conn_pause(struct ef_my_conn *conn)
{
    (void)conn;
    running->paused = true;
}

void __wrap_ef_my_conn_continue(struct ef_my_conn *conn)
{
    (void)conn;
}

/* --- answers --- */

/* A row as libmariadb gives it: as many values and lengths as there are columns. */
static char **row_of(struct input *in, int columns, unsigned long *lengths)
{
    char **values = ef_xcalloc((size_t)columns, sizeof(*values));
    for (int i = 0; i < columns; i++) {
        size_t len;
        values[i] = input_value(in, &len);
        lengths[i] = len;
    }
    return values;
}

static void free_values(char **values, int count)
{
    for (int i = 0; i < count; i++)
        free(values[i]);
    free(values);
}

static void give_rows(struct verbs *v, const struct ef_my_request *req)
{
    int columns = 1, set = 0, rows = input_byte(&v->in) % ROWS_MAX;
    for (int row = 0; row < rows && v->in.left > 0; row++) {
        uint8_t next = input_byte(&v->in); /* 0: another row of the same set */
        set += next > 0;
        if (next > 0)
            columns = 1 + next % COLUMNS_MAX;
        unsigned long *lengths = ef_xcalloc((size_t)columns, sizeof(*lengths));
        char **values = row_of(&v->in, columns, lengths);
        int number = set > 0 ? set - 1 : 0;
        if (number > ef_my_store_of(v->store)->sets_before && columns != ROW_COLUMNS)
            v->misshapen = true;
        req->row(req->arg, number, values, lengths, columns);
        free_values(values, columns);
        free(lengths);
        verbs_after_row(v);
    }
}

static struct ef_my_answer whole(struct input *in)
{
    struct ef_my_answer a = {0};
    a.cols = 1 + input_byte(in) % COLUMNS_MAX;
    a.rows = input_byte(in) % ROWS_MAX;
    a.statements = 1 + input_byte(in) % EF_MY_COUNTS_MAX;
    for (int i = 0; i < a.statements; i++)
        a.affected_total += a.affected[i] = input_byte(in) % 4;
    if (a.rows == 0)
        return a;
    a.values = ef_xcalloc((size_t)(a.rows * a.cols), sizeof(*a.values));
    for (int i = 0; i < a.rows * a.cols; i++) {
        size_t len;
        a.values[i] = input_value(in, &len);
    }
    return a;
}

static void complete(struct verbs *v, struct ef_my_request *req)
{
    struct ef_error err;
    struct ef_my_answer a = {0};
    bool failed = input_error(&v->in, input_byte(&v->in), &err);
    if (!failed && req->row)
        give_rows(v, req);
    else if (!failed)
        a = whole(&v->in);
    if (req->done)
        req->done(req->arg, failed ? NULL : &a, failed ? &err : NULL);
    free_values(a.values, a.rows * a.cols);
    ef_my_request_free(req);
}

static void answer(struct verbs *v)
{
    while (first) {
        struct ef_my_request *req = first;
        first = req->next;
        if (!first)
            last = &first;
        complete(v, req);
    }
}

/* --- the layout, which no check has found out yet --- */

static void about(struct verbs *v)
{
    static const char *const payloads[] = {"json", "longtext", "blob", "varbinary"};
    struct ef_my_store *s = ef_my_store_of(v->store);
    struct ef_my_layout *l = &s->layout;
    uint8_t how = input_byte(&v->in), more = input_byte(&v->in);
    running = v;
    l->has_hold = how & 2;
    l->has_standbys = how & 4;
    l->payload_is_json = !(how & 1);
    s->quiet = how & 32; /* so a read peeks first */
    snprintf(l->table, sizeof(l->table), "\"shop\".\"outbox\"");
    snprintf(l->database, sizeof(l->database), "\"shop\"");
    snprintf(l->archive, sizeof(l->archive), "\"shop\".\"outbox_archive\"");
    snprintf(l->id_index, sizeof(l->id_index), "\"PRIMARY\"");
    l->outbox_id = 1;
    for (int col = 0; col < EF_COL_COUNT; col++) {
        l->has[col] = col == EF_COL_ID || !(more & 1 << col % 8);
        snprintf(l->column[col], sizeof(l->column[col]), "\"%s\"", ef_column_names[col]);
    }
    snprintf(l->type[EF_COL_PAYLOAD], sizeof(l->type[0]), "%s", payloads[how >> 3 & 3]);
    snprintf(l->type[EF_COL_MESSAGE_ID], sizeof(l->type[0]), "%s", how & 1 ? "binary" : "char");
    ef_my_sql_build(s);
}

/* --- literals and times --- */

/* In single quotes, of which each within is doubled, nothing ends early (NO_BACKSLASH_ESCAPES). */
static void check_literal(const char *text)
{
    struct ef_buf b;
    ef_buf_init(&b, 1 << 20);
    ef_my_sql_literal(&b, text);
    const char *p = b.data;
    require(p && *p++ == '\'');
    for (; *text; text++) {
        require(*p == *text);
        p += *text == '\'' ? 2 : 1;
        require(*text != '\'' || p[-1] == '\'');
    }
    require(strcmp(p, "'") == 0);
    ef_buf_done(&b);
}

static void check_time(const char *text)
{
    struct ef_buf b;
    int64_t us = ef_my_time_of(text);
    ef_buf_init(&b, 128);
    ef_my_sql_time(us, &b);
    require(b.len > 2 && b.data[0] == '\'' && b.data[b.len - 1] == '\'');
    b.data[b.len - 1] = '\0';
    require(ef_my_time_of(b.data + 1) == us);
    ef_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t len;
    char *text = input_value(&in, &len);
    if (text) {
        check_literal(text);
        check_time(text);
    }
    free(text);
    verbs_run(in.p, in.left, "shop.outbox", ef_mysql_new, about, answer);
    return 0;
}
