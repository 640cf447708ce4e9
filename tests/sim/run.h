// SPDX-License-Identifier: MIT
/*
 * What main.c and shrink.c ask of the simulation that they are linked into: the relay's (world.c,
 * checker.c, cover.c) or the producer's (tests/prodsim).
 *
 * Thread: the only one. Life: sim_world_run, as often as wanted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* checker.h says what each means for relays, prodsim/prodsim.h for a producer. */
enum sim_violation {
    SIM_LOSS,
    SIM_INVENTION,
    SIM_ORDER,
    SIM_HOLD,
    SIM_DEAD_ORDER,
    SIM_OWNER,
    SIM_FENCE,
    SIM_REPEAT,
    SIM_ATTEMPTS,
    SIM_BOUNDED,
    SIM_STOP,
    SIM_STUCK,
    SIM_ISOLATION,
    SIM_PROMPT,
    SIM_REPORT,
    SIM_BLAME,
    SIM_VIOLATIONS,
};

const char *sim_violation_name(enum sim_violation violation);

struct sim_result {
    enum sim_violation violation; /* SIM_VIOLATIONS: none */
    char text[256];
    uint64_t steps, fingerprint;
};

/* One schedule, from the first choice to the last check. Choices have been set up (choice.h). */
void sim_world_run(struct sim_result *ret);

/* A line: what all schedules so far came to. */
void sim_say_totals(void);

/* Prints what was reached; returns the number of things that never were. */
int sim_cover_print(bool only_missing);
/* A line of it; 1: never reached. */
int sim_cover_line(const char *what, const char *which, uint64_t count, bool only_missing);
