// SPDX-License-Identifier: MIT
/*
 * Makes a failing schedule short, and keeps it as a file that people can read:
 *
 *     # comments
 *     seed 42                      feeds the product's own random numbers
 *     found loss: text             what it showed when it was found
 *     fault world #4 = relay-killed
 *     link.late relay-0 waiting #3 = 1      what, for whom, its label, which of these, value
 *
 * Everything that is not named is harmless. Thread: the only one.
 */
#pragma once

#include "base/error.h"
#include "sim/choice.h"
#include "sim/run.h"

struct sim_scenario {
    uint64_t seed;
    char found[320];
    struct sim_choices choices; /* owned */
};

/* Takes out choices and makes values smaller as long as the same violation is found. */
void sim_shrink(struct sim_scenario *scenario, enum sim_violation violation);
bool sim_scenario_write(const struct sim_scenario *scenario, const char *path,
                        struct ef_error *err) EF_MUST_CHECK;
bool sim_scenario_read(struct sim_scenario *ret, const char *path,
                       struct ef_error *err) EF_MUST_CHECK;
void sim_scenario_run(const struct sim_scenario *scenario, struct sim_result *ret);
void sim_scenario_done(struct sim_scenario *scenario);
