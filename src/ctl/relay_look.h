// SPDX-License-Identifier: MIT
/*
 * The relay's own look at an outbox, carried out by a tool: its store is opened on a loop of its
 * own, checked and closed, so that the tool cannot find anything else than the daemon would.
 * Nothing is acquired, read or written. Owns: loop, resolver, store. Thread: the program's only
 * one; each call blocks. Life: ef_relay_look_new .. ef_relay_look_free.
 */
#pragma once

#include "config/config.h"
#include "store/store.h"

struct ef_relay_look;

enum ef_relay_found {
    EF_RELAY_UNREACHED, /* no connection, or it went away: err says why */
    EF_RELAY_REFUSED,   /* the relay would be misconfigured: err says why and what mends it */
    EF_RELAY_FINE,      /* info is filled; it may have warnings */
};

/* config is borrowed until _free. */
struct ef_relay_look *ef_relay_look_new(const struct ef_config *config,
                                        const struct ef_config_outbox *outbox);
void ef_relay_look_free(struct ef_relay_look *look);

enum ef_relay_found ef_relay_look_check(struct ef_relay_look *look, struct ef_store_info *ret,
                                        struct ef_error *err);
/* After a check that was fine: whether a notification of our own is heard, waiting for it a moment.
 */
bool ef_relay_look_hears(struct ef_relay_look *look);
/* For store/tell.h. */
struct ef_store *ef_relay_look_store(struct ef_relay_look *look);
