// SPDX-License-Identifier: MIT
/*
 * Operators' commands, carried out by the owner of the table. A command that lets rows enter or
 * leave status 3 has the relay stand still first: no read is open and nothing is under way, which
 * is the fate barrier for whatever aggregates its rows are of. Then everything is read again from
 * the lowest of its rows on.
 */
#include "relay/relay_private.h"

#include "base/str.h"

/* What is under way may not come back, without Kafka or one partition's leader: the relay goes on,
 * and tries again later, and ever later. */
#define STAND_STILL_MAX_US EF_S_US
#define TRY_AGAIN_US       EF_S_US
#define TRY_AGAIN_MAX_US   (60 * EF_S_US)
/* A command that fails so often is refused: others wait behind it. */
enum { FAILURES_MAX = 3 };

bool ef_relay_may_move(const struct ef_relay *r)
{
    return r->holds_known && !r->standing_still;
}

static bool has_command(const struct ef_relay *r)
{
    return r->command.number != 0;
}

static void go_on(struct ef_relay *r)
{
    if (!r->standing_still)
        return;
    r->standing_still = false;
    if (r->command.id_count > 0 && r->command.ids[0] > INT64_MIN)
        ef_cursor_back(&r->cursor, r->command.ids[0] - 1);
    r->fetch_now = true;
}

static void drop_command(struct ef_relay *r)
{
    go_on(r);
    ef_command_done(&r->command);
    r->outcome_unknown = false;
}

static void try_later(struct ef_relay *r, int64_t us)
{
    r->commands_not_before_us = ef_clock_mono().us + us;
    ef_timer_start(&r->commands_timer, us);
}

static void on_commands_timer(void *arg)
{
    ef_relay_pump_soon(arg);
}

void ef_relay_commands_init(struct ef_relay *r)
{
    ef_holds_init(&r->holds);
    ef_timer_init(&r->commands_timer, r->loop, "relay", on_commands_timer, r);
}

void ef_relay_commands_forget(struct ef_relay *r)
{
    drop_command(r);
    ef_timer_stop(&r->commands_timer);
    ef_holds_clear(&r->holds);
    r->holds_known = false;
    r->commands_waiting = 0;
    r->commands_not_before_us = 0;
    r->last_command = r->failed_command = 0;
    r->stand_still_pause_us = 0;
}

void ef_relay_commands_told(struct ef_relay *r, int waiting)
{
    r->commands_waiting = waiting;
    if (waiting > 0)
        ef_relay_pump_soon(r);
}

/* --- the next one --- */

void ef_relay_next_command(void *arg, const struct ef_command_row *row, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    struct ef_error why;
    r->asking_command = false;
    if (!ef_relay_is_owner(r) || has_command(r))
        return;
    if (err) {
        ef_relay_note_trouble(r, "could not look for operators' commands", err);
        try_later(r, TRY_AGAIN_US);
        return;
    }
    if (!row) {
        r->commands_waiting = 0;
        return;
    }
    if (!ef_command_parse(row->number, row->verb, row->args, row->actor, &r->command, &why))
        ef_warn("operator's command makes no sense", EF_STR("outbox", r->outbox->name),
                EF_INT("command", row->number), EF_ERR(&why));
    if (row->number == r->last_command) { /* it had not ended: nothing is gained by haste */
        ef_relay_renew_now(r);
        try_later(r, TRY_AGAIN_US);
    }
    r->last_command = row->number;
    ef_relay_pump_soon(r);
}

/* --- carrying it out --- */

static bool is_release(const struct ef_relay *r)
{
    return r->command.verb == EF_COMMAND_RELEASE;
}

/* Before a release, rows that the hold has sent to wait must be written down: else they would wait
 * on. Before others nothing may be under way at all. */
static bool is_quiet(const struct ef_relay *r)
{
    const struct ef_window_stats *w = ef_window_stats(r->window);
    if (is_release(r))
        return w->count[EF_ENTRY_FATED] + w->count[EF_ENTRY_DECIDING] == 0 && !r->deciding;
    return !r->fetching && ef_relay_nothing_under_way(r) && w->count[EF_ENTRY_FAILED] == 0;
}

/* True once nothing is read and nothing is under way. */
static bool stands_still(struct ef_relay *r)
{
    int64_t now = ef_clock_mono().us;
    if (!r->standing_still) {
        r->standing_still = true;
        r->stood_still_us = now;
        ef_timer_start(&r->commands_timer, STAND_STILL_MAX_US);
    }
    ef_relay_cancel_fetch(r);
    ef_relay_drop_unsent(r);
    if (is_quiet(r)) {
        r->stand_still_pause_us = 0;
        return true;
    }
    if (now - r->stood_still_us >= STAND_STILL_MAX_US) {
        r->stand_still_pause_us =
            r->stand_still_pause_us ? r->stand_still_pause_us * 2 : TRY_AGAIN_US;
        if (r->stand_still_pause_us > TRY_AGAIN_MAX_US)
            r->stand_still_pause_us = TRY_AGAIN_MAX_US;
        go_on(r);
        try_later(r, r->stand_still_pause_us);
    }
    return false;
}

static void carry_out(struct ef_relay *r)
{
    if (r->command.verb == EF_COMMAND_HOLD || is_release(r))
        r->holds_known = false; /* from here on, until they are read again */
    r->carrying_out = true;
    r->carrying_number = r->command.number;
    ef_store_carry_out(r->store, r->epoch, &r->command);
}

void ef_relay_commands_step(struct ef_relay *r)
{
    if (r->holds_known && !has_command(r) && r->commands_waiting == 0)
        return; /* as nearly always: this is called after every event */
    int64_t now = ef_clock_mono().us;
    bool able = (r->state == EF_RELAY_RUNNING || r->state == EF_RELAY_PAUSED) &&
                ef_store_is_up(r->store) && ef_relay_lease_valid(r);
    if (able && !r->holds_known && !r->asking_holds && !r->carrying_out && !r->outcome_unknown &&
        now >= r->holds_not_before_us)
        ef_relay_ask_holds(r);
    if (!able || now < r->commands_not_before_us) {
        if (!r->carrying_out && !r->outcome_unknown)
            go_on(r);
        return;
    }
    if (!has_command(r) && r->commands_waiting > 0 && !r->asking_command) {
        r->asking_command = true;
        ef_store_next_command(r->store);
    }
    if (!has_command(r) || r->carrying_out)
        return;
    if ((ef_command_needs_barrier(&r->command) || is_release(r)) && !stands_still(r))
        return;
    carry_out(r);
}

static void log_done(const struct ef_relay *r, int64_t rows)
{
    const struct ef_command *c = &r->command;
    if (c->verb == EF_COMMAND_REFUSED)
        ef_warn("operator's command refused", EF_STR("outbox", r->outbox->name),
                EF_INT("command", c->number), EF_STR("actor", c->actor), EF_STR("why", c->reason));
    else
        ef_info("operator's command carried out", EF_STR("outbox", r->outbox->name),
                EF_STR("verb", ef_command_verb_name(c->verb)), EF_INT("command", c->number),
                EF_INT("rows", rows), EF_STR("actor", c->actor),
                EF_STR("why", c->reason[0] ? c->reason : NULL));
}

static bool is_hopeless(struct ef_relay *r, const struct ef_error *err)
{
    if (r->command.number != r->failed_command)
        r->command_failures = 0;
    r->failed_command = r->command.number;
    if (err->class == EF_CLASS_FENCED || err->class == EF_CLASS_OUTAGE)
        return false;
    return r->command.verb != EF_COMMAND_REFUSED &&
           (++r->command_failures >= FAILURES_MAX || err->class == EF_CLASS_CONFIG);
}

/*
 * Its answer was lost: it may have happened, or happen yet. Nothing may be read before that is
 * known, so the relay stands on, and asks for the same again: that waits for the first one's turn,
 * and changes nothing more if it was done. Nor may what is held be read before it, if it changes
 * that.
 */
static void ask_again(struct ef_relay *r)
{
    r->outcome_unknown = r->standing_still || !r->holds_known;
    try_later(r, TRY_AGAIN_US);
}

static void failed(struct ef_relay *r, const struct ef_error *err)
{
    bool hopeless = is_hopeless(r, err);
    if (hopeless) {
        if (err->class != EF_CLASS_UNCERTAIN)
            go_on(r); /* before its rows' ids mean nothing any more */
        ef_command_refuse(&r->command, err->text);
    } else if (err->class == EF_CLASS_FENCED) {
        ef_relay_renew_now(r); /* its answer says whether the lease is really gone */
    } else {
        ef_relay_note_trouble(r, "could not carry out an operator's command", err);
    }
    if (err->class == EF_CLASS_UNCERTAIN) {
        ask_again(r);
    } else if (!hopeless) {
        drop_command(r); /* asked for again, if it has not ended */
        try_later(r, TRY_AGAIN_US);
    }
    ef_relay_pump_soon(r);
}

void ef_relay_carried_out(void *arg, int64_t rows, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->carrying_out = false;
    if (!ef_relay_is_owner(r))
        return;
    if (r->command.number != r->carrying_number) {
        ef_relay_pump_soon(r); /* an answer about former times */
        return;
    }
    if (err) {
        failed(r, err);
        return;
    }
    enum ef_command_verb verb = r->command.verb;
    log_done(r, rows);
    drop_command(r);
    if (r->commands_waiting > 0)
        r->commands_waiting--;
    if (verb != EF_COMMAND_REFUSED && verb != EF_COMMAND_PURGE)
        ef_relay_ask_waiting(r);
    ef_relay_pump_soon(r);
}

/* --- holds --- */

void ef_relay_ask_holds(struct ef_relay *r)
{
    r->holds_again = r->asking_holds;
    if (r->asking_holds || !ef_store_is_up(r->store))
        return;
    r->asking_holds = true;
    ef_store_holds(r->store);
}

void ef_relay_holds(void *arg, const struct ef_hold *holds, int count, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    r->asking_holds = false;
    if (!ef_relay_is_owner(r))
        return;
    if (err) {
        r->holds_not_before_us = ef_clock_mono().us + TRY_AGAIN_US;
        ef_timer_start(&r->commands_timer, TRY_AGAIN_US);
        ef_relay_database_trouble(r, "could not read what operators hold", err);
        return;
    }
    if (r->holds_again || r->carrying_out) { /* asked before they changed */
        ef_relay_pump_soon(r);
        return;
    }
    ef_holds_set(&r->holds, holds, count);
    r->holds_known = true;
    ef_relay_pump_soon(r);
}
