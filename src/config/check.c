// SPDX-License-Identifier: MIT
#include "config/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "config/scalar.h"
#include "config/secret.h"
#include "config/suggest.h"
#include "config/syntax.h"
#include "config/url.h"
#include "config/value.h"

#define ARCHIVE_RETENTION_MS (INT64_C(24) * 60 * 60 * 1000)

/* One database or outbox being looked at. */
struct place {
    struct ef_fill *fill;
    const struct ef_node *node; /* its mapping */
    const char *shown;          /* "outboxes[0]", "databases.shop", "" */
};

/* A problem at the option `path` below the place; where that is not written, at what is nearest to
 * it. Takes the text. */
static void add(const struct place *place, const char *path, bool warning, char *text)
{
    const struct ef_node *node = ef_node_find(place->node, path);
    const char *dot = strchr(path, '.');
    if (!node && dot) {
        char *outer = ef_xstrndup(path, (size_t)(dot - path));
        node = ef_node_find(place->node, outer);
        free(outer);
    }
    if (!node)
        node = place->node;
    ef_problems_add(place->fill->problems, node->line, node->column, warning, "%s%s%s: %s",
                    place->shown, place->shown[0] ? "." : "", path, text);
    free(text);
}

/* As the file has it: what a substitution made of it may be a secret. Caller frees. */
static char *quoted(const struct place *place, const char *path)
{
    const struct ef_node *node = ef_node_find(place->node, path);
    struct ef_buf text;
    ef_buf_init(&text, 256);
    ef_problems_quote(&text, node && node->text ? node->text : "");
    return text.data;
}

#define problem(place, path, ...) add((place), (path), false, ef_xprintf(__VA_ARGS__))
#define warning(place, path, ...) add((place), (path), true, ef_xprintf(__VA_ARGS__))

/* False where a problem was found already: the config then has a default that nobody wrote. */
static bool sound(const struct place *place, const char *path)
{
    const struct ef_config_problems *problems = place->fill->problems;
    const struct ef_node *node = ef_node_find(place->node, path);
    for (size_t i = 0; node && i < problems->count; i++)
        if (problems->items[i].line == node->line && problems->items[i].column == node->column)
            return false;
    return true;
}

static bool written(const struct place *place, const char *path)
{
    return ef_node_find(place->node, path) != NULL;
}

static void check_secret_file(const struct place *place, const char *path, const char *file)
{
    struct ef_error err;
    if (!file || place->fill->no_secrets || ef_secret_check(file, &err))
        return;
    place->fill->unread_count += err.class == EF_CLASS_OUTAGE;
    problem(place, path, "%s", err.text);
}

static const struct ef_config_driver_checks *driver_checks;

void ef_config_use_driver_checks(const struct ef_config_driver_checks *checks)
{
    driver_checks = checks;
}

static bool is_mysql_url(const char *url)
{
    return strncasecmp(url, "mysql://", 8) == 0 || strncasecmp(url, "mariadb://", 10) == 0;
}

static void check_mysql(const struct place *place, const struct ef_config_database *database)
{
    const char *url = database->url, *mode = database->tls.mode;
    struct ef_error err = {0};
    if (url && url[0] && !is_mysql_url(url))
        problem(place, "url",
                "is not for the mysql driver; it must begin with mysql:// or mariadb://");
    else if (url && driver_checks && sound(place, "url") &&
             !driver_checks->url(database->driver, url, &err))
        problem(place, "url", "%s", err.text);
    if (mode && (strcmp(mode, "allow") == 0 || strcmp(mode, "verify-ca") == 0))
        problem(place, "tls.mode",
                "the mysql driver has no %s; accepted: disable, prefer, require, verify-full",
                mode);
    if (database->pooler != EF_POOLER_NONE)
        problem(place, "pooler", "is for the postgres driver only");
    if (database->listen_url)
        problem(place, "listen_url", "is for the postgres driver only");
    if (written(place, "schema"))
        warning(place, "schema",
                "has no effect: the mysql driver keeps its tables in the outbox's own database");
}

static void check_database(const struct place *place, const struct ef_config_database *database)
{
    const char *url = database->url;
    if (database->driver == EF_DRIVER_MYSQL)
        check_mysql(place, database);
    else if (url && strncasecmp(url, "postgres", 8) != 0 && url[0])
        problem(place, "url", "is not for the postgres driver; it must begin with postgresql://");
    if (url && database->password_file && ef_url_has_password(url))
        problem(place, "password_file", "url holds a password too; keep one of them");
    if (!database->tls.cert != !database->tls.key)
        problem(place, database->tls.cert ? "tls.cert" : "tls.key",
                "needs %s beside it: a certificate and its key go together",
                database->tls.cert ? "tls.key" : "tls.cert");
    if (database->listen_url && database->pooler == EF_POOLER_NONE)
        warning(place, "listen_url",
                "has no effect: notifications come over url itself unless pooler is transaction");
    check_secret_file(place, "password_file", database->password_file);
    check_secret_file(place, "tls.key", database->tls.key);
}

/* "is 500, less than batch.max_rows (1000)": at the smaller one if it is written, else at the
 * larger. */
static void check_at_least(const struct place *place, const char *larger_path,
                           const char *smaller_path, const char *larger, const char *smaller)
{
    if (!sound(place, larger_path) || !sound(place, smaller_path))
        return;
    if (written(place, larger_path))
        problem(place, larger_path, "is %s, less than %s (%s%s)", larger, smaller_path, smaller,
                written(place, smaller_path) ? "" : ", the default");
    else
        problem(place, smaller_path, "is %s, more than %s (%s, the default)", smaller, larger_path,
                larger);
}

static void check_sizes(const struct place *place, const char *larger_path, int64_t larger,
                        const char *smaller_path, int64_t smaller)
{
    char a[EF_VALUE_TEXT_MAX], b[EF_VALUE_TEXT_MAX];
    if (larger >= smaller)
        return;
    ef_value_format_size(larger, a);
    ef_value_format_size(smaller, b);
    check_at_least(place, larger_path, smaller_path, a, b);
}

/* A batch that the file does not speak of follows a window made smaller. */
static void fit_batch(const struct place *place, struct ef_config_outbox *outbox)
{
    if (outbox->batch_max_rows > outbox->window_max_rows && !written(place, "batch.max_rows"))
        outbox->batch_max_rows = outbox->window_max_rows;
    if (outbox->batch_max_bytes > outbox->window_max_bytes && !written(place, "batch.max_bytes"))
        outbox->batch_max_bytes = outbox->window_max_bytes;
}

static void check_limits(const struct place *place, struct ef_config_outbox *outbox)
{
    char a[EF_VALUE_TEXT_MAX], b[EF_VALUE_TEXT_MAX];
    fit_batch(place, outbox);
    if (outbox->window_max_rows < outbox->batch_max_rows) {
        snprintf(a, sizeof(a), "%" PRId64, outbox->window_max_rows);
        snprintf(b, sizeof(b), "%" PRId64, outbox->batch_max_rows);
        check_at_least(place, "window.max_rows", "batch.max_rows", a, b);
    }
    check_sizes(place, "window.max_bytes", outbox->window_max_bytes, "batch.max_bytes",
                outbox->batch_max_bytes);
    check_sizes(place, "window.max_bytes", outbox->window_max_bytes, "max_payload",
                outbox->max_payload_bytes);
    if (outbox->retry.backoff.max_ms < outbox->retry.backoff.base_ms) {
        ef_value_format_duration(outbox->retry.backoff.max_ms, a);
        ef_value_format_duration(outbox->retry.backoff.base_ms, b);
        check_at_least(place, "retry.max_delay", "retry.base_delay", a, b);
    }
}

/* Kafka counts partitions from 0, in 32 bits. */
static bool is_partition(const char *text)
{
    struct ef_error err;
    int64_t number;
    return ef_value_parse_int(text, &number, &err) && number >= 0 && number <= INT32_MAX;
}

/* What a table made for Debezium's Outbox Event Router has (its documentation, "Basic outbox
 * table"), with the columns that `eventferryctl migrate` adds under their usual names. */
static void use_debezium_columns(struct ef_config_outbox *outbox)
{
    static const struct {
        enum ef_column column;
        const char *name; /* NULL: none */
    } defaults[] = {{EF_COL_ID, "seq"},
                    {EF_COL_MESSAGE_ID, "id"},
                    {EF_COL_AGGREGATE_TYPE, "aggregatetype"},
                    {EF_COL_AGGREGATE_ID, "aggregateid"},
                    {EF_COL_KEY, NULL},
                    {EF_COL_HEADERS, NULL},
                    {EF_COL_TRACE_ID, NULL},
                    {EF_COL_PARTITION, NULL},
                    {EF_COL_CLAIMED_AT, NULL},
                    {EF_COL_PROCESSED_AT, NULL}};
    struct ef_column_map *columns = outbox->columns;
    if (outbox->order_column) {
        free(columns[EF_COL_ID].column);
        columns[EF_COL_ID] =
            (struct ef_column_map){.column = ef_xstrdup(outbox->order_column), .named = true};
    }
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        struct ef_column_map *map = &columns[defaults[i].column];
        if (map->named)
            continue;
        free(map->column);
        map->column = defaults[i].name ? ef_xstrdup(defaults[i].name) : NULL;
        map->named = !defaults[i].name;
    }
    if (columns[EF_COL_TOPIC].named)
        return;
    free(columns[EF_COL_TOPIC].column);
    columns[EF_COL_TOPIC].column = NULL;
    columns[EF_COL_TOPIC].value = ef_xstrdup("outbox.event." EF_AGGREGATE_TYPE_WORD);
}

/* The layout's own defaults, where the file says nothing else. */
static void use_layout(const struct place *place, struct ef_config_outbox *outbox)
{
    if (outbox->layout != EF_LAYOUT_DEBEZIUM)
        return;
    use_debezium_columns(outbox);
    if (!written(place, "headers"))
        outbox->headers = EF_HEADER_ID;
    if (!written(place, "timestamp"))
        outbox->timestamp = EF_TIMESTAMP_SEND;
}

static void check_headers(const struct place *place, const struct ef_config_outbox *outbox)
{
    const struct ef_column_map *headers = &outbox->columns[EF_COL_HEADERS];
    if (outbox->header_columns.count > EF_HEADER_COLUMNS_MAX)
        problem(place, "header_columns", "has %zu entries; at most %d are accepted",
                outbox->header_columns.count, EF_HEADER_COLUMNS_MAX);
    if (outbox->header_columns.count && (headers->column || headers->value))
        problem(place, "header_columns",
                "cannot be had together with a column of headers; set columns: {headers: ~}");
}

static void check_layout(const struct place *place, struct ef_config_outbox *outbox)
{
    const struct ef_column_map *columns = outbox->columns;
    if (outbox->layout == EF_LAYOUT_EVENTFERRY) {
        static const char *const others_only[] = {"columns", "order_column", "header_columns"};
        for (size_t i = 0; i < sizeof(others_only) / sizeof(others_only[0]); i++)
            if (written(place, others_only[i]))
                problem(place, others_only[i], "is only for layout: custom or debezium");
        return;
    }
    use_layout(place, outbox);
    check_headers(place, outbox);
    static const char message[] = "without it there is no message";
    static const char books[] = "the relay keeps its books by it";
    static const struct {
        enum ef_column column;
        const char *why;
    } needed[] = {{EF_COL_ID, message},      {EF_COL_PAYLOAD, message},
                  {EF_COL_TOPIC, message},   {EF_COL_STATUS, books},
                  {EF_COL_ATTEMPTS, books},  {EF_COL_NEXT_RETRY_AT, books},
                  {EF_COL_CREATED_AT, books}};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        const struct ef_column_map *map = &columns[needed[i].column];
        if (map->column || map->value)
            continue;
        char *path = ef_xprintf("columns.%s", ef_column_names[needed[i].column]);
        problem(place, path, "cannot be absent: %s", needed[i].why);
        free(path);
    }
    const char *partition = columns[EF_COL_PARTITION].value;
    if (partition && !is_partition(partition))
        problem(place, "columns.kafka_partition", "the constant is not a partition's number");
    const char *topic = columns[EF_COL_TOPIC].value;
    const struct ef_column_map *type = &columns[EF_COL_AGGREGATE_TYPE];
    if (topic && strstr(topic, EF_AGGREGATE_TYPE_WORD) && !type->column && !type->value)
        problem(place, "columns.topic", "needs an aggregate_type for " EF_AGGREGATE_TYPE_WORD);
}

static void check_delivered(const struct place *place, struct ef_config_outbox *outbox)
{
    const struct ef_node *retention = ef_node_get(place->node, "retention");
    outbox->retention_given = retention && !ef_node_is_null(retention);
    if (!outbox->retention_given && outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE)
        outbox->retention_ms = ARCHIVE_RETENTION_MS;
    if (outbox->retention_given && outbox->on_delivered == EF_ON_DELIVERED_DELETE)
        warning(place, "retention", "has no effect with on_delivered: delete");
    if (outbox->archive_max_bytes && outbox->on_delivered != EF_ON_DELIVERED_ARCHIVE)
        warning(place, "archive_max_bytes", "has no effect without on_delivered: archive");
}

static void check_database_name(const struct place *place, const struct ef_config_outbox *outbox)
{
    const struct ef_config *config = place->fill->config;
    if (!outbox->database || ef_config_database(config, outbox->database))
        return;
    const char **names = ef_xcalloc(config->database_count, sizeof(names[0]));
    struct ef_buf text;
    ef_buf_init(&text, 512);
    for (size_t i = 0; i < config->database_count; i++)
        names[i] = config->databases[i].name;
    char *name = quoted(place, "database");
    ef_buf_printf(&text, "%s is not among databases", name);
    free(name);
    const char *near = ef_suggest_near(outbox->database, names, config->database_count);
    if (near)
        ef_buf_printf(&text, "; did you mean %s?", near);
    else
        for (size_t i = 0; i < config->database_count && i < 5; i++)
            ef_buf_printf(&text, "%s%s", i ? ", " : "; they are ", names[i]);
    problem(place, "database", "%s", text.data);
    free(names);
    ef_buf_done(&text);
}

/* Equal but for quotes that need not be there: "public"."outbox" and public.outbox. */
static bool same_table(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += *a == '"';
        b += *b == '"';
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

static void check_twins(const struct place *place, size_t i)
{
    const struct ef_config_outbox *all = place->fill->config->outboxes, *mine = &all[i];
    for (size_t j = 0; j < i; j++) {
        if (mine->name && all[j].name && strcmp(mine->name, all[j].name) == 0)
            problem(place, "name", "is the same as that of outboxes[%zu]", j);
        if (mine->database && all[j].database && mine->table && all[j].table &&
            strcmp(mine->database, all[j].database) == 0 && same_table(mine->table, all[j].table))
            problem(place, "table", "outboxes[%zu] relays this table already", j);
    }
}

static void check_wake(const struct place *place, const struct ef_config_outbox *outbox)
{
    const struct ef_config_database *database =
        outbox->database ? ef_config_database(place->fill->config, outbox->database) : NULL;
    if (outbox->wake == EF_WAKE_POLL && outbox->channel)
        warning(place, "channel", "has no effect with wake: poll");
    if (outbox->wake == EF_WAKE_NOTIFY && database && database->driver == EF_DRIVER_MYSQL)
        problem(place, "wake", "notify: MySQL and MariaDB have nothing to notify with; use poll");
    if (outbox->wake == EF_WAKE_NOTIFY && database && database->pooler == EF_POOLER_TRANSACTION &&
        !database->listen_url)
        warning(place, "wake",
                "notifications do not pass a transaction pooler: set databases.%s.listen_url, or "
                "this outbox will poll",
                database->name);
}

static void check_table(const struct place *place, const struct ef_config_outbox *outbox)
{
    const struct ef_config_database *database =
        outbox->database ? ef_config_database(place->fill->config, outbox->database) : NULL;
    struct ef_error err = {0};
    if (driver_checks && database && outbox->table && sound(place, "table") &&
        !driver_checks->table(database->driver, outbox->table, &err))
        problem(place, "table", "%s", err.text);
}

static void check_outbox(const struct place *place, size_t i)
{
    struct ef_config_outbox *outbox = &place->fill->config->outboxes[i];
    check_table(place, outbox);
    check_limits(place, outbox);
    check_layout(place, outbox);
    check_delivered(place, outbox);
    check_database_name(place, outbox);
    check_twins(place, i);
    check_wake(place, outbox);
}

static struct ef_config_kafka_checks kafka_checks;

void ef_config_use_kafka_checks(const struct ef_config_kafka_checks *checks)
{
    kafka_checks = *checks;
}

static bool property_ok(const struct ef_config_kafka *kafka, const struct ef_property *property,
                        struct ef_error *err)
{
    const char *name = property->name;
    bool security = strncmp(name, "sasl.", 5) == 0 || strncmp(name, "ssl.", 4) == 0 ||
                    strcmp(name, "security.protocol") == 0;
    if (kafka->embedded && security)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "property \"%s\" cannot be set: the embedded broker has neither "
                            "encryption nor authentication",
                            name);
    return !kafka_checks.property ||
           kafka_checks.property(name, property->value, &kafka->allow_unsafe, err);
}

static void check_properties(struct ef_fill *fill)
{
    const struct ef_config_kafka *kafka = &fill->config->kafka;
    for (size_t i = 0; i < kafka->properties.count; i++) {
        const struct ef_property *property = &kafka->properties.items[i];
        struct ef_error err = {0};
        if ((property->secret && fill->no_secrets) || property_ok(kafka, property, &err))
            continue;
        if (property->secret && property->value[0] && strstr(err.text, property->value))
            ef_error_set(&err, EF_CLASS_CONFIG, "property \"%s\" has a value that is not accepted",
                         property->name);
        ef_problems_add(fill->problems, property->line, property->column, false,
                        "kafka.properties: %s", err.text);
    }
}

static void check_allow_unsafe(struct ef_fill *fill, const struct ef_node *node)
{
    const struct ef_strings *names = &fill->config->kafka.allow_unsafe;
    node = node ? node->children : NULL;
    for (size_t i = 0; node && i < names->count; i++, node = node->next) {
        struct ef_error err = {0};
        if (kafka_checks.allow_unsafe && !kafka_checks.allow_unsafe(names->items[i], &err))
            ef_problems_add(fill->problems, node->line, node->column, false,
                            "kafka.allow_unsafe[%zu]: %s", i, err.text);
    }
}

static void check_kafka(const struct place *place)
{
    const struct ef_config_kafka *kafka = &place->fill->config->kafka;
    check_properties(place->fill);
    check_allow_unsafe(place->fill, ef_node_find(place->node, "kafka.allow_unsafe"));
    if (written(place, "kafka.embedded") && !kafka->embedded)
        warning(place, "kafka.embedded", "has no effect unless brokers is embedded");
}

static void check_http(const struct place *place)
{
    const struct ef_config *config = place->fill->config;
    const char *listen = config->http.listen;
    bool guarded = config->http.token_file || config->http.basic_file;
    check_secret_file(place, "http.token_file", config->http.token_file);
    check_secret_file(place, "http.basic_file", config->http.basic_file);
    if (!listen && guarded)
        warning(place, config->http.token_file ? "http.token_file" : "http.basic_file",
                "has no effect without http.listen");
    if (listen && sound(place, "http.listen") && !ef_syntax_is_loopback(listen) && !guarded)
        warning(place, "http.listen",
                "others reach this address: /, /status and /events stay closed until "
                "http.token_file or http.basic_file is set");
}

/* A database that nobody relays from is most likely a name that was changed in one place only. */
static void check_used(const struct place *place, const struct ef_config_database *database)
{
    const struct ef_config *config = place->fill->config;
    bool used = config->outbox_count == 0;
    for (size_t i = 0; !used && i < config->outbox_count; i++) {
        const char *name = config->outboxes[i].database;
        used = !name || strcmp(name, database->name) == 0;
    }
    if (!used)
        ef_problems_add(place->fill->problems, place->node->key_line, place->node->key_column, true,
                        "%s: no outbox uses this database", place->shown);
}

void ef_check(struct ef_fill *fill, const struct ef_node *root)
{
    struct ef_config *config = fill->config;
    struct place whole = {.fill = fill, .node = root, .shown = ""};
    const struct ef_node *kafka = ef_node_get(root, "kafka");
    const struct ef_node *node = ef_node_get(root, "databases");
    config->kafka.line = kafka ? kafka->key_line : 0;
    check_kafka(&whole);
    check_http(&whole);
    node = node ? node->children : NULL;
    for (size_t i = 0; node && i < config->database_count; i++, node = node->next) {
        char *shown = ef_xprintf("databases.%s", config->databases[i].name);
        struct place place = {.fill = fill, .node = node, .shown = shown};
        check_database(&place, &config->databases[i]);
        check_used(&place, &config->databases[i]);
        free(shown);
    }
    node = ef_node_get(root, "outboxes");
    node = node ? node->children : NULL;
    for (size_t i = 0; node && i < config->outbox_count; i++, node = node->next) {
        char *shown = ef_xprintf("outboxes[%zu]", i);
        check_outbox(&(struct place){.fill = fill, .node = node, .shown = shown}, i);
        free(shown);
    }
}
