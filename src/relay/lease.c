// SPDX-License-Identifier: MIT
/*
 * Owning the table: asking, renewing, releasing, and the lock file that lets a restarted process
 * take back its own lease at once.
 *
 * Only the database's clock is compared in the database; here the time of the last confirmed
 * renewal counts, from before its request was sent, on our own monotonic clock.
 */
#include "relay/relay_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "relay/token.h"

enum { STANDBY_LOOK_MS = 500 };

/* --- the lock file --- */

static void lock_path(const struct ef_relay *r, char *out, size_t size)
{
    int n = snprintf(out, size, "%s/", r->config->state_dir);
    for (const char *c = r->outbox->name; *c && (size_t)n + 8 < size; c++)
        out[n++] = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                           (*c >= '0' && *c <= '9') || *c == '-'
                       ? *c
                       : '_';
    snprintf(out + n, size - (size_t)n, ".lease");
}

static void on_lease_timer(void *arg);
static void on_deadline(void *arg);

void ef_relay_lease_init(struct ef_relay *r)
{
    char path[512];
    r->lock_fd = -1;
    ef_timer_init(&r->lease_timer, r->loop, "relay", on_lease_timer, r);
    ef_timer_init(&r->deadline_timer, r->loop, "relay", on_deadline, r);
    ef_uuid_v4(r->incarnation);
    ef_uuid_v4(r->token);
    if (!r->config->state_dir)
        return;
    lock_path(r, path, sizeof(path));
    r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->lock_fd < 0 || flock(r->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ef_info("no lock file: after a crash the lease is waited for",
                EF_STR("outbox", r->outbox->name), EF_STR("path", path),
                EF_STR("why", strerror(errno)));
        if (r->lock_fd >= 0)
            close(r->lock_fd);
        r->lock_fd = -1;
        return;
    }
    ef_token_read(r->lock_fd, r->old_token); /* "": it has none */
}

void ef_relay_lease_done(struct ef_relay *r)
{
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    r->lock_fd = -1;
}

/* --- acquiring --- */

static int64_t valid_for_us(const struct ef_relay *r)
{
    return (r->outbox->lease_ttl_ms - r->outbox->lease_ttl_ms / 5) * EF_MS_US;
}

static void ask(struct ef_relay *r)
{
    if (r->acquiring || r->state != EF_RELAY_STANDBY || !ef_store_is_up(r->store))
        return;
    if (r->deps.passing && !r->lease_wanted)
        return;
    r->acquiring = true;
    r->lease_sent_us = ef_clock_mono().us;
    ef_store_acquire(r->store,
                     &(struct ef_acquire){.ttl_ms = r->outbox->lease_ttl_ms,
                                          .owner = r->config->instance,
                                          .incarnation = r->incarnation,
                                          .token = r->token,
                                          .passing = r->deps.passing,
                                          .old_token = r->old_token[0] ? r->old_token : NULL});
}

void ef_relay_want_lease(struct ef_relay *r)
{
    if (r->lease_wanted)
        return;
    r->lease_wanted = true;
    ask(r);
}

void ef_relay_do_stand_by(struct ef_relay *r)
{
    if (!ef_store_is_up(r->store)) {
        ef_relay_fire(r, EF_EVENT_DB_DOWN);
        return;
    }
    ef_relay_set_reason(r, "asking for the table's lease");
    ask(r);
}

static void granted(struct ef_relay *r, const struct ef_lease *lease)
{
    r->epoch = lease->epoch;
    r->renewed_us = r->lease_sent_us;
    r->valid_until_us = r->lease_sent_us + valid_for_us(r);
    snprintf(r->server, sizeof(r->server), "%s", r->info.server);
    snprintf(r->lease_owner, sizeof(r->lease_owner), "%s", r->config->instance);
    r->standbys = lease->standbys;
    if (r->lock_fd >= 0 && pwrite(r->lock_fd, r->token, EF_TOKEN_LEN, 0) == EF_TOKEN_LEN)
        snprintf(r->old_token, sizeof(r->old_token), "%s", r->token);
    ef_metric_add(r->m.lease_acquired, 1);
    ef_info("lease acquired", EF_STR("outbox", r->outbox->name), EF_INT("epoch", r->epoch));
    /* a third of the ttl from when it was asked for: over a slow network that may be now */
    ef_timer_start(&r->lease_timer,
                   r->lease_sent_us + r->outbox->lease_ttl_ms * EF_MS_US / 3 - ef_clock_mono().us);
    ef_timer_start(&r->deadline_timer, r->valid_until_us - ef_clock_mono().us);
    ef_relay_fire(r, EF_EVENT_LEASE_GRANTED);
}

static void held(struct ef_relay *r, const struct ef_lease *lease)
{
    int64_t wait_ms = STANDBY_LOOK_MS;
    r->standbys = lease->standbys;
    if (lease->outcome == EF_LEASE_QUIET) {
        ef_relay_set_reason(
            r, "the database server changed: nobody may own the table for another %lld ms",
            (long long)lease->wait_ms);
    } else {
        ef_relay_set_reason(r, "%s%s owns the table", lease->owner[0] ? "relay " : "another relay",
                            lease->owner);
        snprintf(r->lease_owner, sizeof(r->lease_owner), "%s", lease->owner);
    }
    if (lease->wait_ms > 0 && lease->wait_ms < wait_ms)
        wait_ms = lease->wait_ms + 1;
    r->standby_wait_ms = lease->wait_ms;
    ef_timer_start(&r->lease_timer, wait_ms * EF_MS_US);
}

void ef_relay_acquired(void *arg, const struct ef_lease *lease, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->acquiring = false;
    if (r->state != EF_RELAY_STANDBY) {
        if (!err && lease->outcome == EF_LEASE_GRANTED && !r->releasing) {
            r->releasing = true; /* we are stopping: somebody else may have it */
            ef_store_release(r->store, lease->epoch);
        }
        return;
    }
    if (err) {
        ef_relay_database_trouble(r, "could not ask for the lease", err);
        if (r->state == EF_RELAY_STANDBY)
            ef_timer_start(&r->lease_timer, STANDBY_LOOK_MS * EF_MS_US);
    } else if (lease->outcome == EF_LEASE_GRANTED) {
        granted(r, lease);
    } else {
        held(r, lease);
    }
}

/* --- keeping --- */

bool ef_relay_lease_valid(const struct ef_relay *r)
{
    return r->epoch != 0 && ef_clock_mono().us < r->valid_until_us;
}

void ef_relay_renew_now(struct ef_relay *r)
{
    if (r->epoch == 0 || !ef_store_is_up(r->store))
        return;
    if (r->renewing) {
        r->renew_wanted = true;
        return;
    }
    r->renewing = true;
    r->renew_epoch = r->epoch;
    r->lease_sent_us = ef_clock_mono().us;
    ef_store_renew(r->store, r->epoch, r->outbox->lease_ttl_ms);
}

static void on_lease_timer(void *arg)
{
    struct ef_relay *r = arg;
    if (r->epoch == 0) {
        ask(r);
        return;
    }
    ef_timer_start(&r->lease_timer, r->outbox->lease_ttl_ms * EF_MS_US / 3);
    ef_relay_renew_now(r);
}

static void lost(struct ef_relay *r, const char *why)
{
    if (r->epoch == 0)
        return;
    ef_warn("lease lost", EF_STR("outbox", r->outbox->name), EF_INT("epoch", r->epoch),
            EF_STR("why", why));
    ef_metric_add(r->m.lease_lost, 1);
    r->epoch = 0;
    ef_relay_fire(r, EF_EVENT_LEASE_LOST);
}

static void on_deadline(void *arg)
{
    struct ef_relay *r = arg;
    int64_t left = r->valid_until_us - ef_clock_mono().us;
    if (r->epoch != 0 && left > 0)
        ef_timer_start(&r->deadline_timer, left);
    else
        lost(r, "it could not be renewed in time");
}

static void obey_pause_mark(struct ef_relay *r, const struct ef_renewal *renewal)
{
    r->paused_mark = renewal->paused;
    snprintf(r->paused_by, sizeof(r->paused_by), "%s", renewal->paused_by);
    snprintf(r->pause_reason, sizeof(r->pause_reason), "%s", renewal->pause_reason);
    ef_relay_fire(r, r->paused_mark || r->drained ? EF_EVENT_PAUSE : EF_EVENT_RESUME);
}

void ef_relay_renewed(void *arg, const struct ef_renewal *renewal, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->renewing = false;
    if (r->epoch == 0 || r->renew_epoch != r->epoch) /* an answer about former times */
        return;
    if (err && err->class == EF_CLASS_FENCED) {
        lost(r, err->text);
        return;
    }
    if (err) {
        ef_relay_database_trouble(r, "could not renew the lease", err);
        if (r->epoch) /* sooner than the next turn: the deadline comes near */
            ef_timer_start(&r->lease_timer, EF_S_US / 4);
        return;
    }
    if (!ef_relay_lease_valid(r)) /* what was to be done meanwhile was not, and nobody else comes */
        ef_relay_pump_soon(r);
    r->renewed_us = r->lease_sent_us;
    r->valid_until_us = r->lease_sent_us + valid_for_us(r);
    ef_timer_start(&r->deadline_timer, r->valid_until_us - ef_clock_mono().us);
    obey_pause_mark(r, renewal);
    r->standbys = renewal->standbys;
    ef_relay_commands_told(r, renewal->commands);
    if (r->renew_wanted && r->epoch) {
        r->renew_wanted = false;
        ef_relay_renew_now(r);
    }
}

/* --- leaving --- */

static void no_owner_any_more(struct ef_relay *r)
{
    ef_timer_stop(&r->deadline_timer);
    ef_timer_stop(&r->lease_timer);
    ef_relay_look_stop(r);
    ef_relay_forget(r);
    r->epoch = 0;
    r->renew_wanted = false;
}

void ef_relay_do_step_down(struct ef_relay *r)
{
    no_owner_any_more(r);
    ef_relay_do_stand_by(r);
}

static void give_back(struct ef_relay *r)
{
    int64_t epoch = r->epoch;
    no_owner_any_more(r);
    if (epoch == 0 || r->releasing || !ef_store_is_up(r->store))
        return;
    r->releasing = true;
    ef_store_release(r->store, epoch);
}

void ef_relay_do_give_up_lease(struct ef_relay *r)
{
    give_back(r);
    ef_relay_do_wait_for_operator(r);
}

void ef_relay_do_release(struct ef_relay *r)
{
    give_back(r);
    if (!r->releasing)
        ef_relay_fire(r, EF_EVENT_RELEASED);
}

void ef_relay_released(void *arg, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->releasing = false;
    if (err)
        ef_warn("could not release the lease; it expires by itself",
                EF_STR("outbox", r->outbox->name), EF_ERR(err));
    else if (r->lock_fd >= 0 && ftruncate(r->lock_fd, 0) == 0)
        r->old_token[0] = '\0';
    ef_relay_fire(r, EF_EVENT_RELEASED);
}
