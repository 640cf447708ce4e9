// SPDX-License-Identifier: MIT
/*
 * Operators' acts where no daemon runs: a relay of our own, which never reads or sends an event. If
 * another relay owns the table that one carries a command out; if nobody does, ours takes the
 * lease, carries it out and gives the lease back. Listings take no lease.
 *
 * Owns: a loop, the relay, its configuration. Thread: the program's only one. Life: ef_local_open
 * .. ef_local_close.
 */
#pragma once

#include "config/config.h"
#include "relay/relay.h"

struct ef_local;

/* Takes over config; the outbox must be one of it. */
struct ef_local *ef_local_open(struct ef_config *config, const char *outbox);
void ef_local_close(struct ef_local *local); /* NULL is fine */

/* Waits for the answer (the caller's, free). Errors as of ef_relay_operate. */
EF_MUST_CHECK bool ef_local_operate(struct ef_local *local, const struct ef_operation *operation,
                                    char **ret, struct ef_error *err);
/* Of our relay; borrowed texts are the configuration's. */
void ef_local_status(const struct ef_local *local, struct ef_relay_status *ret);
