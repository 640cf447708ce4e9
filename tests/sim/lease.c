// SPDX-License-Identifier: MIT
/* Statements about the simulated database's lease, and the pause mark that a renewal brings along.
 */
#include <stdio.h>
#include <string.h>

#include "sim/checker.h"
#include "sim/db_private.h"
#include "sim/tell.h"

int64_t sim_db_ms_until(int64_t at_us, int64_t now_us)
{
    int64_t us = at_us - now_us;
    return us > 0 ? (us + EF_MS_US - 1) / EF_MS_US : 0;
}

bool sim_db_lease_matches(const struct sim_stmt *q)
{
    return db.lease.epoch == q->epoch && db.lease.server == db.timeline;
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
    memcpy(lease->label, q->label, sizeof(lease->label));
    q->rows = 1;
    TELL("database: relay %d is granted the lease, epoch %lld", q->relay, (long long)lease->epoch);
    sim_check_granted(q->relay, lease->serial);
}

void sim_db_acquire(struct sim_stmt *q)
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
        q->limit = (int)sim_db_ms_until(lease->server_seen_us + ttl_us, now);
    } else if (lease->expires_us > now &&
               !(q->old_token[0] && strcmp(lease->token, q->old_token) == 0)) {
        q->limit = (int)sim_db_ms_until(lease->expires_us, now);
    } else if (db.share_locks == 0) { /* MySQL: the fence is a row of its own */
        grant(q, now);
        q->lease = *lease;
    }
    sim_db_log_commit(true);
}

void sim_db_renew(struct sim_stmt *q)
{
    q->xid = db.next_xid++;
    q->fenced = !sim_db_lease_matches(q) || !db.lease.token[0];
    q->renewal = (struct ef_renewal){.paused = db.paused, .commands = sim_db_open_commands()};
    if (db.paused) {
        snprintf(q->renewal.paused_by, sizeof(q->renewal.paused_by), "%s", db.paused_by);
        snprintf(q->renewal.pause_reason, sizeof(q->renewal.pause_reason), "%s", db.pause_reason);
    }
    if (q->fenced)
        return;
    sim_db_save_lease();
    db.lease.expires_us = sim_db_now_us() + q->ttl_ms * EF_MS_US;
    sim_db_log_commit(true);
}

void sim_db_release(struct sim_stmt *q)
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

void sim_db_pause_mark(struct sim_stmt *q)
{
    sim_db_save_lease();
    db.paused = q->flag;
    db.paused_by = q->actor;
    db.pause_reason = q->why ? q->why : "";
    sim_db_log_commit(true);
}
