// SPDX-License-Identifier: MIT
/*
 * The event loop: timers, descriptors, signals, deferred calls and wake-ups from other threads.
 *
 * Everything runs on one thread; nothing on it may block. Objects are embedded in their owners and
 * initialised once; stopping one that is not started is allowed. A stopped object's callback does
 * not run any more, not even later in the same turn. The simulation links another implementation of
 * this header.
 *
 * A callback that takes longer than 50 ms is counted (by `room`) and logged.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct ef_loop;

struct ef_loop_stats {
    uint64_t callbacks;
    uint64_t slow_callbacks;
    int64_t longest_us;
};

/* When the running callback began: for what need not be exact to that callback's duration. */
struct ef_loop_time {
    ef_mono mono;
    ef_wall wall;
};

struct ef_loop *ef_loop_new(void);
void ef_loop_free(struct ef_loop *loop);
/* Runs until ef_loop_stop. */
void ef_loop_run(struct ef_loop *loop);
void ef_loop_stop(struct ef_loop *loop);
const struct ef_loop_time *ef_loop_time(const struct ef_loop *loop);
/* Called for each finished callback with its room and duration (for the histogram); may be NULL. */
void ef_loop_observe(struct ef_loop *loop, void (*fn)(void *arg, const char *room, int64_t us),
                     void *arg);

/* One-shot timer. */
struct ef_timer {
    ev_timer ev; /* private */
    struct ef_loop *loop;
    const char *room;
    void (*fn)(void *arg);
    void *arg;
};
void ef_timer_init(struct ef_timer *timer, struct ef_loop *loop, const char *room,
                   void (*fn)(void *arg), void *arg);
/* (Re)start: fires once, delay_us from now (0: in the next turn). */
void ef_timer_start(struct ef_timer *timer, int64_t delay_us);
void ef_timer_stop(struct ef_timer *timer);
bool ef_timer_active(const struct ef_timer *timer);

enum { EF_IO_READ = 1, EF_IO_WRITE = 2 };

/* Level-triggered readiness of a descriptor (not owned). */
struct ef_io {
    ev_io ev; /* private */
    struct ef_loop *loop;
    const char *room;
    void (*fn)(void *arg, int events);
    void *arg;
};
void ef_io_init(struct ef_io *io, struct ef_loop *loop, const char *room,
                void (*fn)(void *arg, int events), void *arg);
/* (Re)start for this descriptor and these events. */
void ef_io_start(struct ef_io *io, int fd, int events);
void ef_io_stop(struct ef_io *io);

/* Runs fn once, after the running callback has returned, before the loop waits again. */
struct ef_deferred {
    struct ef_deferred *next;
    struct ef_loop *loop;
    const char *room;
    void (*fn)(void *arg);
    void *arg;
    bool queued;
};
void ef_deferred_init(struct ef_deferred *deferred, struct ef_loop *loop, const char *room,
                      void (*fn)(void *arg), void *arg);
void ef_defer(struct ef_deferred *deferred);
void ef_deferred_cancel(struct ef_deferred *deferred);

struct ef_signal {
    ev_signal ev; /* private */
    struct ef_loop *loop;
    void (*fn)(void *arg, int signum);
    void *arg;
};
void ef_signal_start(struct ef_signal *signal, struct ef_loop *loop, int signum,
                     void (*fn)(void *arg, int signum), void *arg);
void ef_signal_stop(struct ef_signal *signal);

const struct ef_loop_stats *ef_loop_stats(const struct ef_loop *loop);
