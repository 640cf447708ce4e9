// SPDX-License-Identifier: MIT
/*
 * The store driver of the simulation: carries a relay's verbs to the simulated database over three
 * connections (reading, settling, the lease's), as the PostgreSQL driver does: statements of one
 * connection one after another, decide as up to two of them, UNCERTAIN for what was sent when its
 * connection went, OUTAGE for what was not, `up` when all three are there on one server.
 *
 * Statements on their way belong to the database: they may happen after their connection, or their
 * process, has gone. Owns its stores and statements. Thread: the only one.
 */
#pragma once

#include "sim/db.h"

struct sim_link; /* one relay's store */

struct sim_link_config {
    int connect_max_ms, forth_max_us, back_max_us;
    int error_permille; /* statements that the database answers with an error */
    int lost_permille;  /* connections that break with an answer under way */
    int late_permille;  /* and with a statement under way, which happens later */
    int64_t statement_timeout_ms;
};

void sim_links_reset(const struct sim_link_config *config);

struct ef_store *sim_store_new(struct ef_loop *loop, int relay, const char *name,
                               const char *const *topics, const struct ef_store_user *user,
                               void *arg);
/* Connection 0 to 2 breaks; what was sent and has not arrived is lost, or happens late (late_us >
 * 0). The relay notices after notice_us: a half-open connection is noticed late. */
void sim_store_break(struct ef_store *store, int conn, int64_t late_us, int64_t notice_us);
/* True while no connection of it has broken, and no statement failed, since the last call of
 * _watch. */
void sim_store_watch(struct ef_store *store);
bool sim_store_unbroken(const struct ef_store *store);

/* Every connection breaks, every statement under way ends. */
void sim_server_gone(void);
/* Whether new connections are answered. */
void sim_server_reachable(bool reachable);
/* No more faults of statements and connections. */
void sim_links_mend(void);
