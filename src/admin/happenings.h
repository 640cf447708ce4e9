// SPDX-License-Identifier: MIT
/*
 * What happened lately: the last log lines of level info and above, as the page shows them. Like
 * the log it knows no payloads and no secrets; unlike it, it never shows keys or aggregate ids,
 * whatever log.identifiers says, because the page may have more readers.
 *
 * One that came again among the last few moves up and is counted: what is tried every few
 * seconds does not drive out the rest.
 *
 * Owns: a ring of 50. It is the log's observer while it lives. Thread: any for what the log tells
 * it (one mutex), the loop's for the rest. Life: ef_happenings_new .. ef_happenings_free.
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"

enum { EF_HAPPENINGS_MAX = 50 };

struct ef_happening {
    ef_wall at; /* the last time, if it came again and again */
    enum ef_log_level level;
    unsigned count;
    char outbox[128]; /* "": of none, or of all */
    char text[512];
};

struct ef_happenings;

struct ef_happenings *ef_happenings_new(void);
void ef_happenings_free(struct ef_happenings *happenings);
/* Copies, the newest first; returns how many (up to EF_HAPPENINGS_MAX). */
int ef_happenings_copy(struct ef_happenings *happenings,
                       struct ef_happening ret[EF_HAPPENINGS_MAX]);
