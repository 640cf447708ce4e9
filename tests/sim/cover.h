// SPDX-License-Identifier: MIT
/*
 * What the schedules have reached: edges of the relay's table, outcomes of settling, error classes,
 * kinds of faults. A simulation that never gets somewhere proves nothing about it. Counts of the
 * whole process, over all schedules.
 */
#pragma once

#include "sim/db.h"

void sim_cover_statement(const struct sim_stmt *stmt);
void sim_cover_answer(enum sim_stmt_kind kind, const struct ef_error *err);
void sim_cover_report(enum ef_class class, bool dead_letter);
/* What else has to happen somewhere. */
enum sim_notable {
    SIM_STOOD_STILL,      /* a process, inside a callback */
    SIM_ANOTHER_CLAIMED,  /* a row: another kind of relay */
    SIM_ANOTHER_FINISHED, /* it */
    SIM_ANOTHER_DIED,     /* with a row in its hands */
    SIM_ARCHIVED,         /* rows, instead of deleted or marked */
    SIM_RETRIED,          /* rows, by an operator's command */
    SIM_SKIPPED,
    SIM_HELD,           /* topics */
    SIM_ON_MYSQL,       /* schedules */
    SIM_LOOKED_AT_OPEN, /* gaps at READ UNCOMMITTED, with a row whose transaction was open */
    SIM_WAITS_FOR_RELEASE,
    SIM_RESTED,
    SIM_ORDERED_BY_TYPE, /* schedules with order_by: aggregate_type_and_id */
    SIM_NOTABLES,
};
void sim_cover_notable(enum sim_notable what);
void sim_cover_fault(int kind);
