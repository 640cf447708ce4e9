// SPDX-License-Identifier: MIT
/*
 * The lease: one transaction looks, records a server that was never seen before, or takes it. There
 * is no RETURNING, so session variables carry what one statement saw to the next, and the whole
 * goes in one packet.
 */
#define EF_LOG_ROOM "store"
#include "store/my_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "version.h"

enum { LEASE_SQL_MAX = 16384, LOCKED_WAIT_MS = 100 };

static int64_t not_negative(int64_t v)
{
    return v > 0 ? v : 0;
}

/* "Here is a relay": who stands by is seen in the table of live relays. */
static void put_heartbeat(const struct ef_my_store *s, const char *instance, struct ef_buf *b)
{
    bool outbox = s->layout.has_standbys;
    char host[256];
    if (gethostname(host, sizeof(host)) != 0)
        snprintf(host, sizeof(host), "unknown");
    host[sizeof(host) - 1] = '\0';
    ef_buf_printf(
        b,
        "INSERT INTO %s.eventferry_relay (incarnation, instance, host, version, %sseen_at)"
        " VALUES (",
        s->layout.database, outbox ? "outbox_id, " : "");
    const char *values[] = {s->incarnation, instance, host, EF_VERSION};
    for (int i = 0; i < 4; i++) {
        ef_my_sql_literal(b, values[i]);
        ef_buf_puts(b, ", ");
    }
    if (outbox)
        ef_buf_printf(b, "%d, ", s->layout.outbox_id);
    ef_buf_puts(b, "NOW(6)) ON DUPLICATE KEY UPDATE"
                   " seen_at = IF(seen_at < NOW(6) - INTERVAL 5 SECOND, NOW(6), seen_at)");
    if (outbox)
        ef_buf_printf(b, ", outbox_id = %d", s->layout.outbox_id);
    ef_buf_puts(b, ";");
}

/* Two columns, instance and host of who stands by: a row for each, and one where there is none. */
static void put_standby_columns(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_puts(b, s->layout.has_standbys ? ", p.instance, p.host" : ", NULL, NULL");
}

static void put_standbys(const struct ef_my_store *s, struct ef_buf *b)
{
    if (s->layout.has_standbys)
        ef_buf_printf(b,
                      " LEFT JOIN (SELECT r.instance, r.host FROM %s.eventferry_relay r WHERE"
                      " r.outbox_id = %d AND r.seen_at > NOW(6) - INTERVAL %d SECOND"
                      " AND r.incarnation <> COALESCE((SELECT l.incarnation FROM"
                      " %s.eventferry_lease l WHERE l.outbox_id = %d), '')"
                      " ORDER BY r.instance, r.host LIMIT %d) p ON 1 = 1",
                      s->layout.database, s->layout.outbox_id, EF_STANDBY_SEEN_S,
                      s->layout.database, s->layout.outbox_id, EF_STANDBYS_MAX);
}

/* The answer's last two columns, a row for each. */
static void take_standbys(const struct ef_my_store *s, const struct ef_my_answer *a, int col,
                          struct ef_standbys *ret)
{
    ret->known = s->layout.has_standbys;
    for (int i = 0; i < a->rows; i++)
        if (ef_my_text(a, i, col)[0])
            ef_standbys_add(ret, ef_my_text(a, i, col), ef_my_text(a, i, col + 1));
}

/* --- taking it --- */

static void got_lease(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_error own;
    struct ef_lease lease = {.outcome = EF_LEASE_HELD};
    if (!err && !ef_my_int(a, 0, 0, 0)) {
        ef_error_set(&own, EF_CLASS_CONFIG,
                     "the lease row of outbox %d is gone; run `eventferryctl migrate`",
                     s->layout.outbox_id);
        err = &own;
    }
    if (err) {
        ef_store_did_acquire(&s->store, NULL, err);
        return;
    }
    lease.epoch = ef_my_int(a, 0, 2, 0);
    snprintf(lease.owner, sizeof(lease.owner), "%s", ef_my_text(a, 0, 3));
    if (lease.epoch) {
        lease.outcome = EF_LEASE_GRANTED;
    } else if (!ef_my_int(a, 0, 1, 0)) {
        lease.wait_ms =
            LOCKED_WAIT_MS; /* its row is locked: a settle or a takeover is just under way */
    } else if (ef_my_text(a, 0, 5)[0]) {
        lease.outcome = EF_LEASE_QUIET;
        lease.wait_ms = not_negative(ef_my_int(a, 0, 5, 0));
    } else {
        lease.wait_ms = not_negative(ef_my_int(a, 0, 4, 0));
        if (lease.wait_ms == 0)
            lease.wait_ms = LOCKED_WAIT_MS;
    }
    take_standbys(s, a, 6, &lease.standbys);
    ef_store_did_acquire(&s->store, &lease, NULL);
}

static void put_look(const struct ef_my_store *s, const struct ef_acquire *acquire,
                     struct ef_buf *b)
{
    int64_t ttl_us = acquire->ttl_ms * 1000;
    ef_buf_printf(b,
                  "ROLLBACK;START TRANSACTION;SET @ef_seen = 0, @ef_moved = 0, @ef_quiet = NULL,"
                  " @ef_free = 0, @ef_holder = NULL, @ef_left = NULL, @ef_fence = 0,"
                  " @ef_former = NULL;"
                  "SELECT 1, server IS NOT NULL AND server <> %s,"
                  " IF(server_seen_at + INTERVAL %" PRId64 " MICROSECOND > NOW(6),"
                  " TIMESTAMPDIFF(MICROSECOND, NOW(6), server_seen_at + INTERVAL %" PRId64
                  " MICROSECOND), NULL),"
                  " expires_at IS NULL OR expires_at <= NOW(6) OR COALESCE(token = ",
                  s->sql.server, ttl_us, ttl_us);
    ef_my_sql_literal(b, acquire->old_token);
    ef_buf_printf(b,
                  ", 0), owner, TIMESTAMPDIFF(MICROSECOND, NOW(6), expires_at), incarnation"
                  " INTO @ef_seen, @ef_moved, @ef_quiet, @ef_free, @ef_holder, @ef_left, @ef_former"
                  " FROM %s.eventferry_lease WHERE outbox_id = %d FOR UPDATE SKIP LOCKED;"
                  "SELECT 1 INTO @ef_fence FROM %s.eventferry_fence WHERE outbox_id = %d FOR "
                  "UPDATE SKIP LOCKED;",
                  s->layout.database, s->layout.outbox_id, s->layout.database, s->layout.outbox_id);
}

/* A fence that is locked belongs to a settle of the former owner: its turn comes first. */
#define GRANTED                                                                                    \
    "@ef_seen = 1 AND @ef_moved = 0 AND @ef_quiet IS NULL AND @ef_free = 1 AND @ef_fence = 1"

/* Whoever takes the lease clears away the relay it had, which says so again if it lives, and those
 * of old: only of this outbox, whose lease is locked. */
static void put_clearing(const struct ef_my_store *s, struct ef_buf *b)
{
    if (!s->layout.has_standbys)
        return;
    ef_buf_printf(b,
                  "DELETE FROM %s.eventferry_relay WHERE outbox_id = %d AND " GRANTED
                  " AND (incarnation = @ef_former OR seen_at < NOW(6) - INTERVAL 1 DAY)"
                  " AND incarnation <> ",
                  s->layout.database, s->layout.outbox_id);
    ef_my_sql_literal(b, s->incarnation);
    ef_buf_puts(b, ";");
}

static void put_take(const struct ef_my_store *s, const struct ef_acquire *acquire,
                     struct ef_buf *b)
{
    const char *database = s->layout.database;
    int id = s->layout.outbox_id;
    ef_buf_printf(b,
                  "UPDATE %s.eventferry_lease SET server = %s, server_seen_at = NOW(6),"
                  " owner = NULL, token = NULL, expires_at = NULL"
                  " WHERE outbox_id = %d AND @ef_seen = 1 AND @ef_moved = 1;"
                  "UPDATE %s.eventferry_lease SET epoch = epoch + 1, owner = ",
                  database, s->sql.server, id, database);
    ef_my_sql_literal(b, acquire->owner);
    ef_buf_puts(b, ", incarnation = ");
    ef_my_sql_literal(b, acquire->incarnation);
    ef_buf_puts(b, ", token = ");
    ef_my_sql_literal(b, acquire->token);
    ef_buf_printf(
        b,
        ", server = %s, acquired_at = NOW(6),"
        " expires_at = NOW(6) + INTERVAL %" PRId64 " MICROSECOND WHERE outbox_id = %d AND " GRANTED
        ";"
        "UPDATE %s.eventferry_fence SET epoch = (SELECT epoch FROM %s.eventferry_lease WHERE"
        " outbox_id = %d) WHERE outbox_id = %d AND " GRANTED ";",
        s->sql.server, acquire->ttl_ms * 1000, id, database, database, id, id);
    put_clearing(s, b);
    if (!acquire->passing)
        put_heartbeat(s, acquire->owner, b);
    ef_buf_printf(b,
                  "SELECT EXISTS (SELECT 1 FROM %s.eventferry_lease WHERE outbox_id = %d),"
                  " @ef_seen, IF(" GRANTED ", (SELECT epoch FROM %s.eventferry_lease WHERE"
                  " outbox_id = %d), NULL), @ef_holder, CEIL(@ef_left / 1000),"
                  " IF(@ef_moved = 1, %" PRId64 ", CEIL(@ef_quiet / 1000))",
                  database, id, database, id, acquire->ttl_ms);
    put_standby_columns(s, b);
    ef_buf_puts(b, " FROM (SELECT 1) one");
    put_standbys(s, b);
    ef_buf_puts(b, ";COMMIT");
}

void ef_my_acquire(struct ef_store *store, const struct ef_acquire *acquire)
{
    struct ef_my_store *s = ef_my_store_of(store);
    struct ef_buf sql;
    snprintf(s->incarnation, sizeof(s->incarnation), "%s", acquire->incarnation);
    ef_buf_init(&sql, LEASE_SQL_MAX);
    put_look(s, acquire, &sql);
    put_take(s, acquire, &sql);
    ef_my_conn_submit(&s->lease, ef_my_request_new(&sql, got_lease, s));
}

/* --- keeping it --- */

enum { RENEW_UPDATE = 1 }; /* which of the statements */

static void got_renewal(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_error own;
    if (!err && (a->affected[RENEW_UPDATE] == 0 || a->rows == 0)) {
        ef_error_set(&own, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &own;
    }
    if (err) {
        ef_store_did_renew(&s->store, NULL, err);
        return;
    }
    struct ef_renewal renewal = {.paused = ef_my_int(a, 0, 0, 0) != 0,
                                 .commands = (int)ef_my_int(a, 0, 3, 0)};
    snprintf(renewal.paused_by, sizeof(renewal.paused_by), "%s", ef_my_text(a, 0, 1));
    snprintf(renewal.pause_reason, sizeof(renewal.pause_reason), "%s", ef_my_text(a, 0, 2));
    take_standbys(s, a, 4, &renewal.standbys);
    ef_store_did_renew(&s->store, &renewal, NULL);
}

void ef_my_renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms)
{
    struct ef_my_store *s = ef_my_store_of(store);
    const char *database = s->layout.database;
    struct ef_buf sql;
    ef_buf_init(&sql, LEASE_SQL_MAX);
    ef_buf_printf(&sql,
                  "ROLLBACK;UPDATE %s.eventferry_lease SET expires_at = NOW(6) + INTERVAL %" PRId64
                  " MICROSECOND WHERE ",
                  database, ttl_ms * 1000);
    ef_my_sql_lease(s, epoch, &sql);
    /* given back: a renewal of before that comes late must not keep others waiting */
    ef_buf_puts(&sql, " AND token IS NOT NULL;");
    put_heartbeat(s, s->config->instance, &sql);
    ef_buf_printf(&sql,
                  "SELECT o.paused_at IS NOT NULL, o.paused_by, o.pause_reason, (SELECT COUNT(*)"
                  " FROM %s.eventferry_command c WHERE c.outbox_id = %d AND c.done_at IS NULL)",
                  database, s->layout.outbox_id);
    put_standby_columns(s, &sql);
    ef_buf_printf(&sql, " FROM %s.eventferry_outbox o", database);
    put_standbys(s, &sql);
    ef_buf_printf(&sql, " WHERE o.outbox_id = %d", s->layout.outbox_id);
    ef_my_conn_submit(&s->lease, ef_my_request_new(&sql, got_renewal, s));
}

static void got_release(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    (void)a;
    ef_store_did_release(&s->store, err);
}

void ef_my_release(struct ef_store *store, int64_t epoch)
{
    struct ef_my_store *s = ef_my_store_of(store);
    struct ef_buf sql;
    ef_buf_init(&sql, LEASE_SQL_MAX);
    ef_buf_printf(&sql, "UPDATE %s.eventferry_lease SET expires_at = NOW(6), token = NULL WHERE ",
                  s->layout.database);
    ef_my_sql_lease(s, epoch, &sql);
    /* who gives its lease back does not stand by either, until it looks again */
    ef_buf_printf(&sql,
                  ";DELETE FROM %s.eventferry_relay WHERE incarnation = ", s->layout.database);
    ef_my_sql_literal(&sql, s->incarnation);
    ef_my_conn_submit(&s->lease, ef_my_request_new(&sql, got_release, s));
}

/* --- the pause mark --- */

static void got_pause(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    (void)a;
    ef_store_did_pause(&s->store, err);
}

void ef_my_pause(struct ef_store *store, bool pause, const char *actor, const char *reason)
{
    struct ef_my_store *s = ef_my_store_of(store);
    struct ef_buf sql;
    ef_buf_init(&sql, LEASE_SQL_MAX);
    ef_buf_printf(&sql, "UPDATE %s.eventferry_outbox SET paused_at = %s, paused_by = ",
                  s->layout.database, pause ? "NOW(6)" : "NULL");
    ef_my_sql_literal(&sql, pause ? actor : NULL);
    ef_buf_puts(&sql, ", pause_reason = ");
    ef_my_sql_literal(&sql, pause ? reason : NULL);
    ef_buf_printf(&sql, " WHERE outbox_id = %d", s->layout.outbox_id);
    ef_my_conn_submit(&s->lease, ef_my_request_new(&sql, got_pause, s));
}
