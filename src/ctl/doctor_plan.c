// SPDX-License-Identifier: MIT
/*
 * The plans of the statements that the relay will run on PostgreSQL: its own texts, prepared as it
 * prepares them, under its own settings, which make a sequential scan a last resort whatever the
 * statistics say. What reads the whole table then, does so because no index serves it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/doctor.h"

enum { SETTINGS_MAX = 2048, STATEMENT_MAX = 65536 };

struct plans {
    struct ef_doctor *doctor;
    struct ef_db *db;
    const char *settings;
    const char *table; /* its name alone, as plans have it */
    int looked, bad;
};

/* A scan of the whole outbox; NULL: there is none. Borrowed from plan. */
static const json_t *find_scan(const json_t *plan, const char *table)
{
    const char *type = json_string_value(json_object_get(plan, "Node Type"));
    const char *relation = json_string_value(json_object_get(plan, "Relation Name"));
    const char *filter = json_string_value(json_object_get(plan, "Filter"));
    /* dead rows are counted rarely, and no index is kept for it */
    bool counted = filter && strstr(filter, "= 4)");
    if (type && relation && strstr(type, "Seq Scan") && strcmp(relation, table) == 0 && !counted)
        return plan;
    size_t i;
    const json_t *child, *found;
    json_array_foreach(json_object_get(plan, "Plans"), i,
                       child) if ((found = find_scan(child, table))) return found;
    return NULL;
}

static void take_line(void *arg, char **values)
{
    struct ef_buf *text = arg;
    ef_buf_printf(text, "%s\n", values[0]);
}

static int parameters_of(const char *sql)
{
    int most = 0;
    for (const char *p = sql; (p = strchr(p, '$')); p++) {
        int n = atoi(p + 1);
        most = n > most ? n : most;
    }
    return most;
}

/* In a transaction of its own, with everything local to it: a pooler may be in between. */
static bool explain(struct plans *plans, const char *sql, struct ef_buf *text, struct ef_error *err)
{
    struct ef_error ignored;
    struct ef_buf statement;
    ef_buf_init(&statement, STATEMENT_MAX);
    ef_buf_printf(&statement, "PREPARE eventferry_doctor AS %s", sql);
    bool ok = ef_db_run(plans->db, "BEGIN", err) && ef_db_run(plans->db, plans->settings, err) &&
              ef_db_run(plans->db, statement.data, err);
    bool prepared = ok;
    ef_buf_clear(&statement);
    ef_buf_puts(&statement, "EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE eventferry_doctor");
    for (int i = 0, n = parameters_of(sql); i < n; i++)
        ef_buf_printf(&statement, "%sNULL%s", i ? ", " : "(", i == n - 1 ? ")" : "");
    ok = ok && ef_db_rows(plans->db, statement.data, take_line, text, err);
    if (prepared && ok && !ef_db_run(plans->db, "DEALLOCATE eventferry_doctor", &ignored))
        ok = false;
    ef_doctor_pg_end(plans->db);
    if (prepared && !ok && !ef_db_run(plans->db, "DEALLOCATE eventferry_doctor", &ignored))
        prepared = false; /* the connection is gone, and it with it */
    ef_buf_done(&statement);
    return ok;
}

static void look(void *arg, const char *name, const char *sql)
{
    struct plans *plans = arg;
    struct ef_report *report = &plans->doctor->report;
    struct ef_buf text;
    struct ef_error err;
    ef_buf_init(&text, 1 << 20);
    plans->looked++;
    if (!explain(plans, sql, &text, &err)) {
        plans->bad++;
        ef_report_add(report, "pg.plan", EF_LEVEL_WARN, "could not plan the %s: %s", name,
                      err.text);
        ef_buf_done(&text);
        return;
    }
    json_t *root = json_loads(text.data ? text.data : "", 0, NULL);
    const json_t *scan = find_scan(json_object_get(json_array_get(root, 0), "Plan"), plans->table);
    if (scan) {
        const char *filter = json_string_value(json_object_get(scan, "Filter"));
        plans->bad++;
        ef_report_add(report, "pg.plan", EF_LEVEL_WARN,
                      "the relay's %s would read the whole table: no index serves %s", name,
                      filter ? filter : "it");
        ef_report_mend(report,
                       "eventferryctl --config %s migrate # as the table's owner: --url URL",
                       plans->doctor->config->path);
    }
    json_decref(root);
    ef_buf_done(&text);
}

void ef_doctor_plan(struct ef_doctor *doctor, struct ef_db *db, struct ef_store *store,
                    const struct ef_store_names *names)
{
    char settings[SETTINGS_MAX] = "", *table = NULL, sql[1024];
    struct ef_error err;
    snprintf(sql, sizeof(sql),
             "SELECT relname FROM pg_catalog.pg_class WHERE oid = "
             "pg_catalog.to_regclass($doctor$%s$doctor$)",
             names->table);
    if (!ef_doctor_row(db, sql, &table, 1, &err))
        return;
    struct plans plans = {.doctor = doctor, .db = db, .settings = settings, .table = table};
    if (ef_store_statements(store, look, &plans, settings, sizeof(settings)) && !plans.bad)
        ef_report_add(&doctor->report, "pg.plan", EF_LEVEL_OK,
                      "none of the relay's %d statements reads the whole table", plans.looked);
    ef_doctor_row_free(&table, 1);
}
