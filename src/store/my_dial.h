// SPDX-License-Identifier: MIT
/*
 * One attempt to connect with TLS. libmariadb's non-blocking mysql_real_connect_start() waits for
 * the server in the TLS handshake (ma_tls_connect() polls the socket, past the calls that suspend):
 * a server that stands still there would hold up the loop, and no time-out of ours could end it. So
 * a thread of its own connects, by the same calls, and the loop hears of it by a descriptor.
 *
 * Owns: the MYSQL until _take, and copies of what it needs to connect. Thread: the loop's calls;
 * the attempt itself touches nothing else. Life: _start -> (fd readable) _take, or at any time
 * _leave: its socket is shut down, and the attempt cleans up after itself.
 */
#pragma once

#include "store/my_session.h"

struct ef_my_dial;

/* my is taken over, also on failure. NULL: no thread or descriptor is to be had. */
struct ef_my_dial *ef_my_dial_start(MYSQL *my, const struct ef_my_target *target,
                                    const char *database);
/* Readable when the attempt has ended. */
int ef_my_dial_fd(const struct ef_my_dial *dial);
/* After that: the MYSQL, which is the caller's now and has the error if not ret_connected. Ends
 * dial. */
MYSQL *ef_my_dial_take(struct ef_my_dial *dial, bool *ret_connected);
void ef_my_dial_leave(struct ef_my_dial *dial);
/* An attempt goes on, perhaps one that was left. Then the process must end by _exit(): exit() takes
 * OpenSSL's tables away below it. */
bool ef_my_dial_lingers(void);
