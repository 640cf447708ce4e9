// SPDX-License-Identifier: MIT
/*
 * What every PostgreSQL session of ours has in common: connection parameters, settings, identity of
 * the server. Pure functions around libpq's parameter parsing; nothing is kept. Thread: any.
 */
#pragma once

#include "store/pg_conn.h"

/* Where the turn-th attempt goes. */
bool ef_pg_target_of(const char *url, int turn, struct ef_pg_target *ret,
                     struct ef_error *err) EF_MUST_CHECK;
void ef_pg_target_done(struct ef_pg_target *target);
/* PQconnectStartParams with our keepalives, application name, TLS options and the password from its
 * file. */
PGconn *ef_pg_session_connect(const struct ef_config_database *database, const char *url,
                              const char *application_name, const struct ef_pg_target *target,
                              struct ef_error *err);
/* "SELECT set_config(...), ...": the settings of every session; local: only for the open
 * transaction. */
void ef_pg_session_set_sql(const struct ef_config_database *database, bool local, char *out,
                           size_t size);
/* The settings plus the questions that ef_pg_session_take reads. */
void ef_pg_session_setup_sql(const struct ef_config_database *database, char *out, size_t size);
bool ef_pg_session_take(const PGresult *res, struct ef_pg_session *ret,
                        struct ef_error *err) EF_MUST_CHECK;

/* SQL expression for "system identifier/timeline" of the server that runs the statement, given the
 * system identifier found at connect time: the timeline changes at each promotion. */
#define EF_PG_TIMELINE_SQL "left(pg_walfile_name(pg_current_wal_lsn()),8)"
