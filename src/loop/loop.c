// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "loop"
#include "loop/loop.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"

/* libev calls its callbacks with the watcher; `data` leads back to the object around it. */

enum { SLOW_US = 50000, LOG_RETRY_US = 20000 };

struct ef_loop {
    struct ev_loop *ev;
    ev_prepare before_wait;
    ev_timer log_timer;
    struct ef_deferred *first, **last;
    struct ef_loop_stats stats;
    struct ef_loop_time time;
    int64_t cpu_us; /* of this thread, when the running callback began */
    struct ef_log_limit slow_limit;
    void (*observe)(void *arg, const char *room, int64_t us);
    void *observe_arg;
};

static ef_mono begin(struct ef_loop *loop)
{
    loop->time = (struct ef_loop_time){ef_clock_mono(), ef_clock_wall()};
    loop->cpu_us = ef_clock_thread_cpu_us();
    return loop->time.mono;
}

static void finished(struct ef_loop *loop, const char *room, ef_mono began)
{
    int64_t took = ef_clock_mono().us - began.us;
    loop->stats.callbacks++;
    if (took > loop->stats.longest_us)
        loop->stats.longest_us = took;
    if (loop->observe)
        loop->observe(loop->observe_arg, room, took);
    if (took < SLOW_US)
        return;
    loop->stats.slow_callbacks++;
    /* far less than it took: the thread waited, for the processor or for a page */
    int64_t cpu_us = ef_clock_thread_cpu_us() - loop->cpu_us;
    uint64_t suppressed;
    if (ef_log_allow(&loop->slow_limit, 3, 10 * EF_S_US, &suppressed))
        ef_warn("slow callback on the event loop", EF_STR("where", room),
                EF_INT("took_ms", took / 1000), EF_INT("cpu_ms", cpu_us / 1000),
                EF_INT("suppressed", suppressed));
}

static void run_deferred(struct ef_loop *loop)
{
    /* what is deferred meanwhile runs too: it belongs to this turn */
    while (loop->first) {
        struct ef_deferred *d = loop->first;
        loop->first = d->next;
        if (!loop->first)
            loop->last = &loop->first;
        d->next = NULL;
        d->queued = false;
        ef_mono began = begin(loop);
        const char *room = d->room;
        d->fn(d->arg); /* may free the call */
        finished(loop, room, began);
    }
}

static void on_before_wait(struct ev_loop *ev, ev_prepare *w, int revents)
{
    (void)revents;
    struct ef_loop *loop = w->data;
    run_deferred(loop);
    if (ef_log_pending() && !ev_is_active(&loop->log_timer)) {
        ev_timer_set(&loop->log_timer, LOG_RETRY_US / 1e6, 0.);
        ev_timer_start(ev, &loop->log_timer);
    }
}

static void on_log_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev;
    (void)w;
    (void)revents;
    ef_log_flush();
}

/* libev's own way is abort(). Size 0 frees. */
static void *ev_memory(void *p, long size)
{
    if (size > 0)
        return ef_xrealloc(p, (size_t)size);
    free(p);
    return NULL;
}

struct ef_loop *ef_loop_new(void)
{
    ev_set_allocator(ev_memory);
    struct ef_loop *loop = ef_xcalloc(1, sizeof(*loop));
    loop->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (!loop->ev)
        abort(); /* no epoll, poll or select: not an operating system we know */
    loop->last = &loop->first;
    begin(loop);
    ev_prepare_init(&loop->before_wait, on_before_wait);
    loop->before_wait.data = loop;
    ev_prepare_start(loop->ev, &loop->before_wait);
    ev_timer_init(&loop->log_timer, on_log_timer, 0., 0.);
    return loop;
}

void ef_loop_free(struct ef_loop *loop)
{
    if (!loop)
        return;
    ev_timer_stop(loop->ev, &loop->log_timer);
    ev_prepare_stop(loop->ev, &loop->before_wait);
    ev_loop_destroy(loop->ev);
    free(loop);
}

void ef_loop_run(struct ef_loop *loop)
{
    ev_run(loop->ev, 0);
}

void ef_loop_stop(struct ef_loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

void ef_loop_observe(struct ef_loop *loop, void (*fn)(void *arg, const char *room, int64_t us),
                     void *arg)
{
    loop->observe = fn;
    loop->observe_arg = arg;
}

const struct ef_loop_time *ef_loop_time(const struct ef_loop *loop)
{
    return &loop->time;
}

const struct ef_loop_stats *ef_loop_stats(const struct ef_loop *loop)
{
    return &loop->stats;
}

/* --- timers --- */

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev;
    (void)revents;
    struct ef_timer *timer = w->data;
    struct ef_loop *loop = timer->loop;
    ef_mono began = begin(loop);
    const char *room = timer->room;
    timer->fn(timer->arg); /* may free the timer */
    finished(loop, room, began);
}

void ef_timer_init(struct ef_timer *timer, struct ef_loop *loop, const char *room,
                   void (*fn)(void *arg), void *arg)
{
    *timer = (struct ef_timer){.loop = loop, .room = room, .fn = fn, .arg = arg};
    ev_timer_init(&timer->ev, on_timer, 0., 0.);
    timer->ev.data = timer;
}

void ef_timer_start(struct ef_timer *timer, int64_t delay_us)
{
    ev_timer_stop(timer->loop->ev, &timer->ev);
    /* libev counts from the time of the last turn, which may be some milliseconds ago */
    ev_now_update(timer->loop->ev);
    ev_timer_set(&timer->ev, delay_us > 0 ? (double)delay_us / 1e6 : 0., 0.);
    ev_timer_start(timer->loop->ev, &timer->ev);
}

void ef_timer_stop(struct ef_timer *timer)
{
    if (timer->loop)
        ev_timer_stop(timer->loop->ev, &timer->ev);
}

bool ef_timer_active(const struct ef_timer *timer)
{
    return ev_is_active(&timer->ev);
}

/* --- descriptors --- */

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    (void)ev;
    struct ef_io *io = w->data;
    int events = (revents & EV_READ ? EF_IO_READ : 0) | (revents & EV_WRITE ? EF_IO_WRITE : 0);
    struct ef_loop *loop = io->loop;
    ef_mono began = begin(loop);
    const char *room = io->room;
    io->fn(io->arg, events); /* may free the io */
    finished(loop, room, began);
}

void ef_io_init(struct ef_io *io, struct ef_loop *loop, const char *room,
                void (*fn)(void *arg, int events), void *arg)
{
    *io = (struct ef_io){.loop = loop, .room = room, .fn = fn, .arg = arg};
    ev_io_init(&io->ev, on_io, -1, 0);
    io->ev.data = io;
}

void ef_io_start(struct ef_io *io, int fd, int events)
{
    int wanted = (events & EF_IO_READ ? EV_READ : 0) | (events & EF_IO_WRITE ? EV_WRITE : 0);
    if (ev_is_active(&io->ev) && io->ev.fd == fd &&
        (io->ev.events & (EV_READ | EV_WRITE)) == wanted)
        return;
    ev_io_stop(io->loop->ev, &io->ev);
    ev_io_set(&io->ev, fd, wanted);
    ev_io_start(io->loop->ev, &io->ev);
}

void ef_io_stop(struct ef_io *io)
{
    if (io->loop)
        ev_io_stop(io->loop->ev, &io->ev);
}

/* --- deferred calls --- */

void ef_deferred_init(struct ef_deferred *deferred, struct ef_loop *loop, const char *room,
                      void (*fn)(void *arg), void *arg)
{
    *deferred = (struct ef_deferred){.loop = loop, .room = room, .fn = fn, .arg = arg};
}

void ef_defer(struct ef_deferred *deferred)
{
    if (deferred->queued)
        return;
    struct ef_loop *loop = deferred->loop;
    deferred->queued = true;
    deferred->next = NULL;
    *loop->last = deferred;
    loop->last = &deferred->next;
}

void ef_deferred_cancel(struct ef_deferred *deferred)
{
    if (!deferred->queued)
        return;
    struct ef_loop *loop = deferred->loop;
    for (struct ef_deferred **at = &loop->first; *at; at = &(*at)->next) {
        if (*at != deferred)
            continue;
        *at = deferred->next;
        if (loop->last == &deferred->next)
            loop->last = at;
        break;
    }
    deferred->queued = false;
}

/* --- signals --- */

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
    (void)ev;
    (void)revents;
    struct ef_signal *signal = w->data;
    begin(signal->loop);
    signal->fn(signal->arg, w->signum);
}

void ef_signal_start(struct ef_signal *signal, struct ef_loop *loop, int signum,
                     void (*fn)(void *arg, int signum), void *arg)
{
    *signal = (struct ef_signal){.loop = loop, .fn = fn, .arg = arg};
    ev_signal_init(&signal->ev, on_signal, signum);
    signal->ev.data = signal;
    ev_signal_start(loop->ev, &signal->ev);
}

void ef_signal_stop(struct ef_signal *signal)
{
    if (signal->loop)
        ev_signal_stop(signal->loop->ev, &signal->ev);
}
