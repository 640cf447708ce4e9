// SPDX-License-Identifier: MIT
/*
 * The Unix socket's place in the file system and who is at its other end. Calls that a start may
 * make before the loop runs; none of them waits for anybody. Thread: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * A listening socket at this path, mode 0660, group eventferry-admin where that group exists and
 * may be given. A file left by a dead daemon is replaced; a living one is not: that is an error.
 * -1: the error says why.
 */
EF_MUST_CHECK int ef_control_bind(const char *path, struct ef_error *err);

/* Remove the file, if it is still the one this socket was bound to. */
void ef_control_unlink(const char *path, int fd);

/* Name of the user who connected, as the kernel tells it: "ann", or "uid 1000" if /etc/passwd does
 * not know it. */
void ef_control_peer(int fd, char *out, size_t size);
