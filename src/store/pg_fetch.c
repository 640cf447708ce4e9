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
       C_COUNT,
};

/* Those of a fixed size in binary form; the statement says their types. */
static const struct fixed {
    int column, bytes;
    bool null; /* may be */
} fixed[] = {{C_ID, 8, false},       {C_CREATED, 8, true}, {C_PAYLOAD_BYTES, 8, true},
             {C_PARTITION, 4, true}, {C_STATUS, 2, false}, {C_ATTEMPTS, 4, true}};

enum { UUID_BYTES = 16 };

/* --- what a row has to look like --- */

/* Whoever sent it: nothing is read beyond what came. */
static bool row_fits(const struct ef_pg_layout *l, const PGresult *res)
{
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        int col = fixed[i].column;
        if (PQgetisnull(res, 0, col) ? !fixed[i].null : PQgetlength(res, 0, col) != fixed[i].bytes)
            return false;
    }
    return !l->message_id_is_uuid || PQgetisnull(res, 0, C_MESSAGE_ID) ||
           PQgetlength(res, 0, C_MESSAGE_ID) == UUID_BYTES;
}

/* --- values --- */

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
    for (int i = 0; i < UUID_BYTES; i++) {
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
    row->held_back = row->status < 0;
    row->attempts = PQgetisnull(res, 0, C_ATTEMPTS) ? 0 : int4_at(res, C_ATTEMPTS);
    row->payload_kind = strncmp(s->layout.payload_type, "json", 4) == 0 ? EF_PAYLOAD_JSON
                        : strcmp(s->layout.payload_type, "bytea") == 0  ? EF_PAYLOAD_BYTES
                                                                        : EF_PAYLOAD_TEXT;
}

static void take_header(struct ef_pg_store *s, const PGresult *res)
{
    struct ef_intake *f = &s->intake;
    int ours = 0, foreign = 0;
    f->header_seen = true;
    f->result.max_id = INT64_MIN;
    uint64_t filenode = 0;
    if (PQnfields(res) != C_COUNT ||
        sscanf(PQgetvalue(res, 0, C_META), "%d %" SCNu64 " %" SCNu64 " %d %" SCNd64, &ours,
               &f->result.xmin, &filenode, &foreign, &f->result.max_id) < 4) {
        f->misshapen = f->discard = true;
        return;
    }
    f->result.foreign = foreign;
    if (s->filenode != 0 && filenode != s->filenode)
        f->rewritten = f->discard = true;
    s->filenode = filenode;
    f->result.xmax = s->xid_ceiling;
    f->result.xmax_at_us = s->xid_ceiling_us;
    f->fenced = !ours;
}

static void pause_reading(struct ef_store *store)
{
    ef_pg_conn_pause(&ef_pg_store_of(store)->read);
}

static void on_row(void *arg, const PGresult *res)
{
    struct ef_pg_store *s = arg;
    struct ef_arena *arena;
    if (s->intake.discard)
        return;
    if (!s->intake.header_seen) {
        take_header(s, res);
        return;
    }
    if (!row_fits(&s->layout, res)) {
        s->intake.misshapen = s->intake.discard = true;
        return;
    }
    struct ef_row *row = ef_intake_row(&s->intake, int8_at(res, C_ID), &arena);
    if (!row)
        return;
    decode(s, arena, res, row);
    ef_intake_took(&s->intake, &s->store, row, pause_reading);
}

static void on_done(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    (void)res;
    ef_intake_end(&s->intake, &s->store, err);
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
    ef_intake_begin(&s->intake, fetch);
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
    s->intake.paused = false;
    ef_pg_conn_continue(&s->read);
}

void ef_pg_fetch_cancel(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    /* what still comes (at most max_rows) is read and thrown away: cheaper than a new connection */
    s->intake.discard = true;
    if (s->intake.paused)
        ef_pg_fetch_continue(store);
}
