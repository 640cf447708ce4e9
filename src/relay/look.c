// SPDX-License-Identifier: MIT
/* Looking around: who else works on the table, what waits and until when, how far behind, and
 * upkeep. */
#include "relay/relay_private.h"

#define LAG_EVERY_US      (10 * EF_S_US)
#define MAINTAIN_EVERY_US (60 * EF_S_US)
#define FOREIGN_EVERY_US  EF_S_US
/* Someone may make a waiting row due by hand. */
#define WAITING_EVERY_US (10 * EF_S_US)
/* Looking for waiting rows reads all of them: it may take a twentieth of the time, but where
 * nothing is sent before it (state FOREIGN). */
#define WAITING_PAUSE_FACTOR 20
#define WAITING_PAUSE_MAX_US (10 * EF_S_US)
enum { PURGE_FULL_ROWS = 1000 };

/* --- waiting rows, and rows of another kind of relay --- */

void ef_relay_ask_waiting(struct ef_relay *r)
{
    if (r->waiting_asked) {
        r->waiting_again = true;
        return;
    }
    if (!ef_relay_is_owner(r) || !ef_store_is_up(r->store))
        return;
    int64_t now = ef_clock_mono().us;
    if (now < r->waiting_not_before_us && r->state != EF_RELAY_FOREIGN) {
        ef_timer_start(&r->retry_timer, r->waiting_not_before_us - now);
        return;
    }
    r->waiting_asked = true;
    r->waiting_asked_us = now;
    ef_store_waiting(r->store);
}

static void retry_due(struct ef_relay *r, const struct ef_waiting *waiting)
{
    ef_mono now = ef_clock_mono();
    ef_metric_add(r->m.wake_retry, 1);
    if (waiting->due_more)
        ef_cursor_back(&r->cursor, waiting->due[0] - 1);
    else
        for (int i = 0; i < waiting->due_count; i++)
            ef_cursor_ask(&r->cursor, now, waiting->due[i]);
    r->fetch_now = true;
    ef_relay_pump_soon(r);
    /* what is read now is decided later, and asked after then; if nothing is read, look again */
    ef_timer_start(&r->retry_timer, EF_S_US);
}

static void on_retry_timer(void *arg)
{
    ef_relay_ask_waiting(arg);
}

static void foreign_answer(struct ef_relay *r)
{
    if (r->foreign_rows == 0) {
        ef_relay_fire(r, EF_EVENT_FOREIGN_GONE);
        if (r->state == EF_RELAY_RUNNING)
            ef_relay_ask_waiting(
                r); /* when is the first row due that a former owner put to wait? */
        return;
    }
    ef_relay_set_reason(
        r, "another kind of relay still works on %lld rows (status 1); waiting until they are done",
        (long long)r->foreign_rows);
    ef_timer_start(&r->retry_timer, FOREIGN_EVERY_US);
}

void ef_relay_waiting(void *arg, const struct ef_waiting *waiting, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    int64_t now = ef_clock_mono().us;
    r->waiting_asked = false;
    /* an answer that was lost says nothing of what a look costs */
    int64_t pause_us = err ? 0 : WAITING_PAUSE_FACTOR * (now - r->waiting_asked_us);
    r->waiting_not_before_us =
        now + (pause_us < WAITING_PAUSE_MAX_US ? pause_us : WAITING_PAUSE_MAX_US);
    if (!ef_relay_is_owner(r))
        return;
    if (err) {
        ef_relay_database_trouble(r, "could not look for waiting rows", err);
        ef_timer_start(&r->retry_timer, EF_S_US);
        return;
    }
    r->waiting_rows = waiting->waiting_rows;
    r->foreign_rows = waiting->foreign_rows;
    if (r->waiting_again) {
        r->waiting_again = false;
        ef_relay_ask_waiting(r);
        return;
    }
    if (r->state == EF_RELAY_FOREIGN) {
        foreign_answer(r);
    } else if (waiting->next_retry_ms == 0 || waiting->due_count > 0) {
        retry_due(r, waiting);
    } else if (waiting->next_retry_ms > 0) {
        bool soon = waiting->next_retry_ms < WAITING_EVERY_US / EF_MS_US;
        ef_timer_start(&r->retry_timer,
                       soon ? (waiting->next_retry_ms + 1) * EF_MS_US : WAITING_EVERY_US);
    } else if (waiting->foreign_rows > 0) {
        ef_timer_start(&r->retry_timer, FOREIGN_EVERY_US); /* until their claim has timed out */
    }
}

void ef_relay_do_look_for_foreign(struct ef_relay *r)
{
    ef_relay_set_reason(r, "looking for rows that another kind of relay works on");
    ef_relay_ask_waiting(r);
}

/* --- lag and upkeep --- */

static void maintain(struct ef_relay *r)
{
    bool archive = r->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE;
    bool purge = r->outbox->on_delivered == EF_ON_DELIVERED_MARK && r->outbox->retention_given &&
                 r->outbox->retention_ms > 0;
    if (r->maintaining || (!archive && !purge))
        return;
    r->maintaining = true;
    ef_store_maintain(r->store, r->epoch);
}

static void on_lag_timer(void *arg)
{
    struct ef_relay *r = arg;
    int64_t now = ef_clock_mono().us;
    ef_timer_start(&r->lag_timer, LAG_EVERY_US);
    if (!ef_relay_is_owner(r) || !ef_store_is_up(r->store))
        return;
    if (!r->lag_asked) {
        r->lag_asked = true;
        ef_store_lag(r->store);
    }
    if (r->maintained_us == 0 || now - r->maintained_us >= MAINTAIN_EVERY_US) {
        r->maintained_us = now;
        maintain(r);
    }
}

void ef_relay_lag(void *arg, const struct ef_lag *lag, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->lag_asked = false;
    if (!ef_relay_is_owner(r))
        return;
    if (err) {
        ef_relay_note_trouble(r, "could not measure the backlog", err);
        return;
    }
    r->lag = *lag;
    r->lag_known = true;
}

void ef_relay_maintained(void *arg, int64_t rows, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->maintaining = false;
    if (!ef_relay_is_owner(r))
        return;
    if (err) {
        /* the next look tries again: a lock that is held must not stop relaying */
        ef_relay_note_trouble(r, "upkeep of delivered rows failed, ignoring", err);
        return;
    }
    ef_metric_add(r->m.purged, (double)rows);
    if (rows >= PURGE_FULL_ROWS && ef_store_is_up(r->store))
        maintain(r);
}

void ef_relay_look_start(struct ef_relay *r)
{
    if (!ef_timer_active(&r->lag_timer))
        ef_timer_start(&r->lag_timer, 0);
    ef_relay_examine_start(r);
}

void ef_relay_look_stop(struct ef_relay *r)
{
    ef_relay_examine_stop(r);
    ef_timer_stop(&r->lag_timer);
    ef_timer_stop(&r->retry_timer);
    r->lag_known = false;
    r->maintained_us = 0;
}

void ef_relay_look_init(struct ef_relay *r)
{
    ef_timer_init(&r->lag_timer, r->loop, "relay", on_lag_timer, r);
    ef_timer_init(&r->retry_timer, r->loop, "relay", on_retry_timer, r);
}
