// SPDX-License-Identifier: MIT
/*
 * What the doctor found: a list of findings, and how people and programs are shown it.
 *
 * Owns: the list with its texts, and the table of everything the doctor looks at. Does not own: the
 * looking. Thread: the program's only one. Life: ef_report_init .. ef_report_done.
 */
#pragma once

#include <stdio.h>

#include "base/str.h"
#include "config/config.h"

enum ef_level { EF_LEVEL_OK, EF_LEVEL_WARN, EF_LEVEL_FAIL };

/* One thing that is looked at; docs/doctor.md has a section for each. */
struct ef_finding_kind {
    const char *id;    /* stable: "pg.autovacuum" */
    const char *about; /* for --list */
};
extern const struct ef_finding_kind ef_finding_kinds[]; /* ends with id NULL */

struct ef_finding {
    const struct ef_finding_kind *kind;
    enum ef_level level;
    char *subject;           /* "outbox orders", "database shop", "kafka", "host" */
    char *text;              /* one sentence */
    struct ef_strings mends; /* SQL or commands, as they can be run */
};

struct ef_report {
    struct ef_finding *items;
    size_t count;
    char subject[128]; /* of what is added next */
};

void ef_report_init(struct ef_report *report);
void ef_report_done(struct ef_report *report);
void ef_report_subject(struct ef_report *report, const char *fmt, ...) EF_PRINTF(2, 3);

/* id is one of ef_finding_kinds: another one is a fault of the program, which ends. */
void ef_report_add(struct ef_report *report, const char *id, enum ef_level level, const char *fmt,
                   ...) EF_PRINTF(4, 5);
/* What mends the finding that was added last; several are shown in their order. */
void ef_report_mend(struct ef_report *report, const char *fmt, ...) EF_PRINTF(2, 3);
/*
 * The same from a sentence of the relay, which ends in "; run <SQL>, or ...". False where it does
 * not.
 */
bool ef_report_mend_from(struct ef_report *report, const char *sentence);

enum ef_level ef_report_worst(const struct ef_report *report);
/* all: the OK ones too, else only how many there are. */
void ef_report_print(const struct ef_report *report, bool all, FILE *out);
void ef_report_print_json(const struct ef_report *report, FILE *out);
