// SPDX-License-Identifier: MIT
/*
 * What is done while memory is short. Each runs in a child process and calls failing_begin where
 * counting shall start; its result is the exit status. Nothing it writes may hold MEMORY_SECRET.
 */
#pragma once

#include <stdbool.h>

#define MEMORY_SECRET "dont-tell-this-7391"

/* Besides the daemon's own exit statuses. */
enum { MEMORY_CLOSED = 3, MEMORY_REFUSED = 4, MEMORY_WRONG = 99 };

struct memory_scenario {
    const char *name;
    int (*run)(const char *argument);
    const char *argument;
    bool exact;     /* with status 0 it writes the same bytes each time */
    int allowed[8]; /* statuses, ended by -1 */
    long every;     /* each so manieth allocation fails, unless the command line says otherwise */
};

extern const struct memory_scenario memory_scenarios[];
extern const int memory_scenario_count;

/* Once in the parent: files in this directory. */
void memory_prepare(const char *directory);
