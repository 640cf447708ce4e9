// SPDX-License-Identifier: MIT
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "store/memory_private.h"

static void name_server(struct ef_memory *db)
{
    snprintf(db->server, sizeof(db->server), "memory/%08X", (unsigned)db->timeline);
}

struct ef_memory *ef_memory_new(const struct ef_memory_settings *settings)
{
    struct ef_memory *db = ef_xcalloc(1, sizeof(*db));
    db->settings = *settings;
    db->now.next_xid = 700; /* any number above 3, PostgreSQL's first normal one */
    db->now.filenode = 1;
    db->timeline = 1;
    name_server(db);
    return db;
}

static void free_row(struct ef_memory_row *row)
{
    free(row->last_error);
    free(row);
}

static void free_state(struct ef_memory_state *state)
{
    for (int i = 0; i < state->rows.count; i++)
        free_row(state->rows.items[i]);
    free(state->rows.items);
    free(state->archive);
    *state = (struct ef_memory_state){0};
}

void ef_memory_free(struct ef_memory *db)
{
    if (!db)
        return;
    struct ef_memory_tx *tx, *next;
    DL_FOREACH_SAFE (db->open, tx, next) {
        DL_DELETE(db->open, tx);
        free(tx);
    }
    assert(!db->listeners); /* its stores go first */
    free_state(&db->now);
    free_state(&db->saved);
    ef_memory_free_operators(db);
    free(db->relays);
    free(db);
}

void ef_memory_skew(struct ef_memory *db, int64_t ahead_us)
{
    db->skew_us = ahead_us;
}

int64_t ef_memory_now_us(const struct ef_memory *db)
{
    return ef_clock_wall().us + db->skew_us;
}

const char *ef_memory_server(const struct ef_memory *db)
{
    return db->server;
}

/* --- rows --- */

int ef_memory_lower_bound(const struct ef_memory *db, int64_t id)
{
    int low = 0, high = db->now.rows.count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (db->now.rows.items[mid]->row.id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void insert_row(struct ef_memory_rows *rows, int at, struct ef_memory_row *row)
{
    if (rows->count == rows->size) {
        rows->size = rows->size ? rows->size * 2 : 64;
        rows->items = ef_xrealloc(rows->items, (size_t)rows->size * sizeof(*rows->items));
    }
    memmove(&rows->items[at + 1], &rows->items[at],
            (size_t)(rows->count - at) * sizeof(*rows->items));
    rows->items[at] = row;
    rows->count++;
}

void ef_memory_remove_rows(struct ef_memory *db, int first, int count)
{
    struct ef_memory_rows *rows = &db->now.rows;
    for (int i = first; i < first + count; i++)
        free_row(rows->items[i]);
    memmove(&rows->items[first], &rows->items[first + count],
            (size_t)(rows->count - first - count) * sizeof(*rows->items));
    rows->count -= count;
}

static void keep(struct ef_slice *slice, char **place)
{
    if (!slice->p)
        return;
    memcpy(*place, slice->p, slice->len);
    slice->p = *place;
    *place += slice->len;
}

static struct ef_memory_row *copy_row(const struct ef_row *row)
{
    size_t bytes = row->message_id.len + row->aggregate_type.len + row->aggregate_id.len +
                   row->topic.len + row->key.len + row->payload.len + row->headers.len +
                   row->trace_id.len;
    struct ef_memory_row *copy = ef_xcalloc(1, sizeof(*copy) + bytes);
    char *place = copy->bytes;
    copy->row = *row;
    keep(&copy->row.message_id, &place);
    keep(&copy->row.aggregate_type, &place);
    keep(&copy->row.aggregate_id, &place);
    keep(&copy->row.topic, &place);
    keep(&copy->row.key, &place);
    keep(&copy->row.payload, &place);
    keep(&copy->row.headers, &place);
    keep(&copy->row.trace_id, &place);
    return copy;
}

struct ef_memory_row *ef_memory_find(struct ef_memory *db, int64_t id)
{
    int i = ef_memory_lower_bound(db, id);
    if (i == db->now.rows.count)
        return NULL;
    struct ef_memory_row *row = db->now.rows.items[i];
    return row->row.id == id && !row->tx ? row : NULL;
}

struct ef_memory_row *ef_memory_at(struct ef_memory *db, int i)
{
    for (int k = 0; k < db->now.rows.count; k++)
        if (!db->now.rows.items[k]->tx && i-- == 0)
            return db->now.rows.items[k];
    return NULL;
}

bool ef_memory_delete(struct ef_memory *db, int64_t id)
{
    if (!ef_memory_find(db, id))
        return false;
    ef_memory_remove_rows(db, ef_memory_lower_bound(db, id), 1);
    return true;
}

void ef_memory_truncate(struct ef_memory *db, bool restart_ids)
{
    assert(!db->open);
    ef_memory_remove_rows(db, 0, db->now.rows.count);
    db->now.filenode++;
    if (restart_ids)
        db->now.last_id = 0;
}

void ef_memory_archive_row(struct ef_memory *db, int64_t id)
{
    struct ef_memory_state *now = &db->now;
    if (now->archive_count == now->archive_size) {
        now->archive_size = now->archive_size ? now->archive_size * 2 : 64;
        now->archive = ef_xrealloc(now->archive, (size_t)now->archive_size * sizeof(*now->archive));
    }
    now->archive[now->archive_count++] =
        (struct ef_memory_archived){.id = id, .at_us = ef_memory_now_us(db)};
}

int ef_memory_archived(const struct ef_memory *db, int64_t id)
{
    int times = 0;
    for (int i = 0; i < db->now.archive_count; i++)
        times += db->now.archive[i].id == id;
    return times;
}

/* --- transactions --- */

int64_t ef_memory_next_id(struct ef_memory *db)
{
    return ++db->now.last_id;
}

struct ef_memory_tx *ef_memory_begin(struct ef_memory *db)
{
    struct ef_memory_tx *tx = ef_xcalloc(1, sizeof(*tx));
    tx->db = db;
    DL_APPEND(db->open, tx);
    return tx;
}

void ef_memory_touch(struct ef_memory_tx *tx)
{
    if (tx->xid == 0)
        tx->xid = tx->db->now.next_xid++;
}

int64_t ef_memory_insert(struct ef_memory_tx *tx, const struct ef_row *row)
{
    struct ef_memory *db = tx->db;
    int64_t id = row->id ? row->id : ef_memory_next_id(db);
    ef_memory_touch(tx);
    if (tx->finished)
        return id; /* the client has not noticed yet */
    int at = ef_memory_lower_bound(db, id);
    if (at < db->now.rows.count && db->now.rows.items[at]->row.id == id)
        return 0;
    struct ef_memory_row *copy = copy_row(row);
    copy->row.id = id;
    if (copy->row.created_at_us == 0)
        copy->row.created_at_us = ef_memory_now_us(db);
    copy->tx = tx;
    insert_row(&db->now.rows, at, copy);
    tx->bell = tx->bell || db->armed;
    return id;
}

static void drop_rows_of(struct ef_memory *db, const struct ef_memory_tx *tx)
{
    for (int i = db->now.rows.count - 1; i >= 0; i--)
        if (db->now.rows.items[i]->tx == tx)
            ef_memory_remove_rows(db, i, 1);
}

bool ef_memory_commit(struct ef_memory_tx *tx)
{
    struct ef_memory *db = tx->db;
    bool finished = tx->finished, bell = tx->bell;
    for (int i = 0; i < db->now.rows.count; i++)
        if (db->now.rows.items[i]->tx == tx)
            db->now.rows.items[i]->tx = NULL;
    if (!finished)
        DL_DELETE(db->open, tx);
    free(tx);
    struct ef_memory_listener *listener;
    if (bell && !finished)
        DL_FOREACH (db->listeners, listener)
            listener->ring(listener->arg);
    return !finished;
}

void ef_memory_rollback(struct ef_memory_tx *tx)
{
    drop_rows_of(tx->db, tx);
    if (!tx->finished)
        DL_DELETE(tx->db->open, tx);
    free(tx);
}

/* --- relays --- */

static struct ef_memory_relay *relay_of(struct ef_memory *db, const char *incarnation)
{
    for (int i = 0; i < db->relay_count; i++)
        if (strcmp(db->relays[i].incarnation, incarnation) == 0)
            return &db->relays[i];
    return NULL;
}

void ef_memory_see_relay(struct ef_memory *db, const char *incarnation, const char *instance)
{
    struct ef_memory_relay *relay = relay_of(db, incarnation);
    if (!relay) {
        db->relays = ef_xrealloc(db->relays, (size_t)(db->relay_count + 1) * sizeof(*relay));
        relay = &db->relays[db->relay_count++];
        snprintf(relay->incarnation, sizeof(relay->incarnation), "%s", incarnation);
        snprintf(relay->instance, sizeof(relay->instance), "%s", instance);
    }
    relay->seen_us = ef_memory_now_us(db);
}

void ef_memory_remove_relay(struct ef_memory *db, const char *incarnation)
{
    struct ef_memory_relay *relay = relay_of(db, incarnation);
    if (relay)
        *relay = db->relays[--db->relay_count];
}

void ef_memory_standbys(const struct ef_memory *db, struct ef_standbys *ret)
{
    int64_t since = ef_memory_now_us(db) - EF_STANDBY_SEEN_S * EF_S_US;
    *ret = (struct ef_standbys){.known = true};
    for (int i = 0; i < db->relay_count; i++)
        if (db->relays[i].seen_us > since &&
            strcmp(db->relays[i].incarnation, db->now.lease.incarnation) != 0)
            ef_standbys_add(ret, db->relays[i].instance, "memory");
}

/* --- failover --- */

static struct ef_memory_state copy_state(const struct ef_memory_state *from)
{
    struct ef_memory_state copy = *from;
    copy.rows = (struct ef_memory_rows){0};
    for (int i = 0; i < from->rows.count; i++) {
        const struct ef_memory_row *row = from->rows.items[i];
        if (row->tx)
            continue; /* not committed */
        struct ef_memory_row *twin = copy_row(&row->row);
        twin->next_retry_us = row->next_retry_us;
        twin->claimed_us = row->claimed_us;
        twin->processed_us = row->processed_us;
        twin->last_error = ef_xstrdup(row->last_error);
        insert_row(&copy.rows, copy.rows.count, twin);
    }
    copy.archive = NULL;
    copy.archive_size = copy.archive_count;
    if (copy.archive_count > 0) {
        copy.archive = ef_xcalloc((size_t)copy.archive_count, sizeof(*copy.archive));
        memcpy(copy.archive, from->archive, (size_t)copy.archive_count * sizeof(*copy.archive));
    }
    return copy;
}

void ef_memory_save(struct ef_memory *db)
{
    free_state(&db->saved);
    db->saved = copy_state(&db->now);
    db->has_saved = true;
}

void ef_memory_fail_over(struct ef_memory *db)
{
    struct ef_memory_tx *tx, *next;
    DL_FOREACH_SAFE (db->open, tx, next) {
        drop_rows_of(db, tx);
        DL_DELETE(db->open, tx);
        tx->finished = true;
    }
    if (db->has_saved) {
        free_state(&db->now);
        db->now = copy_state(&db->saved);
    }
    db->armed = false;
    db->timeline++;
    name_server(db);
}

/* --- doorbell --- */

void ef_memory_listen(struct ef_memory *db, void (*ring)(void *arg), void *arg)
{
    struct ef_memory_listener *listener = ef_xcalloc(1, sizeof(*listener));
    listener->ring = ring;
    listener->arg = arg;
    DL_APPEND(db->listeners, listener);
}

void ef_memory_unlisten(struct ef_memory *db, void *arg)
{
    struct ef_memory_listener *listener, *next;
    DL_FOREACH_SAFE (db->listeners, listener, next) {
        if (listener->arg != arg)
            continue;
        DL_DELETE(db->listeners, listener);
        free(listener);
    }
}

void ef_memory_arm(struct ef_memory *db, bool armed)
{
    db->armed = armed;
}
