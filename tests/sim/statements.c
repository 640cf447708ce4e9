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

enum { LOCKED_MIN_US = 1000, LOCKED_MAX_US = 20000000, LAG_MAX = 100001 };

void sim_stmt_free(struct sim_stmt *stmt)
{
    free(stmt->gaps);
    free(stmt->runs);
    free(stmt->decisions);
    free(stmt->seen);
}

bool sim_db_lease_matches(const struct sim_stmt *q)
{
    return db.lease.epoch == q->epoch && db.lease.server == db.timeline;
}

/* --- the lease --- */

static int64_t ms_until(int64_t at_us, int64_t now_us)
{
    int64_t us = at_us - now_us;
    return us > 0 ? (us + EF_MS_US - 1) / EF_MS_US : 0;
}

static void grant(struct sim_stmt *q, int64_t now)
{
    struct sim_lease *lease = &db.lease;
    lease->epoch++;
    lease->owner = q->relay;
    lease->serial = ++db.grants;
    lease->server = db.timeline;
    lease->expires_us = now + q->ttl_ms * EF_MS_US;
    memcpy(lease->token, q->token, sizeof(lease->token));
    q->rows = 1;
    TELL("database: relay %d is granted the lease, epoch %lld", q->relay, (long long)lease->epoch);
    sim_check_granted(q->relay, lease->serial);
}

static void acquire(struct sim_stmt *q)
{
    struct sim_lease *lease = &db.lease;
    int64_t now = sim_db_now_us(), ttl_us = q->ttl_ms * EF_MS_US;
    q->renewal.commands = 0;
    q->lease = *lease;
    q->rows = 0;
    q->limit = 100; /* ms to wait: somebody holds the row's lock */
    db.next_xid++;
    if (db.share_locks > 0 && !db.config.mysql)
        return;
    sim_db_save_lease();
    if (lease->server != 0 && lease->server != db.timeline) {
        lease->server = db.timeline;
        lease->server_seen_us = now;
        lease->owner = -1;
        lease->token[0] = '\0';
        lease->expires_us = 0;
        q->flag = true; /* silence */
        q->limit = (int)q->ttl_ms;
        TELL("database: relay %d records the new server", q->relay);
    } else if (lease->server_seen_us && lease->server_seen_us + ttl_us > now) {
        q->flag = true;
        q->limit = (int)ms_until(lease->server_seen_us + ttl_us, now);
    } else if (lease->expires_us > now &&
               !(q->old_token[0] && strcmp(lease->token, q->old_token) == 0)) {
        q->limit = (int)ms_until(lease->expires_us, now);
    } else if (db.share_locks == 0) { /* MySQL: the fence is a row of its own */
        grant(q, now);
        q->lease = *lease;
    }
    sim_db_log_commit(true);
}

int sim_db_open_commands(void)
{
    int count = 0;
    for (int i = 0; i < db.command_count; i++)
        count += !db.commands[i].done;
    return count;
}

static void renew(struct sim_stmt *q)
{
    q->xid = db.next_xid++;
    q->fenced = !sim_db_lease_matches(q) || !db.lease.token[0];
    q->renewal = (struct ef_renewal){.paused = db.paused, .commands = sim_db_open_commands()};
    if (q->fenced)
        return;
    sim_db_save_lease();
    db.lease.expires_us = sim_db_now_us() + q->ttl_ms * EF_MS_US;
    sim_db_log_commit(true);
}

static void release(struct sim_stmt *q)
{
    if (!sim_db_lease_matches(q))
        return;
    db.next_xid++;
    sim_db_save_lease();
    db.lease.expires_us = sim_db_now_us();
    db.lease.token[0] = '\0';
    sim_db_log_commit(true);
    TELL("database: relay %d's lease is released", q->relay);
}

static void pause_mark(struct sim_stmt *q)
{
    sim_db_save_lease();
    db.paused = q->flag;
    sim_db_log_commit(true);
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

/* Both parts in one pass over the snapshot; gap runs ascend as ids do. */
static void read_rows(struct sim_stmt *q, int64_t now)
{
    const struct ef_fetch *f = &q->fetch;
    struct before before[SIM_LANES] = {0};
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

static void settle_row(struct sim_stmt *q, struct sim_row *row)
{
    sim_check_settled(row, q);
    sim_db_save_row(row->uid);
    TELL("database: id %lld (m%06d) is settled", (long long)row->id, row->uid);
    if (db.config.on_delivered == EF_ON_DELIVERED_MARK) {
        row->s.status = EF_STATUS_DONE;
    } else {
        row->s.archived = db.config.on_delivered == EF_ON_DELIVERED_ARCHIVE;
        if (row->s.archived)
            sim_cover_notable(SIM_ARCHIVED);
        row->s.there = false;
        sim_db_unindex(row->uid);
    }
    q->rows++;
}

static void settle_run(struct sim_stmt *q, const struct ef_settle_run *run)
{
    for (int i = sim_db_lower_bound(run->first); i < db.index_count;) {
        struct sim_row *row = &db.rows[db.index[i]];
        if (row->id > run->last)
            return;
        bool hit = sim_db_visible(row, q->snapshot) && row->created_us >= run->created_min_us &&
                   row->created_us <= run->created_max_us && row->s.status != EF_STATUS_DONE;
        if (hit)
            settle_row(q, row);
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
    if (retry && d->error && !db.held[row->topic] && !q->late)
        sim_violated(SIM_HOLD, "m%06d is put to wait for a release, but its topic is not held",
                     row->uid);
    sim_db_save_row(row->uid);
    row->s.status = retry ? EF_STATUS_FAILED : EF_STATUS_DEAD;
    row->s.attempts = (int16_t)d->attempts;
    row->s.next_retry_us = retry ? sim_db_now_us() + d->delay_ms * EF_MS_US : 0;
    row->s.claimed_us = 0;
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

/* Waiting rows of this topic (-1: of every one), the first `limit` by id, 0 for all. */
static void make_due(struct sim_stmt *q, int topic, int limit)
{
    int64_t now = sim_db_now_us();
    for (int i = 0; i < db.index_count && (limit == 0 || q->rows < limit); i++) {
        struct sim_row *row = &db.rows[db.index[i]];
        if (!row->s.there || row->s.status != EF_STATUS_FAILED || row->s.next_retry_us <= now ||
            (topic >= 0 && row->topic != topic))
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
    make_due(q, q->topic, q->limit);
    sim_db_log_commit(true);
}

/* --- operators' commands --- */

static void next_command(struct sim_stmt *q)
{
    q->command = 0;
    for (int i = 0; i < db.command_count && q->command == 0; i++)
        if (!db.commands[i].done)
            q->command = i + 1;
}

static void skip_row(struct sim_stmt *q, struct sim_row *row)
{
    sim_check_skipped(row);
    settle_row(q, row);
}

static void retry_row(struct sim_stmt *q, struct sim_row *row)
{
    bool dead = row->s.status == EF_STATUS_DEAD;
    if (dead)
        sim_check_asked_again(row);
    sim_db_save_row(row->uid);
    if (dead)
        row->s.attempts = 0;
    row->s.status = EF_STATUS_FAILED;
    row->s.next_retry_us = sim_db_now_us();
    q->rows++;
    TELL("database: id %lld (m%06d) is to be tried again", (long long)row->id, row->uid);
}

static void order_of_row(struct sim_stmt *q, const struct sim_command *command)
{
    int i = sim_db_lower_bound(command->id);
    struct sim_row *row = i < db.index_count ? &db.rows[db.index[i]] : NULL;
    bool there = row && row->id == command->id && sim_db_visible(row, q->snapshot) &&
                 (row->s.status == EF_STATUS_FAILED || row->s.status == EF_STATUS_DEAD);
    if (!there)
        return;
    bool skip = command->order == SIM_SKIP_ROW;
    sim_cover_notable(skip ? SIM_SKIPPED : SIM_RETRIED);
    if (skip)
        skip_row(q, row);
    else
        retry_row(q, row);
}

static void carry_out(struct sim_stmt *q)
{
    struct sim_command *command = &db.commands[q->command - 1];
    q->rows = 0;
    if (q->fenced || command->done)
        return;
    db.next_xid++;
    command->done = true;
    switch (command->order) {
    case SIM_RETRY_ROW:
    case SIM_SKIP_ROW:
        order_of_row(q, command);
        break;
    case SIM_HOLD_TOPIC:
        TELL("database: topic %d is held", command->topic);
        sim_cover_notable(SIM_HELD);
        db.held[command->topic] = true;
        break;
    case SIM_LET_TOPIC_GO:
        TELL("database: topic %d is released", command->topic);
        db.held[command->topic] = false;
        make_due(q, command->topic, 0);
        break;
    }
    sim_db_log_commit(true);
}

static void holds(struct sim_stmt *q)
{
    q->held = 0;
    for (int i = 0; i < SIM_TOPICS; i++)
        q->held |= db.held[i] ? 1u << i : 0;
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
            if (due(row, now) && q->waiting.due_count == SIM_DUE_MAX)
                q->waiting.due_more = true;
            else if (due(row, now))
                q->waiting.due[q->waiting.due_count++] = row->id;
        } else if (!due(row, now)) {
            q->waiting.foreign_rows++;
        }
    }
    if (q->waiting.waiting_rows > 0)
        q->waiting.next_retry_ms = ms_until(earliest, now);
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
        acquire(q);
        break;
    case SIM_RENEW:
        renew(q);
        break;
    case SIM_RELEASE:
        release(q);
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
        pause_mark(q);
        break;
    case SIM_BELL:
        db.armed = q->flag;
        break;
    case SIM_NEXT_COMMAND:
        next_command(q);
        break;
    case SIM_CARRY_OUT:
        carry_out(q);
        break;
    case SIM_HOLDS:
        holds(q);
        break;
    case SIM_CHECK:
    case SIM_LAG:
    case SIM_MAINTAIN:
    case SIM_STMT_KINDS:
        break;
    }
}

int64_t sim_db_execute(struct sim_stmt *q)
{
    int64_t wait_us;
    bool of_table = q->kind == SIM_CHECK || q->kind == SIM_FETCH || q->kind == SIM_WAITING ||
                    changes_rows(q->kind);
    bool of_archive = db.config.on_delivered == EF_ON_DELIVERED_ARCHIVE && db.revoked == 3 &&
                      (q->kind == SIM_CHECK || q->kind == SIM_SETTLE ||
                       q->kind == SIM_SETTLE_DURABLY || q->kind == SIM_MAINTAIN);
    if (!q->began && (of_archive || db.revoked == 2 || (db.revoked == 1 && of_table))) {
        ef_error_set(&q->err, EF_CLASS_CONFIG, "permission denied for table outbox");
        ef_error_code(&q->err, 0, "42501");
        return 0;
    }
    if (db.config.mysql && (wait_us = sim_my_part(q, changes_rows(q->kind))) > 0)
        return wait_us;
    if (changes_rows(q->kind) && !begin_write(q, &wait_us))
        return wait_us;
    perform(q);
    if (changes_rows(q->kind))
        end_write(q);
    return 0;
}
