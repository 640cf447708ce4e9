// SPDX-License-Identifier: MIT
/*
 * What operators may ask of an outbox's rows: a command as the command table holds it (a verb and
 * its arguments as JSON), read into plain values, and the filter by which rows are listed. Pure.
 *
 * A command owns its strings and arrays. Thread: any. Life: ef_command_parse .. ef_command_done.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { EF_COMMAND_IDS_MAX = 1000, EF_COMMAND_ARGS_MAX_BYTES = 8 * 1024 * 1024 };

enum ef_command_verb {
    EF_COMMAND_REFUSED, /* its arguments make no sense: only the answer is written */
    EF_COMMAND_RETRY,   /* dead or waiting rows: due now; dead ones begin to count again */
    EF_COMMAND_SKIP,    /* dead or waiting rows leave as delivered ones do */
    EF_COMMAND_EDIT,    /* columns of one dead or waiting row */
    EF_COMMAND_PURGE,   /* one batch of done or dead rows */
    EF_COMMAND_HOLD,    /* a topic's or an aggregate's rows wait */
    EF_COMMAND_RELEASE, /* the end of it */
};

enum ef_edit_column {
    EF_EDIT_TOPIC,
    EF_EDIT_KEY,
    EF_EDIT_HEADERS,
    EF_EDIT_PAYLOAD,
    EF_EDIT_PARTITION,
    EF_EDIT_COUNT,
};

struct ef_edit {
    bool set;
    struct ef_slice value; /* owned; p NULL: SQL NULL. A partition is its number as text */
};

struct ef_command {
    int64_t number; /* in the command table, from 1; 0: of none */
    enum ef_command_verb verb;
    char *actor;  /* owned */
    char *reason; /* owned; "" if none was given. Of a refused one: why */
    int64_t *ids; /* owned, ascending, each once */
    int id_count;
    struct ef_edit edits[EF_EDIT_COUNT];
    bool purge_dead; /* else done rows */
    int64_t older_than_ms;
    int limit;
    bool topic;           /* hold, release: name is a topic's; else an aggregate's */
    struct ef_slice name; /* owned */
};

/*
 * False: err (class CONFIG) says what is wrong, and *ret is a refused command that says so too;
 * ef_command_done is due either way.
 */
bool ef_command_parse(int64_t number, const char *verb, const char *args, const char *actor,
                      struct ef_command *ret, struct ef_error *err);
/* Another reason not to carry it out: it becomes a refused one. */
void ef_command_refuse(struct ef_command *command, const char *why);
void ef_command_done(struct ef_command *command);
void ef_command_copy(const struct ef_command *from, struct ef_command *ret);
/* "retry"; of a refused one NULL. */
const char *ef_command_verb_name(enum ef_command_verb verb);
/* The name in `set`, which is the column's in layout eventferry but for the payload's. */
const char *ef_edit_name(enum ef_edit_column column);
/* Rows of its aggregates enter or leave status 3 or become something else: only while none is under
 * way and no read is open (the fate barrier). */
bool ef_command_needs_barrier(const struct ef_command *command);
/* The audit has a line for each of its rows, not one for all. */
bool ef_command_is_about_rows(const struct ef_command *command);
/* {"rows": N, "ids": [...]}, or {"error": why} of a refused one: what the table keeps. */
char *ef_command_result(const struct ef_command *command, int64_t rows, const int64_t *ids,
                        int id_count);

/* --- lists of rows --- */

enum { EF_ROWS_COUNTED_MAX = 100000 }; /* by one statement */

struct ef_row_filter {
    unsigned statuses;  /* bit n: rows of status n; 0: any */
    const int64_t *ids; /* NULL: any; at most EF_COMMAND_IDS_MAX */
    int id_count;
    struct ef_slice topic, aggregate_id;    /* p NULL: any; the very bytes */
    struct ef_slice error;                  /* last_error begins so; p NULL: any */
    int64_t created_from_us, created_to_us; /* 0: no bound */
    int64_t after_id;                       /* only above it; INT64_MIN: from the first */
    bool newest;     /* the last `limit` rows instead of the first ones; ascending all the same */
    int limit;       /* 1..EF_COMMAND_IDS_MAX */
    bool payload;    /* headers and payload too; fewer rows may come then */
    bool successors; /* count what stands behind each */
    /* Not rows, but of the next EF_ROWS_COUNTED_MAX how many were finished so long ago (purge takes
     * them): one row with "count", "looked" and, to go on from, the last "id". */
    bool count;
    int64_t older_than_ms;
    bool archived; /* not the table's but the archive's rows with these ids, which it needs: only
                        id, status and archived_at, by id and time. Nobody else's filter counts */
};
