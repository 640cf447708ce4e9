// SPDX-License-Identifier: MIT
/*
 * The simulation driven by a fuzzer: the bytes are a schedule's choices, eight for each (site,
 * actor, which of these, value), so that coverage of the relay's own code leads to schedules that
 * chance would take long to find. Any violation is a crash; `sim --seed` and the scenario files
 * know nothing of these bytes, so what is found becomes a test by hand.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/choice.h"
#include "sim/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHOICE_BYTES = 8, CHOICES_MAX = 400 };

static struct sim_choice choice_at(const uint8_t *b)
{
    return (struct sim_choice){.site = (uint8_t)(b[0] % SITES_OF_RELAYS),
                               .actor = (uint8_t)(b[1] % SIM_ACTORS),
                               .number = (uint32_t)b[2] | (uint32_t)b[3] << 8,
                               .value = (int64_t)((uint32_t)b[4] | (uint32_t)b[5] << 8 |
                                                  (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24)};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_choices choices = {0};
    struct sim_result result;
    for (size_t at = 0; at + CHOICE_BYTES <= size && choices.count < CHOICES_MAX;
         at += CHOICE_BYTES)
        sim_choices_add(&choices, choice_at(data + at));
    sim_choices_replay(1, &choices);
    sim_world_run(&result);
    sim_choices_done(&choices);
    if (result.violation != SIM_VIOLATIONS) {
        fprintf(stderr, "%s: %s\n", sim_violation_name(result.violation), result.text);
        abort();
    }
    return 0;
}
