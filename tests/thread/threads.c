// SPDX-License-Identifier: MIT
/*
 * C11's thrd_create by way of pthread_create, for programs with ThreadSanitizer: it knows the
 * latter only, and a thread of librdkafka's that it has not seen begin makes it crash. Linked in
 * place of the C library's in such builds, and in no others. (cnd_timedwait is the product's own,
 * src/kafka/clock_wait.c.)
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct start {
    thrd_start_t fn;
    void *arg;
};

static void *run(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    return (void *)(intptr_t)start.fn(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t fn, void *arg)
{
    struct start *start = malloc(sizeof(*start));
    if (!start)
        return thrd_nomem;
    *start = (struct start){fn, arg};
    int error = pthread_create(thread, NULL, run, start);
    if (error == 0)
        return thrd_success;
    free(start);
    return error == ENOMEM ? thrd_nomem : thrd_error;
}

int thrd_join(thrd_t thread, int *result)
{
    void *ended;
    if (pthread_join(thread, &ended) != 0)
        return thrd_error;
    if (result)
        *result = (int)(intptr_t)ended;
    return thrd_success;
}

int thrd_detach(thrd_t thread)
{
    return pthread_detach(thread) == 0 ? thrd_success : thrd_error;
}

static int answer(int error)
{
    return error == 0           ? thrd_success
           : error == EBUSY     ? thrd_busy
           : error == ETIMEDOUT ? thrd_timedout
                                : thrd_error;
}

int mtx_lock(mtx_t *lock)
{
    return answer(pthread_mutex_lock((pthread_mutex_t *)lock));
}

int mtx_trylock(mtx_t *lock)
{
    return answer(pthread_mutex_trylock((pthread_mutex_t *)lock));
}

int mtx_unlock(mtx_t *lock)
{
    return answer(pthread_mutex_unlock((pthread_mutex_t *)lock));
}

int cnd_wait(cnd_t *condition, mtx_t *lock)
{
    return answer(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)lock));
}
