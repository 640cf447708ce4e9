// SPDX-License-Identifier: MIT
/* What the doctor asks every database, and what it asks about each outbox there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/doctor.h"
#include "ctl/missing.h"
#include "ctl/open.h"
#include "ctl/relay_look.h"
#include "ctl/targets.h"
#include "store/pg_judge.h"
#include "store/warnings.h"

enum {
    CLOCK_WARN_MS = 2000,
    CLOCK_FAIL_MS = 5 * 60 * 1000, /* a timestamp further ahead is not sent as it is */
    LOOK_ROWS = 2000,              /* unfinished rows whose payloads are measured */
    LOOK_TOPICS = 100,
    SQL_MAX = 8192,
};

/* --- helpers --- */

struct copy {
    char **values;
    int count;
    bool any;
};

static void copy_row(void *arg, char **values)
{
    struct copy *copy = arg;
    for (int i = 0; i < copy->count && !copy->any; i++)
        copy->values[i] = ef_xstrdup(values[i]);
    copy->any = true;
}

bool ef_doctor_row(struct ef_db *db, const char *sql, char **values, int count,
                   struct ef_error *err)
{
    struct copy copy = {.values = values, .count = count};
    memset(values, 0, (size_t)count * sizeof(*values));
    ef_error_clear(err);
    return ef_db_rows(db, sql, copy_row, &copy, err) && copy.any;
}

void ef_doctor_row_free(char **values, int count)
{
    for (int i = 0; i < count; i++) {
        free(values[i]);
        values[i] = NULL;
    }
}

static bool is_mysql(const struct ef_config_database *database)
{
    return database->driver == EF_DRIVER_MYSQL;
}

/* Looks on PostgreSQL are transactions: what is set for one must not stay behind in a pooler. */
static bool begin(struct ef_db *db, bool mysql, struct ef_error *err)
{
    return mysql || ef_doctor_pg_begin(db, err);
}

static void end(struct ef_db *db, bool mysql)
{
    if (!mysql)
        ef_doctor_pg_end(db);
}

/* --- the server --- */

/* The answer's moment lies between two of ours: only what cannot be the way is a difference. */
static int64_t clock_ahead_us(int64_t before_us, int64_t database_us, int64_t after_us)
{
    if (database_us < before_us)
        return database_us - before_us;
    return database_us > after_us ? database_us - after_us : 0;
}

static void look_at_clock(struct ef_doctor *doctor, struct ef_db *db, bool mysql)
{
    const char *sql = mysql ? "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
                            : "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    struct ef_error err;
    char *text;
    int64_t before_us = ef_clock_wall().us;
    if (!ef_doctor_row(db, sql, &text, 1, &err))
        return;
    int64_t ahead_ms =
        clock_ahead_us(before_us, strtoll(text, NULL, 10), ef_clock_wall().us) / 1000;
    int64_t off_ms = llabs(ahead_ms);
    enum ef_level level = off_ms >= CLOCK_FAIL_MS   ? EF_LEVEL_FAIL
                          : off_ms >= CLOCK_WARN_MS ? EF_LEVEL_WARN
                                                    : EF_LEVEL_OK;
    if (level == EF_LEVEL_OK)
        ef_report_add(&doctor->report, "db.clock", level,
                      "the clocks of this host and of the database agree");
    else
        ef_report_add(&doctor->report, "db.clock", level,
                      "the database's clock is %.1f s %s this host's: latencies and timestamps "
                      "are off by as much",
                      (double)off_ms / 1000, ahead_ms > 0 ? "ahead of" : "behind");
    if (level != EF_LEVEL_OK)
        ef_report_mend(&doctor->report, "chronyc makestep # on the host whose clock is wrong");
    ef_doctor_row_free(&text, 1);
}

/* --- an outbox --- */

/* The relay's role may not migrate, and who owns the table has a URL of his own. */
static void mend_by_migrating(struct ef_doctor *doctor, const struct ef_config_outbox *outbox,
                              const char *more, const char *role)
{
    ef_report_mend(&doctor->report,
                   "eventferryctl --config %s migrate --outbox %s%s%s%s # as the table's owner: "
                   "--url URL",
                   doctor->config->path, outbox->name, more, role ? role : "", role ? "'" : "");
}

/* As the relay's sentence says it, with its names filled in. */
static void mend_as_told(struct ef_doctor *doctor, const struct ef_config_outbox *outbox,
                         const struct ef_db *db, const char *sentence)
{
    if (ef_report_mend_from(&doctor->report, sentence) ||
        !strstr(sentence, "`eventferryctl migrate"))
        return;
    if (strstr(sentence, "--grant-to"))
        mend_by_migrating(doctor, outbox, " --grant-to '", db->user);
    else
        mend_by_migrating(doctor, outbox, strstr(sentence, "--doorbell") ? " --doorbell" : "",
                          NULL);
}

static void add_warnings(struct ef_doctor *doctor, const struct ef_config_outbox *outbox,
                         const struct ef_db *db, const char *warnings)
{
    for (const char *line = warnings; *line;) {
        size_t len = strcspn(line, "\n");
        char *text = ef_xstrndup(line, len);
        ef_report_add(&doctor->report, ef_store_warning_id(text), EF_LEVEL_WARN, "%s", text);
        mend_as_told(doctor, outbox, db, text);
        free(text);
        line += len + (line[len] == '\n');
    }
}

static bool is_about_privileges(const char *text)
{
    return strstr(text, "privilege ") || strstr(text, "permission denied") ||
           strstr(text, "command denied") || strstr(text, "EXECUTE on");
}

static void add_refusal(struct ef_doctor *doctor, const struct ef_config_outbox *outbox,
                        const struct ef_db *db, const struct ef_error *err)
{
    const char *id = is_about_privileges(err->text) ? "table.privileges" : "table.shape";
    ef_report_add(&doctor->report, id, EF_LEVEL_FAIL, "%s", err->text);
    mend_as_told(doctor, outbox, db, err->text);
}

static void look_at_migration(struct ef_doctor *doctor, struct ef_db *db, bool mysql,
                              const struct ef_config_outbox *outbox)
{
    struct ef_migrate_arguments arguments = {.no_doorbell = outbox->wake != EF_WAKE_NOTIFY};
    struct ef_targets targets = {0};
    struct ef_strings missing = {0};
    struct ef_error err;
    if (!ef_targets_add(&targets, &arguments, doctor->config, outbox))
        return; /* the relay's own check has said what is wrong with the name */
    bool ok = begin(db, mysql, &err) && ef_missing(db, &targets.items[0].migration, &missing, &err);
    end(db, mysql);
    if (!ok)
        ef_report_add(&doctor->report, "table.migration", EF_LEVEL_WARN,
                      "could not find out what is missing: %s", err.text);
    else if (!missing.count)
        ef_report_add(&doctor->report, "table.migration", EF_LEVEL_OK,
                      "there is nothing left for migrate to make");
    else
        ef_report_add(&doctor->report, "table.migration", EF_LEVEL_WARN, "not there%s: %s%s",
                      missing.count > 1 ? " (the first of several)" : "", missing.items[0],
                      strstr(missing.items[0], "index") ? "; reads get slower as the table grows"
                                                        : "");
    if (ok && missing.count)
        mend_by_migrating(doctor, outbox, "", NULL);
    ef_strings_free(&missing);
    free(targets.items);
}

/* values: owner, milliseconds until it expires, server, paused since, by whom, why */
static void add_lease(struct ef_doctor *doctor, const struct ef_config_outbox *outbox,
                      char *const *values, const char *server)
{
    struct ef_report *report = &doctor->report;
    bool live = values[1] && strtod(values[1], NULL) > 0;
    if (live)
        ef_report_add(report, "lease.owner", EF_LEVEL_OK, "relay \"%s\" owns it",
                      values[0] ? values[0] : "");
    else
        ef_report_add(report, "lease.owner", EF_LEVEL_WARN,
                      values[0] ? "no relay owns it: the lease of \"%s\" has ended"
                                : "no relay owns it, and none ever has",
                      values[0]);
    if (!live)
        ef_report_mend(report, "systemctl start eventferryd");
    if (values[2] && strcmp(values[2], server) != 0) {
        ef_report_add(report, "lease.server", EF_LEVEL_WARN,
                      "the lease was made on server %s, this is %s: it is another one, or was "
                      "promoted; the relay takes it over after one lease_ttl",
                      values[2], server);
        ef_report_mend(report, "systemctl start eventferryd");
    } else {
        ef_report_add(report, "lease.server", EF_LEVEL_OK, "this is the server of the lease");
    }
    if (values[3]) {
        ef_report_add(report, "outbox.paused", EF_LEVEL_WARN,
                      "paused since %s by %s%s%s: nothing is relayed", values[3],
                      values[4] ? values[4] : "somebody", values[5] && values[5][0] ? ", " : "",
                      values[5] ? values[5] : "");
        ef_report_mend(report, "eventferryctl resume %s", outbox->name);
    } else {
        ef_report_add(report, "outbox.paused", EF_LEVEL_OK, "not paused");
    }
}

static void look_at_lease(struct ef_doctor *doctor, struct ef_db *db, bool mysql,
                          const struct ef_config_outbox *outbox, const struct ef_store_names *names,
                          const char *server)
{
    char sql[SQL_MAX], *values[6];
    struct ef_error err;
    snprintf(sql, sizeof(sql),
             "SELECT l.owner, %s, l.server, o.paused_at, o.paused_by, o.pause_reason FROM %s.%s l "
             "JOIN %s.%s o ON o.outbox_id = l.outbox_id WHERE l.outbox_id = %d",
             mysql ? "TIMESTAMPDIFF(MICROSECOND, NOW(6), l.expires_at) / 1000"
                   : "extract(epoch FROM l.expires_at - clock_timestamp()) * 1000",
             names->ours, names->lease, names->ours, names->registry, names->outbox_id);
    if (ef_doctor_row(db, sql, values, 6, &err))
        add_lease(doctor, outbox, values, server);
    ef_doctor_row_free(values, 6);
}

struct payloads {
    struct ef_doctor *doctor;
    const struct ef_config_outbox *outbox;
    int64_t largest_bytes;
    int64_t largest_id;
};

static void take_payload(void *arg, char **values)
{
    struct payloads *payloads = arg;
    int64_t bytes = values[1] ? strtoll(values[1], NULL, 10) : 0;
    if (values[0] && values[0][0])
        ef_topic_names_add_row(&payloads->doctor->topics, payloads->outbox, values[0], bytes);
    if (bytes > payloads->largest_bytes)
        payloads->largest_bytes = bytes;
}

static void look_at_rows(struct ef_doctor *doctor, struct ef_db *db, bool mysql,
                         const struct ef_config_outbox *outbox, const struct ef_store_names *names)
{
    struct payloads payloads = {.doctor = doctor, .outbox = outbox};
    struct ef_report *report = &doctor->report;
    char sql[SQL_MAX];
    struct ef_error err;
    snprintf(sql, sizeof(sql),
             "SELECT topic, max(bytes) AS largest FROM (SELECT %s AS topic, octet_length(%s%s) AS "
             "bytes FROM %s WHERE %s IN (0,1,3) ORDER BY %s LIMIT %d) u GROUP BY topic ORDER BY "
             "largest DESC LIMIT %d",
             names->topic ? names->topic : "NULL", names->payload,
             !mysql && names->payload_is_json ? "::text" : "", names->table, names->status,
             names->id, LOOK_ROWS, LOOK_TOPICS);
    if (!ef_db_rows(db, sql, take_payload, &payloads, &err)) {
        ef_report_add(report, "table.payloads", EF_LEVEL_WARN,
                      "could not measure the unfinished rows: %s", err.text);
        return;
    }
    if (payloads.largest_bytes <= outbox->max_payload_bytes) {
        ef_report_add(report, "table.payloads", EF_LEVEL_OK,
                      "no unfinished row is larger than max_payload");
        return;
    }
    ef_report_add(report, "table.payloads", EF_LEVEL_WARN,
                  "an unfinished row has %" PRId64 " bytes, more than max_payload (%" PRId64
                  "): it will be a dead letter",
                  payloads.largest_bytes, outbox->max_payload_bytes);
    ef_report_mend(report, "# in %s: outboxes, %s, max_payload: %" PRId64 "KiB",
                   doctor->config->path, outbox->name, (payloads.largest_bytes + 1023) / 1024);
}

static void look_at_notify(struct ef_doctor *doctor, struct ef_relay_look *look,
                           const struct ef_config_outbox *outbox,
                           const struct ef_config_database *database)
{
    if (outbox->wake != EF_WAKE_NOTIFY || is_mysql(database))
        return;
    ef_pg_judge_notify(ef_relay_look_hears(look), doctor->config->path, database->name,
                       &doctor->report);
}

static void look_closer(struct ef_doctor *doctor, struct ef_db *db, struct ef_relay_look *look,
                        const struct ef_config_outbox *outbox,
                        const struct ef_config_database *database, const char *server)
{
    struct ef_store *store = ef_relay_look_store(look);
    bool mysql = is_mysql(database);
    struct ef_store_names names;
    struct ef_error err;
    look_at_migration(doctor, db, mysql, outbox);
    look_at_notify(doctor, look, outbox, database);
    if (!ef_store_names(store, &names))
        return;
    if (begin(db, mysql, &err)) {
        look_at_lease(doctor, db, mysql, outbox, &names, server);
        look_at_rows(doctor, db, mysql, outbox, &names);
    }
    end(db, mysql);
    if (!mysql)
        ef_doctor_pg_table(doctor, db, outbox, store, &names);
}

static void look_at_outbox(struct ef_doctor *doctor, struct ef_db *db,
                           const struct ef_config_outbox *outbox,
                           const struct ef_config_database *database)
{
    struct ef_store_info info;
    struct ef_error err;
    ef_report_subject(&doctor->report, "outbox %s", outbox->name);
    struct ef_relay_look *look = ef_relay_look_new(doctor->config, outbox);
    switch (ef_relay_look_check(look, &info, &err)) {
    case EF_RELAY_UNREACHED:
        ef_report_add(&doctor->report, "db.connect", EF_LEVEL_FAIL,
                      "the relay's own connections fail: %s", err.text);
        mend_as_told(doctor, outbox, db, err.text);
        break;
    case EF_RELAY_REFUSED:
        add_refusal(doctor, outbox, db, &err);
        break;
    case EF_RELAY_FINE:
        ef_report_add(&doctor->report, "table.shape", EF_LEVEL_OK,
                      "the table and eventferry's objects are as the relay needs them");
        ef_report_add(&doctor->report, "table.privileges", EF_LEVEL_OK,
                      "the role may do what the relay does");
        add_warnings(doctor, outbox, db, info.warnings);
        look_closer(doctor, db, look, outbox, database, info.server);
        break;
    }
    ef_relay_look_free(look);
}

/* --- all of it --- */

static void add_unreached(struct ef_doctor *doctor, const struct ef_config_database *database,
                          const struct ef_error *err)
{
    bool old = strncmp(err->text, "cannot work with", 16) == 0;
    ef_report_add(&doctor->report, old ? "db.version" : "db.connect", EF_LEVEL_FAIL, "%s",
                  err->text);
    if (old)
        doctor->reached++;
    else if (database->password_file)
        ef_report_mend(&doctor->report, "# in %s: databases, %s, url and password_file (%s)",
                       doctor->config->path, database->name, database->password_file);
    else
        ef_report_mend(&doctor->report, "# in %s: databases, %s, url", doctor->config->path,
                       database->name);
}

void ef_doctor_database(struct ef_doctor *doctor, const struct ef_config_database *database)
{
    struct ef_report *report = &doctor->report;
    bool mysql = is_mysql(database);
    struct ef_error err = {0};
    ef_report_subject(report, "database %s", database->name);
    doctor->tried++;
    struct ef_db *db = ef_ctl_open(database, NULL, mysql, true, &err);
    if (!db) {
        add_unreached(doctor, database, &err);
        return;
    }
    doctor->reached++;
    ef_report_add(report, "db.connect", EF_LEVEL_OK, "%s lets '%s' in", db->where, db->user);
    ef_report_add(report, "db.version", EF_LEVEL_OK, "version %d.%d is new enough",
                  db->version / 10000, mysql ? db->version / 100 % 100 : db->version % 10000);
    look_at_clock(doctor, db, mysql);
    if (mysql)
        ef_doctor_my_server(doctor, db, database);
    else
        ef_doctor_pg_server(doctor, db, database);
    for (size_t i = 0; i < doctor->outbox_count; i++)
        if (strcmp(doctor->outboxes[i]->database, database->name) == 0)
            look_at_outbox(doctor, db, doctor->outboxes[i], database);
    ef_db_close(db);
}
