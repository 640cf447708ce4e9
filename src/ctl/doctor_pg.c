// SPDX-License-Identifier: MIT
/* What the doctor asks a PostgreSQL server, and about a table there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/doctor.h"
#include "store/pg_judge.h"

enum {
    SQL_MAX = 4096,
    SESSIONS = 3, /* of each outbox: read, settle, lease */
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
    const struct ef_pg_question *question; /* NULL: one of the doctor's own */
    struct ef_pg_judged judged;
    int found;
};

/* Rows that each are a finding; the number of them, -1 after an error, which is one too. */
static int find(struct look *look, struct ef_db *db, const char *id, const char *sql,
                ef_db_row *row)
{
    struct ef_error err;
    look->found = 0;
    bool ok = ef_doctor_pg_begin(db, &err) && ef_db_rows(db, sql, row, look, &err);
    ef_doctor_pg_end(db);
    if (ok)
        return look->found;
    ef_report_add(&look->doctor->report, id, EF_LEVEL_WARN, "could not look: %s", err.text);
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
    struct look look = {.doctor = doctor};
    int roles =
        find(&look, db, "db.durability",
             "SELECT quote_ident(r.rolname), quote_ident(d.datname) FROM pg_db_role_setting s"
             " LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = "
             "s.setdatabase"
             " WHERE (s.setdatabase = 0 OR d.datname = current_database())"
             " AND (s.setrole = 0 OR r.rolname <> current_user)"
             " AND 'synchronous_commit=off' = ANY (s.setconfig)",
             take_soft_role);
    int server = find(&look, db, "db.durability",
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
    struct look look = {.doctor = doctor};
    char sql[SQL_MAX];
    snprintf(sql, sizeof(sql),
             "SELECT name, setting, quote_ident(current_user) FROM pg_settings WHERE"
             " setting <> '0' AND (name = 'idle_session_timeout' OR name = 'transaction_timeout'"
             " AND setting::bigint < %lld) ORDER BY 1",
             (long long)database->statement_timeout_ms);
    if (find(&look, db, "pg.timeouts", sql, take_timeout) == 0)
        ef_report_add(&doctor->report, "pg.timeouts", EF_LEVEL_OK,
                      "no setting of the server ends the relay's sessions");
}

/* --- what is asked of a running relay as well --- */

static void take_answer(void *arg, char **values)
{
    struct look *look = arg;
    look->found++;
    if (!ef_pg_judge_row(look->question, &look->judged, values, &look->doctor->report))
        ef_report_add(&look->doctor->report, look->question->id, EF_LEVEL_FAIL,
                      "the answer lacks what was asked for");
}

/* What a running relay asks, too. */
static void ask(struct ef_doctor *doctor, struct ef_db *db, int number, const char *table)
{
    struct look look = {.doctor = doctor,
                        .question = &ef_pg_questions[number],
                        .judged = {.old_ms = doctor->old_ms, .table = table, .statements = true}};
    char *sql = look.question->sql(&look.judged);
    int found = find(&look, db, look.question->id, sql, take_answer);
    free(sql);
    if (found == 0 && look.question->fine)
        ef_report_add(&doctor->report, look.question->id, EF_LEVEL_OK, "%s", look.question->fine);
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
    ask(doctor, db, EF_PG_ASK_TRANSACTIONS, NULL);
    ask(doctor, db, EF_PG_ASK_XMIN, NULL);
}

void ef_doctor_pg_table(struct ef_doctor *doctor, struct ef_db *db,
                        const struct ef_config_outbox *outbox, struct ef_store *store,
                        const struct ef_store_names *names)
{
    (void)outbox;
    ask(doctor, db, EF_PG_ASK_VACUUM, names->table);
    ef_doctor_plan(doctor, db, store, names);
}
