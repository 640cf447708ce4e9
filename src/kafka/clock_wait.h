// SPDX-License-Identifier: MIT
/* librdkafka waits until moments of the wall clock: the program's own cnd_timedwait() waits as long
 * by the monotonic one, see clock_wait.c. Thread: any. */
#pragma once

#include <stdbool.h>

/* True if shared libraries find our cnd_timedwait() before the C library's. */
bool ef_clock_wait_in_place(void);
