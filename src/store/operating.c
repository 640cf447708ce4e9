// SPDX-License-Identifier: MIT
#include "store/operating.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"

/* The connection is given back this long after the last question. */
#define IDLE_US (30 * EF_S_US)
/* A listing with payloads ends when it holds this much; one row always fits. */
enum { LISTING_BYTES = 4 << 20, LISTING_MAX_BYTES = 1 << 30 };

/* --- the connection --- */

static void stop_conn(struct ef_operating *o)
{
    if (o->started)
        o->ops->stop(o->conn);
    o->started = o->up = false;
}

static void on_idle(void *arg)
{
    struct ef_operating *o = arg;
    if (o->store->busy[EF_VERB_OPERATE])
        ef_timer_start(&o->idle, IDLE_US);
    else
        stop_conn(o);
}

void ef_operating_init(struct ef_operating *o, const struct ef_operate_ops *ops,
                       struct ef_store *store, void *conn, struct ef_loop *loop)
{
    *o = (struct ef_operating){.ops = ops, .store = store, .conn = conn};
    ef_timer_init(&o->idle, loop, "store", on_idle, o);
}

static void fail_waiting(struct ef_operating *o, const struct ef_error *err)
{
    void *request = o->waiting;
    struct ef_error own = *err;
    o->waiting = NULL;
    if (!request)
        return;
    own.class = EF_CLASS_OUTAGE; /* whatever keeps the connection from coming up */
    o->ops->fail(request, &own);
}

void ef_operating_stop(struct ef_operating *o)
{
    struct ef_error err;
    ef_timer_stop(&o->idle);
    ef_error_set(&err, EF_CLASS_OUTAGE, "the store is being closed");
    fail_waiting(o, &err);
    stop_conn(o);
}

void ef_operating_up(struct ef_operating *o)
{
    void *request = o->waiting;
    o->up = true;
    o->waiting = NULL;
    if (request)
        o->ops->submit(o->conn, request);
}

void ef_operating_down(struct ef_operating *o, const struct ef_error *err)
{
    o->up = false;
    fail_waiting(o, err);
}

void ef_operating_submit(struct ef_operating *o, void *request)
{
    ef_timer_start(&o->idle, IDLE_US);
    if (o->up) {
        o->ops->submit(o->conn, request);
        return;
    }
    o->waiting = request;
    if (o->started)
        return;
    o->started = true;
    o->ops->start(o->conn);
}

/* --- listings --- */

struct ef_row_filter ef_operating_list(struct ef_operating *o, const struct ef_row_filter *filter,
                                       int64_t max_payload_bytes)
{
    struct ef_row_filter ret = *filter;
    int64_t payloads = 1 + LISTING_BYTES / (max_payload_bytes + 1);
    if (filter->payload && filter->limit > payloads)
        ret.limit = (int)payloads;
    o->limit = ret.limit;
    o->newest = ret.newest;
    return ret;
}

void ef_operating_listed(struct ef_operating *o, int count,
                         const char *(*row)(const void *arg, int i), const void *arg)
{
    struct ef_buf b;
    int taken = 0;
    size_t bytes = 0;
    while (taken < count && taken < o->limit && (taken == 0 || bytes < LISTING_BYTES))
        bytes += strlen(row(arg, taken++));
    ef_buf_init(&b, LISTING_MAX_BYTES);
    ef_buf_puts(&b, "{\"rows\":[");
    for (int i = 0; i < taken; i++) {
        ef_buf_puts(&b, i ? "," : "");
        ef_buf_puts(&b, row(arg, o->newest ? taken - 1 - i : i));
    }
    ef_buf_printf(&b, "],\"more\":%s}", taken < count ? "true" : "false");
    ef_store_did_operate(o->store, b.data, NULL);
    ef_buf_done(&b);
}

/* --- commands --- */

void ef_operating_command(struct ef_operating *o)
{
    ef_error_clear(&o->refusal);
    o->columns[0] = '\0';
}

enum ef_column ef_operating_column(enum ef_edit_column column)
{
    static const enum ef_column columns[EF_EDIT_COUNT] = {
        [EF_EDIT_TOPIC] = EF_COL_TOPIC,         [EF_EDIT_KEY] = EF_COL_KEY,
        [EF_EDIT_HEADERS] = EF_COL_HEADERS,     [EF_EDIT_PAYLOAD] = EF_COL_PAYLOAD,
        [EF_EDIT_PARTITION] = EF_COL_PARTITION,
    };
    return columns[column];
}

bool ef_operating_edit(struct ef_operating *o, const struct ef_edit *edits,
                       enum ef_edit_column column, bool has, const char *quoted, const char *table,
                       const char *text_type, struct ef_error *err)
{
    struct ef_slice value = edits[column].value;
    size_t used = strlen(o->columns);
    if (!has)
        return ef_error_set(err, EF_CLASS_CONFIG, "table %s has no column for %s", table,
                            ef_edit_name(column));
    if (column == EF_EDIT_PAYLOAD && text_type && value.p && memchr(value.p, '\0', value.len))
        return ef_error_set(err, EF_CLASS_CONFIG, "a payload of type %s cannot hold a NUL",
                            text_type);
    snprintf(o->columns + used, sizeof(o->columns) - used, "%s%s", used ? ", " : "", quoted);
    return true;
}

const struct ef_error *ef_operating_denied(const struct ef_operating *o, const struct ef_error *err,
                                           const char *table, const char *to, struct ef_error *own)
{
    if (!o->columns[0])
        return err;
    *own = *err;
    ef_error_set(own, EF_CLASS_CONFIG, "%s; run GRANT UPDATE (%s) ON %s TO %s", err->text,
                 o->columns, table, to);
    return own;
}

const char *ef_operating_gone(const struct ef_config_outbox *outbox, const char *table,
                              const char *archive)
{
    switch (outbox->on_delivered) {
    case EF_ON_DELIVERED_ARCHIVE:
        return archive;
    case EF_ON_DELIVERED_MARK:
        return table;
    case EF_ON_DELIVERED_DELETE:
        break;
    }
    return NULL;
}
