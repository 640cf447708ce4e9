// SPDX-License-Identifier: MIT
/*
 * A message as it is to be sent: what route.c makes of a row, what a publisher takes.
 * Borrows everything (from the row's batch, or from the caller's scratch memory until produce
 * returns: headers).
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

enum { EF_HEADERS_MAX = 64 + 20 }; /* 64 of the row's own (contract.md), 18 of ours at most */

struct ef_header {
    struct ef_slice name;
    struct ef_slice value; /* p NULL: null header */
};

struct ef_message {
    struct ef_slice topic;
    struct ef_slice key;   /* NULL: no key */
    struct ef_slice value; /* NULL: tombstone; must stay valid until the delivery report */
    int32_t partition;     /* -1: by the key */
    int64_t timestamp_ms;  /* 0: send time */
    int header_count;
    struct ef_header headers[EF_HEADERS_MAX];
};
