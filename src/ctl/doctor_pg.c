// SPDX-License-Identifier: MIT
/* What the doctor asks a PostgreSQL server, and about a table there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/doctor.h"

enum {
    SQL_MAX = 4096,
    SESSIONS = 3,          /* of each outbox: read, settle, lease */
    OLD_XIDS = 100000,     /* where a role may not see since when: seconds on a busy server */
    DEAD_ROWS = 50000,     /* fewer do not matter */
    DEAD_FACTOR = 5,       /* dead rows for each live one that are too many */
    LATE_VACUUM = 1000000, /* dead rows before autovacuum looks at the table */
    QUERY_SHOWN = 60,
};

bool ef_doctor_pg_begin(struct ef_db *db, struct ef_error *err)
{
    return ef_db_run(db,
                     "BEGIN; SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off; "
                     "SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '2s'",
                     err);
}

void ef_doctor_pg_end(struct ef_db *db)
{
    struct ef_error ignored;
    if (!ef_db_run(db, "ROLLBACK", &ignored))
        return; /* the connection is gone, which the next question says */
}

struct look {
    struct ef_doctor *doctor;
    int found;
};

/* Rows that each are a finding; the number of them, -1 after an error, which is one too. */
static int find(struct ef_doctor *doctor, struct ef_db *db, const char *id, const char *sql,
                ef_db_row *row)
{
    struct look look = {.doctor = doctor};
    struct ef_error err;
    bool ok = ef_doctor_pg_begin(db, &err) && ef_db_rows(db, sql, row, &look, &err);
    ef_doctor_pg_end(db);
    if (ok)
        return look.found;
    ef_report_add(&doctor->report, id, EF_LEVEL_WARN, "could not look: %s", err.text);
    return -1;
}

/* --- durability --- */

static void take_soft_role(void *arg, char **values)
{
    struct look *look = arg;
    struct ef_report *report = &look->doctor->report;
    const char *role = values[0], *database = values[1];
    look->found++;
    ef_report_add(report, "db.durability", EF_LEVEL_WARN,
                  "synchronous_commit is off for %s%s%s%s: a row can be relayed and its "
                  "transaction be lost in a crash",
                  role ? "role " : "", role ? role : "",
                  database ? role ? " in database " : "database " : "", database ? database : "");
    if (role && database)
        ef_report_mend(report, "ALTER ROLE %s IN DATABASE %s RESET synchronous_commit", role,
                       database);
    else
        ef_report_mend(report, "ALTER %s %s RESET synchronous_commit", role ? "ROLE" : "DATABASE",
                       role ? role : database);
}

static void take_soft_server(void *arg, char **values)
{
    struct look *look = arg;
    struct ef_report *report = &look->doctor->report;
    look->found++;
    ef_report_add(report, "db.durability", EF_LEVEL_WARN,
                  "%s is off on the server: a row can be relayed and its transaction be lost in a "
                  "crash",
                  values[0]);
    ef_report_mend(report, "ALTER SYSTEM SET %s = on", values[0]);
    ef_report_mend(report, "SELECT pg_reload_conf()");
}

static void look_at_durability(struct ef_doctor *doctor, struct ef_db *db)
{
    int roles =
        find(doctor, db, "db.durability",
             "SELECT quote_ident(r.rolname), quote_ident(d.datname) FROM pg_db_role_setting s"
             " LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = "
             "s.setdatabase"
             " WHERE (s.setdatabase = 0 OR d.datname = current_database())"
             " AND (s.setrole = 0 OR r.rolname <> current_user)"
             " AND 'synchronous_commit=off' = ANY (s.setconfig)",
             take_soft_role);
    int server = find(doctor, db, "db.durability",
                      "SELECT name FROM pg_settings WHERE setting = 'off' AND (name IN ('fsync',"
                      " 'full_page_writes') OR name = 'synchronous_commit' AND source IN"
                      " ('configuration file', 'command line', 'environment variable', 'global'))"
                      " ORDER BY 1",
                      take_soft_server);
    if (!roles && !server)
        ef_report_add(&doctor->report, "db.durability", EF_LEVEL_OK,
                      "what the application commits survives a crash of the server");
}

/* --- room for connections --- */

static void add_room(struct ef_doctor *doctor, char *const *values, long need)
{
    struct ef_report *report = &doctor->report;
    const char *role = values[2];
    long room = strtol(values[0], NULL, 10), own = strtol(values[1], NULL, 10);
    long role_limit = strtol(values[3], NULL, 10);
    if (role_limit >= 0 && role_limit < need) {
        ef_report_add(report, "db.connections", EF_LEVEL_FAIL,
                      "role %s may have %ld connections, the relay needs %ld", role, role_limit,
                      need);
        ef_report_mend(report, "ALTER ROLE %s CONNECTION LIMIT %ld", role, need + 2);
    } else if (room + own < need) {
        ef_report_add(report, "db.connections", EF_LEVEL_FAIL,
                      "the server has room for %ld more connections, the relay needs %ld more",
                      room, need - own);
        ef_report_mend(report, "ALTER SYSTEM SET max_connections = %ld",
                       strtol(values[4], NULL, 10) + need + 10);
        ef_report_mend(report, "# then restart the server");
    } else {
        ef_report_add(report, "db.connections", EF_LEVEL_OK,
                      "there is room for the relay's %ld connections", need);
    }
}

static void look_at_connections(struct ef_doctor *doctor, struct ef_db *db,
                                const struct ef_config_database *database)
{
    char *values[5];
    struct ef_error err;
    long need = 0;
    for (size_t i = 0; i < doctor->config->outbox_count; i++) {
        const struct ef_config_outbox *outbox = &doctor->config->outboxes[i];
        if (strcmp(outbox->database, database->name) == 0)
            need += SESSIONS + (database->listen_url && outbox->wake == EF_WAKE_NOTIFY);
    }
    bool ok = ef_doctor_pg_begin(db, &err) &&
              ef_doctor_row(db,
                            "SELECT current_setting('max_connections')::int"
                            " - current_setting('superuser_reserved_connections')::int"
                            " - coalesce(current_setting('reserved_connections', true)::int, 0)"
                            " - (SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database),"
                            " (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user"
                            "  AND application_name LIKE 'eventferryd/%'),"
                            " quote_ident(current_user),"
                            " (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),"
                            " current_setting('max_connections')",
                            values, 5, &err);
    ef_doctor_pg_end(db);
    if (ok)
        add_room(doctor, values, need);
    ef_doctor_row_free(values, ok ? 5 : 0);
}

/* --- what ends sessions --- */

static void take_timeout(void *arg, char **values)
{
    struct look *look = arg;
    struct ef_report *report = &look->doctor->report;
    look->found++;
    ef_report_add(report, "pg.timeouts", EF_LEVEL_WARN,
                  "%s is %s ms for role %s: the server would end the relay's sessions", values[0],
                  values[1], values[2]);
    ef_report_mend(report, "ALTER ROLE %s SET %s = 0", values[2], values[0]);
}

static void look_at_timeouts(struct ef_doctor *doctor, struct ef_db *db,
                             const struct ef_config_database *database)
{
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql),
             "SELECT name, setting, quote_ident(current_user) FROM pg_settings WHERE"
             " setting <> '0' AND (name = 'idle_session_timeout' OR name = 'transaction_timeout'"
             " AND setting::bigint < %lld) ORDER BY 1",
             (long long)database->statement_timeout_ms);
    if (find(doctor, db, "pg.timeouts", sql, take_timeout) == 0)
        ef_report_add(&doctor->report, "pg.timeouts", EF_LEVEL_OK,
                      "no setting of the server ends the relay's sessions");
}

/* --- open transactions --- */

/* values: pid, role, application, state, seconds (NULL: not to be seen), age in transactions, query
 */
static void take_transaction(void *arg, char **values)
{
    struct look *look = arg;
    struct ef_report *report = &look->doctor->report;
    char since[64];
    look->found++;
    if (values[4])
        snprintf(since, sizeof(since), "%s s", values[4]);
    else
        snprintf(since, sizeof(since), "%s transactions of others", values[5]);
    ef_report_add(report, "db.transactions", EF_LEVEL_WARN,
                  "process %s of role %s (%s%s%s) has had a transaction open for %s: rows it "
                  "inserted are waited for, dead rows stay%s%s",
                  values[0], values[1], values[2] && values[2][0] ? values[2] : "no name",
                  values[3] ? ", " : "", values[3] ? values[3] : "", since,
                  values[4] && values[6] ? "; its last statement: " : "",
                  values[4] && values[6] ? values[6] : "");
    ef_report_mend(report, "SELECT pg_terminate_backend(%s)", values[0]);
}

/* Some sessions' times are only for their own role and members of pg_read_all_stats. */
static void look_at_transactions(struct ef_doctor *doctor, struct ef_db *db)
{
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql),
             "SELECT pid, quote_ident(usename), application_name, state,"
             " floor(extract(epoch FROM clock_timestamp() - xact_start)),"
             " greatest(age(backend_xid), age(backend_xmin)),"
             " left(regexp_replace(query, '\\s+', ' ', 'g'), %d) FROM pg_stat_activity"
             " WHERE datname = current_database() AND pid <> pg_backend_pid()"
             " AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)"
             " AND coalesce(xact_start < clock_timestamp() - %lld * interval '1 millisecond',"
             " greatest(age(backend_xid), age(backend_xmin)) > %d)"
             " AND coalesce(backend_type, 'client backend') = 'client backend'"
             " ORDER BY xact_start LIMIT 5",
             QUERY_SHOWN, (long long)doctor->old_ms, OLD_XIDS);
    if (find(doctor, db, "db.transactions", sql, take_transaction) == 0)
        ef_report_add(&doctor->report, "db.transactions", EF_LEVEL_OK,
                      "no transaction has been open for long");
}

/* --- xmin --- */

static void take_prepared(void *arg, char **values)
{
    struct look *look = arg;
    struct ef_report *report = &look->doctor->report;
    look->found++;
    ef_report_add(report, "pg.xmin", EF_LEVEL_WARN,
                  "role %s prepared a transaction %s s ago and has not ended it: its rows are "
                  "waited for, dead rows stay",
                  values[1], values[2]);
    ef_report_mend(report, "ROLLBACK PREPARED %s", values[0]);
}

static void take_slot(void *arg, char **values)
{
    struct look *look = arg;
    struct ef_report *report = &look->doctor->report;
    look->found++;
    ef_report_add(report, "pg.xmin", EF_LEVEL_WARN,
                  "replication slot %s%s holds dead rows back, for %s transactions so far",
                  values[0], values[2][0] == 't' ? "" : ", which nobody uses,", values[1]);
    if (values[2][0] == 't')
        ef_report_mend(report, "ALTER SYSTEM SET hot_standby_feedback = off -- on the standby");
    else
        ef_report_mend(report, "SELECT pg_drop_replication_slot(%s)", values[0]);
}

static void take_standby(void *arg, char **values)
{
    struct look *look = arg;
    look->found++;
    ef_report_add(&look->doctor->report, "pg.xmin", EF_LEVEL_WARN,
                  "standby %s holds dead rows back, for %s transactions so far", values[0],
                  values[1]);
    ef_report_mend(&look->doctor->report,
                   "ALTER SYSTEM SET hot_standby_feedback = off -- on the standby");
}

static void look_at_xmin(struct ef_doctor *doctor, struct ef_db *db)
{
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql),
             "SELECT quote_literal(gid), quote_ident(owner), floor(extract(epoch FROM "
             "clock_timestamp() - prepared)) FROM pg_prepared_xacts WHERE database = "
             "current_database() AND prepared < clock_timestamp() - %lld * interval '1 "
             "millisecond' ORDER BY prepared LIMIT 5",
             (long long)doctor->old_ms);
    int prepared = find(doctor, db, "pg.xmin", sql, take_prepared);
    /* a slot that is not in use moves on no more, so its age is no question */
    snprintf(sql, sizeof(sql),
             "SELECT quote_literal(slot_name), age(xmin), active FROM pg_replication_slots"
             " WHERE xmin IS NOT NULL AND (NOT active OR age(xmin) > %d) ORDER BY 2 DESC LIMIT 5",
             OLD_XIDS);
    int slots = find(doctor, db, "pg.xmin", sql, take_slot);
    snprintf(sql, sizeof(sql),
             "SELECT quote_literal(application_name), age(backend_xmin) FROM pg_stat_replication"
             " WHERE age(backend_xmin) > %d ORDER BY 2 DESC LIMIT 5",
             OLD_XIDS);
    int standbys = find(doctor, db, "pg.xmin", sql, take_standby);
    if (!prepared && !slots && !standbys)
        ef_report_add(&doctor->report, "pg.xmin", EF_LEVEL_OK,
                      "no prepared transaction, slot or standby holds dead rows back");
}

static void look_at_role(struct ef_doctor *doctor, struct ef_db *db)
{
    struct ef_error err;
    char *recovering;
    bool ok = ef_doctor_row(db, "SELECT pg_catalog.pg_is_in_recovery()", &recovering, 1, &err);
    if (ok && recovering[0] == 't') {
        ef_report_add(&doctor->report, "pg.standby", EF_LEVEL_FAIL,
                      "the server is a standby in recovery and takes no writes");
        ef_report_mend(&doctor->report,
                       "# in %s: let the url name all servers (host=a,b), the relay finds the one "
                       "that takes writes",
                       doctor->config->path);
    } else if (ok) {
        ef_report_add(&doctor->report, "pg.standby", EF_LEVEL_OK, "the server takes writes");
    }
    ef_doctor_row_free(&recovering, ok);
}

void ef_doctor_pg_server(struct ef_doctor *doctor, struct ef_db *db,
                         const struct ef_config_database *database)
{
    look_at_role(doctor, db);
    look_at_durability(doctor, db);
    look_at_connections(doctor, db, database);
    look_at_timeouts(doctor, db, database);
    look_at_transactions(doctor, db);
    look_at_xmin(doctor, db);
}

/* --- a table --- */

/* values: autovacuum, track_counts, autovacuum_enabled, dead rows it waits for, dead, live */
static void add_vacuum(struct ef_doctor *doctor, const char *table, char *const *values)
{
    struct ef_report *report = &doctor->report;
    const char *off = values[0][1] == 'f'   ? "autovacuum"
                      : values[1][1] == 'f' ? "track_counts"
                                            : NULL;
    long long late = strtoll(values[3], NULL, 10);
    long long dead = strtoll(values[4], NULL, 10), live = strtoll(values[5], NULL, 10);
    if (off) {
        ef_report_add(report, "pg.autovacuum", EF_LEVEL_WARN,
                      "%s is off on the server: dead rows stay in %s and every read gets slower",
                      off, table);
        ef_report_mend(report, "ALTER SYSTEM SET %s = on", off);
        ef_report_mend(report, "SELECT pg_reload_conf()");
    } else if (values[2] && values[2][0] == 'f') {
        ef_report_add(report, "pg.autovacuum", EF_LEVEL_WARN,
                      "autovacuum is off for %s: dead rows stay and every read gets slower", table);
        ef_report_mend(report, "ALTER TABLE %s RESET (autovacuum_enabled)", table);
    } else if (late > LATE_VACUUM) {
        ef_report_add(report, "pg.autovacuum", EF_LEVEL_WARN,
                      "autovacuum waits for %lld dead rows in %s", late, table);
        ef_report_mend(report,
                       "ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0, "
                       "autovacuum_vacuum_threshold = 10000)",
                       table);
    } else {
        ef_report_add(report, "pg.autovacuum", EF_LEVEL_OK,
                      "autovacuum looks at the table after %lld dead rows", late);
    }
    if (dead > DEAD_ROWS && dead > DEAD_FACTOR * live) {
        ef_report_add(report, "pg.dead_rows", EF_LEVEL_WARN,
                      "%s has %lld dead rows for %lld live ones", table, dead, live);
        ef_report_mend(report, "VACUUM %s", table);
    } else {
        ef_report_add(report, "pg.dead_rows", EF_LEVEL_OK, "%lld dead rows", dead);
    }
}

static void look_at_vacuum(struct ef_doctor *doctor, struct ef_db *db, const char *table)
{
    char sql[SQL_MAX], *values[6];
    struct ef_error err;
    snprintf(
        sql, sizeof(sql),
        "SELECT current_setting('autovacuum'), current_setting('track_counts'), o.enabled::boolean,"
        " (coalesce(o.threshold::bigint, current_setting('autovacuum_vacuum_threshold')::bigint) +"
        " greatest(c.reltuples, 0) * coalesce(o.factor::float8,"
        " current_setting('autovacuum_vacuum_scale_factor')::float8))::bigint,"
        " coalesce(s.n_dead_tup, 0), coalesce(s.n_live_tup, 0)"
        " FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid,"
        " LATERAL (SELECT max(option_value) FILTER (WHERE option_name = 'autovacuum_enabled'),"
        " max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold'),"
        " max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor')"
        " FROM pg_options_to_table(c.reloptions)) AS o(enabled, threshold, factor)"
        " WHERE c.oid = to_regclass($doctor$%s$doctor$)",
        table);
    bool ok = ef_doctor_pg_begin(db, &err) && ef_doctor_row(db, sql, values, 6, &err);
    ef_doctor_pg_end(db);
    if (ok)
        add_vacuum(doctor, table, values);
    else
        ef_report_add(&doctor->report, "pg.autovacuum", EF_LEVEL_WARN, "could not look: %s",
                      err.text);
    ef_doctor_row_free(values, ok ? 6 : 0);
}

void ef_doctor_pg_table(struct ef_doctor *doctor, struct ef_db *db,
                        const struct ef_config_outbox *outbox, struct ef_store *store,
                        const struct ef_store_names *names)
{
    (void)outbox;
    look_at_vacuum(doctor, db, names->table);
    ef_doctor_plan(doctor, db, store, names);
}
