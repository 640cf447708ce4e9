// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sim/checker.h"
#include "sim/choice.h"
#include "sim/db_private.h"
#include "sim/tell.h"

struct sim_db db;

enum { TEXTS_CHUNK_BYTES = 16384 };

static void fill_in(struct sim_db_config *config)
{
    if (!config->rows_max)
        config->rows_max = SIM_ROWS_MAX;
    if (!config->lanes_max)
        config->lanes_max = SIM_LANES;
    if (!config->due_max)
        config->due_max = SIM_DUE_MAX;
}

/* What the former schedule had is used again. */
static void make_room(const struct sim_db *old)
{
    db.rows = old->rows;
    db.index = old->index;
    db.texts = old->texts;
    if (old->config.rows_max != db.config.rows_max) {
        size_t count = (size_t)db.config.rows_max;
        db.rows = ef_xrealloc(db.rows, count * sizeof(*db.rows));
        db.index = ef_xrealloc(db.index, count * sizeof(*db.index));
    }
    if (db.texts.chunk_bytes)
        ef_arena_reset(&db.texts);
    else
        ef_arena_init(&db.texts, TEXTS_CHUNK_BYTES);
}

void sim_db_reset(const struct sim_db_config *config)
{
    struct sim_db old = db;
    memset(&db, 0, sizeof(db));
    db.log = old.log;
    db.log_size = old.log_size;
    db.bell = old.bell;
    db.config = *config;
    fill_in(&db.config);
    make_room(&old);
    db.lease.owner = -1;
    db.lease.server = 1; /* recorded when the table was migrated */
    db.timeline = 1;
    db.next_xid = 700; /* any number above 3, PostgreSQL's first normal one */
    db.filenode = 1;
}

int64_t sim_db_now_us(void)
{
    int64_t now = sim_now_us();
    return INT64_C(1795000000) * EF_S_US + now + db.config.skew_us +
           now * db.config.drift_ppm / 1000000;
}

const char *sim_db_text(const char *text)
{
    return text ? ef_arena_copy(&db.texts, text, strlen(text)) : NULL;
}

int sim_db_timeline(void)
{
    return db.timeline;
}

const struct sim_lease *sim_db_lease(void)
{
    return &db.lease;
}

struct sim_row *sim_db_row(int uid)
{
    return &db.rows[uid];
}

int sim_db_row_count(void)
{
    return db.row_count;
}

int sim_db_index(const int **ret)
{
    *ret = db.index;
    return db.index_count;
}

void sim_db_on_bell(void (*fn)(void))
{
    db.bell = fn;
}

/* --- the index --- */

int sim_db_lower_bound(int64_t id)
{
    int low = 0, high = db.index_count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (db.rows[db.index[mid]].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void put_in_index(int uid)
{
    int at = sim_db_lower_bound(db.rows[uid].id);
    memmove(&db.index[at + 1], &db.index[at], (size_t)(db.index_count - at) * sizeof(db.index[0]));
    db.index[at] = uid;
    db.index_count++;
    db.rows[uid].in_index = true;
}

void sim_db_unindex(int uid)
{
    int at = sim_db_lower_bound(db.rows[uid].id);
    while (db.index[at] != uid)
        at++;
    db.index_count--;
    memmove(&db.index[at], &db.index[at + 1], (size_t)(db.index_count - at) * sizeof(db.index[0]));
    db.rows[uid].in_index = false;
}

bool sim_db_visible(const struct sim_row *row, uint32_t snapshot)
{
    return row->s.there && row->born <= snapshot;
}

/* --- the log --- */

static struct undo *log_entry(int uid)
{
    if (db.log_count == db.log_size) {
        db.log_size = db.log_size ? db.log_size * 2 : 1024;
        db.log = ef_xrealloc(db.log, (size_t)db.log_size * sizeof(*db.log));
    }
    struct undo *u = &db.log[db.log_count++];
    u->uid = uid;
    u->last = u->born = false;
    u->sequence = db.sequence;
    u->paused = db.paused;
    return u;
}

void sim_db_save_row(int uid)
{
    struct undo *u = log_entry(uid);
    u->row = db.rows[uid].s;
}

void sim_db_save_lease(void)
{
    struct undo *u = log_entry(-1);
    u->lease = db.lease;
}

void sim_db_log_commit(bool durable)
{
    db.commits++;
    if (db.log_count > 0)
        db.log[db.log_count - 1].last = true;
    if (durable)
        sim_db_flush_some();
}

static void undo_row(const struct undo *u, bool failover)
{
    struct sim_row *row = &db.rows[u->uid];
    bool was_there = row->s.there;
    sim_check_undone(row, &u->row, u->born, failover);
    TELL("database: id %lld (m%06d) is again %s, status %d", (long long)row->id, row->uid,
         u->row.there ? "there" : "not there", u->row.status);
    row->s = u->row;
    if (u->born) {
        if (row->in_index)
            sim_db_unindex(u->uid);
    } else if (row->s.there && !was_there && !row->in_index) {
        put_in_index(u->uid);
    }
}

static void undo_to(int count, bool failover)
{
    while (db.log_count > count) {
        const struct undo *u = &db.log[--db.log_count];
        if (u->uid >= 0)
            undo_row(u, failover);
        else
            db.lease = u->lease;
        db.paused = u->paused;
        if (failover)
            db.sequence = u->sequence;
    }
    if (db.flushed > count)
        db.flushed = count;
    if (db.replicated > count)
        db.replicated = count;
}

/* --- transactions --- */

int64_t sim_db_next_id(void)
{
    return ++db.sequence;
}

int sim_db_begin(void)
{
    for (int i = 0; i < TX_MAX; i++)
        if (!db.tx[i].open) {
            db.tx[i] = (struct tx){.open = true};
            return i;
        }
    return -1;
}

void sim_db_touch(int tx)
{
    if (db.tx[tx].xid == 0)
        db.tx[tx].xid = db.next_xid++;
}

int sim_db_insert(int tx, int64_t id, const struct sim_row *row)
{
    sim_db_touch(tx);
    if (db.tx[tx].ended || db.row_count == db.config.rows_max)
        return -1;
    int uid = db.row_count++;
    struct sim_row *copy = &db.rows[uid];
    *copy = *row;
    copy->uid = uid;
    copy->id = id;
    copy->tx = tx;
    if (copy->created_us == 0)
        copy->created_us = sim_db_now_us();
    copy->s.there = false;
    snprintf(copy->message_id, sizeof(copy->message_id), "m%06d", uid);
    snprintf(copy->payload, sizeof(copy->payload), "p%06d", uid);
    put_in_index(uid);
    db.tx[tx].bell = db.tx[tx].bell || db.armed;
    sim_check_inserted(copy);
    return uid;
}

/* Rows of one transaction appear at once. */
bool sim_db_commit(int tx)
{
    struct tx *t = &db.tx[tx];
    bool ended = t->ended, bell = t->bell;
    t->open = false;
    if (ended)
        return false;
    for (int uid = 0; uid < db.row_count; uid++) {
        struct sim_row *row = &db.rows[uid];
        if (row->tx != tx || !row->in_index)
            continue;
        sim_db_save_row(uid);
        db.log[db.log_count - 1].born = true;
        row->tx = -1;
        row->s.there = true;
        row->born = db.commits + 1;
        sim_check_committed(row);
        TELL("database: id %lld (m%06d, aggregate a%d) is committed, status %d", (long long)row->id,
             row->uid, row->lane, row->s.status);
    }
    sim_db_log_commit(true);
    if (bell && db.bell)
        db.bell();
    return true;
}

static void drop_rows(int tx)
{
    for (int uid = 0; uid < db.row_count; uid++) {
        struct sim_row *row = &db.rows[uid];
        if (row->tx != tx || !row->in_index)
            continue;
        row->tx = -1;
        sim_db_unindex(uid);
    }
}

void sim_db_rollback(int tx)
{
    struct tx *t = &db.tx[tx];
    t->open = false;
    if (!t->ended)
        drop_rows(tx);
}

void sim_db_foreign(int uid, enum ef_status status, int64_t claimed_us)
{
    sim_db_save_row(uid);
    db.next_xid++;
    db.rows[uid].s.status = (int8_t)status;
    db.rows[uid].s.claimed_us = claimed_us;
    sim_db_log_commit(true);
}

void sim_db_retry(int uid)
{
    sim_db_save_row(uid);
    db.next_xid++;
    db.rows[uid].s.status = EF_STATUS_FAILED;
    db.rows[uid].s.attempts = 0;
    db.rows[uid].s.next_retry_us = sim_db_now_us();
    sim_db_log_commit(true);
}

void sim_db_delete(int uid)
{
    sim_db_save_row(uid);
    db.next_xid++;
    db.rows[uid].s.there = false;
    sim_db_unindex(uid);
    sim_db_log_commit(true);
}

int64_t sim_db_sequence(void)
{
    return db.sequence;
}

bool sim_db_truncate(int64_t sequence)
{
    for (int i = 0; i < TX_MAX; i++)
        if (db.tx[i].open && !db.tx[i].ended)
            return false;
    while (db.index_count > 0) {
        int uid = db.index[db.index_count - 1];
        sim_check_truncated(&db.rows[uid]);
        db.rows[uid].s.there = false;
        sim_db_unindex(uid);
    }
    sim_check_ids_begin_again();
    db.filenode++;
    db.sequence = db.flushed_sequence = sequence;
    /* it cannot be undone here: a replica has it at once */
    db.log_count = db.flushed = db.replicated = 0;
    db.commits++;
    return true;
}

/* --- faults --- */

static void end_transactions(void)
{
    for (int i = 0; i < TX_MAX; i++)
        if (db.tx[i].open && !db.tx[i].ended) {
            db.tx[i].ended = true;
            drop_rows(i);
        }
    db.share_locks = 0;
    db.epoch_of_locks++;
}

void sim_db_crash(void)
{
    end_transactions();
    undo_to(db.flushed, false);
    if (db.config
            .mysql) /* ids that were drawn since then, by nobody who has committed, come again */
        db.sequence = db.flushed_sequence;
    db.commits++;
}

void sim_db_failover(int64_t skew_us)
{
    end_transactions();
    undo_to(db.replicated, true);
    db.timeline++;
    db.config.skew_us = skew_us;
    db.armed = false;
    db.commits++;
}

void sim_db_replicate(int64_t fraction_permille)
{
    int to = db.replicated + (int)((db.log_count - db.replicated) * fraction_permille / 1000);
    while (to > db.replicated && !db.log[to - 1].last)
        to--;
    if (to > db.replicated)
        db.replicated = to;
}

void sim_db_flush_some(void)
{
    db.flushed = db.log_count;
    db.flushed_sequence = db.sequence;
}

void sim_db_revoke(int revoked)
{
    db.revoked = revoked;
}

void sim_db_stall(bool stalled)
{
    db.stalled = stalled;
}

void sim_db_mend(void)
{
    db.no_locks = true;
}
