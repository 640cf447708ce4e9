// SPDX-License-Identifier: MIT
#include "ctl/relay_look.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "loop/loop.h"
#include "loop/resolver.h"
#include "store/drivers.h"

enum {
    MORE_MS = 5000, /* for the questions, beyond what connecting may take */
    HEAR_MS = 3000, /* the store's own probe gives up after two seconds */
    CLOSE_MS = 5000,
    POLL_MS = 20,
};

struct ef_relay_look {
    struct ef_loop *loop;
    struct ef_resolver *resolver;
    struct ef_store *store;
    struct ef_timer limit, poll;
    const struct ef_config_database *database;
    enum ef_relay_found found;
    struct ef_store_info info;
    struct ef_error err;
    bool closed;
};

static void on_up(void *arg, const char *server)
{
    struct ef_relay_look *look = arg;
    (void)server;
    ef_store_check(look->store);
}

static void on_down(void *arg, const struct ef_error *err)
{
    struct ef_relay_look *look = arg;
    look->found = EF_RELAY_UNREACHED;
    look->err = *err;
    ef_loop_stop(look->loop);
}

static void on_checked(void *arg, const struct ef_store_info *info, const struct ef_error *err)
{
    struct ef_relay_look *look = arg;
    bool away = err && (err->class == EF_CLASS_OUTAGE || err->class == EF_CLASS_UNCERTAIN);
    look->found = !err ? EF_RELAY_FINE : away ? EF_RELAY_UNREACHED : EF_RELAY_REFUSED;
    if (err)
        look->err = *err;
    else
        look->info = *info;
    ef_loop_stop(look->loop);
}

static void on_closed(void *arg)
{
    struct ef_relay_look *look = arg;
    look->closed = true;
    ef_loop_stop(look->loop);
}

static void on_limit(void *arg)
{
    struct ef_relay_look *look = arg;
    ef_loop_stop(look->loop);
}

static void on_poll(void *arg)
{
    struct ef_relay_look *look = arg;
    if (ef_store_wakeup_works(look->store))
        ef_loop_stop(look->loop);
    else
        ef_timer_start(&look->poll, POLL_MS * EF_MS_US);
}

static void on_wakeup(void *arg)
{
    (void)arg; /* ef_relay_look_hears asks the store itself */
}

/* The other upcalls answer verbs that are never begun here. */
static const struct ef_store_user user = {
    .up = on_up, .down = on_down, .wakeup = on_wakeup, .checked = on_checked, .closed = on_closed};

static void run(struct ef_relay_look *look, int64_t limit_ms)
{
    ef_timer_start(&look->limit, limit_ms * EF_MS_US);
    ef_loop_run(look->loop);
    ef_timer_stop(&look->limit);
    ef_timer_stop(&look->poll);
}

struct ef_relay_look *ef_relay_look_new(const struct ef_config *config,
                                        const struct ef_config_outbox *outbox)
{
    struct ef_relay_look *look = ef_xcalloc(1, sizeof(*look));
    look->database = ef_config_database(config, outbox->database);
    look->loop = ef_loop_new();
    look->resolver = ef_resolver_new(look->loop);
    ef_timer_init(&look->limit, look->loop, "ctl", on_limit, look);
    ef_timer_init(&look->poll, look->loop, "ctl", on_poll, look);
    look->store = ef_store_new(look->loop, look->resolver, config, outbox, &user, look);
    return look;
}

void ef_relay_look_free(struct ef_relay_look *look)
{
    ef_store_close(look->store);
    while (!look->closed)
        run(look, CLOSE_MS);
    ef_store_free(look->store);
    ef_resolver_free(look->resolver);
    ef_loop_free(look->loop);
    free(look);
}

enum ef_relay_found ef_relay_look_check(struct ef_relay_look *look, struct ef_store_info *ret,
                                        struct ef_error *err)
{
    look->found = EF_RELAY_UNREACHED;
    ef_error_set(&look->err, EF_CLASS_OUTAGE, "no answer within %lld s",
                 (long long)(look->database->connect_timeout_ms + MORE_MS) / 1000);
    ef_store_open(look->store);
    run(look, look->database->connect_timeout_ms + MORE_MS);
    *ret = look->info;
    *err = look->err;
    return look->found;
}

bool ef_relay_look_hears(struct ef_relay_look *look)
{
    ef_timer_start(&look->poll, 0);
    run(look, HEAR_MS);
    return ef_store_wakeup_works(look->store);
}

struct ef_store *ef_relay_look_store(struct ef_relay_look *look)
{
    return look->store;
}
