// SPDX-License-Identifier: MIT
/* What each verb does to the memory database: the same as the PostgreSQL driver's statement for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/memory_private.h"

enum { BACKLOG_MAX = 100001, PURGE_ROWS = 1000, BATCH_ROWS = 256 };

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

/* The fence: a lease of this epoch, taken on this server. Whether it has expired is not asked:
 * until somebody else takes it, its owner may finish what it has begun. */
bool ef_memory_ours(const struct ef_memory *db, int64_t epoch)
{
    const struct ef_memory_lease *lease = &db->now.lease;
    return lease->epoch == epoch && strcmp(lease->server, db->server) == 0;
}

void ef_memory_count_transaction(struct ef_memory *db)
{
    db->now.next_xid++;
}

/* --- lease --- */

static int64_t ms_until(int64_t at_us, int64_t now_us)
{
    int64_t us = at_us - now_us;
    return us > 0 ? (us + EF_MS_US - 1) / EF_MS_US : 0;
}

static void acquire(struct ef_memory *db, const struct ef_memory_lease_request *request,
                    struct ef_lease *ret)
{
    struct ef_memory_lease *lease = &db->now.lease;
    int64_t now = ef_memory_now_us(db), ttl_us = request->ttl_ms * EF_MS_US;
    *ret = (struct ef_lease){.outcome = EF_LEASE_HELD};
    copy_text(ret->owner, sizeof(ret->owner), lease->owner);
    ef_memory_count_transaction(db);
    if (lease->server[0] && strcmp(lease->server, db->server) != 0) {
        copy_text(lease->server, sizeof(lease->server), db->server);
        lease->server_seen_us = now;
        lease->owner[0] = lease->token[0] = '\0';
        lease->expires_us = 0;
        ret->outcome = EF_LEASE_QUIET;
        ret->wait_ms = request->ttl_ms;
        return;
    }
    if (lease->server_seen_us && lease->server_seen_us + ttl_us > now) {
        ret->outcome = EF_LEASE_QUIET;
        ret->wait_ms = ms_until(lease->server_seen_us + ttl_us, now);
        return;
    }
    bool same =
        request->old_token && lease->token[0] && strcmp(lease->token, request->old_token) == 0;
    if (lease->expires_us > now && !same) {
        ret->wait_ms = ms_until(lease->expires_us, now);
        return;
    }
    lease->epoch++;
    if (strcmp(lease->incarnation, request->incarnation) != 0)
        ef_memory_remove_relay(db, lease->incarnation);
    copy_text(lease->owner, sizeof(lease->owner), request->owner);
    copy_text(lease->incarnation, sizeof(lease->incarnation), request->incarnation);
    copy_text(lease->token, sizeof(lease->token), request->token);
    copy_text(lease->server, sizeof(lease->server), db->server);
    lease->acquired_us = now;
    lease->expires_us = now + ttl_us;
    ret->outcome = EF_LEASE_GRANTED;
    ret->epoch = lease->epoch;
}

void ef_memory_acquire(struct ef_memory *db, const struct ef_memory_lease_request *request,
                       struct ef_lease *ret)
{
    acquire(db, request, ret);
    ef_memory_standbys(db, &ret->standbys);
    if (!request->passing)
        ef_memory_see_relay(db, request->incarnation, request->owner);
}

bool ef_memory_renew(struct ef_memory *db, int64_t epoch, int64_t ttl_ms, struct ef_renewal *ret)
{
    if (!ef_memory_ours(db, epoch) || !db->now.lease.token[0])
        return false;
    db->now.lease.expires_us = ef_memory_now_us(db) + ttl_ms * EF_MS_US;
    ef_memory_count_transaction(db);
    ef_memory_see_relay(db, db->now.lease.incarnation, db->now.lease.owner);
    *ret = (struct ef_renewal){.paused = db->now.paused, .commands = ef_memory_open_commands(db)};
    copy_text(ret->paused_by, sizeof(ret->paused_by), db->now.paused_by);
    copy_text(ret->pause_reason, sizeof(ret->pause_reason), db->now.pause_reason);
    ef_memory_standbys(db, &ret->standbys);
    return true;
}

bool ef_memory_release(struct ef_memory *db, int64_t epoch)
{
    if (!ef_memory_ours(db, epoch))
        return false;
    db->now.lease.expires_us = ef_memory_now_us(db);
    db->now.lease.token[0] = '\0';
    ef_memory_remove_relay(db, db->now.lease.incarnation);
    ef_memory_count_transaction(db);
    return true;
}

void ef_memory_pause(struct ef_memory *db, bool pause, const char *actor, const char *reason)
{
    db->now.paused = pause;
    copy_text(db->now.paused_by, sizeof(db->now.paused_by), pause ? actor : NULL);
    copy_text(db->now.pause_reason, sizeof(db->now.pause_reason), pause ? reason : NULL);
    ef_memory_count_transaction(db);
}

/* --- reading --- */

/* What a snapshot shows, and what its WHERE needs to know. */
struct view {
    const struct ef_memory *db;
    int64_t now_us;
    const struct ef_memory_row **blocking; /* rows of status 1 or 3, ids ascending; owned */
    int blocking_count;
};

static bool is_blocking(const struct ef_memory_row *row)
{
    return !row->tx &&
           (row->row.status == EF_STATUS_PROCESSING || row->row.status == EF_STATUS_FAILED);
}

static void open_view(struct view *view, const struct ef_memory *db)
{
    const struct ef_memory_rows *rows = &db->now.rows;
    *view = (struct view){.db = db, .now_us = ef_memory_now_us(db)};
    view->blocking = ef_xcalloc((size_t)rows->count, sizeof(struct ef_memory_row *));
    for (int i = 0; i < rows->count; i++)
        if (is_blocking(rows->items[i]))
            view->blocking[view->blocking_count++] = rows->items[i];
}

static bool same_aggregate(const struct ef_memory *db, const struct ef_row *a,
                           const struct ef_row *b)
{
    return a->aggregate_id.p && b->aggregate_id.p &&
           ef_slice_eq(a->aggregate_id, b->aggregate_id) &&
           (db->settings.order_by == EF_ORDER_AGGREGATE_ID ||
            ef_slice_eq(a->aggregate_type, b->aggregate_type));
}

enum show { SHOW_NOTHING, SHOW_THAT_IT_IS_THERE, SHOW_ALL };

static bool is_due(const struct view *view, const struct ef_memory_row *row)
{
    switch (row->row.status) {
    case EF_STATUS_PENDING:
        return true;
    case EF_STATUS_FAILED:
        return row->next_retry_us <= view->now_us;
    case EF_STATUS_PROCESSING:
        return row->claimed_us <= view->now_us - view->db->settings.claim_timeout_ms * EF_MS_US;
    default:
        return false;
    }
}

/* Rows behind one of status 3, and waiting rows that are not due, only tell that they are there. */
static enum show shown(const struct view *view, const struct ef_memory_row *row)
{
    bool due = is_due(view, row), claimed = false;
    if (row->tx || (!due && row->row.status != EF_STATUS_FAILED))
        return SHOW_NOTHING;
    for (int i = 0; i < view->blocking_count && view->blocking[i]->row.id < row->row.id; i++) {
        if (!same_aggregate(view->db, &view->blocking[i]->row, &row->row))
            continue;
        if (view->blocking[i]->row.status == EF_STATUS_FAILED)
            return SHOW_THAT_IT_IS_THERE;
        claimed = true;
    }
    return claimed ? SHOW_NOTHING : due ? SHOW_ALL : SHOW_THAT_IT_IS_THERE;
}

static struct ef_slice into(struct ef_arena *arena, struct ef_slice slice)
{
    if (!slice.p)
        return slice;
    return (struct ef_slice){ef_arena_copy(arena, slice.p, slice.len), slice.len};
}

static struct ef_batch *last_batch(struct ef_memory_read *read)
{
    struct ef_batch *last = read->count ? read->batches[read->count - 1] : NULL;
    if (last && last->count < last->size && !read->full[read->count - 1])
        return last;
    if (read->count == read->size) {
        read->size = read->size ? read->size * 2 : 4;
        read->batches = ef_xrealloc(read->batches, (size_t)read->size * sizeof(*read->batches));
        read->full = ef_xrealloc(read->full, (size_t)read->size * sizeof(*read->full));
    }
    read->full[read->count] = false;
    struct ef_batch *batch = ef_batch_new(BATCH_ROWS);
    batch->foreign = read->fetched.foreign;
    return read->batches[read->count++] = batch;
}

/* Returns the payload's bytes as far as it was loaded. */
static size_t add_row(const struct ef_memory *db, struct ef_memory_read *read,
                      const struct ef_row *row, bool held_back)
{
    struct ef_batch *batch = last_batch(read);
    struct ef_row *copy = &batch->rows[batch->count++];
    struct ef_arena *arena = &batch->arena;
    read->fetched.rows++;
    if (held_back) {
        *copy = (struct ef_row){.id = row->id, .partition = -1, .held_back = true};
        return ef_row_bytes(copy);
    }
    *copy = *row;
    copy->message_id = into(arena, row->message_id);
    copy->aggregate_type = into(arena, row->aggregate_type);
    copy->aggregate_id = into(arena, row->aggregate_id);
    copy->topic = into(arena, row->topic);
    copy->key = into(arena, row->key);
    copy->headers = into(arena, row->headers);
    copy->trace_id = into(arena, row->trace_id);
    copy->payload_bytes = 0;
    if (row->payload.p && (int64_t)row->payload.len > db->settings.max_payload_bytes) {
        copy->payload = (struct ef_slice){NULL, 0};
        copy->payload_bytes = (int64_t)row->payload.len;
    } else {
        copy->payload = into(arena, row->payload);
    }
    return ef_row_bytes(copy);
}

/* Rows with first <= id <= last, at most limit in all; *taken counts. */
static void read_range(const struct view *view, int64_t first, int64_t last,
                       const struct ef_fetch *fetch, int *taken, int64_t *bytes,
                       struct ef_memory_read *ret)
{
    const struct ef_memory_rows *rows = &view->db->now.rows;
    for (int i = ef_memory_lower_bound(view->db, first); i < rows->count; i++) {
        const struct ef_memory_row *row = rows->items[i];
        if (row->row.id > last || *taken >= fetch->max_rows)
            return;
        enum show show = shown(view, row);
        if (show == SHOW_NOTHING)
            continue;
        ++*taken;
        *bytes += (int64_t)add_row(view->db, ret, &row->row, show != SHOW_ALL);
        if (*bytes < fetch->max_bytes)
            continue;
        ret->full[ret->count - 1] = true;
        *bytes = 0;
    }
}

static uint64_t oldest_open(const struct ef_memory *db)
{
    uint64_t xmin = db->now.next_xid;
    for (const struct ef_memory_tx *tx = db->open; tx; tx = tx->next)
        if (tx->xid && tx->xid < xmin)
            xmin = tx->xid;
    return xmin;
}

static int64_t max_id(const struct ef_memory *db)
{
    for (int i = db->now.rows.count - 1; i >= 0; i--)
        if (!db->now.rows.items[i]->tx)
            return db->now.rows.items[i]->row.id;
    return INT64_MIN;
}

static bool any_foreign(const struct view *view)
{
    for (int i = 0; i < view->blocking_count; i++)
        if (view->blocking[i]->row.status == EF_STATUS_PROCESSING)
            return true;
    return false;
}

bool ef_memory_fetch(struct ef_memory *db, const struct ef_fetch *fetch, struct ef_memory_read *ret)
{
    *ret = (struct ef_memory_read){0};
    if (!ef_memory_ours(db, fetch->epoch))
        return false;
    struct view view;
    int gap_rows = 0, rows = 0;
    int64_t bytes = 0;
    open_view(&view, db);
    ret->fetched.foreign = fetch->want_foreign && any_foreign(&view);
    for (int i = 0; i < fetch->gap_count; i++)
        read_range(&view, fetch->gaps[i].first, fetch->gaps[i].last, fetch, &gap_rows, &bytes, ret);
    ret->fetched.gaps_full = gap_rows >= fetch->max_rows;
    if (!ret->fetched.gaps_full && fetch->after < INT64_MAX)
        read_range(&view, fetch->after + 1, INT64_MAX, fetch, &rows, &bytes, ret);
    ret->fetched.full = rows >= fetch->max_rows;
    ret->filenode = db->now.filenode;
    ret->fetched.xmin = oldest_open(db);
    ret->fetched.xmax = db->now.next_xid;
    ret->fetched.max_id = fetch->want_max_id ? max_id(db) : INT64_MIN;
    free(view.blocking);
    return true;
}

/* --- fates --- */

static void mark_done(struct ef_memory *db, struct ef_memory_row *row)
{
    row->row.status = EF_STATUS_DONE;
    row->processed_us = ef_memory_now_us(db);
}

bool ef_memory_settle_row(struct ef_memory *db, int i, const struct ef_settle_run *run,
                          int64_t *rows)
{
    struct ef_memory_row *row = db->now.rows.items[i];
    if (row->tx || row->row.created_at_us < run->created_min_us ||
        row->row.created_at_us > run->created_max_us)
        return false;
    if (db->settings.on_delivered == EF_ON_DELIVERED_MARK) {
        if (row->row.status != EF_STATUS_DONE) {
            mark_done(db, row);
            ++*rows;
        }
        return false;
    }
    if (db->settings.on_delivered == EF_ON_DELIVERED_ARCHIVE)
        ef_memory_archive_row(db, row->row.id);
    ef_memory_remove_rows(db, i, 1);
    ++*rows;
    return true;
}

bool ef_memory_settle(struct ef_memory *db, int64_t epoch, const struct ef_settle_run *runs,
                      int count, int64_t *ret_rows)
{
    *ret_rows = 0;
    if (!ef_memory_ours(db, epoch))
        return false;
    ef_memory_count_transaction(db);
    for (int k = 0; k < count; k++) {
        int i = ef_memory_lower_bound(db, runs[k].first);
        while (i < db->now.rows.count && db->now.rows.items[i]->row.id <= runs[k].last)
            if (!ef_memory_settle_row(db, i, &runs[k], ret_rows))
                i++;
    }
    return true;
}

static void mark(struct ef_memory *db, struct ef_memory_row *row, const struct ef_decision *d)
{
    int64_t now = ef_memory_now_us(db);
    bool retry = d->kind == EF_DECIDE_RETRY;
    row->row.status = retry ? EF_STATUS_FAILED : EF_STATUS_DEAD;
    row->row.attempts = d->attempts;
    row->next_retry_us = retry ? now + d->delay_ms * EF_MS_US : 0;
    row->processed_us = retry ? 0 : now;
    row->claimed_us = 0;
    free(row->last_error);
    row->last_error = ef_xstrdup(d->error);
}

/* What has come to its end stays there, however late a decision happens. */
static bool may_mark(const struct ef_memory_row *row, const struct ef_decision *d)
{
    if (d->pending && d->kind == EF_DECIDE_DEAD && row->row.status != EF_STATUS_PENDING)
        return row->row.status == EF_STATUS_DEAD;
    return row->row.status != EF_STATUS_DONE &&
           (row->row.status != EF_STATUS_DEAD || d->kind == EF_DECIDE_DEAD);
}

bool ef_memory_decide(struct ef_memory *db, int64_t epoch, const struct ef_decision *decisions,
                      int count, int64_t *ret_rows)
{
    *ret_rows = 0;
    if (!ef_memory_ours(db, epoch))
        return false;
    ef_memory_count_transaction(db);
    for (int k = 0; k < count; k++) {
        const struct ef_decision *d = &decisions[k];
        struct ef_memory_row *row = ef_memory_find(db, d->id);
        if (!row || row->row.created_at_us != d->created_us)
            continue;
        if (d->kind == EF_DECIDE_DELIVERED) {
            struct ef_settle_run run = {d->id, d->id, d->created_us, d->created_us};
            ef_memory_settle_row(db, ef_memory_lower_bound(db, d->id), &run, ret_rows);
        } else if (may_mark(row, d)) {
            mark(db, row, d);
            ++*ret_rows;
        }
    }
    return true;
}

bool ef_memory_release_topic(struct ef_memory *db, int64_t epoch, struct ef_slice topic, int limit,
                             int64_t *ret_rows)
{
    int64_t now = ef_memory_now_us(db);
    *ret_rows = 0;
    if (!ef_memory_ours(db, epoch))
        return false;
    ef_memory_count_transaction(db);
    for (int i = 0; i < db->now.rows.count && (limit == 0 || *ret_rows < limit); i++) {
        struct ef_memory_row *row = db->now.rows.items[i];
        if (row->tx || row->row.status != EF_STATUS_FAILED || row->next_retry_us <= now ||
            (topic.p && !ef_slice_eq(row->row.topic, topic)))
            continue;
        row->next_retry_us = now;
        ++*ret_rows;
    }
    return true;
}

/* --- looking around, upkeep --- */

void ef_memory_waiting(struct ef_memory *db, struct ef_waiting *ret)
{
    int64_t now = ef_memory_now_us(db), earliest = INT64_MAX;
    *ret = (struct ef_waiting){.next_retry_ms = -1};
    for (int i = 0; i < db->now.rows.count; i++) {
        const struct ef_memory_row *row = db->now.rows.items[i];
        if (!is_blocking(row))
            continue;
        if (row->row.status == EF_STATUS_FAILED) {
            ret->waiting_rows++;
            if (row->next_retry_us < earliest)
                earliest = row->next_retry_us;
            if (row->next_retry_us <= now && ret->due_count == EF_WAITING_DUE_MAX)
                ret->due_more = true;
            else if (row->next_retry_us <= now)
                ret->due[ret->due_count++] = row->row.id;
        } else if (row->claimed_us > now - db->settings.claim_timeout_ms * EF_MS_US) {
            ret->foreign_rows++;
        }
    }
    if (ret->waiting_rows > 0)
        ret->next_retry_ms = ms_until(earliest, now);
}

static bool is_unfinished(const struct ef_memory_row *row)
{
    return !row->tx && (row->row.status == EF_STATUS_PENDING || is_blocking(row));
}

/* True for the first blocking row of its aggregate. */
static bool is_first_blocking(const struct view *view, int i)
{
    if (!view->blocking[i]->row.aggregate_id.p)
        return false;
    for (int k = 0; k < i; k++)
        if (same_aggregate(view->db, &view->blocking[k]->row, &view->blocking[i]->row))
            return false;
    return true;
}

void ef_memory_lag(struct ef_memory *db, struct ef_lag *ret)
{
    struct view view;
    bool archive = db->settings.on_delivered == EF_ON_DELIVERED_ARCHIVE;
    *ret = (struct ef_lag){.archive_partitions = archive ? 1 : -1,
                           .archive_bytes = archive ? 0 : -1,
                           .archive_default_rows = archive ? 0 : -1};
    open_view(&view, db);
    for (int i = 0; i < db->now.rows.count; i++) {
        const struct ef_memory_row *row = db->now.rows.items[i];
        if (is_unfinished(row)) {
            if (ret->backlog_rows == 0)
                ret->oldest_unfinished_age_s =
                    (double)(view.now_us - row->row.created_at_us) / (double)EF_S_US;
            if (ret->backlog_rows < BACKLOG_MAX)
                ret->backlog_rows++;
        }
        ret->waiting_rows += !row->tx && row->row.status == EF_STATUS_FAILED;
        ret->dead_rows += !row->tx && row->row.status == EF_STATUS_DEAD;
    }
    ret->backlog_saturated = ret->backlog_rows == BACKLOG_MAX;
    for (int i = 0; i < view.blocking_count; i++)
        ret->blocked_aggregates += is_first_blocking(&view, i);
    free(view.blocking);
}

static void purge_archive(struct ef_memory *db, int64_t before_us)
{
    struct ef_memory_state *now = &db->now;
    int kept = 0;
    for (int i = 0; i < now->archive_count; i++)
        if (now->archive[i].at_us >= before_us)
            now->archive[kept++] = now->archive[i];
    now->archive_count = kept;
}

bool ef_memory_maintain(struct ef_memory *db, int64_t epoch, int64_t *ret_rows)
{
    *ret_rows = 0;
    if (!ef_memory_ours(db, epoch))
        return false;
    if (db->settings.retention_ms == 0)
        return true;
    ef_memory_count_transaction(db);
    int64_t before_us = ef_memory_now_us(db) - db->settings.retention_ms * EF_MS_US;
    if (db->settings.on_delivered == EF_ON_DELIVERED_ARCHIVE)
        purge_archive(db, before_us);
    if (db->settings.on_delivered != EF_ON_DELIVERED_MARK)
        return true;
    for (int i = 0; i < db->now.rows.count && *ret_rows < PURGE_ROWS;) {
        const struct ef_memory_row *row = db->now.rows.items[i];
        if (!row->tx && row->row.status == EF_STATUS_DONE && row->processed_us < before_us) {
            ef_memory_remove_rows(db, i, 1);
            ++*ret_rows;
        } else {
            i++;
        }
    }
    return true;
}
