// SPDX-License-Identifier: MIT
/*
 * What a PostgreSQL server answers, whatever stands between: any number of rows and columns, of any
 * length, and nulls, to every statement of the driver. Beyond "no crash": every verb ends once,
 * with an error that says something or with values that can be used, and no byte is read beyond a
 * value's own (each has a piece of memory of its size, where libpq packs them together).
 */
#include <stdlib.h>

#include "fuzz/verbs.h"
#include "store/pg_session.h"
#include "store/pg_store.h"
#include "store/postgres.h"

enum { COLUMNS_MAX = 20, ROW_COLUMNS = 15, TEXT_ROWS_MAX = 16, ROWS_MAX = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct verbs *running;
static struct ef_pg_request *first, **last = &first;

/* --- seams --- */

void __wrap_ef_pg_conn_submit(struct ef_pg_conn *conn, struct ef_pg_request *req);
bool __wrap_ef_pg_conn_ready(const struct ef_pg_conn *conn);
void __wrap_ef_pg_conn_start(struct ef_pg_conn *conn);
void __wrap_ef_pg_conn_stop(struct ef_pg_conn *conn);
void __wrap_ef_pg_conn_pause(struct ef_pg_conn *conn);
void __wrap_ef_pg_conn_continue(struct ef_pg_conn *conn);
char *__wrap_PQgetvalue(const PGresult *res, int row, int col);
char *__real_PQgetvalue(const PGresult *res, int row, int col);

void __wrap_ef_pg_conn_submit(struct ef_pg_conn *conn, struct ef_pg_request *req)
{
    (void)conn;
    req->next = NULL;
    *last = req;
    last = &req->next;
}

bool __wrap_ef_pg_conn_ready(const struct ef_pg_conn *conn)
{
    (void)conn;
    return true;
}

void __wrap_ef_pg_conn_start(struct ef_pg_conn *conn)
{
    conn->up(conn->arg);
}

void __wrap_ef_pg_conn_stop(struct ef_pg_conn *conn)
{
    (void)conn;
}

void __wrap_ef_pg_conn_pause(struct ef_pg_conn *conn)
{
    (void)conn;
    running->paused = true;
}

void __wrap_ef_pg_conn_continue(struct ef_pg_conn *conn)
{
    (void)conn;
}

static struct copy {
    struct copy *next;
    char bytes[];
} * copies;

char *__wrap_PQgetvalue(const PGresult *res, int row, int col)
{
    const char *value = __real_PQgetvalue(res, row, col);
    if (!value)
        return NULL;
    size_t len = PQgetisnull(res, row, col) ? 0 : (size_t)PQgetlength(res, row, col);
    struct copy *copy = ef_xmalloc(sizeof(*copy) + len + 1);
    memcpy(copy->bytes, value, len + 1);
    copy->next = copies;
    copies = copy;
    return copy->bytes;
}

static void free_copies(void)
{
    while (copies) {
        struct copy *next = copies->next;
        free(copies);
        copies = next;
    }
}

/* --- answers --- */

static PGresult *shaped(ExecStatusType status, int columns)
{
    PGresAttDesc attributes[COLUMNS_MAX];
    PGresult *res = PQmakeEmptyPGresult(NULL, status);
    for (int i = 0; i < columns; i++)
        attributes[i] = (PGresAttDesc){.name = (char *)"c", .typlen = -1, .atttypmod = -1};
    require(res != NULL && (columns == 0 || PQsetResultAttrs(res, columns, attributes)));
    return res;
}

static void fill(struct input *in, PGresult *res, int row)
{
    for (int col = 0; col < PQnfields(res); col++) {
        size_t len;
        char *value = input_value(in, &len);
        require(PQsetvalue(res, row, col, value, value ? (int)len : -1));
        free(value);
    }
}

static void give_rows(struct verbs *v, const struct ef_pg_request *req)
{
    int columns = input_byte(&v->in) % COLUMNS_MAX, rows = input_byte(&v->in) % ROWS_MAX;
    for (int row = 0; row < rows && columns > 0 && v->in.left > 0; row++) {
        PGresult *res = shaped(PGRES_SINGLE_TUPLE, columns);
        fill(&v->in, res, 0);
        v->misshapen = v->misshapen || columns != ROW_COLUMNS;
        req->row(req->arg, res);
        PQclear(res);
        free_copies();
        verbs_after_row(v);
    }
}

static PGresult *whole(struct input *in)
{
    int columns = input_byte(in) % COLUMNS_MAX, rows = input_byte(in) % TEXT_ROWS_MAX;
    PGresult *res = shaped(columns ? PGRES_TUPLES_OK : PGRES_COMMAND_OK, columns);
    for (int row = 0; row < rows && columns > 0; row++)
        fill(in, res, row);
    return res;
}

static void complete(struct verbs *v, struct ef_pg_request *req)
{
    struct ef_error err;
    uint8_t kind = input_byte(&v->in);
    PGresult *res = NULL;
    if (!input_error(&v->in, kind, &err)) {
        if (req->single_row)
            give_rows(v, req);
        res = req->single_row ? shaped(PGRES_TUPLES_OK, ROW_COLUMNS) : whole(&v->in);
    }
    req->done(req->arg, res, res ? NULL : &err);
    ef_pg_request_free(req);
    PQclear(res);
    free_copies();
}

static void answer(struct verbs *v)
{
    while (first) {
        struct ef_pg_request *req = first;
        first = req->next;
        if (!first)
            last = &first;
        complete(v, req);
    }
    ef_pg_examine_heard(ef_pg_store_of(v->store)); /* it may wait for a notification */
}

/* --- the layout, which no check has found out yet --- */

static void about(struct verbs *v)
{
    static const char *const payloads[] = {"json", "jsonb", "text", "bytea"};
    struct ef_pg_layout *l = &ef_pg_store_of(v->store)->layout;
    uint8_t how = input_byte(&v->in), more = input_byte(&v->in);
    running = v;
    l->message_id_is_uuid = how & 1;
    l->has_hold = how & 2;
    l->has_standbys = how & 4;
    snprintf(l->payload_type, sizeof(l->payload_type), "%s", payloads[how >> 3 & 3]);
    snprintf(l->table, sizeof(l->table), "public.outbox");
    snprintf(l->ours, sizeof(l->ours), "eventferry");
    snprintf(l->archive, sizeof(l->archive), "eventferry.archive");
    l->outbox_id = 1;
    for (int col = 0; col < EF_COL_COUNT; col++) {
        l->has[col] = col == EF_COL_ID || !(more & 1 << col % 8);
        snprintf(l->column[col], sizeof(l->column[col]), "%s", ef_column_names[col]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_pg_session session;
    struct ef_error err;
    struct input in = {data, size};
    PGresult *res = whole(&in); /* of a session's set-up */
    if (!ef_pg_session_take(res, &session, &err))
        require(err.class != EF_CLASS_NONE && err.text[0]);
    PQclear(res);
    free_copies();
    verbs_run(in.p, in.left, "public.outbox", ef_postgres_new, about, answer);
    return 0;
}
