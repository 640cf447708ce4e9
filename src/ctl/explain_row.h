// SPDX-License-Identifier: MIT
/*
 * What message a row becomes, and why it has not gone yet: a row as the control socket lists it,
 * and the daemon's status, into JSON for people. Pure but for the time it is. Thread: any.
 */
#pragma once

#include <jansson.h>

#include "config/config.h"

struct ef_explain {
    const struct ef_config_outbox *outbox;
    int64_t message_max_bytes;
    const json_t *status; /* of the outbox; NULL: no daemon */
    /* How many partitions a topic has; 0: not known. NULL: nobody knows any. */
    int (*partitions)(void *arg, const char *topic);
    void *arg;
    bool archive_unread; /* the archive was asked about missing rows, and did not answer */
};

/*
 * {"id", "status", "why": [sentence...], "message": {"topic", "partition", "partitions", "key",
 * "timestamp", "headers": [{"name", "value"}], "value"|"value_base64", "bytes"}} or, for a row that
 * can never go, "refused" in place of "message". The caller's.
 */
json_t *ef_explain_row(const struct ef_explain *explain, const json_t *row);
/* The same of an id that no row of the table has. archived: what the archive has of it (id, status,
 * archived_at), or NULL. */
json_t *ef_explain_missing(const struct ef_explain *explain, int64_t id, const json_t *archived);
