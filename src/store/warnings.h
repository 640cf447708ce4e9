// SPDX-License-Identifier: MIT
/*
 * The sentences that a store's check gives as warnings, as findings. Pure. Owns: nothing. Thread:
 * any.
 */
#pragma once

#include "base/report.h"

/* Which finding of docs/doctor.md a sentence is. */
const char *ef_store_warning_id(const char *sentence);
/* Each line of info->warnings as a finding WARN, with the SQL that its sentence names. */
void ef_store_warnings_judge(const char *warnings, struct ef_report *report);
