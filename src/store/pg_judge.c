// SPDX-License-Identifier: MIT
#include "store/pg_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OLD_XIDS = 100000,     /* where a role may not see since when: seconds on a busy server */
    DEAD_ROWS = 50000,     /* fewer do not matter */
    DEAD_FACTOR = 5,       /* dead rows for each live one that are too many */
    LATE_VACUUM = 1000000, /* dead rows before autovacuum looks at the table */
    QUERY_SHOWN = 60,
    SHOWN = 5, /* of each kind */
};

/* --- open transactions --- */

/* Some sessions' times are only for their own role and members of pg_read_all_stats. */
static char *transactions_sql(const struct ef_pg_judged *judged)
{
    return ef_xprintf(
        "SELECT pid, quote_ident(usename), application_name, state,"
        " floor(extract(epoch FROM clock_timestamp() - xact_start)),"
        " greatest(age(backend_xid), age(backend_xmin)),"
        " left(regexp_replace(query, '\\s+', ' ', 'g'), %d) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)"
        " AND coalesce(xact_start < clock_timestamp() - %lld * interval '1 millisecond',"
        " greatest(age(backend_xid), age(backend_xmin)) > %d)"
        " AND coalesce(backend_type, 'client backend') = 'client backend'"
        " ORDER BY xact_start LIMIT %d",
        QUERY_SHOWN, (long long)judged->old_ms, OLD_XIDS, SHOWN);
}

/* values: pid, role, application, state, seconds (NULL: not to be seen), age in transactions, query
 */
static void take_transaction(const struct ef_pg_judged *judged, char *const *values,
                             struct ef_report *report)
{
    char since[64];
    bool statement = judged->statements && values[4] && values[6];
    if (values[4])
        snprintf(since, sizeof(since), "%s s", values[4]);
    else
        snprintf(since, sizeof(since), "%s transactions of others", values[5]);
    ef_report_add(report, "db.transactions", EF_LEVEL_WARN,
                  "process %s of role %s (%s%s%s) has had a transaction open for %s: rows it "
                  "inserted are waited for, dead rows stay%s%s",
                  values[0], values[1], values[2] && values[2][0] ? values[2] : "no name",
                  values[3] ? ", " : "", values[3] ? values[3] : "", since,
                  statement ? "; its last statement: " : "", statement ? values[6] : "");
    ef_report_key(report, "process %s", values[0]);
    ef_report_mend(report, "SELECT pg_terminate_backend(%s)", values[0]);
}

/* --- what else holds dead rows back --- */

/* A slot that is not in use moves on no more, so its age is no question. */
static char *xmin_sql(const struct ef_pg_judged *judged)
{
    return ef_xprintf(
        "(SELECT 'prepared', quote_literal(gid), quote_ident(owner),"
        " floor(extract(epoch FROM clock_timestamp() - prepared))::text FROM pg_prepared_xacts"
        " WHERE database = current_database()"
        " AND prepared < clock_timestamp() - %lld * interval '1 millisecond'"
        " ORDER BY prepared LIMIT %d)"
        " UNION ALL (SELECT CASE WHEN active THEN 'slot' ELSE 'unused slot' END,"
        " quote_literal(slot_name), NULL, age(xmin)::text FROM pg_replication_slots"
        " WHERE xmin IS NOT NULL AND (NOT active OR age(xmin) > %d) ORDER BY age(xmin) DESC"
        " LIMIT %d)"
        " UNION ALL (SELECT 'standby', quote_literal(application_name), NULL,"
        " age(backend_xmin)::text FROM pg_stat_replication WHERE age(backend_xmin) > %d"
        " ORDER BY age(backend_xmin) DESC LIMIT %d)",
        (long long)judged->old_ms, SHOWN, OLD_XIDS, SHOWN, OLD_XIDS, SHOWN);
}

/* values: kind, name as a literal, owner, seconds or transactions */
static void take_xmin(const struct ef_pg_judged *judged, char *const *values,
                      struct ef_report *report)
{
    const char *kind = values[0], *name = values[1], *age = values[3];
    (void)judged;
    if (strcmp(kind, "prepared") == 0) {
        ef_report_add(report, "pg.xmin", EF_LEVEL_WARN,
                      "role %s prepared a transaction %s s ago and has not ended it: its rows are "
                      "waited for, dead rows stay",
                      values[2], age);
        ef_report_mend(report, "ROLLBACK PREPARED %s", name);
    } else if (strcmp(kind, "unused slot") == 0) {
        ef_report_add(report, "pg.xmin", EF_LEVEL_WARN,
                      "replication slot %s, which nobody uses, holds dead rows back, for %s "
                      "transactions so far",
                      name, age);
        ef_report_mend(report, "SELECT pg_drop_replication_slot(%s)", name);
    } else {
        ef_report_add(report, "pg.xmin", EF_LEVEL_WARN,
                      "%s%s holds dead rows back, for %s transactions so far",
                      strcmp(kind, "slot") == 0 ? "replication slot " : "standby ", name, age);
        ef_report_mend(report, "ALTER SYSTEM SET hot_standby_feedback = off -- on the standby");
    }
    ef_report_key(report, "%s %s", kind, name);
}

/* --- a table --- */

static char *vacuum_sql(const struct ef_pg_judged *judged)
{
    return ef_xprintf(
        "SELECT current_setting('autovacuum'), current_setting('track_counts'), o.enabled::boolean,"
        " (coalesce(o.threshold::bigint, current_setting('autovacuum_vacuum_threshold')::bigint) +"
        " greatest(c.reltuples, 0) * coalesce(o.factor::float8,"
        " current_setting('autovacuum_vacuum_scale_factor')::float8))::bigint,"
        " coalesce(s.n_dead_tup, 0), coalesce(s.n_live_tup, 0), $doctor$%s$doctor$"
        " FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid,"
        " LATERAL (SELECT max(option_value) FILTER (WHERE option_name = 'autovacuum_enabled'),"
        " max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold'),"
        " max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor')"
        " FROM pg_options_to_table(c.reloptions)) AS o(enabled, threshold, factor)"
        " WHERE c.oid = to_regclass($doctor$%s$doctor$)",
        judged->table, judged->table);
}

/* values: autovacuum, track_counts, autovacuum_enabled, dead rows it waits for, dead, live, table
 */
static void take_vacuum(const struct ef_pg_judged *judged, char *const *values,
                        struct ef_report *report)
{
    const char *table = values[6];
    const char *off = strcmp(values[0], "off") == 0   ? "autovacuum"
                      : strcmp(values[1], "off") == 0 ? "track_counts"
                                                      : NULL;
    long long late = strtoll(values[3], NULL, 10);
    long long dead = strtoll(values[4], NULL, 10), live = strtoll(values[5], NULL, 10);
    (void)judged;
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

const struct ef_pg_question ef_pg_questions[EF_PG_QUESTION_COUNT] = {
    [EF_PG_ASK_TRANSACTIONS] = {"db.transactions", "no transaction has been open for long", false,
                                transactions_sql, 1 << 0, take_transaction},
    [EF_PG_ASK_XMIN] = {"pg.xmin", "no prepared transaction, slot or standby holds dead rows back",
                        false, xmin_sql, 1 << 0, take_xmin},
    [EF_PG_ASK_VACUUM] = {"pg.autovacuum", NULL, true, vacuum_sql,
                          1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5, take_vacuum},
};

bool ef_pg_judge_row(const struct ef_pg_question *question, const struct ef_pg_judged *judged,
                     char *const *values, struct ef_report *report)
{
    for (int i = 0; i < EF_PG_JUDGE_COLUMNS; i++)
        if ((question->given & 1U << i) && !values[i])
            return false;
    question->take(judged, values, report);
    return true;
}

/* --- notifications --- */

void ef_pg_judge_notify(bool heard, const char *config_path, const char *database,
                        struct ef_report *report)
{
    if (heard) {
        ef_report_add(report, "pg.notify", EF_LEVEL_OK, "a notification arrives");
        return;
    }
    ef_report_add(report, "pg.notify", EF_LEVEL_WARN,
                  "a notification of our own does not arrive: a pooler in transaction mode is in "
                  "between; the relay polls");
    ef_report_mend(report, "# in %s: databases, %s, listen_url: a direct connection; or wake: poll",
                   config_path, database);
}
