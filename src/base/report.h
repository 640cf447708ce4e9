// SPDX-License-Identifier: MIT
/*
 * What a look around has found: a list of findings, each with its level, one sentence, and what
 * mends it. The doctor prints such lists; a running relay shows them as warnings.
 *
 * Owns: the list with its texts. Does not own: ids, which are string constants; and the looking.
 * Thread: any, one at a time. Life: ef_report_init .. ef_report_done.
 */
#pragma once

#include <stddef.h>

#include "base/str.h"

enum ef_level { EF_LEVEL_OK, EF_LEVEL_WARN, EF_LEVEL_FAIL };

struct ef_finding {
    const char *id; /* stable, a constant: "pg.autovacuum"; docs/doctor.md has a section for it */
    enum ef_level level;
    char *subject; /* "outbox orders", "database shop", "kafka", "host" */
    char *key;     /* which one of the subject's, where there may be several: "pid 4711"; or "" */
    char *text;    /* one sentence; may differ from look to look: how long, how many */
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

void ef_report_add(struct ef_report *report, const char *id, enum ef_level level, const char *fmt,
                   ...) EF_PRINTF(4, 5);
/* Names the finding that was added last among others of its id and subject. */
void ef_report_key(struct ef_report *report, const char *fmt, ...) EF_PRINTF(2, 3);
/* What mends the finding that was added last; several are shown in their order. */
void ef_report_mend(struct ef_report *report, const char *fmt, ...) EF_PRINTF(2, 3);
/*
 * The same from a sentence of the relay, which ends in "; run <SQL>, or ...". False where it does
 * not.
 */
bool ef_report_mend_from(struct ef_report *report, const char *sentence);
/* Those that are not OK, each copied to the end of another list. */
void ef_report_copy_bad(const struct ef_report *from, struct ef_report *to);

enum ef_level ef_report_worst(const struct ef_report *report);
const char *ef_level_name(enum ef_level level); /* "OK", "WARN", "FAIL" */
