// SPDX-License-Identifier: MIT
/*
 * How people and programs are shown what the doctor found.
 *
 * Owns: the table of everything the doctor looks at. Does not own: the findings. Thread: the
 * program's only one.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/report.h"

/* One thing that is looked at; docs/doctor.md has a section for each. */
struct ef_finding_kind {
    const char *id;    /* stable: "pg.autovacuum" */
    const char *about; /* for --list */
};
extern const struct ef_finding_kind ef_finding_kinds[]; /* ends with id NULL */

/* all: the OK ones too, else only how many there are. */
void ef_report_print(const struct ef_report *report, bool all, FILE *out);
void ef_report_print_json(const struct ef_report *report, FILE *out);
/* One of them: id, level, subject, text, mend. */
json_t *ef_finding_json(const struct ef_finding *finding);
