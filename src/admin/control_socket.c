// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "admin"
#include "admin/control_socket.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

enum { BACKLOG = 16, MODE = 0660 };

static const char group_name[] = "eventferry-admin";

static int open_socket(struct ef_error *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        ef_error_errno(err, EF_CLASS_CONFIG, errno, "could not create the control socket");
    return fd;
}

/* True if the path is free now. */
static bool make_way(const struct sockaddr_un *addr, struct ef_error *err)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) < 0)
        return true; /* bind tells what is wrong, if anything */
    if (!S_ISSOCK(st.st_mode))
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot make the control socket \"%s\": something else is there",
                            addr->sun_path);
    int fd = open_socket(err);
    if (fd < 0)
        return false;
    int answer = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
    int errnum = errno;
    close(fd);
    /* EAGAIN: its queue is full, so somebody listens */
    if (answer == 0 || errnum == EAGAIN)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "cannot make the control socket \"%s\": another eventferryd answers there",
            addr->sun_path);
    if (errnum != ECONNREFUSED)
        return ef_error_errno(err, EF_CLASS_CONFIG, errnum, "could not look at \"%s\"",
                              addr->sun_path);
    if (unlink(addr->sun_path) < 0 && errno != ENOENT)
        return ef_error_errno(err, EF_CLASS_CONFIG, errno,
                              "could not remove the control socket \"%s\" of an earlier run",
                              addr->sun_path);
    return true;
}

/* Read from /etc/group: name services on the network would block. */
static void give_to_group(const char *path)
{
    struct group *entry;
    FILE *file = fopen("/etc/group", "re");
    if (!file)
        return;
    while ((entry = fgetgrent(file)))
        if (strcmp(entry->gr_name, group_name) == 0)
            break;
    /* only root and members of the group may do that */
    if (entry && chown(path, (uid_t)-1, entry->gr_gid) < 0)
        ef_warn("could not give the control socket to its group, ignoring",
                EF_STR("group", group_name), EF_STR("reason", strerror(errno)));
    fclose(file);
}

static void say_what_is_missing(const char *path, struct ef_error *err)
{
    if (err->code == ENOENT)
        ef_error_set(
            err, EF_CLASS_CONFIG,
            "could not make the control socket \"%s\": its directory does not exist "
            "(systemd makes it by RuntimeDirectory=; else create it for the daemon's user)",
            path);
}

int ef_control_bind(const char *path, struct ef_error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(addr.sun_path)) {
        ef_error_set(err, EF_CLASS_CONFIG,
                     "cannot make the control socket \"%s\": a path of 1 to %zu bytes is wanted",
                     path, sizeof(addr.sun_path) - 1);
        return -1;
    }
    memcpy(addr.sun_path, path, len + 1);
    if (!make_way(&addr, err))
        return -1;
    int fd = open_socket(err);
    if (fd < 0)
        return -1;
    /* Linux takes the file's mode from the socket's, so it is never wider than this */
    if (fchmod(fd, MODE) < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        chmod(path, MODE) < 0 || listen(fd, BACKLOG) < 0) {
        ef_error_errno(err, EF_CLASS_CONFIG, errno, "could not make the control socket \"%s\"",
                       path);
        say_what_is_missing(path, err);
        close(fd);
        return -1;
    }
    give_to_group(path);
    return fd;
}

void ef_control_unlink(const char *path, int fd)
{
    /* Whoever took the path over in the meantime answers there; ours does not any more. */
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    close(fd);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    struct ef_error err;
    int probe = open_socket(&err);
    if (probe < 0)
        return;
    if (connect(probe, (const struct sockaddr *)&addr, sizeof(addr)) < 0 && errno == ECONNREFUSED)
        unlink(path);
    close(probe);
}

void ef_control_peer(int fd, char *out, size_t size)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    struct passwd *entry = NULL;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        snprintf(out, size, "unknown");
        return;
    }
    FILE *file = fopen("/etc/passwd", "re"); /* name services on the network would block */
    while (file && (entry = fgetpwent(file)))
        if (entry->pw_uid == peer.uid)
            break;
    if (entry)
        snprintf(out, size, "%s", entry->pw_name);
    else
        snprintf(out, size, "uid %u", (unsigned)peer.uid);
    if (file)
        fclose(file);
}
