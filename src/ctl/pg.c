// SPDX-License-Identifier: MIT
#include "ctl/pg.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { MAX_COLUMNS = 16 };

struct pg {
    struct ef_db db;
    PGconn *conn;
    char where[96];
};

/* Server warnings would interleave with the report; each statement's success is checked instead. */
static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

/* libpq's texts are several lines, which end in a newline. */
static void one_line(char *text)
{
    size_t len = strlen(text);
    while (len && text[len - 1] == '\n')
        text[--len] = '\0';
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = ' ';
}

static bool connection_error(PGconn *conn, const char *what, struct ef_error *err)
{
    char *text = ef_xstrdup(conn ? PQerrorMessage(conn) : "out of memory");
    one_line(text);
    ef_error_set(err, EF_CLASS_OUTAGE, "could not %s: %s", what, text);
    free(text);
    return false;
}

static enum ef_class class_of(const char *sqlstate)
{
    static const char *const busy[] = {"55P03", "40P01", "40001"};
    static const char *const outage[] = {"08", "57P", "53"};
    for (size_t i = 0; i < sizeof(busy) / sizeof(busy[0]); i++)
        if (strcmp(sqlstate, busy[i]) == 0)
            return EF_CLASS_BUSY;
    for (size_t i = 0; i < sizeof(outage) / sizeof(outage[0]); i++)
        if (strncmp(sqlstate, outage[i], strlen(outage[i])) == 0)
            return EF_CLASS_OUTAGE;
    return EF_CLASS_CONFIG;
}

/* Fill err from a result that is not good. */
static bool result_error(struct pg *pg, const PGresult *result, struct ef_error *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!sqlstate || PQstatus(pg->conn) == CONNECTION_BAD)
        return connection_error(pg->conn, "talk to the database", err);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    ef_error_set(err, class_of(sqlstate), "%s%s%s%s%s", text ? text : "unknown error",
                 detail ? ": " : "", detail ? detail : "", hint ? ": " : "", hint ? hint : "");
    ef_error_code(err, 0, sqlstate);
    return false;
}

static PGresult *run(struct pg *pg, const char *sql, struct ef_error *err)
{
    PGresult *result = PQexec(pg->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return result;
    result_error(pg, result, err);
    PQclear(result);
    return NULL;
}

static PGconn *connect_to(const struct ef_db_options *options)
{
    char timeout[16];
    snprintf(timeout, sizeof(timeout), "%d", options->connect_timeout_s);
    const char *names[10], *values[10];
    int n = 0;
    /* In this order: what comes after dbname overrides the URL; a NULL value is left out. */
    const struct {
        const char *name, *value;
    } all[] = {
        {"connect_timeout", timeout},     {"dbname", options->url},
        {"password", options->password},  {"sslmode", options->tls_mode},
        {"sslrootcert", options->tls_ca}, {"sslcert", options->tls_cert},
        {"sslkey", options->tls_key},     {"application_name", "eventferryctl"},
        {"client_encoding", "UTF8"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!all[i].value)
            continue;
        names[n] = all[i].name;
        values[n++] = all[i].value;
    }
    names[n] = values[n] = NULL;
    return PQconnectdbParams(names, values, 1);
}

static bool pg_rows(struct ef_db *db, const char *sql, ef_db_row *row, void *arg,
                    struct ef_error *err)
{
    PGresult *result = run((struct pg *)db, sql, err);
    if (!result)
        return false;
    int columns = PQnfields(result) < MAX_COLUMNS ? PQnfields(result) : MAX_COLUMNS;
    for (int i = 0; row && columns && i < PQntuples(result); i++) {
        char *values[MAX_COLUMNS] = {NULL};
        for (int j = 0; j < columns; j++)
            values[j] = PQgetisnull(result, i, j) ? NULL : PQgetvalue(result, i, j);
        row(arg, values);
    }
    PQclear(result);
    return true;
}

static void pg_close(struct ef_db *db)
{
    PQfinish(((struct pg *)db)->conn);
    free(db);
}

static const struct ef_db_driver driver = {.rows = pg_rows, .close = pg_close};

struct ef_db *ef_ctl_pg_open(const struct ef_db_options *options, struct ef_error *err)
{
    PGconn *conn = connect_to(options);
    if (PQstatus(conn) != CONNECTION_OK) {
        connection_error(conn, "connect to the database", err);
        PQfinish(conn);
        return NULL;
    }
    struct pg *pg = ef_xcalloc(1, sizeof(*pg));
    pg->conn = conn;
    snprintf(pg->where, sizeof(pg->where), "database '%s'", PQdb(conn));
    pg->db = (struct ef_db){.driver = &driver,
                            .where = pg->where,
                            .user = PQuser(conn),
                            .version = PQserverVersion(conn)};
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    if (!options->plain &&
        !ef_db_run(&pg->db,
                   "SET search_path = pg_catalog; SET row_security = off;"
                   "SET standard_conforming_strings = on; SET statement_timeout = 0",
                   err)) {
        ef_db_close(&pg->db);
        return NULL;
    }
    return &pg->db;
}
