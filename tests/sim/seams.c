// SPDX-License-Identifier: MIT
/*
 * What the product asks of the operating system, answered by the world: random bytes, the flocked
 * lease file (log lines: tell.c). The linker's --wrap option puts these in the place of the real
 * calls (mk/sim.mk), so the product needs no seams of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "relay/machine.h"
#include "sim/choice.h"
#include "sim/seams.h"
#include "sim/tell.h"

/* --- files of state directories named "/sim/..." --- */

enum { FD_BASE = 1 << 20, FILES_MAX = 16, FDS_MAX = 64 };

struct file {
    char path[80];
    char data[64];
    size_t len;
    bool locked;
};

struct descriptor {
    struct file *file; /* NULL: not open */
    bool locked;       /* holds its file's lock */
};

static struct file files[FILES_MAX];
static struct descriptor descriptors[FDS_MAX];

void sim_files_reset(void)
{
    memset(files, 0, sizeof(files));
    memset(descriptors, 0, sizeof(descriptors));
}

static struct descriptor *descriptor_of(int fd)
{
    return fd >= FD_BASE && fd < FD_BASE + FDS_MAX ? &descriptors[fd - FD_BASE] : NULL;
}

static struct file *file_of(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    return d ? d->file : NULL;
}

static struct file *file_named(const char *path)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (files[i].path[0] && strcmp(files[i].path, path) != 0)
            continue;
        snprintf(files[i].path, sizeof(files[i].path), "%s", path);
        return &files[i];
    }
    return NULL;
}

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_flock(int fd, int how);
ssize_t __real_pread(int fd, void *buf, size_t size, off_t at);
ssize_t __real_pwrite(int fd, const void *buf, size_t size, off_t at);
int __real_ftruncate(int fd, off_t len);
int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_flock(int fd, int how);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t size, off_t at);
int __wrap_ftruncate(int fd, off_t len);

int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    int mode = flags & O_CREAT ? va_arg(ap, int) : 0;
    va_end(ap);
    if (strncmp(path, "/sim/", 5) != 0)
        return __real_open(path, flags, mode);
    for (int i = 0; i < FDS_MAX; i++) {
        if (descriptors[i].file)
            continue;
        descriptors[i] = (struct descriptor){.file = file_named(path)};
        return descriptors[i].file ? FD_BASE + i : -1;
    }
    errno = EMFILE;
    return -1;
}

int __wrap_close(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d)
        return __real_close(fd);
    if (d->locked)
        d->file->locked = false;
    *d = (struct descriptor){0};
    return 0;
}

int __wrap_flock(int fd, int how)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d)
        return __real_flock(fd, how);
    if (d->file->locked && !d->locked) {
        errno = EWOULDBLOCK;
        return -1;
    }
    d->locked = d->file->locked = true;
    return 0;
}

ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at)
{
    struct file *f = file_of(fd);
    if (!f)
        return __real_pread(fd, buf, size, at);
    size_t n = f->len < size ? f->len : size;
    memcpy(buf, f->data, n);
    return (ssize_t)n;
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t size, off_t at)
{
    struct file *f = file_of(fd);
    if (!f)
        return __real_pwrite(fd, buf, size, at);
    if (size > sizeof(f->data)) {
        errno = ENOSPC;
        return -1;
    }
    memcpy(f->data, buf, size);
    f->len = size;
    return (ssize_t)size;
}

int __wrap_ftruncate(int fd, off_t len)
{
    struct file *f = file_of(fd);
    if (!f)
        return __real_ftruncate(fd, len);
    f->len = (size_t)len;
    return 0;
}

/* --- random bytes --- */

ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags);

ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags)
{
    (void)flags;
    sim_random_bytes(buf, (unsigned)size);
    return (ssize_t)size;
}

/* --- edges of the relay's table --- */

const struct ef_relay_edge *__real_ef_relay_edge(enum ef_relay_state from,
                                                 enum ef_relay_event event);
const struct ef_relay_edge *__wrap_ef_relay_edge(enum ef_relay_state from,
                                                 enum ef_relay_event event);

static uint64_t edges_taken[128];

const struct ef_relay_edge *__wrap_ef_relay_edge(enum ef_relay_state from,
                                                 enum ef_relay_event event)
{
    const struct ef_relay_edge *edge = __real_ef_relay_edge(from, event);
    if (edge)
        edges_taken[edge - ef_relay_edges]++;
    return edge;
}

uint64_t sim_edge_taken(size_t i)
{
    return edges_taken[i];
}
