// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "store"
#include "store/my_store.h"

#include <stdlib.h>

#include "base/rng.h"
#include "store/mysql.h"

static bool all_ready(const struct ef_my_store *s)
{
    return ef_my_conn_ready(&s->lease) && ef_my_conn_ready(&s->read) &&
           ef_my_conn_ready(&s->settle);
}

static void on_up(void *arg)
{
    struct ef_my_store *s = arg;
    if (s->up || !all_ready(s))
        return;
    if (strcmp(s->read.session.server, s->lease.session.server) != 0 ||
        strcmp(s->settle.session.server, s->lease.session.server) != 0) {
        /* in the middle of a failover: the others follow */
        struct ef_error err;
        ef_error_set(&err, EF_CLASS_OUTAGE, "connections reached different servers");
        ef_my_conn_reset(&s->lease, &err);
        ef_my_conn_reset(&s->read, &err);
        ef_my_conn_reset(&s->settle, &err);
        return;
    }
    s->up = s->was_up = true;
    ef_store_did_up(&s->store, s->lease.session.server);
}

static void on_down(void *arg, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    bool was = s->up;
    s->up = false;
    if (was || !s->was_up)
        ef_store_did_down(&s->store, err);
    s->was_up = true; /* from now on only changes are told */
}

static void init_conn(struct ef_my_store *s, struct ef_my_conn *conn, struct ef_resolver *resolver,
                      const char *purpose)
{
    conn->loop = s->loop;
    conn->resolver = resolver;
    conn->database = s->database;
    conn->purpose = purpose;
    snprintf(conn->program_name, sizeof(conn->program_name), "eventferryd/%.20s/%.20s/%s",
             s->config->instance, s->outbox->name, purpose);
    conn->default_database = s->table.database[0] ? s->table.database : NULL;
    conn->up = on_up;
    conn->down = on_down;
    conn->arg = s;
    ef_my_conn_init(conn);
}

static void my_open(struct ef_store *store)
{
    struct ef_my_store *s = ef_my_store_of(store);
    ef_my_conn_start(&s->lease);
    ef_my_conn_start(&s->read);
    ef_my_conn_start(&s->settle);
}

static void my_close(struct ef_store *store)
{
    /* completions of what was under way come first; the contract forbids them inside this call */
    ef_defer(&ef_my_store_of(store)->closed_later);
}

static void close_now(void *arg)
{
    struct ef_my_store *s = arg;
    s->intake.discard = true;
    ef_my_operate_stop(s);
    ef_my_conn_stop(&s->read);
    ef_my_conn_stop(&s->settle);
    ef_my_conn_stop(&s->lease);
    ef_deferred_cancel(&s->check_later);
    ef_store_did_close(&s->store);
}

static void my_free(struct ef_store *store)
{
    struct ef_my_store *s = ef_my_store_of(store);
    ef_my_sql_free(&s->sql);
    if (s->read_later)
        ef_my_request_free(s->read_later);
    ef_my_layout_free(&s->layout);
    free(s);
}

static void my_arm_wakeup(struct ef_store *store, bool armed)
{
    (void)store; /* MySQL has nothing that rings */
    (void)armed;
}

static const struct ef_store_ops ops = {
    .driver = "mysql",
    .caps = EF_STORE_LEASES | EF_STORE_EXAMINES,
    .open = my_open,
    .check = ef_my_check,
    .acquire = ef_my_acquire,
    .renew = ef_my_renew,
    .release = ef_my_release,
    .fetch = ef_my_fetch,
    .fetch_continue = ef_my_fetch_continue,
    .fetch_cancel = ef_my_fetch_cancel,
    .settle = ef_my_settle,
    .decide = ef_my_decide,
    .release_topic = ef_my_release_topic,
    .waiting = ef_my_waiting,
    .lag = ef_my_lag,
    .maintain = ef_my_maintain,
    .pause = ef_my_pause,
    .operate = ef_my_operate,
    .next_command = ef_my_next_command,
    .carry_out = ef_my_carry_out,
    .holds = ef_my_holds,
    .examine = ef_my_examine,
    .arm_wakeup = my_arm_wakeup,
    .close = my_close,
    .free = my_free,
};

struct ef_store *ef_mysql_new(struct ef_loop *loop, struct ef_resolver *resolver,
                              const struct ef_config *config, const struct ef_config_outbox *outbox,
                              const struct ef_store_user *user, void *user_arg)
{
    struct ef_my_store *s = ef_xcalloc(1, sizeof(*s));
    ef_store_init(&s->store, &ops, outbox->name, user, user_arg);
    s->loop = loop;
    s->config = config;
    s->database = ef_config_database(config, outbox->database);
    s->outbox = outbox;
    s->archive_default_rows = -1;
    struct ef_error ignored; /* check says what is wrong with a name */
    if (!ef_my_table_parse(outbox->table, &s->table, &ignored))
        s->table = (struct ef_my_table){0};
    ef_uuid_v4(s->incarnation); /* until an acquisition gives the relay's */
    init_conn(s, &s->lease, resolver, "lease");
    init_conn(s, &s->read, resolver, "read");
    init_conn(s, &s->settle, resolver, "settle");
    init_conn(s, &s->operate.conn, resolver, "operate");
    ef_my_operate_init(s);
    ef_my_check_init(s);
    ef_deferred_init(&s->closed_later, loop, "store", close_now, s);
    return &s->store;
}

unsigned long ef_mysql_library_version(void)
{
    return mysql_get_client_version();
}
