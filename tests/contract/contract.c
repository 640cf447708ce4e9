// SPDX-License-Identifier: MIT
/*
 * The store contract on a real PostgreSQL, or where EF_TEST_MYSQL_URL is set on MariaDB or MySQL
 * (contract_mysql.c). The integration tests start it on a database that migrate has prepared:
 * EF_TEST_PG_URL         as the relay's role
 * EF_TEST_PG_ADMIN_URL   as a superuser, the same database
 * EF_TEST_PG_SERVER_URL  as a superuser, another database of the server
 */
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "contract/contract.h"
#include "store/postgres.h"
#include "unit/run_suite.h"

enum { IDLE_MAX = 16 };

struct pg_world {
    struct ef_loop *loop;
    struct ef_resolver *resolver;
    struct ef_config config;
    struct ef_config_database database;
    struct ef_config_outbox outbox;
    PGconn *admin, *server, *locker;
    char name[64];          /* of the database */
    PGconn *idle[IDLE_MAX]; /* of applications, without a transaction */
    int idle_count;
};

const char *contract_variable(const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "%s is not set: the integration tests start this program\n", name);
        exit(2);
    }
    return value;
}

static PGconn *connect_to(const char *name)
{
    PGconn *conn = PQconnectdb(contract_variable(name));
    ck_assert_msg(PQstatus(conn) == CONNECTION_OK, "%s", PQerrorMessage(conn));
    return conn;
}

/* Runs one statement; each value is a text or NULL. The caller clears the result. */
static PGresult *query(PGconn *conn, const char *sql, int count, ...)
{
    const char *values[16];
    va_list ap;
    ck_assert_int_le(count, 16);
    va_start(ap, count);
    for (int i = 0; i < count; i++)
        values[i] = va_arg(ap, const char *);
    va_end(ap);
    PGresult *res = PQexecParams(conn, sql, count, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(res);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql,
                  PQerrorMessage(conn));
    return res;
}

static void run(PGconn *conn, const char *sql)
{
    PQclear(query(conn, sql, 0));
}

static int64_t number(PGresult *res)
{
    int64_t value = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    return value;
}

/* --- life --- */

static void configure(struct pg_world *w, const struct store_setup *s)
{
    w->database = (struct ef_config_database){
        .name = (char *)"db",
        .driver = EF_DRIVER_POSTGRES,
        .url = (char *)contract_variable("EF_TEST_PG_URL"),
        .schema = (char *)"eventferry",
        .statement_timeout_ms = 30000,
        .connect_timeout_ms = 5000,
    };
    w->outbox = (struct ef_config_outbox){
        .name = (char *)"orders",
        .database = (char *)"db",
        .table = (char *)"public.outbox",
        .wake = EF_WAKE_NOTIFY,
        .on_delivered = s->on_delivered,
        .order_by = s->order_by,
        .claim_timeout_ms = s->claim_timeout_ms,
        .retention_ms = s->retention_ms,
        .retention_given = s->retention_ms > 0,
        .max_payload_bytes = s->max_payload_bytes,
    };
    w->config = (struct ef_config){
        .instance = (char *)"contract",
        .databases = &w->database,
        .database_count = 1,
        .outboxes = &w->outbox,
        .outbox_count = 1,
    };
}

static void pg_mend(void *f)
{
    struct pg_world *w = f;
    char sql[256];
    snprintf(sql, sizeof(sql), "ALTER DATABASE \"%s\" ALLOW_CONNECTIONS true", w->name);
    run(w->server, sql);
}

static void name_database(struct pg_world *w)
{
    PQconninfoOption *options = PQconninfoParse(contract_variable("EF_TEST_PG_ADMIN_URL"), NULL);
    ck_assert_ptr_nonnull(options);
    for (PQconninfoOption *o = options; o->keyword; o++)
        if (strcmp(o->keyword, "dbname") == 0)
            snprintf(w->name, sizeof(w->name), "%s", o->val);
    PQconninfoFree(options);
}

static void *pg_open(const struct store_setup *s)
{
    struct pg_world *w = ef_xcalloc(1, sizeof(*w));
    configure(w, s);
    w->server = connect_to("EF_TEST_PG_SERVER_URL");
    name_database(w);
    pg_mend(w); /* a test that failed may have left it cut */
    w->admin = connect_to("EF_TEST_PG_ADMIN_URL");
    w->loop = ef_loop_new();
    w->resolver = ef_resolver_new(w->loop);
    run(w->admin, "SET client_min_messages = warning");
    run(w->admin, "TRUNCATE public.outbox RESTART IDENTITY");
    run(w->admin, "TRUNCATE eventferry.archive_public_outbox");
    run(w->admin, "TRUNCATE eventferry.command, eventferry.hold");
    run(w->admin, "ALTER TABLE public.outbox ALTER aggregate_id DROP NOT NULL");
    run(w->admin, "DELETE FROM eventferry.relay");
    run(w->admin, "UPDATE eventferry.lease SET owner = NULL, token = NULL, server = NULL,"
                  " server_seen_at = NULL, expires_at = NULL");
    run(w->admin, "UPDATE eventferry.outbox SET paused_at = NULL, paused_by = NULL,"
                  " pause_reason = NULL");
    run(w->admin, "SELECT setval('eventferry.bell_public_outbox', 1)");
    return w;
}

static void pg_close(void *f)
{
    struct pg_world *w = f;
    for (int i = 0; i < w->idle_count; i++)
        PQfinish(w->idle[i]);
    PQfinish(w->locker);
    PQfinish(w->admin);
    PQfinish(w->server);
    ef_resolver_free(w->resolver);
    ef_loop_free(w->loop);
    free(w);
}

static struct ef_loop *pg_loop(void *f)
{
    return ((struct pg_world *)f)->loop;
}

static struct ef_store *pg_make_store(void *f, const struct ef_store_user *user, void *arg)
{
    struct pg_world *w = f;
    return ef_postgres_new(w->loop, w->resolver, &w->config, &w->outbox, user, arg);
}

/* --- the application --- */

static int64_t pg_next_id(void *f)
{
    struct pg_world *w = f;
    return number(
        query(w->admin, "SELECT nextval(pg_get_serial_sequence('public.outbox', 'id'))", 0));
}

static void *pg_begin(void *f)
{
    struct pg_world *w = f;
    PGconn *conn = w->idle_count ? w->idle[--w->idle_count] : connect_to("EF_TEST_PG_ADMIN_URL");
    run(conn, "BEGIN");
    return conn;
}

static void end(struct pg_world *w, PGconn *conn, const char *sql)
{
    run(conn, sql);
    if (w->idle_count < IDLE_MAX)
        w->idle[w->idle_count++] = conn;
    else
        PQfinish(conn);
}

static void pg_commit(void *f, void *tx)
{
    end(f, tx, "COMMIT");
}

static void pg_rollback(void *f, void *tx)
{
    end(f, tx, "ROLLBACK");
}

static char *text_of(struct ef_slice slice)
{
    return slice.p ? ef_xstrndup(slice.p, slice.len) : NULL;
}

static int64_t pg_insert(void *f, void *tx, const struct ef_row *row)
{
    static const char sql[] =
        "INSERT INTO public.outbox (id, created_at, kafka_partition, message_id, aggregate_type,"
        " aggregate_id, topic, key, payload, headers, trace_id) OVERRIDING SYSTEM VALUE VALUES ("
        "coalesce(nullif($1::bigint, 0), nextval(pg_get_serial_sequence('public.outbox', 'id'))),"
        " CASE WHEN $2::bigint = 0 THEN now()"
        " ELSE timestamptz 'epoch' + $2::bigint * interval '1 microsecond' END,"
        " nullif($3::int, -1), coalesce($4::uuid, gen_random_uuid()), $5, $6, $7, $8, $9, $10, $11)"
        " RETURNING id";
    char id[24], created[24], partition[16];
    char *texts[] = {text_of(row->message_id),   text_of(row->aggregate_type),
                     text_of(row->aggregate_id), text_of(row->topic),
                     text_of(row->key),          text_of(row->payload),
                     text_of(row->headers),      text_of(row->trace_id)};
    (void)f;
    snprintf(id, sizeof(id), "%lld", (long long)row->id);
    snprintf(created, sizeof(created), "%lld", (long long)row->created_at_us);
    snprintf(partition, sizeof(partition), "%d", (int)row->partition);
    PGresult *res = query(tx, sql, 11, id, created, partition, texts[0], texts[1], texts[2],
                          texts[3], texts[4], texts[5], texts[6], texts[7]);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free(texts[i]);
    return number(res);
}

/* --- behind the store's back --- */

static bool pg_look(void *f, int64_t id, struct store_row *ret)
{
    struct pg_world *w = f;
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)id);
    PGresult *res =
        query(w->admin,
              "SELECT status, attempts, next_retry_at IS NOT NULL, claimed_at IS NOT NULL,"
              " processed_at IS NOT NULL, coalesce((extract(epoch FROM next_retry_at"
              " - clock_timestamp()) * 1000)::bigint, 0), last_error"
              " FROM public.outbox WHERE id = $1",
              1, text);
    bool found = PQntuples(res) == 1;
    if (found)
        *ret = (struct store_row){
            .status = atoi(PQgetvalue(res, 0, 0)),
            .attempts = atoi(PQgetvalue(res, 0, 1)),
            .has_retry = PQgetvalue(res, 0, 2)[0] == 't',
            .has_claim = PQgetvalue(res, 0, 3)[0] == 't',
            .has_processed = PQgetvalue(res, 0, 4)[0] == 't',
            .retry_in_ms = atoll(PQgetvalue(res, 0, 5)),
            .has_error = !PQgetisnull(res, 0, 6),
        };
    if (found)
        snprintf(ret->last_error, sizeof(ret->last_error), "%s", PQgetvalue(res, 0, 6));
    PQclear(res);
    return found;
}

static int pg_archived(void *f, int64_t id)
{
    struct pg_world *w = f;
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)id);
    return (int)number(query(
        w->admin, "SELECT count(*) FROM eventferry.archive_public_outbox WHERE id = $1", 1, text));
}

static void pg_set_status(void *f, int64_t id, int status, int64_t at_ms)
{
    struct pg_world *w = f;
    char texts[3][24];
    snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)id);
    snprintf(texts[1], sizeof(texts[1]), "%d", status);
    snprintf(texts[2], sizeof(texts[2]), "%lld", (long long)at_ms);
    PGresult *res =
        query(w->admin,
              "UPDATE public.outbox SET status = $2::smallint,"
              " next_retry_at = CASE WHEN $2::int = 3 THEN t.at END,"
              " claimed_at = CASE WHEN $2::int = 1 THEN t.at END,"
              " processed_at = CASE WHEN $2::int = 2 THEN t.at END"
              " FROM (SELECT clock_timestamp() + $3::bigint * interval '1 millisecond' AS at) t"
              " WHERE id = $1::bigint",
              3, texts[0], texts[1], texts[2]);
    ck_assert_str_eq(PQcmdTuples(res), "1");
    PQclear(res);
}

static void pg_truncate(void *f)
{
    run(((struct pg_world *)f)->admin, "TRUNCATE public.outbox RESTART IDENTITY");
}

static void pg_move_server(void *f)
{
    run(((struct pg_world *)f)->admin,
        "UPDATE eventferry.lease SET server = '7000000000000000001/00000001'");
}

static void pg_age_relays(void *f)
{
    run(((struct pg_world *)f)->admin,
        "UPDATE eventferry.relay SET seen_at = seen_at - interval '15 seconds'");
}

static void pg_stall(void *f, bool stalled)
{
    struct pg_world *w = f;
    if (!w->locker)
        w->locker = connect_to("EF_TEST_PG_ADMIN_URL");
    run(w->locker, stalled ? "BEGIN" : "ROLLBACK");
    if (stalled)
        run(w->locker, "LOCK TABLE public.outbox IN ACCESS EXCLUSIVE MODE");
}

static void pg_cut(void *f)
{
    struct pg_world *w = f;
    char sql[256];
    snprintf(sql, sizeof(sql), "ALTER DATABASE \"%s\" ALLOW_CONNECTIONS false", w->name);
    run(w->server, sql);
    PQclear(query(w->server,
                  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE datname = $1 AND application_name LIKE 'eventferryd/%'",
                  1, w->name));
}

static const struct store_fixture postgres_fixture = {
    .name = "store contract: postgres",
    .open = pg_open,
    .close = pg_close,
    .loop = pg_loop,
    .make_store = pg_make_store,
    .next_id = pg_next_id,
    .begin = pg_begin,
    .insert = pg_insert,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .look = pg_look,
    .archived = pg_archived,
    .set_status = pg_set_status,
    .truncate = pg_truncate,
    .move_server = pg_move_server,
    .age_relays = pg_age_relays,
    .stall = pg_stall,
    .cut = pg_cut,
    .mend = pg_mend,
};

int main(void)
{
    bool mysql = getenv("EF_TEST_MYSQL_URL") != NULL;
    return run_suite(store_suite(mysql ? &contract_mysql : &postgres_fixture));
}
