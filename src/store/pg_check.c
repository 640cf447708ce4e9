// SPDX-License-Identifier: MIT
/*
 * Start-up: finds the table and its columns, then (pg_objects.c) our own objects, the privileges
 * and the registry's row, and fills the layout. What is missing is a CONFIG error that says the SQL
 * or the command that mends it.
 *
 * Questions one after the other on the lease connection.
 */
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <stdlib.h>

#include "base/str.h"
#include "store/layout.h"
#include "store/pg_names.h"

static void ask_columns(struct ef_pg_store *s);

void ef_pg_check_failed(struct ef_pg_store *s, const struct ef_error *err)
{
    s->layout_known = false;
    ef_store_did_check(&s->store, NULL, err);
}

void ef_pg_layout_free(struct ef_pg_layout *layout)
{
    free(layout->archive_columns);
    layout->archive_columns = NULL;
}

static bool is_true(const PGresult *res, int row, int col)
{
    return PQgetvalue(res, row, col)[0] == 't';
}

bool ef_pg_check_no_usage(struct ef_error *err, const char *schema, const char *role)
{
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "privilege USAGE is missing on schema %s; run GRANT USAGE ON SCHEMA %s TO "
                        "%s, or `eventferryctl migrate --grant-to ROLE`",
                        schema, schema, role);
}

/* --- 1: the table --- */

static const char table_sql[] =
    "SELECT c.relkind, c.relpersistence, row_security_active(c.oid), current_user, c.oid, "
    "pg_backend_pid(),"
    " EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisunique OR "
    "$4::boolean AND i.indpred IS NULL) AND i.indnkeyatts = 1"
    " AND i.indkey[0] = (SELECT attnum FROM pg_attribute WHERE attrelid = c.oid AND attname = $3)),"
    " has_schema_privilege(n.oid, 'USAGE'), quote_ident(n.nspname), quote_ident(current_user)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND "
    "c.relname = $2";

/* A direct connection has one server process, and that one serves nobody else. */
static bool is_pooled(const struct ef_pg_store *s, int pid_now)
{
    int lease = s->lease.session.backend_pid, read = s->read.session.backend_pid;
    int settle = s->settle.session.backend_pid;
    return pid_now != lease || lease == read || lease == settle || read == settle;
}

static bool table_ok(struct ef_pg_store *s, const PGresult *res, struct ef_error *err)
{
    struct ef_pg_layout *l = &s->layout;
    if (PQntuples(res) == 0)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "table %s does not exist (or its schema is not visible to this role); create it with "
            "`eventferryctl migrate`, or correct `table`",
            l->table);
    if (!is_true(res, 0, 7))
        return ef_pg_check_no_usage(err, PQgetvalue(res, 0, 8), PQgetvalue(res, 0, 9));
    char kind = PQgetvalue(res, 0, 0)[0];
    if (kind != 'r' && kind != 'p')
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "%s is not a table (relkind \"%c\"); name a table", l->table, kind);
    if (PQgetvalue(res, 0, 1)[0] == 'u')
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "table %s is unlogged: a crash of the server empties it; run ALTER TABLE %s SET LOGGED",
            l->table, l->table);
    if (is_true(res, 0, 2)) {
        const char *user = PQgetvalue(res, 0, 3);
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "row-level security is in force on %s for role \"%s\": rows could be hidden from the "
            "relay; run ALTER ROLE \"%s\" BYPASSRLS",
            l->table, user, user);
    }
    l->table_oid = (unsigned)strtoul(PQgetvalue(res, 0, 4), NULL, 10);
    s->pooled = s->database->pooler == EF_POOLER_NONE && is_pooled(s, atoi(PQgetvalue(res, 0, 5)));
    if (s->pooled && !s->use_listen_conn)
        s->store.wakeup_works = false; /* whatever was heard until now */
    if (s->pooled)
        ef_store_info_warn(
            &s->info,
            "a pooler in transaction mode is in between (statements of one connection reach "
            "several server processes, or several connections one); set pooler: transaction "
            "for this database");
    if (!is_true(res, 0, 6))
        ef_store_info_warn(
            &s->info,
            "column %s of %s has no unique index of its own: reads and settles may be slow",
            l->column[EF_COL_ID], l->table);
    return true;
}

static void got_table(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (err)
        ef_pg_check_failed(s, err);
    else if (!ef_pg_answer_fits(res, 0, 10, &own) || !table_ok(s, res, &own))
        ef_pg_check_failed(s, &own);
    else
        ask_columns(s);
}

static void ask_table(struct ef_pg_store *s)
{
    struct ef_pg_request *req = ef_pg_request_new(NULL, table_sql, got_table, s);
    req->text = true;
    ef_pg_param_text(req, s->layout.schema_name);
    ef_pg_param_text(req, s->layout.table_name);
    ef_pg_param_text(req, ef_layout_name(s->outbox, EF_COL_ID));
    /* rows from before seq was added share one number, so its index cannot be unique */
    ef_pg_param_text(req, s->outbox->layout == EF_LAYOUT_DEBEZIUM ? "t" : "f");
    ef_pg_conn_submit(&s->lease, req);
}

/* --- 2: columns --- */

/* The sequence behind a column is its own (identity, serial), or what its default depends on. */
static const char columns_sql[] =
    "SELECT a.attname, CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, NULL)"
    " ELSE format_type(a.atttypid, NULL) END,"
    " (SELECT q.seqrelid::regclass::text || ' CACHE ' || q.seqcache FROM pg_sequence q JOIN "
    "pg_depend d ON q.seqrelid = CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid ELSE "
    "d.refobjid END"
    " WHERE q.seqcache > 1 AND (d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
    " AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum"
    " OR d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.objid ="
    " (SELECT f.oid FROM pg_attrdef f WHERE f.adrelid = c.oid AND f.adnum = a.attnum)) LIMIT 1)"
    " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
    " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped";

static const char *value_of(const PGresult *res, const char *column, int field)
{
    for (int i = 0; i < PQntuples(res); i++)
        if (strcmp(PQgetvalue(res, i, 0), column) == 0)
            return PQgetvalue(res, i, field);
    return NULL;
}

static const char *type_of(const PGresult *res, const char *column)
{
    return value_of(res, column, 1);
}

/* The same for a column that was found; "" else. */
static const char *known_type(const struct ef_pg_store *s, const PGresult *res, enum ef_column col)
{
    const char *name = ef_layout_name(s->outbox, col), *type = name ? type_of(res, name) : NULL;
    return type ? type : "";
}

static bool required(enum ef_column col)
{
    switch (col) {
    case EF_COL_ID:
    case EF_COL_PAYLOAD:
    case EF_COL_STATUS:
    case EF_COL_ATTEMPTS:
    case EF_COL_NEXT_RETRY_AT:
    case EF_COL_CREATED_AT:
        return true;
    default:
        return false;
    }
}

/* The type to add a missing column with. */
static const char *column_ddl(enum ef_column col)
{
    switch (col) {
    case EF_COL_STATUS:
        return "smallint NOT NULL DEFAULT 0";
    case EF_COL_ATTEMPTS:
        return "integer NOT NULL DEFAULT 0";
    case EF_COL_NEXT_RETRY_AT:
        return "timestamptz";
    case EF_COL_CREATED_AT:
        return "timestamptz NOT NULL DEFAULT now()";
    case EF_COL_PAYLOAD:
        return "jsonb";
    default:
        return "bigint GENERATED ALWAYS AS IDENTITY";
    }
}

static bool has_column(const void *res, const char *column)
{
    return type_of(res, column) != NULL;
}

static bool column_ok(struct ef_pg_store *s, const PGresult *res, enum ef_column col,
                      struct ef_error *err)
{
    struct ef_pg_layout *l = &s->layout;
    const char *name = ef_layout_name(s->outbox, col);
    const char *type = name ? type_of(res, name) : NULL;
    l->has[col] = type != NULL;
    if (name)
        ef_pg_quote_ident(l->column[col], sizeof(l->column[col]), name);
    if (type)
        return true;
    struct ef_lacking lacking = {.column = col,
                                 .name = name,
                                 .quoted = l->column[col],
                                 .table = l->table,
                                 .required = required(col),
                                 .ddl = column_ddl(col)};
    return ef_layout_lacks(s->outbox, &lacking, err);
}

static bool columns_ok(struct ef_pg_store *s, const PGresult *res, struct ef_error *err)
{
    struct ef_pg_layout *l = &s->layout;
    for (int col = 0; col < EF_COL_COUNT; col++)
        if (!column_ok(s, res, (enum ef_column)col, err))
            return false;
    if (!ef_layout_topic_ok(s->outbox, l->has[EF_COL_AGGREGATE_TYPE],
                            l->column[EF_COL_AGGREGATE_TYPE], l->table, err) ||
        !ef_layout_headers_ok(s->outbox, l->table, has_column, res, err))
        return false;
    const char *payload = known_type(s, res, EF_COL_PAYLOAD);
    static const char *const accepted[] = {
        "json", "jsonb", "text", "bytea", "character varying", "character"};
    bool fits = false;
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
        fits = fits || strcmp(payload, accepted[i]) == 0;
    if (!fits)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "payload column %s has type %s; accepted: json, jsonb, text, varchar, bytea",
            l->column[EF_COL_PAYLOAD], payload);
    snprintf(l->payload_type, sizeof(l->payload_type), "%s",
             strncmp(payload, "char", 4) == 0 ? "text" : payload);
    const char *id_type = known_type(s, res, EF_COL_ID);
    if (strcmp(id_type, "bigint") != 0 && strcmp(id_type, "integer") != 0 &&
        strcmp(id_type, "smallint") != 0)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "column %s of %s has type %s, which has no order to relay by; add a sequence column "
            "(ALTER TABLE %s ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY) and set "
            "order_column: seq",
            l->column[EF_COL_ID], l->table, id_type, l->table);
    const char *id = ef_layout_name(s->outbox, EF_COL_ID),
               *cache = id ? value_of(res, id, 2) : NULL,
               *name_end = cache ? strstr(cache, " CACHE ") : NULL;
    if (name_end)
        ef_store_info_warn(
            &s->info,
            "the sequence of column %s (%s) gives ids to sessions in advance: rows of one "
            "aggregate that sessions insert in turn can be relayed out of their order; run "
            "ALTER SEQUENCE %.*s CACHE 1",
            l->column[EF_COL_ID], cache, (int)(name_end - cache), cache);
    const char *message_id = l->has[EF_COL_MESSAGE_ID] ? known_type(s, res, EF_COL_MESSAGE_ID) : "";
    l->message_id_is_uuid = strcmp(message_id, "uuid") == 0;
    s->info.has_last_error = l->has[EF_COL_LAST_ERROR];
    s->info.has_partition = l->has[EF_COL_PARTITION];
    if (!l->has[EF_COL_LAST_ERROR])
        ef_store_info_warn(
            &s->info, "%s has no column last_error: why a row failed is only in the log", l->table);
    if (!l->has[EF_COL_AGGREGATE_ID] && !s->outbox->columns[EF_COL_AGGREGATE_ID].value)
        ef_store_info_warn(&s->info, "%s has no aggregate_id: events are relayed without any order",
                           l->table);
    return true;
}

static void got_columns(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (err)
        ef_pg_check_failed(s, err);
    else if (!ef_pg_answer_fits(res, 0, 3, &own) || !columns_ok(s, res, &own))
        ef_pg_check_failed(s, &own);
    else
        ef_pg_objects_check(s);
}

static void ask_columns(struct ef_pg_store *s)
{
    struct ef_pg_request *req = ef_pg_request_new(NULL, columns_sql, got_columns, s);
    req->text = true;
    ef_pg_param_text(req, s->layout.schema_name);
    ef_pg_param_text(req, s->layout.table_name);
    ef_pg_conn_submit(&s->lease, req);
}

/* --- start --- */

static void fail_name(void *arg)
{
    struct ef_pg_store *s = arg;
    struct ef_pg_table table;
    struct ef_error err;
    if (!ef_pg_table_parse(s->outbox->table, &table, &err)) {
        err.class = EF_CLASS_CONFIG;
        ef_pg_check_failed(s, &err);
        return;
    }
    ask_table(s);
}

void ef_pg_check(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_layout *l = &s->layout;
    struct ef_pg_table table;
    struct ef_error ignored;
    ef_pg_layout_free(l);
    *l = (struct ef_pg_layout){0};
    s->info = (struct ef_store_info){0};
    ef_pg_quote_ident(l->ours, sizeof(l->ours), s->database->schema);
    if (ef_pg_table_parse(s->outbox->table, &table, &ignored)) {
        char name[64], quoted[EF_PG_IDENT_MAX];
        snprintf(l->schema_name, sizeof(l->schema_name), "%s", table.schema);
        snprintf(l->table_name, sizeof(l->table_name), "%s", table.table);
        ef_pg_quote_ident(quoted, sizeof(quoted), table.schema);
        int n = snprintf(l->table, sizeof(l->table), "%s.", quoted);
        ef_pg_quote_ident(quoted, sizeof(quoted), table.table);
        snprintf(l->table + n, sizeof(l->table) - (size_t)n, "%s", quoted);
        ef_pg_object_name(name, "archive", table.schema, table.table);
        ef_pg_quote_ident(quoted, sizeof(quoted), name);
        snprintf(l->archive, sizeof(l->archive), "%s.%s", l->ours, quoted);
        ef_pg_object_name(name, "bell", table.schema, table.table);
        ef_pg_quote_ident(quoted, sizeof(quoted), name);
        snprintf(l->bell, sizeof(l->bell), "%s.%s", l->ours, quoted);
    }
    ef_deferred_init(&s->check_later, s->loop, "store", fail_name, s);
    ef_defer(&s->check_later);
}
