// SPDX-License-Identifier: MIT
/* A topic or an aggregate of an outbox held back, or let go. Thread: the program's only one. */
#pragma once

#include "ctl/ctl.h"

struct ef_hold_args {
    const char *topic, *aggregate; /* one of them */
    const char *reason;            /* may be NULL */
};

/* outbox NULL: the only one there is. The exit code. */
int ef_ctl_hold(struct ef_ctl *ctl, const char *socket, const char *outbox,
                const struct ef_hold_args *hold, bool release);
