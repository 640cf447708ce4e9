// SPDX-License-Identifier: MIT
/* librdkafka's broker threads poll without waiting: the program's own poll() makes them rest, see
 * broker_poll.c. Thread: any. */
#pragma once

#include <stdbool.h>

/* True if shared libraries find our poll() before the C library's. */
bool ef_broker_poll_in_place(void);
