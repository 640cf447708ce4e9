// SPDX-License-Identifier: MIT
/*
 * What PostgreSQL's SQLSTATE codes mean for the relay: one table by class (the first two
 * characters) with the codes that differ from their class. Source: PostgreSQL manual, appendix A
 * "Error Codes", versions 13 to 18.
 *
 * Owns: the table (constant). Thread: any. Life: always there.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/*
 * TRANSIENT: the same statement may succeed. OUTAGE: the server cannot serve anybody now. CONFIG:
 * an operator must act; nothing changes until then. UNCERTAIN: it may have committed. FATAL: the
 * server reports a defect of its own. A code in no class of the table, or malformed: TRANSIENT.
 * NULL or "": the client library ended the connection by itself, OUTAGE.
 */
enum ef_class ef_pg_sqlstate_class(const char *sqlstate);

/* The session is of no further use (ended, in a wrong state, or its prepared statements are):
 * connect again. */
bool ef_pg_sqlstate_ends_session(const char *sqlstate);

struct ef_pg_sqlstate_row {
    const char *code; /* two characters: a class; five: one condition */
    enum ef_class class;
    bool ends_session;
};
/* The row that decides for a code; NULL if none does. */
const struct ef_pg_sqlstate_row *ef_pg_sqlstate_row(const char *sqlstate);
