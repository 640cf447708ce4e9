// SPDX-License-Identifier: MIT
/* The statements about the lease and about who stands by; pg_lease.c runs them. */
#include <stdlib.h>

#include "store/pg_session.h"
#include "store/pg_store.h"

/* "Here is a relay": WITH h AS (...), every 5 s at most. Parameters as they are called in SQL. */
static void put_heartbeat(struct ef_buf *b, const struct ef_pg_layout *l, const char *who,
                          const char *where)
{
    ef_buf_printf(b,
                  " h AS (INSERT INTO %s.relay AS r (incarnation, instance, host, version,"
                  " seen_at%s) SELECT %s, clock_timestamp()%s%s ON CONFLICT (incarnation)"
                  " DO UPDATE SET seen_at = clock_timestamp()%s"
                  " WHERE r.seen_at < clock_timestamp() - interval '5 seconds')",
                  l->ours, l->has_standbys ? ", outbox_id" : "", who,
                  l->has_standbys ? ", $1::int" : "", where,
                  l->has_standbys ? ", outbox_id = $1::int" : "");
}

/* Two columns, instance and host of who stands by: a row for each, and one where there is none. */
static void put_standby_columns(struct ef_buf *b, const struct ef_pg_layout *l)
{
    ef_buf_puts(b, l->has_standbys ? ", p.instance, p.host" : ", NULL, NULL");
}

/* The lease is read as it was before this statement, so a new owner says which row is its own. */
static void put_standbys(struct ef_buf *b, const struct ef_pg_layout *l, const char *not_owner)
{
    if (l->has_standbys)
        ef_buf_printf(
            b,
            " LEFT JOIN (SELECT r.instance, r.host FROM %s.relay r WHERE r.outbox_id ="
            " $1::int AND r.seen_at > clock_timestamp() - %d * interval '1 second'"
            " AND r.incarnation IS DISTINCT FROM (SELECT incarnation FROM %s.lease WHERE"
            " outbox_id = $1::int) AND %s ORDER BY r.instance, r.host LIMIT %d) p ON true",
            l->ours, EF_STANDBY_SEEN_S, l->ours, not_owner, EF_STANDBYS_MAX);
}

/* Whoever takes the lease clears away the relay it had, which says so again if it lives, and those
 * of old. Only of this outbox, whose lease is locked: takers do not wait for one another here. */
static void put_clearing(struct ef_buf *b, const struct ef_pg_layout *l)
{
    if (l->has_standbys)
        ef_buf_printf(
            b,
            ", d AS (DELETE FROM %s.relay r USING c WHERE EXISTS (SELECT 1 FROM t)"
            " AND r.outbox_id = $1::int AND r.incarnation <> $4::uuid"
            " AND (r.incarnation = c.incarnation OR r.seen_at < c.now - interval '1 day'))",
            l->ours);
}

/*
 * $1 outbox_id, $2 system, $3 owner, $4 incarnation, $5 token, $6 old token, $7 ttl ms, $8 host, $9
 * version, $10 passing. One statement looks, records a server that was never seen before, or takes
 * the lease. Answer: row there, locked by somebody, granted epoch, holder, ms until it expires, ms
 * of silence left, who stands by.
 */
static char *acquire_sql(const struct ef_pg_layout *l)
{
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(
        &b,
        "WITH l AS MATERIALIZED (SELECT e.outbox_id, e.server, e.server_seen_at, e.owner, e.token, "
        "e.incarnation, e.expires_at,"
        " $2::text || '/' || " EF_PG_TIMELINE_SQL
        " AS here, clock_timestamp() AS now, " EF_PG_RAISE_SYNC
        " FROM %s.lease e WHERE e.outbox_id = $1::int FOR UPDATE OF e SKIP LOCKED),"
        " c AS MATERIALIZED (SELECT l.*, l.server IS NOT NULL AND l.server <> l.here AS moved,"
        " CASE WHEN l.server_seen_at + $7::bigint * interval '1 millisecond' > l.now"
        " THEN l.server_seen_at + $7::bigint * interval '1 millisecond' END AS quiet_until,"
        " l.expires_at IS NULL OR l.expires_at <= l.now OR l.token = $6::uuid AS free FROM l),"
        " m AS (UPDATE %s.lease e SET server = c.here, server_seen_at = c.now, owner = NULL, token "
        "= NULL,"
        " expires_at = NULL FROM c WHERE e.outbox_id = c.outbox_id AND c.moved),"
        " t AS (UPDATE %s.lease e SET epoch = e.epoch + 1, owner = $3::text, incarnation = "
        "$4::uuid,"
        " token = $5::uuid, server = c.here, acquired_at = c.now,"
        " expires_at = c.now + $7::bigint * interval '1 millisecond' FROM c"
        " WHERE e.outbox_id = c.outbox_id AND NOT c.moved AND c.quiet_until IS NULL AND c.free "
        "RETURNING e.epoch),",
        l->ours, l->ours, l->ours);
    put_heartbeat(&b, l, "$4::uuid, $3::text, $8::text, $9::text", " WHERE NOT $10::boolean");
    put_clearing(&b, l);
    ef_buf_printf(
        &b,
        " SELECT EXISTS (SELECT 1 FROM %s.lease WHERE outbox_id = $1::int), NOT EXISTS (SELECT 1 "
        "FROM c),"
        " (SELECT epoch FROM t), (SELECT owner FROM c),"
        " (SELECT ceil(extract(epoch FROM expires_at - now) * 1000)::bigint FROM c),"
        " (SELECT CASE WHEN moved THEN $7::bigint ELSE ceil(extract(epoch FROM quiet_until - now) "
        "* 1000)::bigint"
        " END FROM c)",
        l->ours);
    put_standby_columns(&b, l);
    ef_buf_puts(&b, " FROM (SELECT 1) one");
    put_standbys(&b, l, "NOT (r.incarnation = $4::uuid AND EXISTS (SELECT 1 FROM t))");
    return ef_pg_sql_finish(&b);
}

/* $4 ttl ms, $5 incarnation, $6 instance, $7 host, $8 version */
static char *renew_sql(const struct ef_pg_layout *l)
{
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(
        &b,
        "WITH s AS MATERIALIZED (SELECT " EF_PG_RAISE_SYNC " AS raised),"
        " r AS (UPDATE %s.lease SET expires_at = clock_timestamp() + $4::bigint * interval '1 "
        "millisecond'"
        " FROM s WHERE " EF_PG_LEASE_MATCH
        /* given back: a renewal of before that comes late must not keep others waiting */
        " AND token IS NOT NULL RETURNING 1),",
        l->ours);
    put_heartbeat(&b, l, "$5::uuid, $6::text, $7::text, $8::text", "");
    ef_buf_printf(
        &b,
        " SELECT (SELECT count(*) FROM r), o.paused_at IS NOT NULL, o.paused_by, o.pause_reason,"
        " (SELECT count(*) FROM %s.command WHERE outbox_id = $1::int AND done_at IS NULL),"
        " pg_current_xact_id()::text",
        l->ours);
    put_standby_columns(&b, l);
    ef_buf_printf(&b, " FROM %s.outbox o", l->ours);
    put_standbys(&b, l, "r.incarnation <> $5::uuid");
    ef_buf_puts(&b, " WHERE o.outbox_id = $1::int");
    return ef_pg_sql_finish(&b);
}

/* Who gives its lease back does not stand by either, until it looks again. $4 incarnation */
static char *release_sql(const struct ef_pg_layout *l)
{
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(&b,
                  "WITH d AS (DELETE FROM %s.relay WHERE incarnation = $4::uuid)"
                  " UPDATE %s.lease SET expires_at = clock_timestamp(), token = NULL"
                  " WHERE " EF_PG_LEASE_MATCH,
                  l->ours, l->ours);
    return ef_pg_sql_finish(&b);
}

void ef_pg_sql_build_lease(struct ef_pg_store *s)
{
    struct ef_pg_sql *sql = &s->sql;
    free(sql->acquire);
    free(sql->renew);
    free(sql->release);
    free(sql->pause);
    sql->acquire = acquire_sql(&s->layout);
    sql->renew = renew_sql(&s->layout);
    sql->release = release_sql(&s->layout);
    sql->pause = ef_pg_sql_simple(
        "UPDATE %s.outbox SET paused_at = CASE WHEN $2::boolean THEN clock_timestamp() END,"
        " paused_by = CASE WHEN $2::boolean THEN $3::text END,"
        " pause_reason = CASE WHEN $2::boolean THEN $4::text END WHERE outbox_id = $1::int",
        s->layout.ours);
}
