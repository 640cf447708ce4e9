// SPDX-License-Identifier: MIT
/*
 * The relay's inside, shared by its files: relay.c (life, state machine, operators), lease.c
 * (owning the table), pump.c (rows in, messages out), fate.c (reports, decisions, settling), look.c
 * (lag, upkeep), commands.c (operators' acts, carried out by the owner), operate.c (operators'
 * questions), examine.c (what the doctor would say), stats.c (metrics, status). Not for other
 * rooms.
 */
#pragma once

#include <stdio.h>

#define EF_LOG_ROOM "relay"
#include "base/log.h"
#include "base/rng.h"
#include "outbox/command.h"
#include "outbox/cursor.h"
#include "outbox/deadletter.h"
#include "outbox/destinations.h"
#include "outbox/policy.h"
#include "outbox/route.h"
#include "outbox/window.h"
#include "relay/machine.h"

struct ef_relay_metrics { /* handles, for the hot paths */
    struct ef_metric *fetched, *reaped, *purged, *regressions, *dead_letters, *sweeps, *barriers;
    struct ef_metric *settled, *retried[EF_CLASS_COUNT], *dead[EF_CLASS_COUNT];
    struct ef_metric *database_errors[EF_CLASS_COUNT], *kafka_errors[EF_CLASS_COUNT];
    struct ef_metric *lease_acquired, *lease_lost, *reconnects, *database_up;
    struct ef_metric *created_to_seen, *seen_to_acked, *acked_to_settled, *created_to_acked;
    struct ef_metric *fetch_duration, *settle_duration;
    struct ef_metric *wake_poll, *wake_notify, *wake_retry, *wake_full;
};

/* The doorbell, as far as the relay knows. */
enum ef_relay_bell { EF_BELL_UNKNOWN, EF_BELL_DISARMED, EF_BELL_ARMED };

struct operation; /* operate.c */

struct topic_metrics; /* produced and delivered by topic, stats.c */

struct ef_relay {
    struct ef_relay_deps deps;
    const struct ef_config *config;
    const struct ef_config_outbox *outbox;
    struct ef_loop *loop;
    struct ef_store *store;
    struct ef_publisher_user *publisher;
    enum ef_relay_state state;
    char reason[768]; /* why not simply running */
    struct ef_rng rng;

    /* the database */
    struct ef_store_info info;
    bool closed_asked;
    bool checking, check_again; /* a check outlives the reconnect of another connection */
    struct ef_timer look_again;
    struct ef_log_limit trouble_limit, row_limit;

    /* the lease */
    char incarnation[40], token[40], old_token[40];
    int lock_fd;
    int64_t epoch;          /* 0: not ours */
    int64_t valid_until_us; /* monotonic; produce only before */
    int64_t lease_sent_us;  /* when the running renewal or acquisition was sent */
    int64_t renewed_us;
    int64_t standby_wait_ms;
    char server[128]; /* identity under which the epoch was granted */
    char lease_owner[128];
    struct ef_standbys standbys; /* of the last look or renewal */
    bool lease_wanted;           /* of one that is passing */
    int64_t renew_epoch;         /* the running renewal is for this one */
    bool acquiring, renewing, releasing, renew_wanted;
    struct ef_timer lease_timer, deadline_timer;

    /* reading and producing */
    struct ef_window *window;
    struct ef_cursor cursor;
    struct ef_destinations destinations;
    struct ef_route_config route;
    struct ef_deadletter_config deadletter;
    struct ef_arena scratch;
    bool fetching, fetch_paused, fetch_cancelled, fetch_now;
    int fetch_rows_new; /* of the open read: rows not known before */
    int64_t fetch_began_us, fetch_paused_us;
    int64_t idle_delay_us; /* until the next poll; doubles while nothing comes */
    int64_t last_row_us;   /* when a new row was read last */
    bool last_read_empty, read_to_end;
    int64_t went_back_us; /* to rows that the window had refused */
    struct ef_timer fetch_timer, stall_timer, full_timer;
    struct ef_deferred pump_later;
    bool full; /* the publisher takes nothing now */
    bool outage;
    char outage_reason[256];
    enum ef_relay_bell bell; /* what it was made last */
    bool bell_sure;          /* nothing that comes late can have turned it since */
    int64_t bell_lost_us;    /* when something last could have been left on its way */

    /* fates */
    bool settling, deciding;
    bool barrier; /* what is being decided needs that no read is open */
    int64_t settle_began_us, settle_rows;
    int64_t settled_below;       /* rows below this id were settled last; see fate.c */
    int64_t fate_pause_until_us; /* after a failed settle or decision */
    int fate_failures;
    struct ef_timer fate_timer;
    bool waiting_asked, waiting_again;
    int64_t waiting_rows, foreign_rows;
    int64_t waiting_asked_us, waiting_not_before_us;
    struct ef_timer retry_timer, probe_timer;
    bool releasing_topic;
    bool release_all_wanted;

    /* looking */
    struct ef_timer lag_timer;
    bool lag_asked, lag_known, maintaining;
    struct ef_lag lag;
    int64_t maintained_us;
    bool examining;
    struct ef_timer examine_timer; /* active as long as we own the table */

    /* operators */
    bool paused_mark; /* the registry's */
    bool drained;     /* drain: stays paused in memory */
    char paused_by[128], pause_reason[256];
    void (*pause_done)(void *arg, const struct ef_error *err);
    void *pause_arg;
    void (*drain_done)(void *arg, const struct ef_error *err);
    void *drain_arg;
    struct ef_deferred drain_later;
    struct operation *operations; /* list, oldest first */
    int operation_count;
    bool operating; /* one of them is with the store */
    struct ef_timer operate_timer;

    /* their commands, when we own the table */
    int commands_waiting; /* in the table, as the last renewal told; 0: none is known */
    bool asking_command, carrying_out;
    struct ef_command command; /* the next one; number 0: none */
    bool standing_still;       /* nothing is read or produced until it is done */
    int64_t stood_still_us, commands_not_before_us;
    int64_t last_command, carrying_number;
    bool outcome_unknown; /* the answer to this one was lost: stand on until it is known */
    int64_t failed_command, stand_still_pause_us, holds_not_before_us;
    int command_failures;
    struct ef_timer commands_timer;
    struct ef_holds holds;
    bool holds_known, asking_holds, holds_again;

    /* numbers */
    struct ef_relay_metrics m;
    struct topic_metrics *topics, *last_topic;
    int topic_count;
    uint64_t fetched, delivered, settled, retried, dead, barriers;
    int64_t last_settle_us, running_since_us;
    uint64_t sweeps_told, regressions_told;
};

/* relay.c */
void ef_relay_fire(struct ef_relay *r, enum ef_relay_event event);
void ef_relay_set_reason(struct ef_relay *r, const char *fmt, ...) EF_PRINTF(2, 3);
bool ef_relay_is_owner(const struct ef_relay *r);
/* A statement failed: count it, log it (limited), and act on FENCED and CONFIG. */
void ef_relay_note_trouble(struct ef_relay *r, const char *what, const struct ef_error *err);
void ef_relay_database_trouble(struct ef_relay *r, const char *what, const struct ef_error *err);
void ef_relay_check_drained(struct ef_relay *r);
extern const struct ef_store_user ef_relay_store_upcalls;

/* the state machine's actions */
void ef_relay_do_open(struct ef_relay *r);
void ef_relay_do_check(struct ef_relay *r);
void ef_relay_do_wait_for_operator(struct ef_relay *r);
void ef_relay_do_close(struct ef_relay *r);
void ef_relay_do_stand_by(struct ef_relay *r);         /* lease.c */
void ef_relay_do_look_for_foreign(struct ef_relay *r); /* look.c */
void ef_relay_do_step_down(struct ef_relay *r);        /* lease.c */
void ef_relay_do_give_up_lease(struct ef_relay *r);    /* lease.c */
void ef_relay_do_release(struct ef_relay *r);          /* lease.c */
void ef_relay_do_run(struct ef_relay *r);              /* pump.c */
void ef_relay_do_pause(struct ef_relay *r);            /* pump.c */
void ef_relay_do_drain(struct ef_relay *r);            /* pump.c */

/* lease.c */
void ef_relay_lease_init(struct ef_relay *r);
void ef_relay_lease_done(struct ef_relay *r);
/* There is something to do for the owner. */
void ef_relay_want_lease(struct ef_relay *r);
bool ef_relay_lease_valid(const struct ef_relay *r);
void ef_relay_renew_now(struct ef_relay *r);
void ef_relay_acquired(void *arg, const struct ef_lease *lease, const struct ef_error *err);
void ef_relay_renewed(void *arg, const struct ef_renewal *renewal, const struct ef_error *err);
void ef_relay_released(void *arg, const struct ef_error *err);

/* pump.c */
void ef_relay_pump_init(struct ef_relay *r);
void ef_relay_pump_soon(struct ef_relay *r);
void ef_relay_cancel_fetch(struct ef_relay *r);
/* What was read and not handed over is forgotten, and read again. */
void ef_relay_drop_unsent(struct ef_relay *r);
void ef_relay_forget(
    struct ef_relay *r); /* window, cursor, timers: nothing of the table is known any more */
void ef_relay_rows(void *arg, struct ef_batch *batch, bool paused);
void ef_relay_fetched(void *arg, const struct ef_fetched *fetched, const struct ef_error *err);
void ef_relay_wakeup(void *arg);
void ef_relay_arming_lost(void *arg);
void ef_relay_doubt_bell(struct ef_relay *r, int64_t now);
extern const struct ef_publisher_upcalls ef_relay_publisher_upcalls;

/* fate.c */
void ef_relay_fate_init(struct ef_relay *r);
void ef_relay_delivery(void *arg, void *opaque, const struct ef_error *err);
/* The message could not be handed over, or came back: judge the row. */
void ef_relay_row_failed(struct ef_relay *r, struct ef_entry *e, const struct ef_error *err,
                         bool alone);
void ef_relay_hold_for_topic(struct ef_relay *r, struct ef_entry *e, int64_t delay_ms,
                             const struct ef_error *err);
void ef_relay_settle_step(struct ef_relay *r);
void ef_relay_barrier_step(struct ef_relay *r);
void ef_relay_settled(void *arg, int64_t rows, const struct ef_error *err);
void ef_relay_decided(void *arg, int64_t rows, const struct ef_error *err);
/* Release every waiting row, if that was wanted while it could not be done. */
void ef_relay_release_all(struct ef_relay *r);
void ef_relay_topic_released(void *arg, int64_t rows, const struct ef_error *err);
void ef_relay_send_dead_letters(struct ef_relay *r);

/* commands.c */
void ef_relay_commands_init(struct ef_relay *r);
void ef_relay_commands_forget(struct ef_relay *r);
void ef_relay_commands_told(struct ef_relay *r, int waiting);
/* False: nothing may be read or produced now, for a command's or the holds' sake. */
bool ef_relay_may_move(const struct ef_relay *r);
void ef_relay_commands_step(struct ef_relay *r);
void ef_relay_ask_holds(struct ef_relay *r);
void ef_relay_next_command(void *arg, const struct ef_command_row *row, const struct ef_error *err);
void ef_relay_carried_out(void *arg, int64_t rows, const struct ef_error *err);
void ef_relay_holds(void *arg, const struct ef_hold *holds, int count, const struct ef_error *err);
/* Nothing of ours is with the publisher or the store. */
bool ef_relay_nothing_under_way(const struct ef_relay *r);

/* operate.c */
void ef_relay_operate_init(struct ef_relay *r);
/* All that wait are told that there is no database any more. */
void ef_relay_operate_end(struct ef_relay *r);
void ef_relay_operated(void *arg, const char *json, const struct ef_error *err);

/* look.c */
void ef_relay_look_init(struct ef_relay *r);
void ef_relay_look_stop(struct ef_relay *r);
void ef_relay_look_start(struct ef_relay *r);
void ef_relay_ask_waiting(struct ef_relay *r);
void ef_relay_waiting(void *arg, const struct ef_waiting *waiting, const struct ef_error *err);
void ef_relay_lag(void *arg, const struct ef_lag *lag, const struct ef_error *err);
void ef_relay_maintained(void *arg, int64_t rows, const struct ef_error *err);

/* examine.c */
void ef_relay_examine_init(struct ef_relay *r);
void ef_relay_examine_start(struct ef_relay *r);
void ef_relay_examine_stop(struct ef_relay *r);
void ef_relay_examine_again(struct ef_relay *r);
void ef_relay_examined(void *arg, const struct ef_report *report, const struct ef_error *err);

/* stats.c */
void ef_relay_stats_init(struct ef_relay *r);
void ef_relay_stats_done(struct ef_relay *r);
void ef_relay_observe_age(struct ef_relay *r, struct ef_metric *histogram, int64_t created_us);
void ef_relay_count_produced(struct ef_relay *r, struct ef_slice topic);
void ef_relay_count_delivered(struct ef_relay *r, const struct ef_row *row, struct ef_slice topic);
