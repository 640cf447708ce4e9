// SPDX-License-Identifier: MIT
/*
 * A wall clock that jumps must not stop librdkafka.
 *
 * Its threads wait by cnd_timedwait, which takes a moment of the wall clock. A thread that begins
 * to wait a hundred milliseconds while that clock is a month ahead still sleeps when it has been
 * set right, and for a month: the client never connects again (seen in 2.0.2 with the chaos seed
 * 0x5cad89cf424ff982). The library has no setting against it, so the program's own cnd_timedwait()
 * takes the place of the C library's: what is left until that moment, looked at when the wait
 * begins, is waited by the monotonic clock.
 *
 * A moment that was reckoned before the clock went back lies too far ahead even then. Nobody waits
 * for more than a minute here, so no wait takes longer; whoever is told too early that the time is
 * over looks at what there is to do and waits again.
 */
#include "kafka/clock_wait.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <time.h>

enum { WAIT_MAX_S = 60 };
#define S_NS 1000000000L

/* What is left until then by the wall clock, from 0 to WAIT_MAX_S. */
static struct timespec left_until(const struct timespec *until)
{
    struct timespec now, left;
    clock_gettime(CLOCK_REALTIME, &now);
    left.tv_sec = until->tv_sec - now.tv_sec;
    left.tv_nsec = until->tv_nsec - now.tv_nsec;
    if (left.tv_nsec < 0) {
        left.tv_nsec += S_NS;
        left.tv_sec--;
    }
    if (left.tv_sec < 0)
        return (struct timespec){0};
    if (left.tv_sec >= WAIT_MAX_S)
        return (struct timespec){.tv_sec = WAIT_MAX_S};
    return left;
}

/* In glibc a cnd_t is a pthread_cond_t, and a mtx_t a pthread_mutex_t (nptl/cnd_timedwait.c). */
int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex,
                  const struct timespec *restrict until)
{
    struct timespec left = left_until(until), at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += left.tv_sec;
    at.tv_nsec += left.tv_nsec;
    if (at.tv_nsec >= S_NS) {
        at.tv_nsec -= S_NS;
        at.tv_sec++;
    }
    int failed = pthread_cond_clockwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex,
                                        CLOCK_MONOTONIC, &at);
    return failed == 0 ? thrd_success : failed == ETIMEDOUT ? thrd_timedout : thrd_error;
}

bool ef_clock_wait_in_place(void)
{
    return dlsym(RTLD_DEFAULT, "cnd_timedwait") == (void *)cnd_timedwait;
}
