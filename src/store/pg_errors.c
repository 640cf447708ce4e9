// SPDX-License-Identifier: MIT
#include "store/pg_errors.h"

#include <stddef.h>
#include <string.h>

#define ROW(code_, class_)                                                                         \
    {                                                                                              \
        .code = (code_), .class = EF_CLASS_##class_                                                \
    }
#define ROW_SESSION(code_, class_)                                                                 \
    {                                                                                              \
        .code = (code_), .class = EF_CLASS_##class_, .ends_session = true                          \
    }

/* Conditions that differ from their class; looked up first. */
static const struct ef_pg_sqlstate_row conditions[] = {
    ROW_SESSION("08007", UNCERTAIN), /* transaction_resolution_unknown */
    ROW("40003", UNCERTAIN),         /* statement_completion_unknown */

    /* "cached plan must not change result type": the table was altered under a prepared statement.
     * Whatever else is not supported stays so, which the check of the table tells at the next start
     * of the session. */
    ROW_SESSION("0A000", TRANSIENT),
    ROW_SESSION("25006",
                OUTAGE), /* read_only_sql_transaction: this server is no longer the primary */
    ROW_SESSION("25P03", OUTAGE),    /* idle_in_transaction_session_timeout */
    ROW_SESSION("25P04", TRANSIENT), /* transaction_timeout (17): ends the session */
    ROW_SESSION("42P05", TRANSIENT), /* duplicate_prepared_statement: a pooler's other server */

    ROW("55P02", CONFIG),    /* cant_change_runtime_param */
    ROW("55P03", TRANSIENT), /* lock_not_available: lock_timeout */
    ROW("55P04", CONFIG),    /* unsafe_new_enum_value_usage */
    ROW("55006", TRANSIENT), /* object_in_use */

    ROW("57014", TRANSIENT), /* query_canceled: statement_timeout, or someone cancelled it */
};

/* Every class of appendix A. */
static const struct ef_pg_sqlstate_row classes[] = {
    ROW("00", NONE), ROW("01", NONE), /* warnings are no errors; PostgreSQL sends them as notices */
    ROW("02", NONE),                  /* no data: a warning too */
    ROW("03", TRANSIENT),             /* SQL statement not yet complete */
    ROW_SESSION("08", OUTAGE),        /* connection exception; PgBouncer's own refusals are 08P01 */
    ROW("09", CONFIG),    /* triggered action exception: a trigger on the operator's table */
    ROW("0A", CONFIG),    /* feature not supported */
    ROW("0B", TRANSIENT), /* invalid transaction initiation */
    ROW("0F", CONFIG),    /* locator exception */
    ROW("0L", CONFIG),    /* invalid grantor */
    ROW("0P", CONFIG),    /* invalid role specification */
    ROW("0Z", CONFIG),    /* diagnostics exception: inside a function */
    ROW("10", CONFIG),    /* XQuery error (18) */
    ROW("20", CONFIG),    /* case not found: inside a function */
    ROW("21", CONFIG),    /* cardinality violation: our tables hold what they must not */
    /* Data exception: a column's values do not fit what it is mapped to, or their characters do not
     * exist in UTF-8. Reading goes on when the operator has mended the mapping or the row. */
    ROW("22", CONFIG),
    /* Integrity constraint violation: a constraint somebody put on the archive or the outbox.
     * Nothing is deleted unarchived, so the outbox stops and says which one. */
    ROW("23", CONFIG), ROW_SESSION("24", TRANSIENT), /* invalid cursor state */
    /* Invalid transaction state: this session has lost step with us. */
    ROW_SESSION("25", TRANSIENT),
    /* Invalid SQL statement name: a prepared statement is gone (a pooler gave us another server, or
     * somebody ran DISCARD ALL). */
    ROW_SESSION("26", TRANSIENT), ROW("27", CONFIG), /* triggered data change violation */
    ROW_SESSION("28",
                CONFIG), /* invalid authorization specification: role, password, pg_hba.conf */
    ROW("2B", CONFIG),   /* dependent privilege descriptors still exist */
    ROW_SESSION("2D", TRANSIENT), /* invalid transaction termination */
    ROW("2F", CONFIG),            /* SQL routine exception */
    ROW_SESSION("34", TRANSIENT), /* invalid cursor name */
    ROW("38", CONFIG),            /* external routine exception */
    ROW("39", CONFIG),            /* external routine invocation exception */
    ROW_SESSION("3B", TRANSIENT), /* savepoint exception */
    ROW_SESSION("3D", CONFIG),    /* invalid catalog name: no such database */
    ROW("3F", CONFIG),            /* invalid schema name */
    ROW("40", TRANSIENT),         /* transaction rollback: serialization failure, deadlock */
    /* Syntax error or access rule violation: no such table, column or function, no privilege;
     * somebody must run migrate or GRANT. */
    ROW("42", CONFIG),
    ROW("44", CONFIG),         /* WITH CHECK OPTION violation; also a row-level security policy's */
    ROW("53", OUTAGE),         /* insufficient resources: disk, memory, connections */
    ROW("54", OUTAGE),         /* program limit exceeded */
    ROW_SESSION("55", OUTAGE), /* object not in prerequisite state: "recovery is in progress" */
    ROW_SESSION("57", OUTAGE), /* operator intervention: shutdown, starting up, database dropped */
    ROW("58", OUTAGE),         /* system error: I/O */
    ROW("72", TRANSIENT),      /* snapshot too old (up to 16) */
    ROW("F0", OUTAGE),         /* configuration file error: the server is being worked on */
    ROW("HV", CONFIG),         /* foreign data wrapper: an outbox must be an ordinary table */
    ROW("P0", CONFIG), /* PL/pgSQL: a trigger or function raised it; only its owner can help */
    ROW_SESSION("XX", FATAL), /* internal error, corrupted data or index */
};

const struct ef_pg_sqlstate_row *ef_pg_sqlstate_row(const char *sqlstate)
{
    if (!sqlstate || strlen(sqlstate) != 5)
        return NULL;
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        if (strcmp(conditions[i].code, sqlstate) == 0)
            return &conditions[i];
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strncmp(classes[i].code, sqlstate, 2) == 0)
            return &classes[i];
    return NULL;
}

enum ef_class ef_pg_sqlstate_class(const char *sqlstate)
{
    if (!sqlstate || !sqlstate[0])
        return EF_CLASS_OUTAGE;
    const struct ef_pg_sqlstate_row *row = ef_pg_sqlstate_row(sqlstate);
    return row ? row->class : EF_CLASS_TRANSIENT;
}

bool ef_pg_sqlstate_ends_session(const char *sqlstate)
{
    if (!sqlstate || !sqlstate[0])
        return true;
    const struct ef_pg_sqlstate_row *row = ef_pg_sqlstate_row(sqlstate);
    return row && row->ends_session;
}
