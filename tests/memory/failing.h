// SPDX-License-Identifier: MIT
/*
 * The C library's allocator with a wish to fail: malloc and its kin of the whole process, libraries
 * included, for the one thread that asked for it.
 *
 * What librdkafka asks for is always given (it ends the process by abort() when it gets nothing,
 * and says so in its rd.h); calls are told apart by walking the stack. Life: failing_find once,
 * then failing_plan in a child, failing_begin where it shall count.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { FAILING_MAX = 100000 };

/* What happened, in memory shared with the parent. */
struct failing_report {
    long count;                       /* allocations since failing_begin */
    bool reached;                     /* the planned one was made */
    unsigned char given[FAILING_MAX]; /* by number, in a run that only records: 1 librdkafka's */
};

void failing_find(void);
/* number: from 1; 0 only records. onwards: all later ones fail as well. */
void failing_plan(long number, bool onwards, struct failing_report *report);
void failing_begin(void);
bool failing_onwards(void);
void failing_end(void);
