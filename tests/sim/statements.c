// SPDX-License-Identifier: MIT
/* What each statement of the PostgreSQL driver does, in the same order of looking and changing. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sim/checker.h"
#include "sim/choice.h"
#include "sim/cover.h"
#include "sim/db_private.h"
#include "sim/tell.h"
#include "sim/world.h"

enum { LOCKED_MIN_US = 1000, LOCKED_MAX_US = 20000000, STALLED_US = 1000000 };

void sim_stmt_free(struct sim_stmt *stmt)
{
    free(stmt->gaps);
    free(stmt->runs);
    free(stmt->decisions);
    free(stmt->seen);
    free(stmt->json);
    ef_command_done(&stmt->order);
}

/* --- reading --- */

static bool blocks(const struct sim_row *row)
{
    return row->s.status == EF_STATUS_PROCESSING || row->s.status == EF_STATUS_FAILED;
}

static bool due(const struct sim_row *row, int64_t now)
{
    switch (row->s.status) {
    case EF_STATUS_PENDING:
        return true;
    case EF_STATUS_FAILED:
        return row->s.next_retry_us <= now;
    case EF_STATUS_PROCESSING:
        return row->s.claimed_us <= now - db.config.claim_timeout_ms * EF_MS_US;
    default:
        return false;
    }
}

static void see(struct sim_stmt *q, const struct sim_row *row, bool held_back)
{
    if (q->seen_count == q->seen_size) {
        q->seen_size = q->seen_size ? q->seen_size * 2 : 64;
        q->seen = ef_xrealloc(q->seen, (size_t)q->seen_size * sizeof(*q->seen));
    }
    q->seen[q->seen_count++] =
        (struct sim_seen){row->uid, row->s.status, row->s.attempts, held_back};
}

static uint64_t oldest_open(void)
{
    uint64_t xmin = db.next_xid;
    for (int i = 0; i < TX_MAX; i++)
        if (db.tx[i].open && !db.tx[i].ended && db.tx[i].xid && db.tx[i].xid < xmin)
            xmin = db.tx[i].xid;
    return xmin;
}

enum show { SHOW_NOTHING, SHOW_THAT_IT_IS_THERE, SHOW_ALL };

/* What stands before a row in its aggregate, of status 1 and of status 3. */
struct before {
    bool claimed, waiting;
};

/* Of rows before it the statement looks at any one: which, is not for us to say. */
static enum show shown(const struct sim_row *row, struct before before, int64_t now)
{
    bool any = (row->id + db.commits) % 2 == 0;
    if (row->s.status == EF_STATUS_PROCESSING && !due(row, now))
        return SHOW_NOTHING;
    if (before.waiting && (!before.claimed || any))
        return SHOW_THAT_IT_IS_THERE;
    if (before.claimed)
        return SHOW_NOTHING;
    if (due(row, now))
        return SHOW_ALL;
    return row->s.status == EF_STATUS_FAILED ? SHOW_THAT_IT_IS_THERE : SHOW_NOTHING;
}

static struct before *nothing_before(void)
{
    static struct before *lanes;
    static int size;
    if (size < db.config.lanes_max) {
        size = db.config.lanes_max;
        lanes = ef_xrealloc(lanes, (size_t)size * sizeof(*lanes));
    }
    memset(lanes, 0, (size_t)db.config.lanes_max * sizeof(*lanes));
    return lanes;
}

/* Both parts in one pass over the snapshot; gap runs ascend as ids do. */
static void read_rows(struct sim_stmt *q, int64_t now)
{
    const struct ef_fetch *f = &q->fetch;
    struct before *before = nothing_before();
    int run = 0, gap_rows = 0, rows = 0;
    for (int i = 0; i < db.index_count; i++) {
        const struct sim_row *row = &db.rows[db.index[i]];
        if (!row->s.there)
            continue;
        q->fetched.max_id = row->id;
        if (f->want_foreign && row->s.status == EF_STATUS_PROCESSING)
            q->fetched.foreign = true;
        enum show show = shown(row, before[row->lane], now);
        if (row->lane != SIM_LANES - 1) {
            before[row->lane].claimed |= row->s.status == EF_STATUS_PROCESSING;
            before[row->lane].waiting |= row->s.status == EF_STATUS_FAILED;
        }
        if (show == SHOW_NOTHING)
            continue;
        while (run < f->gap_count && f->gaps[run].last < row->id)
            run++;
        if (row->id > f->after) {
            if (rows < f->max_rows && gap_rows < f->max_rows) {
                see(q, row, show != SHOW_ALL);
                rows++;
            }
        } else if (run < f->gap_count && f->gaps[run].first <= row->id && gap_rows < f->max_rows) {
            see(q, row, show != SHOW_ALL);
            gap_rows++;
        }
    }
    q->fetched.gaps_full = gap_rows >= f->max_rows;
    q->fetched.full = rows >= f->max_rows;
}

static void fetch(struct sim_stmt *q)
{
    q->seen_count = 0;
    q->fetched = (struct ef_fetched){.max_id = INT64_MIN};
    q->filenode = db.filenode;
    q->fetched.xmin = oldest_open();
    q->fenced = !sim_db_lease_matches(q);
    if (!q->fenced)
        read_rows(q, sim_db_now_us());
    if (!q->fetch.want_max_id)
        q->fetched.max_id = INT64_MIN;
}

/* --- fates --- */

/* False: the statement waits for a row that somebody else has locked; it holds the lease's row. */
static bool begin_write(struct sim_stmt *q, int64_t *ret_wait_us)
{
    if (q->began)
        return true;
    q->began = true;
    q->fenced = !sim_db_lease_matches(q);
    q->snapshot = db.commits;
    *ret_wait_us = 0;
    if (q->fenced)
        return true;
    if (!sim_happens(SITE_DB_LOCKED, sim_for(q->relay, q->kind),
                     db.no_locks ? 0 : db.config.locked_permille))
        return true;
    *ret_wait_us =
        sim_delay(SITE_DB_LOCKED_FOR, sim_for(q->relay, q->kind), LOCKED_MIN_US, LOCKED_MAX_US);
    q->share_lock = true;
    db.share_locks++;
    return false;
}

static void end_write(struct sim_stmt *q)
{
    if (q->share_lock && db.share_locks > 0)
        db.share_locks--;
    q->share_lock = false;
    sim_cover_statement(q);
}

void sim_db_settle_row(struct sim_stmt *q, struct sim_row *row)
{
    sim_check_settled(row, q);
    sim_db_save_row(row->uid);
    TELL("database: id %lld (m%06d) is settled", (long long)row->id, row->uid);
    if (db.config.on_delivered == EF_ON_DELIVERED_MARK) {
        row->s.status = EF_STATUS_DONE;
        row->s.processed_us = sim_db_now_us();
    } else {
        row->s.archived = db.config.on_delivered == EF_ON_DELIVERED_ARCHIVE;
        if (row->s.archived)
            sim_cover_notable(SIM_ARCHIVED);
        row->s.there = false;
        sim_db_unindex(row->uid);
    }
    q->rows++;
}

/* A mark that is repeated changes nothing; a DELETE asks for no status. */
static bool may_leave(const struct sim_row *row)
{
    return db.config.on_delivered != EF_ON_DELIVERED_MARK || row->s.status != EF_STATUS_DONE;
}

static void settle_run(struct sim_stmt *q, const struct ef_settle_run *run)
{
    for (int i = sim_db_lower_bound(run->first); i < db.index_count;) {
        struct sim_row *row = &db.rows[db.index[i]];
        if (row->id > run->last)
            return;
        bool hit = sim_db_visible(row, q->snapshot) && row->created_us >= run->created_min_us &&
                   row->created_us <= run->created_max_us && may_leave(row);
        if (hit)
            sim_db_settle_row(q, row);
        if (!hit || row->in_index)
            i++;
    }
}

static void settle(struct sim_stmt *q, bool durable)
{
    q->rows = 0;
    if (q->fenced)
        return;
    db.next_xid++;
    for (int k = 0; k < q->count; k++)
        settle_run(q, &q->runs[k]);
    sim_db_log_commit(durable || db.config.mysql); /* which has one kind of commit */
}

/* Its text says so (relay/pump.c). */
static bool waits_for_release(const struct ef_decision *d)
{
    return d->error && strstr(d->error, "is held by");
}

static void mark_row(struct sim_stmt *q, const struct ef_decision *d)
{
    int i = sim_db_lower_bound(d->id);
    if (i == db.index_count)
        return;
    struct sim_row *row = &db.rows[db.index[i]];
    if (row->id != d->id || row->created_us != d->created_us || !sim_db_visible(row, q->snapshot))
        return;
    bool retry = d->kind == EF_DECIDE_RETRY;
    bool waits = row->s.status == EF_STATUS_FAILED || row->s.status == EF_STATUS_PROCESSING;
    if (d->pending && d->kind == EF_DECIDE_DEAD && waits)
        return;
    if (row->s.status == EF_STATUS_DONE || (row->s.status == EF_STATUS_DEAD && retry))
        return;
    sim_check_marked(row, d, q);
    /* it waits for a release, and there has been one (a late decision apart) */
    bool release = retry && waits_for_release(d);
    if (release) /* the relay's words are still these */
        sim_cover_notable(SIM_WAITS_FOR_RELEASE);
    if (release && !sim_db_holds(row->topic) && !q->late)
        sim_violated(SIM_HOLD, "m%06d is put to wait for a release, but its topic is not held",
                     row->uid);
    sim_db_save_row(row->uid);
    row->s.status = retry ? EF_STATUS_FAILED : EF_STATUS_DEAD;
    row->s.attempts = (int16_t)d->attempts;
    row->s.next_retry_us = retry ? sim_db_now_us() + d->delay_ms * EF_MS_US : 0;
    row->s.claimed_us = 0;
    row->s.processed_us = retry ? 0 : sim_db_now_us();
    row->s.last_error = d->error;
    q->rows++;
    TELL("database: id %lld (m%06d) %s, attempts %d", (long long)row->id, row->uid,
         retry ? "waits (status 3)" : "is dead (status 4)", d->attempts);
}

static void mark(struct sim_stmt *q)
{
    q->rows = 0;
    if (q->fenced)
        return;
    db.next_xid++;
    for (int k = 0; k < q->count; k++)
        if (q->decisions[k].kind != EF_DECIDE_DELIVERED)
            mark_row(q, &q->decisions[k]);
    sim_db_log_commit(true);
}

static bool concerns(const struct sim_row *row, int topic, const char *aggregate)
{
    return (topic < 0 || row->topic == topic) &&
           (!aggregate || ef_slice_eq(ef_slice_of(aggregate), ef_slice_of(sim_aggregate_id(row))));
}

void sim_db_make_due(struct sim_stmt *q, int topic, const char *aggregate, int limit)
{
    int64_t now = sim_db_now_us();
    for (int i = 0; i < db.index_count && (limit == 0 || q->rows < limit); i++) {
        struct sim_row *row = &db.rows[db.index[i]];
        if (!row->s.there || row->s.status != EF_STATUS_FAILED || row->s.next_retry_us <= now ||
            !concerns(row, topic, aggregate))
            continue;
        sim_db_save_row(row->uid);
        row->s.next_retry_us = now;
        q->rows++;
    }
}

static void release_topic(struct sim_stmt *q)
{
    q->rows = 0;
    if (q->fenced)
        return;
    db.next_xid++;
    sim_db_make_due(q, q->topic, NULL, q->limit);
    sim_db_log_commit(true);
}

/* --- looking around --- */

static void waiting(struct sim_stmt *q)
{
    int64_t now = sim_db_now_us(), earliest = INT64_MAX;
    q->waiting = (struct ef_waiting){.next_retry_ms = -1};
    for (int i = 0; i < db.index_count; i++) {
        const struct sim_row *row = &db.rows[db.index[i]];
        if (!row->s.there || !blocks(row))
            continue;
        if (row->s.status == EF_STATUS_FAILED) {
            q->waiting.waiting_rows++;
            if (row->s.next_retry_us < earliest)
                earliest = row->s.next_retry_us;
            if (due(row, now) && q->waiting.due_count == db.config.due_max)
                q->waiting.due_more = true;
            else if (due(row, now))
                q->waiting.due[q->waiting.due_count++] = row->id;
        } else if (!due(row, now)) {
            q->waiting.foreign_rows++;
        }
    }
    if (q->waiting.waiting_rows > 0)
        q->waiting.next_retry_ms = sim_db_ms_until(earliest, now);
}

static bool archives(void)
{
    return db.config.on_delivered == EF_ON_DELIVERED_ARCHIVE;
}

static void lag(struct sim_stmt *q)
{
    struct before *seen = nothing_before();
    int64_t now = sim_db_now_us(), oldest = now;
    struct ef_lag *lag = &q->lag;
    *lag = (struct ef_lag){.archive_partitions = archives() ? 1 : -1}; /* all of it is one */
    for (int i = 0; i < db.index_count; i++) {
        const struct sim_row *row = &db.rows[db.index[i]];
        if (!row->s.there || row->s.status == EF_STATUS_DONE)
            continue;
        if (row->s.status == EF_STATUS_DEAD) {
            lag->dead_rows++;
            continue;
        }
        lag->backlog_rows++;
        oldest = row->created_us < oldest ? row->created_us : oldest;
        lag->waiting_rows += row->s.status == EF_STATUS_FAILED;
        if (!blocks(row) || row->lane == SIM_LANES - 1 || seen[row->lane].waiting)
            continue;
        seen[row->lane].waiting = true;
        lag->blocked_aggregates++;
    }
    lag->oldest_unfinished_age_s = (double)(now - oldest) / EF_S_US;
}

/* --- all --- */

static bool changes_rows(enum sim_stmt_kind kind)
{
    return kind == SIM_SETTLE || kind == SIM_MARK || kind == SIM_SETTLE_DURABLY ||
           kind == SIM_RELEASE_TOPIC || kind == SIM_CARRY_OUT;
}

static void perform(struct sim_stmt *q)
{
    switch (q->kind) {
    case SIM_ACQUIRE:
        sim_db_acquire(q);
        break;
    case SIM_RENEW:
        sim_db_renew(q);
        break;
    case SIM_RELEASE:
        sim_db_release(q);
        break;
    case SIM_FETCH:
        fetch(q);
        break;
    case SIM_SETTLE:
        settle(q, false);
        break;
    case SIM_MARK:
        mark(q);
        break;
    case SIM_SETTLE_DURABLY:
        settle(q, true);
        break;
    case SIM_RELEASE_TOPIC:
        release_topic(q);
        break;
    case SIM_WAITING:
        waiting(q);
        break;
    case SIM_PAUSE:
        sim_db_pause_mark(q);
        break;
    case SIM_BELL:
        db.armed = q->flag;
        break;
    case SIM_NEXT_COMMAND:
        sim_db_next_command(q);
        break;
    case SIM_CARRY_OUT:
        sim_db_carry_out(q);
        break;
    case SIM_HOLDS:
        sim_db_tell_holds(q);
        break;
    case SIM_OPERATE:
        sim_db_operate(q);
        break;
    case SIM_LAG:
        lag(q);
        break;
    case SIM_MAINTAIN:
        sim_db_maintain(q);
        break;
    case SIM_CHECK:
    case SIM_EXAMINE:
    case SIM_STMT_KINDS:
        break;
    }
}

int64_t sim_db_execute(struct sim_stmt *q)
{
    int64_t wait_us;
    bool of_table = q->kind == SIM_CHECK || q->kind == SIM_FETCH || q->kind == SIM_WAITING ||
                    changes_rows(q->kind);
    bool of_archive = archives() && db.revoked == 3 &&
                      (q->kind == SIM_CHECK || q->kind == SIM_SETTLE ||
                       q->kind == SIM_SETTLE_DURABLY || q->kind == SIM_MAINTAIN);
    if (!q->began && (of_archive || db.revoked == 2 || (db.revoked == 1 && of_table))) {
        ef_error_set(&q->err, EF_CLASS_CONFIG, "permission denied for table outbox");
        ef_error_code(&q->err, 0, "42501");
        return 0;
    }
    if (db.stalled)
        return STALLED_US;
    if (db.config.mysql && (wait_us = sim_my_part(q, changes_rows(q->kind))) > 0)
        return wait_us;
    if (changes_rows(q->kind) && !begin_write(q, &wait_us))
        return wait_us;
    perform(q);
    if (changes_rows(q->kind))
        end_write(q);
    return 0;
}
