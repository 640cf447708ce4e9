// SPDX-License-Identifier: MIT
/*
 * Start-up: the table and its columns, its indexes, our own objects, the privileges and the
 * registry's row. What is missing is a CONFIG error that says the SQL or the command that mends it.
 *
 * Questions one after the other on the lease connection; each has a text and takes its answer.
 */
#define EF_LOG_ROOM "store"
#include "store/my_store.h"

#include "store/layout.h"

#include <stdlib.h>
#include <strings.h>

enum { CHECK_SQL_MAX = 65536, KNOWN_SCHEMA_MAJOR = 1 };

struct question {
    void (*put)(const struct ef_my_store *s, struct ef_buf *b);
    bool (*take)(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err);
};

static void ask(struct ef_my_store *s);

void ef_my_layout_free(struct ef_my_layout *layout)
{
    free(layout->archive_columns);
    layout->archive_columns = NULL;
}

/* table_schema = '...' AND table_name = '...' */
static void put_this(const char *database, const char *table, struct ef_buf *b)
{
    ef_buf_puts(b, " WHERE table_schema = ");
    ef_my_sql_literal(b, database);
    ef_buf_puts(b, " AND table_name = ");
    ef_my_sql_literal(b, table);
}

static void put_our_table(const struct ef_my_store *s, struct ef_buf *b)
{
    put_this(s->layout.database_name, s->layout.table_name, b);
}

/* --- the table --- */

static void put_table(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_puts(b, "SELECT table_type, engine FROM information_schema.tables");
    put_our_table(s, b);
}

static bool table_ok(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err)
{
    const struct ef_my_layout *l = &s->layout;
    if (a->rows == 0)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "table %s does not exist (or this user has no right on it); create it "
                            "with `eventferryctl migrate`, or correct `table`",
                            l->table);
    if (strcmp(ef_my_text(a, 0, 0), "BASE TABLE") != 0)
        return ef_error_set(err, EF_CLASS_CONFIG, "%s is not a table but a %s; name a table",
                            l->table, ef_my_text(a, 0, 0));
    if (strcasecmp(ef_my_text(a, 0, 1), "InnoDB") != 0)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "table %s is kept by the engine %s, which has no transactions; run "
                            "ALTER TABLE %s ENGINE = InnoDB",
                            l->table, ef_my_text(a, 0, 1), l->table);
    return true;
}

/* --- columns --- */

static void put_columns(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_puts(b, "SELECT column_name, data_type, is_nullable, column_type FROM "
                   "information_schema.columns");
    put_our_table(s, b);
}

static int row_of(const struct ef_my_answer *a, const char *column)
{
    for (int i = 0; i < a->rows; i++) /* names of columns do not depend on case */
        if (strcasecmp(ef_my_text(a, i, 0), column) == 0)
            return i;
    return -1;
}

/* The type to add a missing column with; NULL: it may be missing. */
static const char *column_ddl(enum ef_column col)
{
    switch (col) {
    case EF_COL_ID:
        return "BIGINT NOT NULL AUTO_INCREMENT UNIQUE";
    case EF_COL_PAYLOAD:
        return "JSON";
    case EF_COL_STATUS:
        return "TINYINT NOT NULL DEFAULT 0";
    case EF_COL_ATTEMPTS:
        return "INT NOT NULL DEFAULT 0";
    case EF_COL_NEXT_RETRY_AT:
        return "DATETIME(3)";
    case EF_COL_CREATED_AT:
        return "DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)";
    default:
        return NULL;
    }
}

static bool has_column(const void *answer, const char *column)
{
    return row_of(answer, column) >= 0;
}

static bool column_ok(struct ef_my_store *s, const struct ef_my_answer *a, enum ef_column col,
                      struct ef_error *err)
{
    struct ef_my_layout *l = &s->layout;
    const char *name = ef_layout_name(s->outbox, col), *ddl = column_ddl(col);
    int row = name ? row_of(a, name) : -1;
    l->has[col] = row >= 0;
    if (name)
        ef_my_quote_ident(l->column[col], name);
    if (row >= 0) {
        snprintf(l->type[col], sizeof(l->type[col]), "%s", ef_my_text(a, row, 1));
        if (col == EF_COL_CREATED_AT)
            l->created_nullable = ef_my_text(a, row, 2)[0] == 'Y';
        return true;
    }
    struct ef_lacking lacking = {.column = col,
                                 .name = name,
                                 .quoted = l->column[col],
                                 .table = l->table,
                                 .required = ddl != NULL,
                                 .ddl = ddl ? ddl : "VARCHAR(255)"};
    return ef_layout_lacks(s->outbox, &lacking, err);
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

static bool types_ok(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err)
{
    static const char *const payloads[] = {
        "json",     "longtext", "mediumtext", "text",     "tinytext", "varchar",   "char",
        "longblob", "blob",     "mediumblob", "tinyblob", "binary",   "varbinary", NULL};
    static const char *const ids[] = {"bigint", "int", "mediumint", "smallint", "tinyint", NULL};
    static const char *const times[] = {"datetime", "timestamp", NULL};
    static const enum ef_column timed[] = {EF_COL_CREATED_AT, EF_COL_NEXT_RETRY_AT,
                                           EF_COL_CLAIMED_AT, EF_COL_PROCESSED_AT};
    const struct ef_my_layout *l = &s->layout;
    if (!is_one_of(l->type[EF_COL_PAYLOAD], payloads))
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "payload column %s has type %s; accepted: JSON, TEXT, VARCHAR, BLOB, VARBINARY",
            l->column[EF_COL_PAYLOAD], l->type[EF_COL_PAYLOAD]);
    if (!is_one_of(l->type[EF_COL_ID], ids))
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "column %s of %s has type %s, which has no order to relay by; add a sequence column "
            "(ALTER TABLE %s ADD COLUMN seq BIGINT NOT NULL AUTO_INCREMENT UNIQUE) and set "
            "order_column: seq",
            l->column[EF_COL_ID], l->table, l->type[EF_COL_ID], l->table);
    for (size_t i = 0; i < sizeof(timed) / sizeof(timed[0]); i++)
        if (l->has[timed[i]] && !is_one_of(l->type[timed[i]], times))
            return ef_error_set(err, EF_CLASS_CONFIG,
                                "column %s of %s has type %s; accepted: DATETIME, TIMESTAMP",
                                l->column[timed[i]], l->table, l->type[timed[i]]);
    (void)a;
    return true;
}

static bool columns_ok(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err)
{
    const struct ef_my_layout *l = &s->layout;
    for (int col = 0; col < EF_COL_COUNT; col++)
        if (!column_ok(s, a, (enum ef_column)col, err))
            return false;
    if (!ef_layout_topic_ok(s->outbox, l->has[EF_COL_AGGREGATE_TYPE],
                            l->column[EF_COL_AGGREGATE_TYPE], l->table, err) ||
        !ef_layout_headers_ok(s->outbox, l->table, has_column, a, err) || !types_ok(s, a, err))
        return false;
    s->layout.payload_is_json = strcmp(l->type[EF_COL_PAYLOAD], "json") == 0;
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

/* MariaDB's JSON is LONGTEXT with a check. Its information_schema shows checks to few. */
static void put_json_check(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_printf(b, "SHOW CREATE TABLE %s", s->layout.table);
}

static bool take_json_check(struct ef_my_store *s, const struct ef_my_answer *a,
                            struct ef_error *err)
{
    char check[EF_MY_IDENT_MAX + 16];
    (void)err;
    snprintf(check, sizeof(check), "json_valid(%s)", s->layout.column[EF_COL_PAYLOAD]);
    if (strcasestr(ef_my_text(a, 0, 1), check))
        s->layout.payload_is_json = true;
    return true;
}

/* --- indexes --- */

static void put_indexes(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_puts(b, "SELECT index_name, non_unique, MAX(CASE WHEN seq_in_index = 1 THEN column_name "
                   "END), MAX(CASE WHEN seq_in_index = 2 THEN column_name END), COUNT(*) FROM "
                   "information_schema.statistics");
    put_our_table(s, b);
    ef_buf_puts(b, " GROUP BY index_name, non_unique ORDER BY index_name = 'PRIMARY' DESC, "
                   "index_name");
}

static bool take_indexes(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err)
{
    struct ef_my_layout *l = &s->layout;
    const char *id = ef_layout_name(s->outbox, EF_COL_ID),
               *status = ef_layout_name(s->outbox, EF_COL_STATUS);
    l->id_index[0] = l->status_index[0] = '\0';
    /* both are required, and looked at before */
    for (int i = 0; id && status && i < a->rows; i++) {
        const char *name = ef_my_text(a, i, 0), *first = ef_my_text(a, i, 2);
        if (!l->id_index[0] && strcasecmp(first, id) == 0 && ef_my_int(a, i, 1, 1) == 0 &&
            ef_my_int(a, i, 4, 0) == 1)
            ef_my_quote_ident(l->id_index, name);
        /* the primary key stands behind the columns of every other index */
        bool then_id = ef_my_int(a, i, 4, 0) == 1 || strcasecmp(ef_my_text(a, i, 3), id) == 0;
        if (!l->status_index[0] && strcasecmp(first, status) == 0 && then_id)
            ef_my_quote_ident(l->status_index, name);
    }
    if (!l->id_index[0])
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "column %s of %s has no unique index of its own: every read would "
                            "scan the table; run ALTER TABLE %s ADD UNIQUE (%s)",
                            l->column[EF_COL_ID], l->table, l->table, l->column[EF_COL_ID]);
    if (!l->status_index[0])
        ef_store_info_warn(&s->info,
                           "%s has no index on (%s, %s): looking for waiting rows scans the table; "
                           "`eventferryctl migrate` creates it",
                           l->table, l->column[EF_COL_STATUS], l->column[EF_COL_ID]);
    return true;
}

/* --- our own objects --- */

static bool need_migrate(struct ef_error *err, const char *what)
{
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "%s; run `eventferryctl migrate` as a user who may create tables", what);
}

static void put_objects(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_puts(b, "SELECT table_name FROM information_schema.tables WHERE table_schema = ");
    ef_my_sql_literal(b, s->layout.database_name);
    ef_buf_puts(b,
                " AND table_name IN ('eventferry_outbox', 'eventferry_lease', 'eventferry_fence',"
                " 'eventferry_relay', 'eventferry_command', 'eventferry_schema_version')");
}

static bool take_objects(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err)
{
    enum { OBJECTS = 6 };
    char what[EF_MY_IDENT_MAX + 128];
    if (a->rows == OBJECTS)
        return true;
    snprintf(what, sizeof(what),
             a->rows == 0 ? "database %s has no eventferry_outbox, or this user no right on it"
                          : "database %s lacks some of eventferry's tables, or this user rights on "
                            "them",
             s->layout.database);
    return need_migrate(err, what);
}

static void put_registry(const struct ef_my_store *s, struct ef_buf *b)
{
    const char *database = s->layout.database;
    ef_buf_printf(b,
                  "SELECT (SELECT MAX(version) FROM %s.eventferry_schema_version), o.outbox_id,"
                  " EXISTS (SELECT 1 FROM %s.eventferry_lease l WHERE l.outbox_id = o.outbox_id),"
                  " o.archive_name, EXISTS (SELECT 1 FROM information_schema.tables WHERE"
                  " table_name = 'eventferry_hold' AND table_schema = ",
                  database, database);
    ef_my_sql_literal(b, s->layout.database_name);
    ef_buf_puts(b, "), EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name ="
                   " 'eventferry_relay' AND column_name = 'outbox_id' AND table_schema = ");
    ef_my_sql_literal(b, s->layout.database_name);
    ef_buf_printf(b, ") FROM %s.eventferry_outbox o", database);
    put_this(s->layout.database_name, s->layout.table_name, b);
}

static bool take_registry(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err)
{
    struct ef_my_layout *l = &s->layout;
    char what[EF_MY_TABLE_MAX + 64], quoted[EF_MY_IDENT_MAX];
    if (a->rows == 0) {
        snprintf(what, sizeof(what), "table %s is not registered for relaying", l->table);
        return need_migrate(err, what);
    }
    int version = (int)ef_my_int(a, 0, 0, 0);
    if (version > KNOWN_SCHEMA_MAJOR)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "schema version %d of the eventferry objects is newer than this program knows (%d); "
            "install the newer eventferryd",
            version, KNOWN_SCHEMA_MAJOR);
    if (!ef_my_int(a, 0, 2, 0))
        return need_migrate(err, "the table's lease row is missing");
    l->outbox_id = (int)ef_my_int(a, 0, 1, 0);
    l->has_hold = ef_my_int(a, 0, 4, 0) != 0;
    l->has_standbys = ef_my_int(a, 0, 5, 0) != 0;
    snprintf(l->archive_name, sizeof(l->archive_name), "%s", ef_my_text(a, 0, 3));
    ef_my_quote_ident(quoted, l->archive_name);
    snprintf(l->archive, sizeof(l->archive), "%s.%s", l->database, quoted);
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE && !l->archive_name[0])
        return need_migrate(err, "the table has no archive yet (or set on_delivered: mark or "
                                 "delete)");
    return true;
}

static void put_archive(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_puts(b, "SELECT c.column_name FROM information_schema.columns c JOIN "
                   "information_schema.columns t ON t.column_name = c.column_name"
                   " AND t.table_schema = c.table_schema AND t.table_name = ");
    ef_my_sql_literal(b, s->layout.table_name);
    ef_buf_puts(b, " WHERE c.column_name <> 'archived_at' AND c.extra NOT LIKE '%GENERATED%'"
                   " AND c.table_schema = ");
    ef_my_sql_literal(b, s->layout.database_name);
    ef_buf_puts(b, " AND c.table_name = ");
    ef_my_sql_literal(b, s->layout.archive_name);
    ef_buf_puts(b, " ORDER BY c.ordinal_position");
}

static bool take_archive(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err)
{
    struct ef_my_layout *l = &s->layout;
    if (s->outbox->on_delivered != EF_ON_DELIVERED_ARCHIVE)
        return true;
    if (a->rows == 0)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "archive table %s does not exist, or this user has no right on it; run "
                            "`eventferryctl migrate`, or set on_delivered: mark or delete",
                            l->archive);
    struct ef_buf names;
    ef_buf_init(&names, CHECK_SQL_MAX);
    for (int i = 0; i < a->rows; i++) {
        char quoted[EF_MY_IDENT_MAX];
        ef_my_quote_ident(quoted, ef_my_text(a, i, 0));
        ef_buf_printf(&names, "%s%s", i ? ", " : "", quoted);
    }
    free(l->archive_columns);
    l->archive_columns = names.data;
    return ef_layout_archive_ok(names.data, l->table, err);
}

/* --- privileges --- */

/* EXPLAIN asks for the same rights as the statement, and changes nothing. */
static void put_rights(const struct ef_my_store *s, struct ef_buf *b)
{
    const struct ef_my_layout *l = &s->layout;
    static const enum ef_column written[] = {EF_COL_STATUS,        EF_COL_ATTEMPTS,
                                             EF_COL_NEXT_RETRY_AT, EF_COL_CLAIMED_AT,
                                             EF_COL_PROCESSED_AT,  EF_COL_LAST_ERROR};
    ef_buf_printf(b, "EXPLAIN SELECT * FROM %s LIMIT 1;EXPLAIN UPDATE %s SET ", l->table, l->table);
    for (size_t i = 0, n = 0; i < sizeof(written) / sizeof(written[0]); i++)
        if (l->has[written[i]])
            ef_buf_printf(b, "%s%s = NULL", n++ ? ", " : "", l->column[written[i]]);
    ef_buf_printf(b, " WHERE %s = 0;", l->column[EF_COL_ID]);
    if (s->outbox->on_delivered != EF_ON_DELIVERED_MARK || s->outbox->retention_given)
        ef_buf_printf(b, "EXPLAIN DELETE FROM %s WHERE %s = 0;", l->table, l->column[EF_COL_ID]);
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE)
        ef_buf_printf(b, "EXPLAIN INSERT INTO %s (%s, archived_at) SELECT %s, NOW(6) FROM %s;",
                      l->archive, l->archive_columns, l->archive_columns, l->table);
    ef_buf_printf(b,
                  "EXPLAIN UPDATE %s.eventferry_lease SET epoch = 0 WHERE outbox_id = 0;"
                  "EXPLAIN UPDATE %s.eventferry_fence SET epoch = 0 WHERE outbox_id = 0;"
                  "EXPLAIN UPDATE %s.eventferry_outbox SET paused_at = NULL, paused_by = NULL,"
                  " pause_reason = NULL WHERE outbox_id = 0;"
                  "EXPLAIN UPDATE %s.eventferry_command SET done_at = NULL WHERE id = 0;"
                  "EXPLAIN INSERT INTO %s.eventferry_relay (incarnation) VALUES ('');"
                  "EXPLAIN UPDATE %s.eventferry_relay SET seen_at = NULL WHERE incarnation = '';"
                  "EXPLAIN DELETE FROM %s.eventferry_relay WHERE incarnation = '';"
                  "SELECT 1",
                  l->database, l->database, l->database, l->database, l->database, l->database,
                  l->database);
}

static bool take_rights(struct ef_my_store *s, const struct ef_my_answer *a, struct ef_error *err)
{
    (void)s;
    (void)a;
    (void)err;
    return true;
}

static void put_procedure(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_puts(b, "SELECT 1 FROM information_schema.routines WHERE routine_name = "
                   "'eventferry_archive_maintain' AND routine_schema = ");
    ef_my_sql_literal(b, s->layout.database_name);
}

static bool take_procedure(struct ef_my_store *s, const struct ef_my_answer *a,
                           struct ef_error *err)
{
    char what[EF_MY_IDENT_MAX + 128];
    if (a->rows > 0 || s->outbox->on_delivered != EF_ON_DELIVERED_ARCHIVE)
        return true;
    snprintf(
        what, sizeof(what),
        "procedure %s.eventferry_archive_maintain is not there, or this user has no EXECUTE on "
        "it",
        s->layout.database);
    return need_migrate(err, what);
}

/* --- one after the other --- */

static const struct question questions[] = {
    {put_table, table_ok},       {put_columns, columns_ok},       {put_json_check, take_json_check},
    {put_indexes, take_indexes}, {put_objects, take_objects},     {put_registry, take_registry},
    {put_archive, take_archive}, {put_procedure, take_procedure}, {put_rights, take_rights},
};
enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

static void fail(struct ef_my_store *s, const struct ef_error *err)
{
    s->layout_known = false;
    ef_store_did_check(&s->store, NULL, err);
}

static void finish(struct ef_my_store *s)
{
    snprintf(s->zone, sizeof(s->zone), "%s", s->lease.session.zone);
    ef_my_sql_build(s);
    s->layout_known = true;
    snprintf(s->info.server, sizeof(s->info.server), "%s", s->lease.session.server);
    snprintf(s->info.version, sizeof(s->info.version), "%s", s->lease.session.version);
    ef_store_did_check(&s->store, &s->info, NULL);
}

static void got_answer(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_error own;
    if (err) {
        own = *err;
        if (own.class == EF_CLASS_CONFIG)
            ef_error_prefix(&own, "cannot relay this table");
        if (own.code == 1142 || own.code == 1143)
            snprintf(own.text + strlen(own.text), sizeof(own.text) - strlen(own.text),
                     "; GRANT it, or run `eventferryctl migrate --grant-to USER`");
        fail(s, &own);
    } else if (!questions[s->check_step].take(s, a, &own)) {
        fail(s, &own);
    } else if (++s->check_step == QUESTIONS) {
        finish(s);
    } else {
        ask(s);
    }
}

static void ask(struct ef_my_store *s)
{
    struct ef_buf sql;
    ef_buf_init(&sql, CHECK_SQL_MAX);
    questions[s->check_step].put(s, &sql);
    ef_my_conn_submit(&s->lease, ef_my_request_new(&sql, got_answer, s));
}

static void begin(void *arg)
{
    struct ef_my_store *s = arg;
    struct ef_my_layout *l = &s->layout;
    struct ef_my_table table;
    struct ef_error err;
    char quoted[EF_MY_IDENT_MAX];
    ef_my_layout_free(l);
    *l = (struct ef_my_layout){0};
    s->info = (struct ef_store_info){0};
    s->check_step = 0;
    if (!ef_my_table_parse(s->outbox->table, &table, &err)) {
        fail(s, &err);
        return;
    }
    snprintf(l->database_name, sizeof(l->database_name), "%s", table.database);
    snprintf(l->table_name, sizeof(l->table_name), "%s", table.table);
    ef_my_quote_ident(l->database, table.database);
    ef_my_quote_ident(quoted, table.table);
    snprintf(l->table, sizeof(l->table), "%s.%s", l->database, quoted);
    ask(s);
}

void ef_my_check_init(struct ef_my_store *s)
{
    ef_deferred_init(&s->check_later, s->loop, "store", begin, s);
}

void ef_my_check(struct ef_store *store)
{
    ef_defer(&ef_my_store_of(store)->check_later);
}
