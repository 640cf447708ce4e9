// SPDX-License-Identifier: MIT
/*
 * What the doctor would say of the database and the table, asked slowly while the relay owns it,
 * and handed on to who shows warnings. Nothing here changes what the relay does.
 */
#include "relay/relay_private.h"

#define NOT_NOW_US (10 * EF_S_US)

static void on_examine_timer(void *arg)
{
    struct ef_relay *r = arg;
    bool can = ef_relay_is_owner(r) && ef_store_is_up(r->store) && !r->examining;
    ef_timer_start(&r->examine_timer, can ? r->config->checks.interval_ms * EF_MS_US : NOT_NOW_US);
    if (!can)
        return;
    r->examining = true;
    ef_store_examine(r->store, &(struct ef_examine){.old_ms = r->config->checks.old_ms});
}

void ef_relay_examined(void *arg, const struct ef_report *report, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->examining = false;
    if (!ef_timer_active(&r->examine_timer))
        return; /* an answer about former times */
    if (err)
        ef_relay_note_trouble(r, "could not examine the database, ignoring", err);
    else if (r->deps.found)
        r->deps.found(r->deps.found_arg, r, report);
}

void ef_relay_examine_start(struct ef_relay *r)
{
    if (ef_store_caps(r->store) & EF_STORE_EXAMINES && !ef_timer_active(&r->examine_timer))
        ef_timer_start(&r->examine_timer, 0);
}

void ef_relay_examine_stop(struct ef_relay *r)
{
    if (!ef_timer_active(&r->examine_timer))
        return;
    ef_timer_stop(&r->examine_timer);
    if (r->deps.found)
        r->deps.found(r->deps.found_arg, r, NULL);
}

/* Other times or limits may hold now. */
void ef_relay_examine_again(struct ef_relay *r)
{
    if (ef_timer_active(&r->examine_timer))
        ef_timer_start(&r->examine_timer, 0);
}

void ef_relay_examine_init(struct ef_relay *r)
{
    ef_timer_init(&r->examine_timer, r->loop, "relay", on_examine_timer, r);
}
