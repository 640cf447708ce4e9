// SPDX-License-Identifier: MIT
#include "sim/clockwork.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sim/choice.h"

/* The world begins here: far enough from zero for differences, in late 2026 for people. */
#define WORLD_MONO_US (1000 * EF_S_US)
#define WORLD_WALL_US (INT64_C(1795000000) * EF_S_US)

/* The relay looks at its lease before every 32nd message (pump.c): so many may go too late. */
enum { LATE_MESSAGES = 32 };

/* Deferred calls of one turn: beyond it they defer each other for ever. */
enum { DEFERRED_MAX = 100000 };

enum kind { KIND_EVENT, KIND_TIMER };

struct entry {
    int64_t at;
    uint64_t order;
    int *slot;
    enum kind kind;
    void *object;
};

struct ef_loop {
    int actor;
    int64_t mono_us, wall_skew_us;
    int64_t frozen_until_us;
    bool dead;
    int stall_looks; /* until it stands still at one; 0: it does not */
    int64_t stall_us;
    bool stall_unaware;
    int late_messages; /* that may go although it stood still */
    void (*on_stall)(void *arg);
    void *on_stall_arg;
    int depth; /* calls of sim_enter under way */
    struct ef_deferred *first, **last;
    struct ef_loop_stats stats;
    struct ef_loop_time time; /* of the running callback */
};

static struct {
    struct entry *heap;
    int count, size;
    int64_t now;
    uint64_t order, steps, fingerprint;
    struct ef_loop *current;
    int64_t standing_until; /* of the callback that stood still last; INT64_MAX: none does */
} w;

/* --- the queue --- */

static bool before(const struct entry *a, const struct entry *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void place(int i, struct entry e)
{
    w.heap[i] = e;
    *e.slot = i + 1;
}

static void sift_up(int i, struct entry e)
{
    while (i > 0 && before(&e, &w.heap[(i - 1) / 2])) {
        place(i, w.heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(i, e);
}

static void sift_down(int i, struct entry e)
{
    for (;;) {
        int child = 2 * i + 1;
        if (child >= w.count)
            break;
        if (child + 1 < w.count && before(&w.heap[child + 1], &w.heap[child]))
            child++;
        if (!before(&w.heap[child], &e))
            break;
        place(i, w.heap[child]);
        i = child;
    }
    place(i, e);
}

static void take_out(int *slot)
{
    int i = *slot - 1;
    *slot = 0;
    struct entry last = w.heap[--w.count];
    if (i == w.count)
        return;
    if (i > 0 && before(&last, &w.heap[(i - 1) / 2]))
        sift_up(i, last);
    else
        sift_down(i, last);
}

static void put_in(int *slot, int64_t at, enum kind kind, void *object)
{
    if (*slot)
        take_out(slot);
    if (w.count == w.size) {
        w.size = w.size ? w.size * 2 : 256;
        w.heap = ef_xrealloc(w.heap, (size_t)w.size * sizeof(*w.heap));
    }
    struct entry e = {at, ++w.order, slot, kind, object};
    w.count++;
    sift_up(w.count - 1, e);
}

/* --- the clock --- */

/* The callback under way is left standing, and everything else goes on. */
static void stand_still(struct ef_loop *loop)
{
    int64_t until_us = w.now + loop->stall_us, outer_us = w.standing_until;
    if (until_us > outer_us) /* whoever stood still before goes on before */
        until_us = outer_us;
    w.standing_until = until_us;
    loop->on_stall(loop->on_stall_arg);
    sim_loop_freeze(loop, until_us + 1);
    w.current = NULL;
    while (sim_step(until_us))
        ;
    w.standing_until = outer_us;
    w.current = loop;
    loop->late_messages = LATE_MESSAGES;
}

static ef_mono read_mono(void *ctx)
{
    (void)ctx;
    struct ef_loop *loop = w.current;
    if (loop && !loop->dead && loop->stall_looks > 0 && --loop->stall_looks == 0) {
        ef_mono before = {WORLD_MONO_US + w.now + loop->mono_us};
        stand_still(loop);
        if (loop->stall_unaware)
            return before;
    }
    return (ef_mono){WORLD_MONO_US + w.now + (w.current ? w.current->mono_us : 0)};
}

static ef_wall read_wall(void *ctx)
{
    (void)ctx;
    return (ef_wall){WORLD_WALL_US + w.now + (w.current ? w.current->wall_skew_us : 0)};
}

void sim_clock_reset(void)
{
    static const struct ef_clock_source source = {.mono = read_mono, .wall = read_wall};
    for (int i = 0; i < w.count; i++)
        *w.heap[i].slot = 0;
    w.count = 0;
    w.now = 0;
    w.order = w.steps = 0;
    w.fingerprint = UINT64_C(0xcbf29ce484222325);
    w.current = NULL;
    w.standing_until = INT64_MAX;
    ef_clock_use(&source);
}

int64_t sim_now_us(void)
{
    return w.now;
}

uint64_t sim_steps(void)
{
    return w.steps;
}

uint64_t sim_fingerprint(void)
{
    return w.fingerprint;
}

void sim_mark(uint64_t value)
{
    w.fingerprint = (w.fingerprint ^ value) * UINT64_C(0x9fb21c651e98df25);
    w.fingerprint ^= w.fingerprint >> 29;
}

/* --- events --- */

void sim_event_init(struct sim_event *event, struct ef_loop *loop, void (*fn)(void *arg), void *arg)
{
    *event = (struct sim_event){.loop = loop, .fn = fn, .arg = arg};
}

void sim_event_start(struct sim_event *event, int64_t delay_us)
{
    put_in(&event->slot, w.now + (delay_us > 0 ? delay_us : 0), KIND_EVENT, event);
}

void sim_event_stop(struct sim_event *event)
{
    if (event->slot)
        take_out(&event->slot);
}

bool sim_event_active(const struct sim_event *event)
{
    return event->slot != 0;
}

/* --- processes --- */

struct ef_loop *sim_loop_new(int actor, int64_t mono_us, int64_t wall_skew_us)
{
    struct ef_loop *loop = ef_xcalloc(1, sizeof(*loop));
    loop->actor = actor;
    loop->mono_us = mono_us;
    loop->wall_skew_us = wall_skew_us;
    loop->last = &loop->first;
    return loop;
}

static struct ef_loop *owner_of(const struct entry *e)
{
    return e->kind == KIND_TIMER ? ((struct ef_timer *)e->object)->loop
                                 : ((struct sim_event *)e->object)->loop;
}

void sim_loop_kill(struct ef_loop *loop)
{
    loop->dead = true;
    loop->first = NULL;
    loop->last = &loop->first;
    int kept = 0;
    for (int i = 0; i < w.count; i++) {
        if (owner_of(&w.heap[i]) == loop)
            *w.heap[i].slot = 0;
        else
            w.heap[kept++] = w.heap[i];
    }
    w.count = kept;
    for (int i = 0; i < kept; i++)
        *w.heap[i].slot = i + 1;
    for (int i = kept / 2 - 1; i >= 0; i--)
        sift_down(i, w.heap[i]);
}

void sim_loop_free(struct ef_loop *loop)
{
    free(loop);
}

void sim_loop_freeze(struct ef_loop *loop, int64_t until_us)
{
    if (until_us > loop->frozen_until_us)
        loop->frozen_until_us = until_us;
}

void sim_loop_stall(struct ef_loop *loop, int looks, int64_t us, bool unaware)
{
    loop->stall_looks = looks;
    loop->stall_us = us;
    loop->stall_unaware = unaware;
}

void sim_loop_on_stall(struct ef_loop *loop, void (*fn)(void *arg), void *arg)
{
    loop->on_stall = fn;
    loop->on_stall_arg = arg;
}

bool sim_loop_inside(const struct ef_loop *loop)
{
    return loop->depth > 0;
}

bool sim_late_message(void)
{
    return w.current && w.current->late_messages-- > 0;
}

bool sim_loop_frozen(const struct ef_loop *loop)
{
    return w.now < loop->frozen_until_us;
}

/* One turn of the loop; the product's loop waits for nothing before it is over. */
static void run_deferred(struct ef_loop *loop)
{
    int count = 0;
    while (loop->first && !loop->dead) {
        struct ef_deferred *d = loop->first;
        loop->first = d->next;
        if (!loop->first)
            loop->last = &loop->first;
        d->next = NULL;
        d->queued = false;
        w.steps++;
        loop->late_messages = 0;
        if (++count > DEFERRED_MAX)
            abort();
        d->fn(d->arg);
    }
}

void sim_enter(struct ef_loop *loop)
{
    loop->depth++;
    w.current = loop;
    loop->late_messages = 0;
    loop->time = (struct ef_loop_time){ef_clock_mono(), ef_clock_wall()};
}

void sim_leave(struct ef_loop *loop)
{
    if (loop->depth == 1) {
        run_deferred(loop);
        w.current = NULL;
    }
    loop->depth--;
}

static void run(const struct entry *e, struct ef_loop *loop)
{
    if (loop)
        sim_enter(loop);
    if (e->kind == KIND_TIMER) {
        struct ef_timer *timer = e->object;
        timer->fn(timer->arg);
    } else {
        struct sim_event *event = e->object;
        event->fn(event->arg);
    }
    if (loop)
        sim_leave(loop);
}

bool sim_step(int64_t until_us)
{
    if (w.count == 0 || w.heap[0].at > until_us) {
        if (until_us > w.now)
            w.now = until_us;
        return false;
    }
    struct entry e = w.heap[0];
    take_out(e.slot);
    w.now = e.at;
    struct ef_loop *loop = owner_of(&e);
    if (loop && w.now < loop->frozen_until_us) {
        /* what waited comes in any order once the process runs again */
        int64_t at = loop->frozen_until_us + sim_choose(SITE_THAW, loop->actor, 4);
        put_in(e.slot, at, e.kind, e.object);
        return true;
    }
    w.steps++;
    sim_mark((uint64_t)w.now * 8 + (uint64_t)e.kind + (loop ? (uint64_t)loop->actor * 2 : 0));
    run(&e, loop);
    return true;
}

/* --- loop/loop.h, as far as the linked rooms use it --- */

static void not_here(const char *what)
{
    (void)what;
    abort(); /* the simulated rooms have no descriptors and no signals */
}

void ef_timer_init(struct ef_timer *timer, struct ef_loop *loop, const char *room,
                   void (*fn)(void *arg), void *arg)
{
    *timer = (struct ef_timer){.loop = loop, .room = room, .fn = fn, .arg = arg};
}

void ef_timer_start(struct ef_timer *timer, int64_t delay_us)
{
    put_in(&timer->ev.active, w.now + (delay_us > 0 ? delay_us : 0), KIND_TIMER, timer);
}

void ef_timer_stop(struct ef_timer *timer)
{
    if (timer->ev.active)
        take_out(&timer->ev.active);
}

bool ef_timer_active(const struct ef_timer *timer)
{
    return timer->ev.active != 0;
}

void ef_deferred_init(struct ef_deferred *deferred, struct ef_loop *loop, const char *room,
                      void (*fn)(void *arg), void *arg)
{
    *deferred = (struct ef_deferred){.loop = loop, .room = room, .fn = fn, .arg = arg};
}

void ef_defer(struct ef_deferred *deferred)
{
    struct ef_loop *loop = deferred->loop;
    if (deferred->queued || loop->dead)
        return;
    deferred->queued = true;
    deferred->next = NULL;
    *loop->last = deferred;
    loop->last = &deferred->next;
}

void ef_deferred_cancel(struct ef_deferred *deferred)
{
    struct ef_loop *loop = deferred->loop;
    if (!deferred->queued)
        return;
    deferred->queued = false;
    struct ef_deferred **place = &loop->first;
    while (*place && *place != deferred)
        place = &(*place)->next;
    if (!*place)
        return; /* the process was killed */
    *place = deferred->next;
    loop->last = &loop->first;
    while (*loop->last)
        loop->last = &(*loop->last)->next;
}

void ef_io_init(struct ef_io *io, struct ef_loop *loop, const char *room,
                void (*fn)(void *arg, int events), void *arg)
{
    *io = (struct ef_io){.loop = loop, .room = room, .fn = fn, .arg = arg};
}

void ef_io_start(struct ef_io *io, int fd, int events)
{
    (void)io;
    (void)fd;
    (void)events;
    not_here("descriptors");
}

void ef_io_stop(struct ef_io *io)
{
    (void)io;
}

const struct ef_loop_time *ef_loop_time(const struct ef_loop *loop)
{
    return &loop->time;
}

const struct ef_loop_stats *ef_loop_stats(const struct ef_loop *loop)
{
    return &loop->stats;
}
