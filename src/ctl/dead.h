// SPDX-License-Identifier: MIT
/* What the files dead*.c share: the verbs of `eventferryctl dead`. Not for others. */
#pragma once

#include "ctl/rows.h"

struct ef_dead_args {
    struct ef_row_choice choice;
    bool waiting, dry_run, yes, json, retry, tombstone;
    int64_t limit, after;
    const char *reason, *output;
    /* edit */
    const char *payload_file, *headers, *new_topic, *key, *partition;
};

enum { EF_DEAD_STATUSES = 1 << 4, EF_WAITING_STATUSES = 1 << 3 };

/* The statuses meant: dead rows, with --waiting the waiting ones. */
unsigned ef_dead_statuses(const struct ef_dead_args *args);

int ef_dead_act(struct ef_operator *op, const struct ef_dead_args *args, const char *verb);
int ef_dead_edit(struct ef_operator *op, const struct ef_dead_args *args);
int ef_dead_export(struct ef_operator *op, const struct ef_dead_args *args);
/* Commands of at most some hundred ids each, one after the other; the number of rows done. */
bool ef_dead_command(struct ef_operator *op, const char *verb, const char *reason,
                     const struct ef_selection *selection, int64_t *ret_rows, int *ret_code);

/* Bytes of "payload_base64" and whether they are text for people; the caller's (free). NULL: the
 * row has none. */
char *ef_dead_payload(const json_t *row, size_t *ret_len, bool *ret_text);
