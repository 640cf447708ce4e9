// SPDX-License-Identifier: MIT
#include "sim/cover.h"

#include <inttypes.h>
#include <stdio.h>

#include "relay/machine.h"
#include "sim/names.h"
#include "sim/run.h"
#include "sim/seams.h"

enum { FAULTS_MAX = 32 };

static const char *const kinds[SIM_STMT_KINDS] = {
    "check",          "acquire",       "renew",   "release", "fetch",    "settle", "mark",
    "settle-durably", "release-topic", "waiting", "lag",     "maintain", "pause",  "bell",
    "next-command",   "carry-out",     "holds",   "operate", "examine"};

const char *sim_statement_name(int kind)
{
    return kind < SIM_STMT_KINDS ? kinds[kind] : NULL;
}

static struct {
    uint64_t changed[SIM_STMT_KINDS], nothing[SIM_STMT_KINDS], fenced[SIM_STMT_KINDS];
    uint64_t answers[SIM_STMT_KINDS][EF_CLASS_COUNT];
    uint64_t reports[EF_CLASS_COUNT], asides[EF_CLASS_COUNT];
    uint64_t notable[SIM_NOTABLES];
    uint64_t faults[FAULTS_MAX];
} c;

void sim_cover_statement(const struct sim_stmt *stmt)
{
    if (stmt->fenced)
        c.fenced[stmt->kind]++;
    else if (stmt->rows > 0)
        c.changed[stmt->kind]++;
    else
        c.nothing[stmt->kind]++;
}

void sim_cover_answer(enum sim_stmt_kind kind, const struct ef_error *err)
{
    c.answers[kind][err ? err->class : EF_CLASS_NONE]++;
}

void sim_cover_report(enum ef_class class, bool dead_letter)
{
    if (dead_letter)
        c.asides[class]++;
    else
        c.reports[class]++;
}

void sim_cover_notable(enum sim_notable what)
{
    c.notable[what]++;
}

void sim_cover_fault(int kind)
{
    c.faults[kind]++;
}

static int edges(bool only_missing)
{
    char text[64];
    int missing = 0;
    for (size_t i = 0; i < ef_relay_edge_count; i++) {
        const struct ef_relay_edge *e = &ef_relay_edges[i];
        snprintf(text, sizeof(text), "%s, %s", ef_relay_state_name(e->from),
                 ef_relay_event_name(e->event));
        missing += sim_cover_line("edge", text, sim_edge_taken(i), only_missing);
    }
    return missing;
}

static int settling(bool only_missing)
{
    static const enum sim_stmt_kind changing[] = {SIM_SETTLE, SIM_MARK, SIM_SETTLE_DURABLY,
                                                  SIM_RELEASE_TOPIC};
    int missing = 0;
    for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
        enum sim_stmt_kind k = changing[i];
        missing += sim_cover_line(kinds[k], "changes rows", c.changed[k], only_missing);
        missing += sim_cover_line(kinds[k], "finds nothing to change", c.nothing[k], only_missing);
        missing += sim_cover_line(kinds[k], "is fenced", c.fenced[k], only_missing);
        missing += sim_cover_line(kinds[k], "answer lost (uncertain)",
                                  c.answers[k][EF_CLASS_UNCERTAIN], only_missing);
        missing += sim_cover_line(kinds[k], "refused for a while (transient)",
                                  c.answers[k][EF_CLASS_TRANSIENT], only_missing);
        missing += sim_cover_line(kinds[k], "database away (outage)", c.answers[k][EF_CLASS_OUTAGE],
                                  only_missing);
    }
    return missing;
}

static int classes(bool only_missing)
{
    static const enum ef_class reported[] = {EF_CLASS_NONE,   EF_CLASS_TRANSIENT,
                                             EF_CLASS_RECORD, EF_CLASS_DESTINATION,
                                             EF_CLASS_OUTAGE, EF_CLASS_FATAL};
    static const enum ef_class aside[] = {EF_CLASS_NONE, EF_CLASS_TRANSIENT, EF_CLASS_RECORD,
                                          EF_CLASS_DESTINATION, EF_CLASS_FATAL};
    int missing = 0;
    for (size_t i = 0; i < sizeof(reported) / sizeof(reported[0]); i++)
        missing += sim_cover_line("message reported", ef_class_name(reported[i]),
                                  c.reports[reported[i]], only_missing);
    for (size_t i = 0; i < sizeof(aside) / sizeof(aside[0]); i++)
        missing += sim_cover_line("dead letter reported", ef_class_name(aside[i]),
                                  c.asides[aside[i]], only_missing);
    for (int class = EF_CLASS_NONE; class < EF_CLASS_COUNT; class ++) {
        uint64_t count = 0;
        if (class == EF_CLASS_BUSY || class == EF_CLASS_RECORD || class == EF_CLASS_DESTINATION ||
            class == EF_CLASS_FENCED || class == EF_CLASS_FATAL)
            continue; /* not of a statement in this driver */
        for (int k = 0; k < SIM_STMT_KINDS; k++)
            count += c.answers[k][class];
        missing += sim_cover_line("database answers", ef_class_name((enum ef_class) class), count,
                                  only_missing);
    }
    return missing;
}

static const char *const notables[SIM_NOTABLES] = {
    [SIM_STOOD_STILL] = "stands still in a callback",
    [SIM_ANOTHER_CLAIMED] = "another relay claims a row",
    [SIM_ANOTHER_FINISHED] = "another relay finishes it",
    [SIM_ANOTHER_DIED] = "another relay dies with it",
    [SIM_ARCHIVED] = "row archived",
    [SIM_RETRIED] = "row retried by command",
    [SIM_SKIPPED] = "row skipped by command",
    [SIM_HELD] = "topic held by command",
    [SIM_ON_MYSQL] = "schedule on MySQL's rules",
    [SIM_LOOKED_AT_OPEN] = "open row in a gap looked at",
    [SIM_ORDERED_BY_TYPE] = "order by type and id",
    [SIM_WAITS_FOR_RELEASE] = "row put to wait for a release",
    [SIM_RESTED] = "rows come when all is at rest",
};

int sim_cover_print(bool only_missing)
{
    int missing = edges(only_missing) + settling(only_missing) + classes(only_missing);
    for (int i = 0; i < SIM_NOTABLES; i++)
        missing += sim_cover_line("world", notables[i], c.notable[i], only_missing);
    for (int i = 1; i < FAULTS_MAX && sim_fault_name(i); i++)
        missing += sim_cover_line("fault", sim_fault_name(i), c.faults[i], only_missing);
    return missing;
}
