// SPDX-License-Identifier: MIT
#include "ctl/local.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "loop/resolver.h"
#include "store/drivers.h"

/* A lease is given back and connections are closed; what hangs is left to the lease's end. */
enum { STOP_LIMIT_MS = 5000 };

struct ef_local {
    struct ef_config *config;
    struct ef_loop *loop;
    struct ef_metrics *metrics;
    struct ef_resolver *resolver;
    struct ef_publisher publisher;
    struct ef_relay *relay;
    struct ef_timer limit;
    bool stopped, finished;
    char *answer;
    struct ef_error *err;
    bool failed;
};

/* --- a publisher that takes nothing --- */

static struct ef_publisher_user *join(struct ef_publisher *pub, const char *name,
                                      const struct ef_publisher_upcalls *upcalls, void *arg)
{
    struct ef_publisher_user *user = ef_xmalloc(sizeof(*user));
    (void)name;
    *user = (struct ef_publisher_user){.pub = pub, .upcalls = upcalls, .arg = arg};
    return user;
}

static void leave(struct ef_publisher_user *user, void (*release)(void *opaque))
{
    (void)release; /* nothing was taken */
    free(user);
}

static enum ef_produced produce(struct ef_publisher_user *user, const struct ef_message *msg,
                                void *opaque, bool alone, struct ef_error *err)
{
    (void)user;
    (void)msg;
    (void)opaque;
    (void)alone;
    (void)err;
    return EF_PRODUCED_FULL;
}

static enum ef_produced produce_aside(struct ef_publisher_user *user, const struct ef_message *msg,
                                      void *opaque, struct ef_error *err)
{
    return produce(user, msg, opaque, false, err);
}

static void warm(struct ef_publisher_user *user, struct ef_slice topic)
{
    (void)user;
    (void)topic;
}

static const struct ef_publisher_ops nothing = {
    .join = join, .leave = leave, .produce = produce, .warm = warm, .produce_aside = produce_aside};

/* --- life --- */

static struct ef_store *make_store(void *arg, const struct ef_config_outbox *outbox,
                                   const struct ef_store_user *user, void *user_arg)
{
    struct ef_local *local = arg;
    return ef_store_new(local->loop, local->resolver, local->config, outbox, user, user_arg);
}

static void on_stopped(void *arg, struct ef_relay *relay)
{
    struct ef_local *local = arg;
    (void)relay;
    local->stopped = true;
    ef_loop_stop(local->loop);
}

static void on_drained(void *arg, const struct ef_error *err)
{
    (void)arg;
    (void)err;
}

static void on_limit(void *arg)
{
    struct ef_local *local = arg;
    ef_loop_stop(local->loop);
}

/* Without a directory for the lease's token: that is the daemon's, and perhaps not ours to read. */
static void become_ourselves(struct ef_config *config)
{
    char *instance = ef_xprintf("eventferryctl-%s", config->instance);
    free(config->instance);
    config->instance = instance;
    free(config->state_dir);
    config->state_dir = NULL;
}

struct ef_local *ef_local_open(struct ef_config *config, const char *outbox)
{
    struct ef_local *local = ef_xcalloc(1, sizeof(*local));
    become_ourselves(config);
    ef_log_setup(EF_LOG_ERROR, EF_LOG_LOGFMT, false); /* what matters comes as an answer */
    local->config = config;
    local->loop = ef_loop_new();
    local->metrics = ef_metrics_new();
    local->resolver = ef_resolver_new(local->loop);
    local->publisher.ops = &nothing;
    ef_timer_init(&local->limit, local->loop, "ctl", on_limit, local);
    local->relay = ef_relay_new(&(struct ef_relay_deps){
        .loop = local->loop,
        .metrics = local->metrics,
        .publisher = &local->publisher,
        .config = config,
        .outbox = ef_config_outbox(config, outbox),
        .make_store = make_store,
        .make_store_arg = local,
        .stopped = on_stopped,
        .stopped_arg = local,
        .passing = true,
    });
    ef_relay_drain(local->relay, on_drained, local); /* so it never reads */
    ef_relay_start(local->relay);
    return local;
}

void ef_local_close(struct ef_local *local)
{
    if (!local)
        return;
    ef_relay_stop(local->relay);
    ef_timer_start(&local->limit, STOP_LIMIT_MS * EF_MS_US);
    if (!local->stopped)
        ef_loop_run(local->loop);
    if (!local->stopped) {
        ef_relay_stop_now(local->relay);
        ef_timer_start(&local->limit, STOP_LIMIT_MS * EF_MS_US);
        ef_loop_run(local->loop);
    }
    ef_timer_stop(&local->limit);
    if (local->stopped) /* else the program ends around it */
        ef_relay_free(local->relay);
    ef_resolver_free(local->resolver);
    ef_loop_free(local->loop);
    ef_metrics_free(local->metrics);
    ef_config_free(local->config);
    free(local);
}

static void on_answer(void *arg, const char *json, const struct ef_error *err)
{
    struct ef_local *local = arg;
    local->finished = true;
    local->failed = err != NULL;
    if (err)
        *local->err = *err;
    else
        local->answer = ef_xstrdup(json);
    ef_loop_stop(local->loop);
}

bool ef_local_operate(struct ef_local *local, const struct ef_operation *operation, char **ret,
                      struct ef_error *err)
{
    local->finished = false;
    local->answer = NULL;
    local->err = err;
    ef_relay_operate(local->relay, operation, on_answer, local);
    while (!local->finished)
        ef_loop_run(local->loop);
    *ret = local->answer;
    return !local->failed;
}

void ef_local_status(const struct ef_local *local, struct ef_relay_status *ret)
{
    ef_relay_status(local->relay, ret);
}
