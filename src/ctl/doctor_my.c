// SPDX-License-Identifier: MIT
/* What the doctor asks a MySQL or MariaDB server. */
#include <stdlib.h>
#include <string.h>

#include "ctl/account.h"
#include "ctl/doctor.h"
#include "ctl/my.h"
#include "store/my_judge.h"

enum { SESSIONS = 3, IDLE_S = 60 };

static void look_at_durability(struct ef_doctor *doctor, struct ef_db *db)
{
    struct ef_report *report = &doctor->report;
    struct ef_error err;
    char *flush;
    if (!ef_doctor_row(db, "SELECT @@global.innodb_flush_log_at_trx_commit", &flush, 1, &err))
        return;
    if (strcmp(flush, "1") == 0) {
        ef_report_add(report, "db.durability", EF_LEVEL_OK,
                      "what the application commits survives a crash of the server");
    } else {
        ef_report_add(report, "db.durability", EF_LEVEL_WARN,
                      "innodb_flush_log_at_trx_commit is %s: a row can be relayed and its "
                      "transaction be lost in a crash",
                      flush);
        ef_report_mend(report, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
    }
    ef_doctor_row_free(&flush, 1);
}

/* The relay reads and writes at READ COMMITTED, which statement-based logging refuses (1665). */
static void look_at_binlog(struct ef_doctor *doctor, struct ef_db *db)
{
    struct ef_report *report = &doctor->report;
    struct ef_error err;
    char *values[2];
    if (!ef_doctor_row(db, "SELECT @@global.log_bin, @@global.binlog_format", values, 2, &err))
        return;
    if (strcmp(values[0], "1") == 0 && strcmp(values[1], "STATEMENT") == 0) {
        ef_report_add(report, "my.binlog_format", EF_LEVEL_FAIL,
                      "binlog_format is STATEMENT: the server refuses the relay's writes, which "
                      "are READ COMMITTED");
        ef_report_mend(report, "SET GLOBAL binlog_format = 'ROW'");
    } else {
        ef_report_add(report, "my.binlog_format", EF_LEVEL_OK,
                      "the server takes writes at READ COMMITTED");
    }
    ef_doctor_row_free(values, 2);
}

static void look_at_timeouts(struct ef_doctor *doctor, struct ef_db *db)
{
    struct ef_report *report = &doctor->report;
    struct ef_error err;
    char *wait;
    if (!ef_doctor_row(db, "SELECT @@global.wait_timeout", &wait, 1, &err))
        return;
    if (strtol(wait, NULL, 10) >= IDLE_S) {
        ef_report_add(report, "my.timeouts", EF_LEVEL_OK,
                      "no setting of the server ends the relay's sessions");
    } else {
        ef_report_add(report, "my.timeouts", EF_LEVEL_WARN,
                      "wait_timeout is %s s: the server would end the relay's sessions", wait);
        ef_report_mend(report, "SET GLOBAL wait_timeout = 28800");
    }
    ef_doctor_row_free(&wait, 1);
}

static void look_at_connections(struct ef_doctor *doctor, struct ef_db *db,
                                const struct ef_config_database *database)
{
    struct ef_report *report = &doctor->report;
    struct ef_error err;
    char *values[2];
    long need = 0;
    for (size_t i = 0; i < doctor->config->outbox_count; i++)
        if (strcmp(doctor->config->outboxes[i].database, database->name) == 0)
            need += SESSIONS;
    if (!ef_doctor_row(db, "SELECT @@max_user_connections, @@global.max_connections", values, 2,
                       &err))
        return;
    long user = strtol(values[0], NULL, 10), all = strtol(values[1], NULL, 10);
    if (user > 0 && user < need) {
        ef_report_add(report, "db.connections", EF_LEVEL_FAIL,
                      "%s may have %ld connections, the relay needs %ld", db->user, user, need);
        struct ef_account account;
        if (ef_account_parse(db->user, &account, &err))
            ef_report_mend(report, "ALTER USER %s WITH MAX_USER_CONNECTIONS %ld", account.text,
                           need + 2);
    } else if (all < need) {
        ef_report_add(report, "db.connections", EF_LEVEL_FAIL,
                      "the server takes %ld connections, the relay alone needs %ld", all, need);
        ef_report_mend(report, "SET GLOBAL max_connections = %ld", all + need + 10);
    } else {
        ef_report_add(report, "db.connections", EF_LEVEL_OK,
                      "there is room for the relay's %ld connections", need);
    }
    ef_doctor_row_free(values, 2);
}

static void take_transaction(void *arg, char **values)
{
    ef_my_judge_transaction(values, arg);
}

static void look_at_transactions(struct ef_doctor *doctor, struct ef_db *db)
{
    struct ef_report *report = &doctor->report;
    struct ef_error err;
    size_t before = report->count;
    char *sql = ef_my_judge_transactions_sql(doctor->old_ms);
    bool ok = ef_db_rows(db, sql, take_transaction, report, &err);
    free(sql);
    if (!ok)
        ef_report_add(report, "db.transactions", EF_LEVEL_OK,
                      "transactions of others are not to be seen by '%s': GRANT PROCESS ON *.* "
                      "shows them",
                      db->user);
    else if (report->count == before)
        ef_report_add(report, "db.transactions", EF_LEVEL_OK,
                      "no transaction has been open for long");
}

void ef_doctor_my_server(struct ef_doctor *doctor, struct ef_db *db,
                         const struct ef_config_database *database)
{
    look_at_durability(doctor, db);
    look_at_binlog(doctor, db);
    look_at_timeouts(doctor, db);
    look_at_connections(doctor, db, database);
    look_at_transactions(doctor, db);
}
