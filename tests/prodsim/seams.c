// SPDX-License-Identifier: MIT
/*
 * What the product asks of the operating system, answered here (the linker's --wrap, mk/sim.mk):
 * descriptors that are none, threads whose work is done at once (log lines: sim/tell.c). And
 * stand-ins for rooms that are not looked at.
 */
#include <pthread.h>
#include <string.h>
#include <sys/types.h>

#include "kafka/broker_poll.h"
#include "kafka/clock_wait.h"
#include "kafka/embedded.h"
#include "kafka/producer_private.h"
#include "prodsim/prodsim.h"

enum { FD_BASE = 1 << 20, FDS_MAX = 64 };

static struct {
    struct ef_io *io; /* NULL: nobody listens */
    bool used;
} fds[FDS_MAX];

void seams_reset(void)
{
    memset(fds, 0, sizeof(fds));
}

/* --- descriptors that are none --- */

int __wrap_eventfd(unsigned n, int flags);
ssize_t __wrap_read(int fd, void *buf, size_t size);
ssize_t __wrap_write(int fd, const void *buf, size_t size);
int __wrap_close(int fd);
void __wrap_ef_io_start(struct ef_io *io, int fd, int events);
void __wrap_ef_io_stop(struct ef_io *io);
ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __real_write(int fd, const void *buf, size_t size);
int __real_close(int fd);

static bool is_ours(int fd)
{
    return fd >= FD_BASE && fd < FD_BASE + FDS_MAX;
}

int __wrap_eventfd(unsigned n, int flags)
{
    (void)n;
    (void)flags;
    for (int i = 0; i < FDS_MAX; i++) {
        if (fds[i].used)
            continue;
        fds[i].used = true;
        return FD_BASE + i;
    }
    return -1;
}

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
    return is_ours(fd) ? (ssize_t)size : __real_read(fd, buf, size);
}

ssize_t __wrap_write(int fd, const void *buf, size_t size)
{
    if (!is_ours(fd))
        return __real_write(fd, buf, size);
    library_wake(fd);
    return (ssize_t)size;
}

int __wrap_close(int fd)
{
    if (!is_ours(fd))
        return __real_close(fd);
    fds[fd - FD_BASE].used = false;
    return 0;
}

void __wrap_ef_io_start(struct ef_io *io, int fd, int events)
{
    (void)events;
    fds[fd - FD_BASE].io = io;
}

void __wrap_ef_io_stop(struct ef_io *io)
{
    for (int i = 0; i < FDS_MAX; i++)
        if (fds[i].io == io)
            fds[i].io = NULL;
}

void seams_readable(int fd)
{
    struct ef_io *io = fd >= 0 ? fds[fd - FD_BASE].io : NULL;
    if (io)
        io->fn(io->arg, EF_IO_READ);
}

/* --- threads: what they do is done at once --- */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_detach(pthread_t thread);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    (void)attr;
    *thread = 0;
    fn(arg);
    return 0;
}

int __wrap_pthread_detach(pthread_t thread)
{
    (void)thread;
    return 0;
}

/* --- rooms of the product that are not looked at here --- */

bool ef_broker_poll_in_place(void)
{
    return true;
}

bool ef_clock_wait_in_place(void)
{
    return true;
}

bool ef_embedded_topic(struct ef_embedded *embedded, const char *name, struct ef_error *err)
{
    (void)embedded;
    (void)name;
    (void)err;
    return true;
}

const char *ef_embedded_bootstrap(const struct ef_embedded *embedded)
{
    (void)embedded;
    return "";
}

void ef_examine_init(struct ef_producer *p)
{
    (void)p;
}

void ef_examine_done(struct ef_producer *p)
{
    (void)p;
}

void ef_examine_use(struct ef_topic *topic, struct user *u)
{
    (void)topic;
    (void)u;
}

void ef_examine_forget_user(struct ef_producer *p, const struct user *u)
{
    (void)p;
    (void)u;
}

void ef_examine_forget_topic(struct ef_topic *topic)
{
    (void)topic;
}

void ef_examine_answered(struct ef_producer *p, rd_kafka_event_t *event)
{
    (void)p;
    (void)event;
}

bool ef_examine_counted(struct ef_producer *p, struct ef_topic *topic, int count)
{
    (void)p;
    (void)topic;
    (void)count;
    return false;
}
