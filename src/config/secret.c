// SPDX-License-Identifier: MIT
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/substitute.h"

/* What must not be set: anything for others, writing (and running) for the group. */
enum { REFUSED_MODE = 0037, SECRET_MAX_BYTES = 64 * 1024 };

static bool mode_ok(const char *path, const struct stat *st, struct ef_error *err)
{
    unsigned mode = st->st_mode & 0777;
    const char *who;
    if (!S_ISREG(st->st_mode))
        return ef_error_set(err, EF_CLASS_CONFIG, "cannot use \"%s\": not a regular file", path);
    if (mode & 0007)
        who = "other users have access to it";
    else if (mode & 0020)
        who = "its group may change it";
    else
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG, "cannot use \"%s\": %s (mode %04o); chmod %04o %s",
                        path, who, mode, mode & ~(unsigned)REFUSED_MODE, path);
}

static bool open_secret(const char *path, int *ret_fd, struct ef_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not open \"%s\"", path);
    if (!mode_ok(path, &st, err))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not open \"%s\"", path);
    /* once more: it may have been exchanged since */
    if (fstat(fd, &st) != 0 || !mode_ok(path, &st, err)) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

bool ef_secret_check(const char *path, struct ef_error *err)
{
    int fd;
    if (!open_secret(path, &fd, err))
        return false;
    close(fd);
    return true;
}

bool ef_secret_read(const char *path, struct ef_buf *out, struct ef_error *err)
{
    int fd;
    if (!open_secret(path, &fd, err))
        return false;
    size_t start = out->len;
    bool ok = ef_substitute_file(fd, path, out, err);
    close(fd);
    if (ok && out->len == start)
        return ef_error_set(err, EF_CLASS_CONFIG, "cannot use \"%s\": it is empty", path);
    return ok;
}
