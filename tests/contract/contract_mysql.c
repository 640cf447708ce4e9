// SPDX-License-Identifier: MIT
/*
 * The store contract on a real MariaDB or MySQL. The integration tests start it on a database that
 * migrate has prepared:
 * EF_TEST_MYSQL_URL       as the relay's user
 * EF_TEST_MYSQL_RELAY     that user's name
 * EF_TEST_MYSQL_SOCKET    Unix socket on which root needs no password
 * EF_TEST_MYSQL_DATABASE  name of the database; the table is outbox
 */
#include <mysql.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "contract/contract.h"
#include "store/my_dial.h"
#include "store/mysql.h"

enum { IDLE_MAX = 16, STATEMENT_MAX = 1 << 22 };

struct my_world {
    struct ef_loop *loop;
    struct ef_resolver *resolver;
    struct ef_config config;
    struct ef_config_database database;
    struct ef_config_outbox outbox;
    char table[160];
    MYSQL *admin, *locker;
    MYSQL *idle[IDLE_MAX]; /* of applications, without a transaction */
    int idle_count;
};

/* created_at and claimed_at are in the server's time zone, as applications and other relays write
 * them; our own times are UTC. */
static MYSQL *connect_as_root(void)
{
    static const char session[] = "SET time_zone = @@GLOBAL.time_zone, lock_wait_timeout = 30";
    MYSQL *conn = mysql_init(NULL);
    ck_assert_ptr_nonnull(conn);
    mysql_options(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    ck_assert_msg(
        mysql_real_connect(conn, NULL, "root", "", contract_variable("EF_TEST_MYSQL_DATABASE"), 0,
                           contract_variable("EF_TEST_MYSQL_SOCKET"), CLIENT_FOUND_ROWS) != NULL,
        "%s", mysql_error(conn));
    ck_assert_msg(mysql_query(conn, session) == 0, "%s", mysql_error(conn));
    return conn;
}

/* The rows of one statement, NULL if it has none; the caller frees them. */
static MYSQL_RES *query(MYSQL *conn, const char *sql)
{
    ck_assert_msg(mysql_query(conn, sql) == 0, "%.200s: %s", sql, mysql_error(conn));
    MYSQL_RES *res = mysql_store_result(conn);
    ck_assert_msg(res || mysql_field_count(conn) == 0, "%.200s: %s", sql, mysql_error(conn));
    return res;
}

static void run(MYSQL *conn, const char *fmt, ...) EF_PRINTF(2, 3);
static void run(MYSQL *conn, const char *fmt, ...)
{
    char sql[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sql, sizeof(sql), fmt, ap);
    va_end(ap);
    mysql_free_result(query(conn, sql));
}

/* --- life --- */

static void configure(struct my_world *w, const struct store_setup *s)
{
    snprintf(w->table, sizeof(w->table), "%s.outbox", contract_variable("EF_TEST_MYSQL_DATABASE"));
    w->database = (struct ef_config_database){
        .name = (char *)"db",
        .driver = EF_DRIVER_MYSQL,
        .url = (char *)contract_variable("EF_TEST_MYSQL_URL"),
        .schema = (char *)"eventferry",
        .statement_timeout_ms = 30000,
        .connect_timeout_ms = 5000,
    };
    w->outbox = (struct ef_config_outbox){
        .name = (char *)"orders",
        .database = (char *)"db",
        .table = w->table,
        .wake = EF_WAKE_POLL,
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

static void my_mend(void *f)
{
    struct my_world *w = f;
    run(w->admin, "ALTER USER '%s'@'%%' ACCOUNT UNLOCK", contract_variable("EF_TEST_MYSQL_RELAY"));
}

static void *my_open(const struct store_setup *s)
{
    struct my_world *w = ef_xcalloc(1, sizeof(*w));
    configure(w, s);
    w->admin = connect_as_root();
    my_mend(w); /* a test that failed may have left it cut */
    w->loop = ef_loop_new();
    w->resolver = ef_resolver_new(w->loop);
    run(w->admin, "TRUNCATE outbox");
    run(w->admin, "TRUNCATE outbox_archive");
    run(w->admin, "DELETE FROM eventferry_command");
    run(w->admin, "DELETE FROM eventferry_hold");
    /* The suite has rows without an aggregate and times of a microsecond. */
    run(w->admin, "ALTER TABLE outbox MODIFY aggregate_id VARCHAR(255),"
                  " MODIFY created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)");
    run(w->admin, "DELETE FROM eventferry_relay");
    run(w->admin, "UPDATE eventferry_lease SET owner = NULL, token = NULL, server = NULL,"
                  " server_seen_at = NULL, expires_at = NULL");
    run(w->admin, "UPDATE eventferry_outbox SET paused_at = NULL, paused_by = NULL,"
                  " pause_reason = NULL");
    return w;
}

static void my_close(void *f)
{
    struct my_world *w = f;
    for (int i = 0; i < w->idle_count; i++)
        mysql_close(w->idle[i]);
    if (w->locker)
        mysql_close(w->locker);
    mysql_close(w->admin);
    ef_resolver_free(w->resolver);
    ef_loop_free(w->loop);
    free(w);
    while (ef_my_dial_lingers()) /* or the test's process ends around it */
        usleep(1000);
}

static struct ef_loop *my_loop(void *f)
{
    return ((struct my_world *)f)->loop;
}

static struct ef_store *my_make_store(void *f, const struct ef_store_user *user, void *arg)
{
    struct my_world *w = f;
    return ef_mysql_new(w->loop, w->resolver, &w->config, &w->outbox, user, arg);
}

/* --- the application --- */

/* An id that is drawn is gone, whatever becomes of its row. */
static int64_t my_next_id(void *f)
{
    struct my_world *w = f;
    run(w->admin, "START TRANSACTION");
    run(w->admin, "INSERT INTO outbox (message_id, aggregate_type, topic, headers)"
                  " VALUES (UUID(), '', '', '{}')");
    int64_t id = (int64_t)mysql_insert_id(w->admin);
    run(w->admin, "ROLLBACK");
    return id;
}

static void *my_begin(void *f)
{
    struct my_world *w = f;
    MYSQL *conn = w->idle_count ? w->idle[--w->idle_count] : connect_as_root();
    run(conn, "START TRANSACTION");
    return conn;
}

static void end(struct my_world *w, MYSQL *conn, const char *sql)
{
    run(conn, "%s", sql);
    if (w->idle_count < IDLE_MAX)
        w->idle[w->idle_count++] = conn;
    else
        mysql_close(conn);
}

static void my_commit(void *f, void *tx)
{
    end(f, tx, "COMMIT");
}

static void my_rollback(void *f, void *tx)
{
    end(f, tx, "ROLLBACK");
}

static void put_literal(MYSQL *conn, struct ef_buf *sql, struct ef_slice value)
{
    if (!value.p) {
        ef_buf_puts(sql, "NULL");
        return;
    }
    char *escaped = ef_xmalloc(2 * value.len + 1);
    unsigned long len = mysql_real_escape_string(conn, escaped, value.p, value.len);
    ef_buf_puts(sql, "'");
    ef_buf_add(sql, escaped, len);
    ef_buf_puts(sql, "'");
    free(escaped);
}

static int64_t my_insert(void *f, void *tx, const struct ef_row *row)
{
    const struct ef_slice texts[] = {row->aggregate_type, row->aggregate_id, row->topic,   row->key,
                                     row->payload,        row->headers,      row->trace_id};
    MYSQL *conn = tx;
    struct ef_buf sql;
    (void)f;
    ef_buf_init(&sql, STATEMENT_MAX);
    ef_buf_puts(&sql, "INSERT INTO outbox (id, created_at, kafka_partition, message_id,"
                      " aggregate_type, aggregate_id, topic, `key`, payload, headers, trace_id)");
    ef_buf_printf(&sql, " VALUES (%lld, ", (long long)row->id); /* 0: the next one */
    if (row->created_at_us)
        ef_buf_printf(&sql,
                      "'1970-01-01' + INTERVAL %lld + 1000000 *"
                      " TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()) MICROSECOND, ",
                      (long long)row->created_at_us);
    else
        ef_buf_puts(&sql, "DEFAULT, ");
    ef_buf_printf(&sql, "NULLIF(%d, -1), COALESCE(", (int)row->partition);
    put_literal(conn, &sql, row->message_id);
    ef_buf_puts(&sql, ", UUID())");
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        ef_buf_puts(&sql, ", ");
        put_literal(conn, &sql, texts[i]);
    }
    ef_buf_puts(&sql, ")");
    ck_assert(!sql.overflow);
    mysql_free_result(query(conn, sql.data));
    ef_buf_done(&sql);
    return row->id ? row->id : (int64_t)mysql_insert_id(conn);
}

/* --- behind the store's back --- */

static bool my_look(void *f, int64_t id, struct store_row *ret)
{
    struct my_world *w = f;
    char sql[512];
    snprintf(sql, sizeof(sql),
             "SELECT status, attempts, next_retry_at IS NOT NULL, claimed_at IS NOT NULL,"
             " processed_at IS NOT NULL,"
             " COALESCE(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), next_retry_at) DIV 1000, 0),"
             " last_error FROM outbox WHERE id = %lld",
             (long long)id);
    MYSQL_RES *res = query(w->admin, sql);
    MYSQL_ROW row = mysql_fetch_row(res);
    if (row)
        *ret = (struct store_row){
            .status = atoi(row[0]),
            .attempts = atoi(row[1]),
            .has_retry = row[2][0] == '1',
            .has_claim = row[3][0] == '1',
            .has_processed = row[4][0] == '1',
            .retry_in_ms = atoll(row[5]),
            .has_error = row[6] != NULL,
        };
    if (row)
        snprintf(ret->last_error, sizeof(ret->last_error), "%s", row[6] ? row[6] : "");
    mysql_free_result(res);
    return row != NULL;
}

static int my_archived(void *f, int64_t id)
{
    struct my_world *w = f;
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM outbox_archive WHERE id = %lld",
             (long long)id);
    MYSQL_RES *res = query(w->admin, sql);
    int count = atoi(mysql_fetch_row(res)[0]);
    mysql_free_result(res);
    return count;
}

static void my_set_status(void *f, int64_t id, int status, int64_t at_ms)
{
    struct my_world *w = f;
    char at[96];
    snprintf(at, sizeof(at), "%s + INTERVAL %lld MICROSECOND",
             status == 1 ? "NOW(6)" : "UTC_TIMESTAMP(6)", (long long)(at_ms * 1000));
    run(w->admin,
        "UPDATE outbox SET status = %d, next_retry_at = %s, claimed_at = %s, processed_at = %s"
        " WHERE id = %lld",
        status, status == 3 ? at : "NULL", status == 1 ? at : "NULL", status == 2 ? at : "NULL",
        (long long)id);
    ck_assert_int_eq((int)mysql_affected_rows(w->admin), 1);
}

static void my_truncate(void *f)
{
    run(((struct my_world *)f)->admin, "TRUNCATE outbox");
}

static void my_move_server(void *f)
{
    run(((struct my_world *)f)->admin, "UPDATE eventferry_lease SET server = 'another'");
}

static void my_age_relays(void *f)
{
    run(((struct my_world *)f)->admin,
        "UPDATE eventferry_relay SET seen_at = seen_at - INTERVAL 15 SECOND");
}

static void my_stall(void *f, bool stalled)
{
    struct my_world *w = f;
    if (!w->locker)
        w->locker = connect_as_root();
    run(w->locker, stalled ? "LOCK TABLES outbox WRITE" : "UNLOCK TABLES");
}

/* The account is locked first, so that nobody comes back between the look and the end of it. */
static void my_cut(void *f)
{
    struct my_world *w = f;
    char sql[160];
    const char *relay = contract_variable("EF_TEST_MYSQL_RELAY");
    run(w->admin, "ALTER USER '%s'@'%%' ACCOUNT LOCK", relay);
    snprintf(sql, sizeof(sql), "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '%s'",
             relay);
    MYSQL_RES *res = query(w->admin, sql);
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        snprintf(sql, sizeof(sql), "KILL %s", row[0]);
        if (mysql_query(w->admin, sql) != 0) /* it may just have ended */
            ck_assert_msg(mysql_errno(w->admin) == 1094, "%s", mysql_error(w->admin));
    }
    mysql_free_result(res);
}

const struct store_fixture contract_mysql = {
    .name = "store contract: mysql",
    .open = my_open,
    .close = my_close,
    .loop = my_loop,
    .make_store = my_make_store,
    .next_id = my_next_id,
    .begin = my_begin,
    .insert = my_insert,
    .commit = my_commit,
    .rollback = my_rollback,
    .look = my_look,
    .archived = my_archived,
    .set_status = my_set_status,
    .truncate = my_truncate,
    .move_server = my_move_server,
    .age_relays = my_age_relays,
    .stall = my_stall,
    .cut = my_cut,
    .mend = my_mend,
};
