// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "store"
#include "store/store.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

static const char *const verb_names[EF_VERB_COUNT] = {
    [EF_VERB_CHECK] = "check",         [EF_VERB_ACQUIRE] = "acquire",
    [EF_VERB_RENEW] = "renew",         [EF_VERB_RELEASE] = "release",
    [EF_VERB_FETCH] = "fetch",         [EF_VERB_SETTLE] = "settle",
    [EF_VERB_DECIDE] = "decide",       [EF_VERB_RELEASE_TOPIC] = "release_topic",
    [EF_VERB_WAITING] = "waiting",     [EF_VERB_LAG] = "lag",
    [EF_VERB_MAINTAIN] = "maintain",   [EF_VERB_PAUSE] = "pause",
    [EF_VERB_OPERATE] = "operate",     [EF_VERB_NEXT_COMMAND] = "next_command",
    [EF_VERB_CARRY_OUT] = "carry_out", [EF_VERB_HOLDS] = "holds",
    [EF_VERB_EXAMINE] = "examine",
};

static void check_slots(const struct ef_store_ops *ops)
{
    bool complete = ops->driver && ops->open && ops->check && ops->acquire && ops->renew &&
                    ops->release && ops->fetch && ops->fetch_continue && ops->fetch_cancel &&
                    ops->settle && ops->decide && ops->release_topic && ops->waiting && ops->lag &&
                    ops->maintain && ops->pause && ops->operate && ops->next_command &&
                    ops->carry_out && ops->holds && ops->arm_wakeup && ops->close && ops->free;
    complete = complete && (!(ops->caps & EF_STORE_EXAMINES) || ops->examine);
    if (!complete)
        abort(); /* a driver with an empty slot is a bug in the driver */
}

void ef_store_init(struct ef_store *store, const struct ef_store_ops *ops, const char *name,
                   const struct ef_store_user *user, void *arg)
{
    check_slots(ops);
    *store = (struct ef_store){.ops = ops, .name = name, .user = user, .user_arg = arg};
}

static void broken(const struct ef_store *store, enum ef_store_verb verb, const char *what)
{
    ef_err("store contract broken", EF_STR("outbox", store->name),
           EF_STR("driver", store->ops->driver), EF_STR("verb", verb_names[verb]),
           EF_STR("how", what));
    ef_log_flush();
    abort();
}

static void begin(struct ef_store *store, enum ef_store_verb verb)
{
    if (store->busy[verb])
        broken(store, verb, "started twice");
    if (store->closing)
        broken(store, verb, "started after close");
    store->busy[verb] = true;
    store->started_us[verb] = ef_clock_mono().us;
    store->in_call = true;
}

static void began(struct ef_store *store)
{
    store->in_call = false;
}

/* False if the user must not hear of it any more. */
static bool finish(struct ef_store *store, enum ef_store_verb verb, const struct ef_error *err)
{
    if (!store->busy[verb])
        broken(store, verb, "completed twice");
    if (store->in_call)
        broken(store, verb, "completed inside the starting call");
    store->busy[verb] = false;
    if (store->closing)
        return false;
    if (err)
        ef_debug("store verb failed", EF_STR("outbox", store->name),
                 EF_STR("verb", verb_names[verb]),
                 EF_INT("took_us", ef_clock_mono().us - store->started_us[verb]), EF_ERR(err));
    return true;
}

/* --- verbs --- */

void ef_store_open(struct ef_store *store)
{
    store->in_call = true;
    store->ops->open(store);
    store->in_call = false;
}

void ef_store_check(struct ef_store *store)
{
    begin(store, EF_VERB_CHECK);
    store->ops->check(store);
    began(store);
}

void ef_store_acquire(struct ef_store *store, const struct ef_acquire *acquire)
{
    begin(store, EF_VERB_ACQUIRE);
    store->ops->acquire(store, acquire);
    began(store);
}

void ef_store_renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms)
{
    begin(store, EF_VERB_RENEW);
    store->ops->renew(store, epoch, ttl_ms);
    began(store);
}

void ef_store_release(struct ef_store *store, int64_t epoch)
{
    begin(store, EF_VERB_RELEASE);
    store->ops->release(store, epoch);
    began(store);
}

void ef_store_fetch(struct ef_store *store, const struct ef_fetch *fetch)
{
    begin(store, EF_VERB_FETCH);
    store->ops->fetch(store, fetch);
    began(store);
}

void ef_store_fetch_continue(struct ef_store *store)
{
    if (!store->busy[EF_VERB_FETCH])
        broken(store, EF_VERB_FETCH, "continued without a fetch");
    store->in_call = true;
    store->ops->fetch_continue(store);
    store->in_call = false;
}

void ef_store_fetch_cancel(struct ef_store *store)
{
    if (!store->busy[EF_VERB_FETCH])
        return;
    store->in_call = true;
    store->ops->fetch_cancel(store);
    store->in_call = false;
}

void ef_store_settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                     int count)
{
    begin(store, EF_VERB_SETTLE);
    store->ops->settle(store, epoch, runs, count);
    began(store);
}

static bool beside_a_fetch(const struct ef_decision *decisions, int count)
{
    for (int i = 0; i < count; i++)
        if (decisions[i].kind != EF_DECIDE_DEAD || !decisions[i].pending)
            return false;
    return true;
}

void ef_store_decide(struct ef_store *store, int64_t epoch, const struct ef_decision *decisions,
                     int count)
{
    if (store->busy[EF_VERB_FETCH] && !beside_a_fetch(decisions, count))
        broken(store, EF_VERB_DECIDE, "started while a fetch is open (fate barrier)");
    begin(store, EF_VERB_DECIDE);
    store->ops->decide(store, epoch, decisions, count);
    began(store);
}

void ef_store_release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic, int limit)
{
    begin(store, EF_VERB_RELEASE_TOPIC);
    store->ops->release_topic(store, epoch, topic, limit);
    began(store);
}

void ef_store_waiting(struct ef_store *store)
{
    begin(store, EF_VERB_WAITING);
    store->ops->waiting(store);
    began(store);
}

void ef_store_lag(struct ef_store *store)
{
    begin(store, EF_VERB_LAG);
    store->ops->lag(store);
    began(store);
}

void ef_store_maintain(struct ef_store *store, int64_t epoch)
{
    begin(store, EF_VERB_MAINTAIN);
    store->ops->maintain(store, epoch);
    began(store);
}

void ef_store_pause(struct ef_store *store, bool pause, const char *actor, const char *reason)
{
    begin(store, EF_VERB_PAUSE);
    store->ops->pause(store, pause, actor, reason);
    began(store);
}

void ef_store_operate(struct ef_store *store, const struct ef_operate *operate)
{
    struct ef_operate question = *operate;
    struct ef_row_filter filter;
    if (operate->kind == EF_OPERATE_ROWS) {
        filter = *operate->filter;
        if (filter.payload && filter.limit > EF_OPERATE_PAYLOADS_MAX)
            filter.limit = EF_OPERATE_PAYLOADS_MAX;
        question.filter = &filter;
    }
    begin(store, EF_VERB_OPERATE);
    store->ops->operate(store, &question);
    began(store);
}

void ef_store_next_command(struct ef_store *store)
{
    begin(store, EF_VERB_NEXT_COMMAND);
    store->ops->next_command(store);
    began(store);
}

void ef_store_carry_out(struct ef_store *store, int64_t epoch, const struct ef_command *command)
{
    if (ef_command_needs_barrier(command) && store->busy[EF_VERB_FETCH])
        broken(store, EF_VERB_CARRY_OUT, "while a fetch is open");
    begin(store, EF_VERB_CARRY_OUT);
    store->ops->carry_out(store, epoch, command);
    began(store);
}

void ef_store_holds(struct ef_store *store)
{
    begin(store, EF_VERB_HOLDS);
    store->ops->holds(store);
    began(store);
}

void ef_store_examine(struct ef_store *store, const struct ef_examine *examine)
{
    begin(store, EF_VERB_EXAMINE);
    store->ops->examine(store, examine);
    began(store);
}

void ef_store_arm_wakeup(struct ef_store *store, bool armed)
{
    store->ops->arm_wakeup(store, armed);
}

void ef_store_close(struct ef_store *store)
{
    store->closing = true;
    store->in_call = true;
    store->ops->close(store);
    store->in_call = false;
}

void ef_store_free(struct ef_store *store)
{
    if (store)
        store->ops->free(store);
}

unsigned ef_store_caps(const struct ef_store *store)
{
    return store->ops->caps;
}

bool ef_store_wakeup_works(const struct ef_store *store)
{
    return store->wakeup_works;
}

bool ef_store_is_up(const struct ef_store *store)
{
    return store->up;
}

void ef_store_info_warn(struct ef_store_info *info, const char *fmt, ...)
{
    size_t used = strlen(info->warnings);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(info->warnings + used, sizeof(info->warnings) - used, fmt, ap);
    va_end(ap);
    used = strlen(info->warnings);
    snprintf(info->warnings + used, sizeof(info->warnings) - used, "\n");
}

void ef_standbys_add(struct ef_standbys *standbys, const char *instance, const char *host)
{
    if (standbys->count == EF_STANDBYS_MAX)
        return;
    struct ef_standby *relay = &standbys->relays[standbys->count++];
    snprintf(relay->instance, sizeof(relay->instance), "%s", instance);
    snprintf(relay->host, sizeof(relay->host), "%s", host);
}

/* --- reports of drivers --- */

void ef_store_did_up(struct ef_store *store, const char *server)
{
    store->up = true;
    if (!store->closing)
        store->user->up(store->user_arg, server);
}

void ef_store_did_down(struct ef_store *store, const struct ef_error *err)
{
    store->up = false;
    if (!store->closing)
        store->user->down(store->user_arg, err);
}

void ef_store_did_wakeup(struct ef_store *store)
{
    if (!store->closing)
        store->user->wakeup(store->user_arg);
}

void ef_store_did_lose_arming(struct ef_store *store)
{
    if (!store->closing)
        store->user->arming_lost(store->user_arg);
}

void ef_store_did_check(struct ef_store *store, const struct ef_store_info *info,
                        const struct ef_error *err)
{
    if (finish(store, EF_VERB_CHECK, err))
        store->user->checked(store->user_arg, info, err);
}

void ef_store_did_acquire(struct ef_store *store, const struct ef_lease *lease,
                          const struct ef_error *err)
{
    if (finish(store, EF_VERB_ACQUIRE, err))
        store->user->acquired(store->user_arg, lease, err);
}

void ef_store_did_renew(struct ef_store *store, const struct ef_renewal *renewal,
                        const struct ef_error *err)
{
    if (finish(store, EF_VERB_RENEW, err))
        store->user->renewed(store->user_arg, renewal, err);
}

void ef_store_did_release(struct ef_store *store, const struct ef_error *err)
{
    if (finish(store, EF_VERB_RELEASE, err))
        store->user->released(store->user_arg, err);
}

void ef_store_did_rows(struct ef_store *store, struct ef_batch *batch, bool paused)
{
    if (!store->busy[EF_VERB_FETCH])
        broken(store, EF_VERB_FETCH, "rows without a fetch");
    if (store->in_call)
        broken(store, EF_VERB_FETCH, "rows inside the starting call");
    if (store->closing)
        ef_batch_unref(batch);
    else
        store->user->rows(store->user_arg, batch, paused);
}

void ef_store_did_fetch(struct ef_store *store, const struct ef_fetched *fetched,
                        const struct ef_error *err)
{
    if (finish(store, EF_VERB_FETCH, err))
        store->user->fetched(store->user_arg, fetched, err);
}

void ef_store_did_settle(struct ef_store *store, int64_t rows, const struct ef_error *err)
{
    if (finish(store, EF_VERB_SETTLE, err))
        store->user->settled(store->user_arg, rows, err);
}

void ef_store_did_decide(struct ef_store *store, int64_t rows, const struct ef_error *err)
{
    if (finish(store, EF_VERB_DECIDE, err))
        store->user->decided(store->user_arg, rows, err);
}

void ef_store_did_release_topic(struct ef_store *store, int64_t rows, const struct ef_error *err)
{
    if (finish(store, EF_VERB_RELEASE_TOPIC, err))
        store->user->topic_released(store->user_arg, rows, err);
}

void ef_store_did_waiting(struct ef_store *store, const struct ef_waiting *waiting,
                          const struct ef_error *err)
{
    if (finish(store, EF_VERB_WAITING, err))
        store->user->waiting(store->user_arg, waiting, err);
}

void ef_store_did_lag(struct ef_store *store, const struct ef_lag *lag, const struct ef_error *err)
{
    if (finish(store, EF_VERB_LAG, err))
        store->user->lag(store->user_arg, lag, err);
}

void ef_store_did_maintain(struct ef_store *store, int64_t rows_purged, const struct ef_error *err)
{
    if (finish(store, EF_VERB_MAINTAIN, err))
        store->user->maintained(store->user_arg, rows_purged, err);
}

void ef_store_did_pause(struct ef_store *store, const struct ef_error *err)
{
    if (finish(store, EF_VERB_PAUSE, err))
        store->user->paused(store->user_arg, err);
}

void ef_store_did_operate(struct ef_store *store, const char *json, const struct ef_error *err)
{
    if (finish(store, EF_VERB_OPERATE, err))
        store->user->operated(store->user_arg, json, err);
}

void ef_store_did_next_command(struct ef_store *store, const struct ef_command_row *row,
                               const struct ef_error *err)
{
    if (finish(store, EF_VERB_NEXT_COMMAND, err))
        store->user->next_command(store->user_arg, row, err);
}

void ef_store_did_carry_out(struct ef_store *store, int64_t rows, const struct ef_error *err)
{
    if (finish(store, EF_VERB_CARRY_OUT, err))
        store->user->carried_out(store->user_arg, rows, err);
}

void ef_store_did_holds(struct ef_store *store, const struct ef_hold *holds, int count,
                        const struct ef_error *err)
{
    if (finish(store, EF_VERB_HOLDS, err))
        store->user->holds(store->user_arg, holds, count, err);
}

void ef_store_did_examine(struct ef_store *store, const struct ef_report *report,
                          const struct ef_error *err)
{
    if (finish(store, EF_VERB_EXAMINE, err))
        store->user->examined(store->user_arg, report, err);
}

void ef_store_did_close(struct ef_store *store)
{
    for (int verb = 0; verb < EF_VERB_COUNT; verb++)
        if (store->busy[verb])
            broken(store, (enum ef_store_verb)verb, "not completed before closed");
    store->closed = true;
    store->user->closed(store->user_arg);
}
