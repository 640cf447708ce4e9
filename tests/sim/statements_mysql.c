// SPDX-License-Identifier: MIT
/*
 * Where MySQL and MariaDB differ from PostgreSQL, as the statements of their driver (store/my_*.c)
 * meet it. Beside what is here: no transaction numbers, no doorbell, no word of a TRUNCATE
 * (store.c); one kind of commit, and ids that come again after a crash (db.c); a takeover that
 * waits for the fence only (statements.c).
 *
 * What is one statement there is several here, and the world goes on between them:
 *
 *  - A read begins with a look at READ UNCOMMITTED at the gaps' ids; its snapshot comes later.
 *  - Whatever changes rows locks the fence first, in the same transaction, and looks at rows later:
 *    as they are then (a current read), not as they were when it began.
 */
#include "sim/choice.h"
#include "sim/cover.h"
#include "sim/db_private.h"
#include "sim/tell.h"

enum { BETWEEN_MAX_US = 1000000, LOCKED_MIN_US = 1000, LOCKED_MAX_US = 20000000 };

static int64_t between(const struct sim_stmt *q)
{
    return sim_delay(SITE_DB_BETWEEN, sim_for(q->relay, q->kind), 1, BETWEEN_MAX_US);
}

static bool in_gap(const struct sim_stmt *q, int64_t id)
{
    for (int i = 0; i < q->fetch.gap_count; i++)
        if (q->fetch.gaps[i].first <= id && id <= q->fetch.gaps[i].last)
            return true;
    return false;
}

static bool unfinished(const struct sim_row *row)
{
    return row->s.status == EF_STATUS_PENDING || row->s.status == EF_STATUS_PROCESSING ||
           row->s.status == EF_STATUS_FAILED;
}

/* How many unfinished rows the gaps have, and which, as one number; at READ UNCOMMITTED rows of
 * open transactions are among them. */
static uint64_t count_gap_rows(const struct sim_stmt *q, bool uncommitted)
{
    uint64_t count = 0, which = 0;
    bool open = false;
    for (int i = 0; i < db.index_count; i++) {
        const struct sim_row *row = &db.rows[db.index[i]];
        bool shown = row->s.there || (uncommitted && row->tx >= 0);
        if (!shown || !unfinished(row) || !in_gap(q, row->id))
            continue;
        open = open || !row->s.there;
        count++;
        which = which * UINT64_C(1099511628211) + (uint64_t)row->id;
    }
    if (open)
        sim_cover_notable(SIM_LOOKED_AT_OPEN);
    return count << 48 ^ which;
}

static int64_t read_part(struct sim_stmt *q)
{
    if (!q->look)
        return 0;
    if (!q->began) {
        q->began = true;
        q->looked = count_gap_rows(q, true);
        return between(q);
    }
    q->counted = count_gap_rows(q, false);
    return 0;
}

/* The fence's row stays locked until the end. */
static int64_t write_part(struct sim_stmt *q)
{
    if (q->began) {
        q->snapshot = db.commits;
        return 0;
    }
    q->began = true;
    q->fenced = !sim_db_lease_matches(q);
    if (!q->fenced) {
        q->share_lock = true;
        db.share_locks++;
    }
    int64_t wait_us = between(q);
    if (!q->fenced && sim_happens(SITE_DB_LOCKED, sim_for(q->relay, q->kind),
                                  db.no_locks ? 0 : db.config.locked_permille))
        wait_us +=
            sim_delay(SITE_DB_LOCKED_FOR, sim_for(q->relay, q->kind), LOCKED_MIN_US, LOCKED_MAX_US);
    return wait_us;
}

int64_t sim_my_part(struct sim_stmt *q, bool changes_rows)
{
    if (q->kind == SIM_FETCH)
        return read_part(q);
    return changes_rows ? write_part(q) : 0;
}
