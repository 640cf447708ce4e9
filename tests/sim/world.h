// SPDX-License-Identifier: MIT
/*
 * One schedule: a world with a database, brokers, writers, relays and misfortunes, from the first
 * choice to the last check.
 *
 * First everything goes on at once for a while; then single topics and rows are all that is wrong,
 * and the others have to be finished (isolation); then nothing is wrong, everything has to be
 * finished, single rows that come after it go at once, and the relays stop.
 *
 * Thread: the only one. Life: sim_world_run (run.h), as often as wanted.
 */
#pragma once

#include "sim/checker.h"
#include "sim/db.h"

/* --- shared by world.c, relays.c, writers.c, nemesis.c --- */

struct sim_world { /* what this schedule is like; drawn at its beginning */
    int relays, writers, lanes, topics;
    int64_t chaos_us;
    bool keys, partitions, serialised;
    bool mysql;   /* the database goes by MySQL's rules */
    bool by_type; /* order_by: aggregate_type_and_id */
    int poison_permille, rollback_permille, claimed_permille, nemesis_every_ms;
    int64_t held_max_us, drawn_max_us, pause_max_us;
    int row_max_bytes;
    unsigned faults; /* bit for each kind of nemesis */
    bool foreign;    /* another kind of relay works on the table */
};

extern struct sim_world sim_world;

/* relays.c */
/* Draws their configurations; says what the checker must know of them. */
const struct ef_config_outbox *sim_relays_configure(struct sim_check_config *check);
void sim_relays_begin(void);
void sim_relays_end(void);  /* whatever still runs is killed */
void sim_relays_mend(void); /* those that do not run are started */
void sim_relays_resume(void);
void sim_relays_stop(void); /* all of them, cleanly */
bool sim_relays_stopped(void);
bool sim_relay_runs(int relay);
void sim_relay_start(int relay);
void sim_relay_start_later(int relay, int64_t us);
void sim_relay_kill(int relay);
void sim_relay_stop(int relay, int64_t patience_us);
void sim_relay_freeze(int relay, int64_t us, bool threads_too);
/* After so many looks at the clock. unaware: that look still says what it was before. */
void sim_relay_stall(int relay, int looks, int64_t us, bool unaware, bool threads_too);
void sim_relay_break(int relay, int conn, int64_t late_us, int64_t notice_us);
void sim_relay_pause(int relay, bool pause);
void sim_relay_drain(int relay);
void sim_relay_reload(int relay);
/* How long a row may wait for it to look, when it has nothing to do; 0: the doorbell tells it. */
int64_t sim_relay_poll_us(int relay);
void sim_relays_look(void); /* at what they say of themselves: is it within bounds? */
const char *const *sim_topic_names(void);
/* As its row says; NULL: none. */
const char *sim_aggregate_id(const struct sim_row *row);

/* world.c */
/* Until `done` says so (NULL: never) or the time has come or something was violated; false: `done`
 * has not. */
bool sim_world_wait(int64_t until_us, bool (*done)(void));

/* prompt.c */
/* Nothing is wrong and everything is finished: some more rows, one by one. */
void sim_promptness_look(void);

/* writers.c */
void sim_writers_begin(void);
void sim_writers_finish(void); /* begin nothing new */
bool sim_writers_done(void);

/* foreign.c */
void sim_foreign_begin(void);
void sim_foreign_finish(void); /* claim nothing new */

/* nemesis.c */
void sim_nemesis_begin(void);
void sim_nemesis_end(void);
/* What operators hold is to be let go. */
void sim_nemesis_release(void);
unsigned sim_nemesis_draw(void); /* which kinds this schedule has */
