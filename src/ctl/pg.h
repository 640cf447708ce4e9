// SPDX-License-Identifier: MIT
/*
 * A blocking PostgreSQL session for eventferryctl: the daemon's is store/postgres. One statement at
 * a time, errors as values. Owns the connection. Thread: the program's only one. Life:
 * ef_ctl_pg_open .. _close.
 *
 * Classes of errors: OUTAGE (not reachable, connection lost), BUSY (a lock was not to be had in
 * lock_timeout, or a deadlock), CONFIG (anything else: the operator must act). The name is the
 * SQLSTATE.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct ef_ctl_pg;

struct ef_ctl_pg_options {
    const char *url;
    const char *password; /* NULL: as libpq finds it (URL, PGPASSWORD, PGPASSFILE) */
    const char *sslmode, *sslrootcert, *sslcert, *sslkey; /* NULL: as the URL says */
    int connect_timeout_s;
};

/* search_path is pg_catalog and row_security off in the session, as in each of the relay's. */
EF_MUST_CHECK struct ef_ctl_pg *ef_ctl_pg_open(const struct ef_ctl_pg_options *options,
                                               struct ef_error *err);
void ef_ctl_pg_close(struct ef_ctl_pg *pg);

/* One or more statements; results are dropped. */
EF_MUST_CHECK bool ef_ctl_pg_run(struct ef_ctl_pg *pg, const char *sql, struct ef_error *err);

/* First column of the first row as text (caller frees); NULL for no row or a null. */
EF_MUST_CHECK bool ef_ctl_pg_text(struct ef_ctl_pg *pg, const char *sql, char **ret,
                                  struct ef_error *err);
/* The same as boolean; no row and null are false. */
EF_MUST_CHECK bool ef_ctl_pg_true(struct ef_ctl_pg *pg, const char *sql, bool *ret,
                                  struct ef_error *err);

/* Called for each row; values may be NULL and are borrowed for the call. */
typedef void ef_ctl_pg_row(void *arg, char **values);
EF_MUST_CHECK bool ef_ctl_pg_rows(struct ef_ctl_pg *pg, const char *sql, ef_ctl_pg_row *row,
                                  void *arg, struct ef_error *err);

/* 150020 for 15.20 */
int ef_ctl_pg_version(const struct ef_ctl_pg *pg);
/* Borrowed until close. */
const char *ef_ctl_pg_database(const struct ef_ctl_pg *pg);
const char *ef_ctl_pg_user(const struct ef_ctl_pg *pg);
