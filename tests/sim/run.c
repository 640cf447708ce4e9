// SPDX-License-Identifier: MIT
#include "sim/run.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[SIM_VIOLATIONS] = {
    [SIM_LOSS] = "loss",
    [SIM_INVENTION] = "invention",
    [SIM_ORDER] = "order",
    [SIM_HOLD] = "hold",
    [SIM_DEAD_ORDER] = "dead-order",
    [SIM_OWNER] = "owner",
    [SIM_FENCE] = "fence",
    [SIM_REPEAT] = "repeat",
    [SIM_ATTEMPTS] = "attempts",
    [SIM_BOUNDED] = "bounded",
    [SIM_STOP] = "stop",
    [SIM_STUCK] = "stuck",
    [SIM_ISOLATION] = "isolation",
    [SIM_PROMPT] = "prompt",
    [SIM_REPORT] = "report",
    [SIM_BLAME] = "blame",
};

const char *sim_violation_name(enum sim_violation violation)
{
    return names[violation];
}

int sim_cover_line(const char *what, const char *which, uint64_t count, bool only_missing)
{
    if (count == 0 || !only_missing)
        printf("  %-28s %-34s %12" PRIu64 "\n", what, which, count);
    return count == 0;
}
