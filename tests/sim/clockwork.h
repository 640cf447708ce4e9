// SPDX-License-Identifier: MIT
/*
 * Time and turns: one queue of events for the whole simulated world, and the product's loop
 * (loop/loop.h) on top of it, one for each relay's process.
 *
 * An event belongs to a process (a loop) or to the world (database, brokers, writers, faults).
 * While a process is frozen its events wait; when it thaws they come in an order of their own.
 * Nothing takes time except what is delayed.
 *
 * Owns: the queue; events and timers are embedded in their owners. Thread: the only one. Life:
 * sim_clock_reset begins a schedule.
 */
#pragma once

#include "loop/loop.h"

struct sim_event {
    int slot;             /* private; 0: not queued */
    struct ef_loop *loop; /* whose it is; NULL: the world's */
    void (*fn)(void *arg);
    void *arg;
};

void sim_clock_reset(void);
int64_t sim_now_us(void);

void sim_event_init(struct sim_event *event, struct ef_loop *loop, void (*fn)(void *arg),
                    void *arg);
/* (Re)start: delay_us from now. */
void sim_event_start(struct sim_event *event, int64_t delay_us);
void sim_event_stop(struct sim_event *event);
bool sim_event_active(const struct sim_event *event);

/* Runs the next event; false: there is none, or it lies beyond until_us (time is then until_us). */
bool sim_step(int64_t until_us);
uint64_t sim_steps(void);

/* A process: its monotonic clock shows the world's time plus `mono_us`, its wall clock
 * another. */
struct ef_loop *sim_loop_new(int actor, int64_t mono_us, int64_t wall_skew_us);
/* The process is gone: nothing of it runs any more, its timers may be freed. */
void sim_loop_kill(struct ef_loop *loop);
void sim_loop_free(struct ef_loop *loop);
void sim_loop_freeze(struct ef_loop *loop, int64_t until_us);
/*
 * Inside a callback, at one of the coming looks at the clock, the process stands still while the
 * world goes on. unaware: that look still gives the time before.
 */
void sim_loop_stall(struct ef_loop *loop, int looks, int64_t us, bool unaware);
void sim_loop_on_stall(struct ef_loop *loop, void (*fn)(void *arg), void *arg);
/* A callback is under way. */
bool sim_loop_inside(const struct ef_loop *loop);
/* The running callback stood still: it may send some messages before it looks at its lease. */
bool sim_late_message(void);
bool sim_loop_frozen(const struct ef_loop *loop);
/* Calls into the product from outside of its events happen between these: its clock is the
 * process's, deferred calls run at the end. */
void sim_enter(struct ef_loop *loop);
void sim_leave(struct ef_loop *loop);

/* Steps so far as one number: equal runs have equal numbers. */
uint64_t sim_fingerprint(void);
/* Anything that belongs to the run's identity. */
void sim_mark(uint64_t value);
