// SPDX-License-Identifier: MIT
/*
 * Reading: one statement, one snapshot, row by row in binary form into a batch's arena. The first
 * row carries the snapshot's xmin and whether the lease is still ours. When a chunk is full it is
 * handed over and the socket is not read until the relay asks for more.
 */
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"

/* Binary timestamps count microseconds from 2000-01-01 (PostgreSQL, datatype/timestamp.h). */
#define PG_EPOCH_US (INT64_C(946684800) * EF_S_US)

enum { BATCH_ROWS_MIN = 16, BATCH_ROWS_MAX = 256 };

enum { /* result columns, as pg_sql.c's put_row writes them */
       C_META,
       C_ID,
       C_CREATED,
       C_MESSAGE_ID,
       C_AGGREGATE_TYPE,
       C_AGGREGATE_ID,
       C_TOPIC,
       C_KEY,
       C_PAYLOAD,
       C_PAYLOAD_BYTES,
       C_HEADERS,
       C_TRACE_ID,
       C_PARTITION,
       C_STATUS,
       C_ATTEMPTS,
};

static int64_t int8_at(const PGresult *res, int col)
{
    uint64_t v;
    memcpy(&v, PQgetvalue(res, 0, col), sizeof(v));
    return (int64_t)be64toh(v);
}

static int32_t int4_at(const PGresult *res, int col)
{
    uint32_t v;
    memcpy(&v, PQgetvalue(res, 0, col), sizeof(v));
    return (int32_t)be32toh(v);
}

static int16_t int2_at(const PGresult *res, int col)
{
    uint16_t v;
    memcpy(&v, PQgetvalue(res, 0, col), sizeof(v));
    return (int16_t)be16toh(v);
}

/* Infinity is the largest number, as in PostgreSQL (datatype/timestamp.h); so is what has no room.
 */
static int64_t time_at(const PGresult *res, int col)
{
    int64_t us;
    if (PQgetisnull(res, 0, col))
        return 0;
    if (__builtin_add_overflow(int8_at(res, col), PG_EPOCH_US, &us) ||
        int8_at(res, col) == INT64_MIN)
        return int8_at(res, col) > 0 ? INT64_MAX : INT64_MIN;
    return us;
}

static struct ef_slice bytes_at(struct ef_arena *arena, const PGresult *res, int col)
{
    if (PQgetisnull(res, 0, col))
        return (struct ef_slice){NULL, 0};
    size_t len = (size_t)PQgetlength(res, 0, col);
    return (struct ef_slice){ef_arena_copy(arena, PQgetvalue(res, 0, col), len), len};
}

static struct ef_slice uuid_at(struct ef_arena *arena, const PGresult *res, int col)
{
    static const char hex[] = "0123456789abcdef";
    if (PQgetisnull(res, 0, col))
        return (struct ef_slice){NULL, 0};
    const unsigned char *b = (const unsigned char *)PQgetvalue(res, 0, col);
    char *out = ef_arena_alloc(arena, 37), *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[b[i] >> 4];
        *p++ = hex[b[i] & 15];
    }
    *p = '\0';
    return (struct ef_slice){out, 36};
}

static struct ef_slice payload_at(const struct ef_pg_store *s, struct ef_arena *arena,
                                  const PGresult *res)
{
    if (PQgetisnull(res, 0, C_PAYLOAD))
        return (struct ef_slice){NULL, 0};
    const char *p = PQgetvalue(res, 0, C_PAYLOAD);
    size_t len = (size_t)PQgetlength(res, 0, C_PAYLOAD);
    if (strcmp(s->layout.payload_type, "jsonb") == 0 && len > 0) {
        p++; /* jsonb's binary form is a version byte and the text (jsonb_send) */
        len--;
    }
    return (struct ef_slice){ef_arena_copy(arena, p, len), len};
}

static void decode(const struct ef_pg_store *s, struct ef_arena *arena, const PGresult *res,
                   struct ef_row *row)
{
    row->id = int8_at(res, C_ID);
    row->created_at_us = time_at(res, C_CREATED);
    row->message_id = s->layout.message_id_is_uuid ? uuid_at(arena, res, C_MESSAGE_ID)
                                                   : bytes_at(arena, res, C_MESSAGE_ID);
    row->aggregate_type = bytes_at(arena, res, C_AGGREGATE_TYPE);
    row->aggregate_id = bytes_at(arena, res, C_AGGREGATE_ID);
    row->topic = bytes_at(arena, res, C_TOPIC);
    row->key = bytes_at(arena, res, C_KEY);
    row->payload = payload_at(s, arena, res);
    row->payload_bytes = PQgetisnull(res, 0, C_PAYLOAD_BYTES) ? 0 : int8_at(res, C_PAYLOAD_BYTES);
    row->headers = bytes_at(arena, res, C_HEADERS);
    row->trace_id = bytes_at(arena, res, C_TRACE_ID);
    row->partition = PQgetisnull(res, 0, C_PARTITION) ? -1 : int4_at(res, C_PARTITION);
    row->status = int2_at(res, C_STATUS);
    row->attempts = PQgetisnull(res, 0, C_ATTEMPTS) ? 0 : int4_at(res, C_ATTEMPTS);
    row->payload_kind = strncmp(s->layout.payload_type, "json", 4) == 0 ? EF_PAYLOAD_JSON
                        : strcmp(s->layout.payload_type, "bytea") == 0  ? EF_PAYLOAD_BYTES
                                                                        : EF_PAYLOAD_TEXT;
}

static void take_header(struct ef_pg_store *s, const PGresult *res)
{
    struct ef_pg_fetch *f = &s->fetch;
    int ours = 0, foreign = 0;
    f->header_seen = true;
    f->result.max_id = INT64_MIN;
    uint64_t filenode = 0;
    sscanf(PQgetvalue(res, 0, C_META), "%d %" SCNu64 " %" SCNu64 " %d %" SCNd64, &ours,
           &f->result.xmin, &filenode, &foreign, &f->result.max_id);
    f->result.foreign = foreign;
    if (s->filenode != 0 && filenode != s->filenode)
        f->rewritten = f->discard = true;
    s->filenode = filenode;
    f->result.xmax = s->xid_ceiling;
    f->result.xmax_at_us = s->xid_ceiling_us;
    f->fenced = !ours;
}

static void hand_over(struct ef_pg_store *s, bool paused)
{
    struct ef_batch *batch = s->fetch.batch;
    s->fetch.batch = NULL;
    ef_store_did_rows(&s->store, batch, paused);
}

/* Rows come with ids ascending, gap part first: the plan has no other way, and this is the proof.
 */
static bool in_order(struct ef_pg_fetch *f, int64_t id)
{
    bool gap = id <= f->after;
    if (gap && f->main_rows > 0)
        return false;
    if ((f->gap_rows > 0 || f->main_rows > 0) && id <= f->last_id)
        return false;
    if (gap)
        f->gap_rows++;
    else
        f->main_rows++;
    f->last_id = id;
    return true;
}

static void on_row(void *arg, const PGresult *res)
{
    struct ef_pg_store *s = arg;
    struct ef_pg_fetch *f = &s->fetch;
    if (f->discard)
        return;
    if (!f->header_seen) {
        take_header(s, res);
        return;
    }
    if (!in_order(f, int8_at(res, C_ID))) {
        f->out_of_order = f->discard = true;
        return;
    }
    if (f->last_id > f->after && f->gap_rows >= f->max_rows) {
        /* an earlier row of the same aggregate may be among the gap rows that were cut off */
        f->main_rows--;
        return;
    }
    if (!f->batch) /* small at first: most reads of an idle table bring a row or two */
        f->batch = ef_batch_new(f->result.rows < BATCH_ROWS_MIN ? BATCH_ROWS_MIN : BATCH_ROWS_MAX);
    struct ef_batch *batch = f->batch;
    batch->foreign = f->result.foreign;
    struct ef_row *row = &batch->rows[batch->count++];
    decode(s, &batch->arena, res, row);
    f->result.rows++;
    f->bytes_since_pause += (int64_t)ef_row_bytes(row);
    if (f->bytes_since_pause >= f->max_bytes) {
        f->bytes_since_pause = 0;
        f->paused = true;
        ef_pg_conn_pause(&s->read);
        hand_over(s, true);
    } else if (batch->count == batch->size) {
        hand_over(s, false);
    }
}

static void on_done(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_pg_fetch *f = &s->fetch;
    struct ef_error own;
    (void)res;
    f->active = false;
    f->paused = false;
    if (err) {
        own = *err;
        if (own.class == EF_CLASS_UNCERTAIN) /* a read that was lost has done nothing */
            own.class = EF_CLASS_OUTAGE;
        err = &own;
    } else if (f->fenced) {
        ef_error_set(&own, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &own;
    } else if (f->out_of_order) {
        ef_error_set(&own, EF_CLASS_FATAL,
                     "rows did not come in the order of their ids; nothing was taken");
        err = &own;
    } else if (f->rewritten) {
        ef_error_set(&own, EF_CLASS_BUSY,
                     "the table was emptied or rewritten; reading it from the beginning");
        ef_error_code(&own, 0, EF_STORE_REWRITTEN);
        err = &own;
    } else if (f->discard) {
        ef_error_set(&own, EF_CLASS_BUSY, "read given up");
        err = &own;
    }
    if (!err && f->batch)
        hand_over(s, false);
    if (f->batch) {
        ef_batch_unref(f->batch);
        f->batch = NULL;
    }
    f->result.gaps_full = f->gap_rows >= f->max_rows;
    f->result.full = f->main_rows >= f->max_rows;
    ef_store_did_fetch(&s->store, err ? NULL : &f->result, err);
}

static void put_runs(struct ef_pg_request *req, const struct ef_run *gaps, int count)
{
    struct ef_buf first, last;
    ef_buf_init(&first, 1 << 20);
    ef_buf_init(&last, 1 << 20);
    for (int i = 0; i < count; i++) {
        ef_buf_printf(&first, "%s%" PRId64, i ? "," : "{", gaps[i].first);
        ef_buf_printf(&last, "%s%" PRId64, i ? "," : "{", gaps[i].last);
    }
    ef_buf_puts(&first, "}");
    ef_buf_puts(&last, "}");
    ef_pg_param_owned(req, first.data);
    ef_pg_param_owned(req, last.data);
}

void ef_pg_fetch(struct ef_store *store, const struct ef_fetch *fetch)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    bool gaps = fetch->gap_count > 0;
    s->fetch = (struct ef_pg_fetch){.active = true,
                                    .after = fetch->after,
                                    .max_bytes = fetch->max_bytes,
                                    .max_rows = fetch->max_rows};
    struct ef_pg_request *req =
        gaps ? ef_pg_request_new("ef_fetch_gaps", s->sql.fetch_gaps, on_done, s)
             : ef_pg_request_new("ef_fetch", s->sql.fetch, on_done, s);
    req->single_row = true;
    req->row = on_row;
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_param_int(req, fetch->epoch);
    ef_pg_param_text(req, s->read.session.system);
    if (gaps)
        put_runs(req, fetch->gaps, fetch->gap_count);
    ef_pg_param_int(req, fetch->after);
    ef_pg_param_int(req, fetch->max_rows);
    ef_pg_param_text(req, fetch->want_max_id ? "t" : "f");
    ef_pg_param_text(req, fetch->want_foreign ? "t" : "f");
    ef_pg_conn_submit(&s->read, req);
}

void ef_pg_fetch_continue(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    s->fetch.paused = false;
    ef_pg_conn_continue(&s->read);
}

void ef_pg_fetch_cancel(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    /* what still comes (at most max_rows) is read and thrown away: cheaper than a new connection */
    s->fetch.discard = true;
    if (s->fetch.paused)
        ef_pg_fetch_continue(store);
}
