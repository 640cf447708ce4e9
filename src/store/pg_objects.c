// SPDX-License-Identifier: MIT
/*
 * Start-up, second half: our own objects, the privileges, and the table's row in the registry.
 */
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <stdlib.h>

#include "base/str.h"
#include "store/layout.h"
#include "store/pg_names.h"

static void ask_privileges(struct ef_pg_store *s);
static void ask_registry(struct ef_pg_store *s);

static bool is_true(const PGresult *res, int row, int col)
{
    return PQgetvalue(res, row, col)[0] == 't';
}

/* --- our own objects --- */

enum { KNOWN_SCHEMA_MAJOR = 1 };

/* to_regclass is an error where the schema may not be used, so it is not asked then. */
static const char ours_sql[] =
    "SELECT n.usable, to_regclass(n.name || '.outbox') IS NOT NULL,"
    " to_regclass(n.name || '.' || quote_ident($2::text)) IS NOT NULL,"
    " to_regclass(n.name || '.' || quote_ident($3::text)) IS NOT NULL,"
    " (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a"
    "   WHERE a.attrelid = to_regclass(n.name || '.' || quote_ident($2::text)) AND a.attnum > 0"
    "   AND NOT a.attisdropped AND a.attname <> 'archived_at' AND EXISTS (SELECT 1 FROM "
    "pg_attribute t"
    "   JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace m ON m.oid = c.relnamespace"
    "   WHERE m.nspname = $4::text AND c.relname = $5::text AND t.attname = a.attname AND t.attnum "
    "> 0 AND NOT "
    "t.attisdropped)), quote_ident(current_user)"
    " FROM (SELECT has_schema_privilege(oid, 'USAGE') AS usable,"
    "   CASE WHEN has_schema_privilege(oid, 'USAGE') THEN quote_ident($1::text) END AS name"
    "   FROM pg_namespace WHERE nspname = $1::text) n";

static bool need_migrate(struct ef_error *err, const char *what)
{
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "%s; run `eventferryctl migrate` as the owner of the database", what);
}

static bool ours_ok(struct ef_pg_store *s, const PGresult *res, struct ef_error *err)
{
    struct ef_pg_layout *l = &s->layout;
    char what[400];
    if (PQntuples(res) == 0) {
        snprintf(what, sizeof(what), "schema %s does not exist in this database", l->ours);
        return need_migrate(err, what);
    }
    if (!is_true(res, 0, 0))
        return ef_pg_check_no_usage(err, l->ours, PQgetvalue(res, 0, 5));
    if (!is_true(res, 0, 1)) {
        snprintf(what, sizeof(what), "schema %s has no table outbox", l->ours);
        return need_migrate(err, what);
    }
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE) {
        if (!is_true(res, 0, 2))
            return ef_error_set(err, EF_CLASS_CONFIG,
                                "archive table %s does not exist; run `eventferryctl migrate`, or "
                                "set on_delivered: "
                                "mark or delete",
                                l->archive);
        free(l->archive_columns);
        l->archive_columns = ef_xstrdup(PQgetvalue(res, 0, 4));
        if (!ef_layout_archive_ok(l->archive_columns, l->table, err))
            return false;
    }
    if (!is_true(res, 0, 3))
        l->bell[0] = '\0';
    if (s->outbox->wake == EF_WAKE_NOTIFY && !l->bell[0])
        ef_store_info_warn(
            &s->info,
            "wake: notify, but %s has no doorbell: only a trigger of another make wakes the relay; "
            "`eventferryctl migrate --doorbell` creates it",
            l->table);
    return true;
}

static void got_ours(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (err)
        ef_pg_check_failed(s, err);
    else if (!ef_pg_answer_fits(res, 0, 6, &own) || !ours_ok(s, res, &own))
        ef_pg_check_failed(s, &own);
    else
        ask_privileges(s);
}

void ef_pg_objects_check(struct ef_pg_store *s)
{
    char name[64];
    struct ef_pg_request *req = ef_pg_request_new(NULL, ours_sql, got_ours, s);
    req->text = true;
    ef_pg_param_text(req, s->database->schema);
    ef_pg_object_name(name, "archive", s->layout.schema_name, s->layout.table_name);
    ef_pg_param_text(req, name);
    ef_pg_object_name(name, "bell", s->layout.schema_name, s->layout.table_name);
    ef_pg_param_text(req, name);
    ef_pg_param_text(req, s->layout.schema_name);
    ef_pg_param_text(req, s->layout.table_name);
    ef_pg_conn_submit(&s->lease, req);
}

/* --- privileges --- */

/* What a row's object is null for is not needed. */
static const char privileges_sql[] =
    "SELECT what, object, quote_ident(current_user) FROM"
    " (SELECT string_agg(quote_ident(n), ', ') FROM unnest(string_to_array($6::text, chr(10))) q,"
    "  LATERAL (SELECT (parse_ident(q))[1]) p(n)"
    "  WHERE NOT has_column_privilege($1::text, n, 'UPDATE')) AS c(names),"
    " LATERAL (VALUES"
    " ('SELECT', $1::text, has_table_privilege($1::text, 'SELECT')),"
    " ('DELETE', $1::text, $4::boolean OR has_table_privilege($1::text, 'DELETE')),"
    " ('UPDATE (' || c.names || ')', $1::text, c.names IS NULL),"
    " ('SELECT', $2::text || '.outbox', has_table_privilege($2::text || '.outbox', 'SELECT')),"
    " ('SELECT', $2::text || '.schema_version', has_table_privilege($2::text || "
    "'.schema_version', 'SELECT')),"
    " ('SELECT, UPDATE', $2::text || '.lease', has_table_privilege($2::text || '.lease', 'SELECT')"
    "   AND has_table_privilege($2::text || '.lease', 'UPDATE')),"
    " ('SELECT, UPDATE', $2::text || '.command', has_table_privilege($2::text || '.command', "
    "'SELECT') AND has_table_privilege($2::text || '.command', 'UPDATE')),"
    " ('SELECT, INSERT, UPDATE, DELETE', $2::text || '.relay', has_table_privilege($2::text || "
    "'.relay', "
    "'INSERT') AND has_table_privilege($2::text || '.relay', 'DELETE')),"
    " ('SELECT, INSERT, DELETE', $2::text || '.hold', to_regclass($2::text || '.hold') IS NULL OR "
    "has_table_privilege($2::text || '.hold', 'SELECT')),"
    " ('INSERT', $3::text, $3::text IS NULL OR has_table_privilege($3::text, 'INSERT')),"
    " ('EXECUTE', 'FUNCTION ' || $2::text || '.archive_maintain(int, interval, bigint)', $3::text "
    "IS NULL OR has_function_privilege(to_regprocedure($2::text || "
    "'.archive_maintain(int, interval, bigint)'), 'EXECUTE')),"
    " ('SELECT, UPDATE', 'SEQUENCE ' || $5::text, $5::text IS NULL OR "
    "has_sequence_privilege($5::text, 'SELECT') AND has_sequence_privilege($5::text, 'UPDATE'))"
    ") AS p(what, object, ok) WHERE NOT ok LIMIT 1";

static bool privileges_ok(const PGresult *res, struct ef_error *err)
{
    if (PQntuples(res) == 0)
        return true;
    const char *what = PQgetvalue(res, 0, 0);
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "privilege %s is missing; run GRANT %s ON %s TO %s, or "
                        "`eventferryctl migrate --grant-to ROLE`",
                        what, what, PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 2));
}

static void got_privileges(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (err)
        ef_pg_check_failed(s, err);
    else if (!ef_pg_answer_fits(res, 0, 3, &own) || !privileges_ok(res, &own))
        ef_pg_check_failed(s, &own);
    else
        ask_registry(s);
}

/* What the relay writes into a row that is not delivered, one quoted name a line. */
static void put_written_columns(const struct ef_pg_layout *l, struct ef_buf *out)
{
    static const enum ef_column written[] = {EF_COL_STATUS,        EF_COL_ATTEMPTS,
                                             EF_COL_NEXT_RETRY_AT, EF_COL_CLAIMED_AT,
                                             EF_COL_PROCESSED_AT,  EF_COL_LAST_ERROR};
    for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++)
        if (l->has[written[i]])
            ef_buf_printf(out, "%s%s", out->len ? "\n" : "", l->column[written[i]]);
}

static void ask_privileges(struct ef_pg_store *s)
{
    struct ef_pg_request *req = ef_pg_request_new(NULL, privileges_sql, got_privileges, s);
    const struct ef_config_outbox *o = s->outbox;
    req->text = true;
    ef_pg_param_text(req, s->layout.table);
    ef_pg_param_text(req, s->layout.ours);
    ef_pg_param_text(req, o->on_delivered == EF_ON_DELIVERED_ARCHIVE ? s->layout.archive : NULL);
    ef_pg_param_text(req,
                     o->on_delivered == EF_ON_DELIVERED_MARK && !o->retention_given ? "t" : "f");
    ef_pg_param_text(req, o->wake == EF_WAKE_NOTIFY && s->layout.bell[0] ? s->layout.bell : NULL);
    struct ef_buf columns;
    ef_buf_init(&columns, 16 * EF_PG_IDENT_MAX);
    put_written_columns(&s->layout, &columns);
    ef_pg_param_text(req, columns.data);
    ef_buf_done(&columns);
    ef_pg_conn_submit(&s->lease, req);
}

/* --- the registry --- */

static const char registry_fmt[] =
    "SELECT (SELECT max(version) FROM %s.schema_version), o.outbox_id,"
    " EXISTS (SELECT 1 FROM %s.lease l WHERE l.outbox_id = o.outbox_id),"
    " to_regclass($3) IS NOT NULL, EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid ="
    " to_regclass($4) AND a.attname = 'outbox_id' AND NOT a.attisdropped)"
    " FROM %s.outbox o WHERE o.table_schema = $1 AND o.table_name = $2";

static bool registry_ok(struct ef_pg_store *s, const PGresult *res, struct ef_error *err)
{
    if (PQntuples(res) == 0) {
        char what[400];
        snprintf(what, sizeof(what), "table %s is not registered for relaying", s->layout.table);
        return need_migrate(err, what);
    }
    int version = atoi(PQgetvalue(res, 0, 0));
    if (version > KNOWN_SCHEMA_MAJOR)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "schema version %d of the eventferry objects is newer than this program knows (%d); "
            "install the newer eventferryd",
            version, KNOWN_SCHEMA_MAJOR);
    if (!is_true(res, 0, 2))
        return need_migrate(err, "the table's lease row is missing");
    s->layout.outbox_id = atoi(PQgetvalue(res, 0, 1));
    s->layout.has_hold = is_true(res, 0, 3);
    s->layout.has_standbys = is_true(res, 0, 4);
    return true;
}

static void finish(struct ef_pg_store *s)
{
    ef_pg_sql_build(s);
    ef_pg_conn_forget_prepared(&s->lease);
    ef_pg_conn_forget_prepared(&s->read);
    ef_pg_conn_forget_prepared(&s->settle);
    s->layout_known = true;
    snprintf(s->info.server, sizeof(s->info.server), "%s", s->lease.session.server);
    int v = s->lease.session.version;
    snprintf(s->info.version, sizeof(s->info.version), "PostgreSQL %d.%d", v / 10000, v % 10000);
    ef_store_did_check(&s->store, &s->info, NULL);
}

static void got_registry(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (err)
        ef_pg_check_failed(s, err);
    else if (!ef_pg_answer_fits(res, 0, 5, &own) || !registry_ok(s, res, &own))
        ef_pg_check_failed(s, &own);
    else
        finish(s);
}

static void ask_registry(struct ef_pg_store *s)
{
    snprintf(s->registry_sql, sizeof(s->registry_sql), registry_fmt, s->layout.ours, s->layout.ours,
             s->layout.ours);
    struct ef_pg_request *req = ef_pg_request_new(NULL, s->registry_sql, got_registry, s);
    req->text = true;
    ef_pg_param_text(req, s->layout.schema_name);
    ef_pg_param_text(req, s->layout.table_name);
    ef_pg_param_owned(req, ef_xprintf("%s.hold", s->layout.ours));
    ef_pg_param_owned(req, ef_xprintf("%s.relay", s->layout.ours));
    ef_pg_conn_submit(&s->lease, req);
}
