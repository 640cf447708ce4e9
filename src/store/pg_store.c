// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <stdlib.h>

#include "base/rng.h"
#include "base/str.h"
#include "store/postgres.h"

static void now_down(struct ef_pg_store *s, const struct ef_error *err)
{
    bool was = s->up;
    s->up = false;
    if (was || !s->was_up)
        ef_store_did_down(&s->store, err);
    s->was_up = true; /* from now on only changes are told */
}

static bool all_ready(const struct ef_pg_store *s)
{
    return ef_pg_conn_ready(&s->lease) && ef_pg_conn_ready(&s->read) &&
           ef_pg_conn_ready(&s->settle);
}

static void on_up(void *arg)
{
    struct ef_pg_store *s = arg;
    if (s->up || !all_ready(s))
        return;
    if (strcmp(s->read.session.server, s->lease.session.server) != 0 ||
        strcmp(s->settle.session.server, s->lease.session.server) != 0) {
        /* in the middle of a failover: the others follow */
        struct ef_error err;
        ef_error_set(&err, EF_CLASS_OUTAGE, "connections reached different servers");
        ef_pg_conn_reset(&s->lease, &err);
        ef_pg_conn_reset(&s->read, &err);
        ef_pg_conn_reset(&s->settle, &err);
        return;
    }
    s->up = true;
    s->was_up = true;
    ef_pg_listen(s);
    ef_store_did_up(&s->store, s->lease.session.server);
}

static void on_down(void *arg, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    if (!ef_pg_conn_ready(&s->lease) && !s->use_listen_conn)
        s->listening = s->store.wakeup_works = false;
    now_down(s, err);
}

static void on_listen_up(void *arg)
{
    ef_pg_listen(arg);
}

static void on_listen_down(void *arg, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    (void)err;
    s->listening = s->store.wakeup_works = false;
    ef_store_did_lose_arming(&s->store); /* it will not be heard */
}

static void on_notified(void *arg)
{
    struct ef_pg_store *s = arg;
    ef_timer_stop(&s->probe_timer);
    s->probing = false;
    /* through a pooler one is heard by luck: the session happened to be ours when it came */
    s->store.wakeup_works = s->use_listen_conn || !s->pooled;
    s->unheard_told = false;
    ef_pg_examine_heard(s);
    ef_store_did_wakeup(&s->store);
}

static void init_conn(struct ef_pg_store *s, struct ef_pg_conn *conn, struct ef_resolver *resolver,
                      const char *purpose)
{
    conn->loop = s->loop;
    conn->resolver = resolver;
    conn->database = s->database;
    conn->purpose = purpose;
    conn->url = s->database->url;
    snprintf(conn->application_name, sizeof(conn->application_name), "eventferryd/%.20s/%.20s/%s",
             s->config->instance, s->outbox->name, purpose);
    conn->up = on_up;
    conn->down = on_down;
    conn->arg = s;
    ef_pg_conn_init(conn);
}

static void pg_open(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    ef_pg_conn_start(&s->lease);
    ef_pg_conn_start(&s->read);
    ef_pg_conn_start(&s->settle);
    if (s->use_listen_conn)
        ef_pg_conn_start(&s->listen);
}

static void say_closed(void *arg)
{
    struct ef_pg_store *s = arg;
    ef_store_did_close(&s->store);
}

static void pg_close(struct ef_store *store)
{
    /* completions of what was under way come first; the contract forbids them inside this call */
    ef_defer(&ef_pg_store_of(store)->closed_later);
}

static void close_now(void *arg)
{
    struct ef_pg_store *s = arg;
    s->intake.discard = true;
    ef_timer_stop(&s->probe_timer);
    ef_pg_operate_stop(s);
    ef_pg_conn_stop(&s->read);
    ef_pg_conn_stop(&s->settle);
    ef_pg_conn_stop(&s->lease);
    if (s->use_listen_conn)
        ef_pg_conn_stop(&s->listen);
    ef_deferred_cancel(&s->check_later);
    ef_pg_examine_end(s);
    say_closed(s);
}

static void pg_free(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    ef_pg_sql_free(&s->sql);
    ef_pg_sql_free(&s->former_sql);
    ef_pg_layout_free(&s->layout);
    free(s->examine.sql);
    free(s);
}

static const struct ef_store_ops ops = {
    .driver = "postgres",
    .caps = EF_STORE_WAKEUP | EF_STORE_LEASES | EF_STORE_REWRITES | EF_STORE_EXAMINES,
    .open = pg_open,
    .check = ef_pg_check,
    .acquire = ef_pg_acquire,
    .renew = ef_pg_renew,
    .release = ef_pg_release,
    .fetch = ef_pg_fetch,
    .fetch_continue = ef_pg_fetch_continue,
    .fetch_cancel = ef_pg_fetch_cancel,
    .settle = ef_pg_settle,
    .decide = ef_pg_decide,
    .release_topic = ef_pg_release_topic,
    .waiting = ef_pg_waiting,
    .lag = ef_pg_lag,
    .maintain = ef_pg_maintain,
    .pause = ef_pg_pause,
    .operate = ef_pg_operate,
    .next_command = ef_pg_next_command,
    .carry_out = ef_pg_carry_out,
    .holds = ef_pg_holds,
    .examine = ef_pg_examine,
    .arm_wakeup = ef_pg_arm_wakeup,
    .close = pg_close,
    .free = pg_free,
};

struct ef_store *ef_postgres_new(struct ef_loop *loop, struct ef_resolver *resolver,
                                 const struct ef_config *config,
                                 const struct ef_config_outbox *outbox,
                                 const struct ef_store_user *user, void *user_arg)
{
    struct ef_pg_store *s = ef_xcalloc(1, sizeof(*s));
    ef_store_init(&s->store, &ops, outbox->name, user, user_arg);
    s->loop = loop;
    s->config = config;
    s->database = ef_config_database(config, outbox->database);
    s->outbox = outbox;
    s->archive_default_rows = -1;
    ef_uuid_v4(s->incarnation); /* until an acquisition gives the relay's */
    init_conn(s, &s->lease, resolver, "lease");
    init_conn(s, &s->read, resolver, "read");
    init_conn(s, &s->settle, resolver, "settle");
    s->use_listen_conn = s->database->listen_url != NULL && outbox->wake == EF_WAKE_NOTIFY;
    if (s->use_listen_conn) {
        init_conn(s, &s->listen, resolver, "listen");
        s->listen.url = s->database->listen_url;
        s->listen.up = on_listen_up;
        s->listen.down = on_listen_down;
        s->listen.notified = on_notified;
    } else {
        s->lease.notified = on_notified;
    }
    init_conn(s, &s->operate.conn, resolver, "operate");
    ef_pg_operate_init(s);
    ef_timer_init(&s->probe_timer, loop, "store", ef_pg_probe_unheard, s);
    ef_deferred_init(&s->closed_later, loop, "store", close_now, s);
    return &s->store;
}
