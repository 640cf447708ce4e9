// SPDX-License-Identifier: MIT
#include "sim/shrink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* A schedule that gets stuck takes many steps: some minutes are enough for all its runs. */
enum { RUNS_MAX = 20000, STEPS_MAX = 500000000 };

void sim_scenario_run(const struct sim_scenario *scenario, struct sim_result *ret)
{
    sim_choices_replay(scenario->seed, &scenario->choices);
    sim_world_run(ret);
}

void sim_scenario_done(struct sim_scenario *scenario)
{
    sim_choices_done(&scenario->choices);
}

/* --- making it short --- */

static int runs_left;
static int64_t steps_left;

static bool still(struct sim_scenario *s, enum sim_violation violation)
{
    struct sim_result result;
    runs_left--;
    sim_scenario_run(s, &result);
    steps_left -= (int64_t)result.steps;
    if (steps_left < 0)
        runs_left = 0;
    return result.violation == violation;
}

/* Without items [from, from + count). */
static bool without(struct sim_scenario *s, int from, int count, enum sim_violation violation)
{
    struct sim_choices all = s->choices;
    struct sim_choices fewer = {0};
    for (int i = 0; i < all.count; i++)
        if (i < from || i >= from + count)
            sim_choices_add(&fewer, all.items[i]);
    s->choices = fewer;
    if (still(s, violation)) {
        sim_choices_done(&all);
        return true;
    }
    sim_choices_done(&fewer);
    s->choices = all;
    return false;
}

static bool take_out(struct sim_scenario *s, enum sim_violation violation)
{
    bool any = false;
    for (int chunk = s->choices.count; chunk >= 1; chunk /= 2)
        for (int from = 0; from < s->choices.count && runs_left > 0;) {
            if (without(s, from, chunk, violation))
                any = true;
            else
                from += chunk;
        }
    return any;
}

static bool make_smaller(struct sim_scenario *s, enum sim_violation violation)
{
    bool any = false;
    for (int i = 0; i < s->choices.count; i++) {
        struct sim_choice *c = &s->choices.items[i];
        while (c->value > 1 && runs_left > 0) {
            int64_t value = c->value;
            c->value = value > 1000 ? value / 4 : value - 1;
            if (!still(s, violation)) {
                c->value = value;
                break;
            }
            any = true;
        }
    }
    return any;
}

void sim_shrink(struct sim_scenario *s, enum sim_violation violation)
{
    runs_left = RUNS_MAX;
    steps_left = STEPS_MAX;
    if (!still(s, violation))
        return; /* not found again without its random numbers: it stays as it is */
    bool any = true;
    while (any && runs_left > 0) {
        any = take_out(s, violation);
        any = make_smaller(s, violation) || any;
    }
}

/* --- files --- */

bool sim_scenario_write(const struct sim_scenario *s, const char *path, struct ef_error *err)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return ef_error_errno(err, EF_CLASS_CONFIG, errno, "could not write '%s'", path);
    fprintf(f, "# SPDX-License-Identifier: MIT\n# Found and made short by the simulation.\n");
    fprintf(f, "seed %" PRIu64 "\nfound %s\n", s->seed, s->found);
    for (int i = 0; i < s->choices.count; i++) {
        char line[160];
        sim_choice_print(&s->choices.items[i], line, sizeof(line));
        fprintf(f, "%s\n", line);
    }
    if (fclose(f) != 0)
        return ef_error_errno(err, EF_CLASS_CONFIG, errno, "could not write '%s'", path);
    return true;
}

static bool read_line(struct sim_scenario *s, const char *line)
{
    struct sim_choice choice;
    if (line[0] == '#' || line[0] == '\n' || line[0] == '\0')
        return true;
    if (sscanf(line, "seed %" SCNu64, &s->seed) == 1)
        return true;
    if (strncmp(line, "found ", 6) == 0) {
        snprintf(s->found, sizeof(s->found), "%.*s", (int)strcspn(line + 6, "\n"), line + 6);
        return true;
    }
    if (!sim_choice_parse(&choice, line))
        return false;
    sim_choices_add(&s->choices, choice);
    return true;
}

bool sim_scenario_read(struct sim_scenario *ret, const char *path, struct ef_error *err)
{
    char line[512];
    int number = 0;
    *ret = (struct sim_scenario){0};
    FILE *f = fopen(path, "r");
    if (!f)
        return ef_error_errno(err, EF_CLASS_CONFIG, errno, "could not read '%s'", path);
    while (fgets(line, sizeof(line), f)) {
        number++;
        if (read_line(ret, line))
            continue;
        fclose(f);
        sim_scenario_done(ret);
        return ef_error_set(err, EF_CLASS_CONFIG, "%s:%d: not understood", path, number);
    }
    fclose(f);
    return true;
}
