// SPDX-License-Identifier: MIT
/*
 * A blocking database session for eventferryctl, whatever the database: pg.c and my.c open one. The
 * daemon's sessions are store/'s. One statement at a time, errors as values. Owns the connection.
 * Thread: the program's only one. Life: ef_ctl_pg_open or ef_ctl_my_open .. ef_db_close.
 *
 * Classes of errors: OUTAGE (not reachable, connection lost), BUSY (a lock was not to be had in
 * time, or a deadlock), CONFIG (anything else: the operator must act). The name is the SQLSTATE,
 * the code MySQL's number.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Called for each row; values may be NULL and are borrowed for the call. */
typedef void ef_db_row(void *arg, char **values);

struct ef_db;

struct ef_db_driver {
    /* One or more statements; row is called for their rows, NULL: they are dropped. */
    bool (*rows)(struct ef_db *db, const char *sql, ef_db_row *row, void *arg,
                 struct ef_error *err);
    void (*close)(struct ef_db *db);
};

struct ef_db { /* a driver's own struct begins with it */
    const struct ef_db_driver *driver;
    const char *where,
        *user;    /* for people: "database 'shop'", "owner"; the driver's, until close */
    int version;  /* as the driver counts: 150020 for 15.20, 101119 for 10.11.19 */
    bool mariadb; /* and not MySQL */
};

struct ef_db_options {
    const char *url;
    const char *password; /* NULL: as the client library finds it (URL, environment, files) */
    const char *tls_mode, *tls_ca, *tls_cert, *tls_key; /* NULL: as the URL says */
    int connect_timeout_s;
    bool plain; /* PostgreSQL: nothing is set in the session, which a pooler might share out */
};

void ef_db_close(struct ef_db *db); /* NULL is fine */

EF_MUST_CHECK bool ef_db_run(struct ef_db *db, const char *sql, struct ef_error *err);
/* First column of the first row as text (caller frees); NULL for no row or a null. */
EF_MUST_CHECK bool ef_db_text(struct ef_db *db, const char *sql, char **ret, struct ef_error *err);
/* The same as boolean ("t" or "1"); no row and null are false. */
EF_MUST_CHECK bool ef_db_true(struct ef_db *db, const char *sql, bool *ret, struct ef_error *err);
EF_MUST_CHECK bool ef_db_rows(struct ef_db *db, const char *sql, ef_db_row *row, void *arg,
                              struct ef_error *err);
