// SPDX-License-Identifier: MIT
/*
 * The configuration as values. options.c holds the ONE table that describes every option (path,
 * type, unit, range, default, reloadable, secret, help); load.c parses the YAML by it into these
 * structs.
 *
 * Owns: all strings and arrays below. Thread: the loop's. Life: ef_config_load .. ef_config_free; a
 * loaded config is never changed, a reload loads another one.
 * Strings are NULL when absent and no default exists. Durations are int64 in the unit of their
 * name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

struct ef_property { /* a librdkafka property as written */
    char *name;
    char *value;
    bool secret; /* its value came from ${file:}, ${credential:}, or its name is a password's */
    int line, column; /* for errors that show only when librdkafka is asked */
};

struct ef_properties {
    struct ef_property *items;
    size_t count;
};

struct ef_config_kafka {
    bool embedded;   /* brokers: embedded */
    char *brokers;   /* "a:9092,b:9092"; NULL when embedded */
    char *client_id; /* default eventferryd-<instance> */
    struct ef_properties properties;
    struct ef_strings allow_unsafe;
    int64_t embedded_partitions; /* 16 */
    int line;                    /* of `kafka:` */
};

enum ef_driver { EF_DRIVER_POSTGRES, EF_DRIVER_MYSQL };
enum ef_pooler { EF_POOLER_NONE, EF_POOLER_TRANSACTION };

struct ef_config_database {
    char *name;
    enum ef_driver driver;
    char *url;           /* may hold a password: secret */
    char *password_file; /* re-read at each reconnect */
    char *listen_url;    /* direct connection for LISTEN when url is a pooler's */
    enum ef_pooler pooler;
    char *schema; /* of our own objects: "eventferry" */
    int64_t statement_timeout_ms, connect_timeout_ms;
    struct {
        char *mode, *ca, *cert, *key; /* libpq's sslmode, sslrootcert, sslcert, sslkey */
    } tls;
    int line;
};

enum ef_wake { EF_WAKE_POLL, EF_WAKE_NOTIFY };
enum ef_on_delivered { EF_ON_DELIVERED_ARCHIVE, EF_ON_DELIVERED_DELETE, EF_ON_DELIVERED_MARK };
enum ef_layout { EF_LAYOUT_EVENTFERRY, EF_LAYOUT_CUSTOM, EF_LAYOUT_DEBEZIUM };
enum ef_timestamp { EF_TIMESTAMP_CREATED_AT, EF_TIMESTAMP_SEND };
enum ef_order_by { EF_ORDER_AGGREGATE_ID, EF_ORDER_AGGREGATE_TYPE_AND_ID };

/* What our row needs; each comes from a column or is a constant, or is absent (both NULL). */
enum ef_column {
    EF_COL_ID,
    EF_COL_MESSAGE_ID,
    EF_COL_AGGREGATE_TYPE,
    EF_COL_AGGREGATE_ID,
    EF_COL_TOPIC,
    EF_COL_KEY,
    EF_COL_PAYLOAD,
    EF_COL_HEADERS,
    EF_COL_TRACE_ID,
    EF_COL_PARTITION, /* kafka_partition */
    EF_COL_STATUS,
    EF_COL_ATTEMPTS,
    EF_COL_NEXT_RETRY_AT,
    EF_COL_CLAIMED_AT,
    EF_COL_CREATED_AT,
    EF_COL_PROCESSED_AT,
    EF_COL_LAST_ERROR,
    EF_COL_COUNT,
};
/* "id", "message_id", ..., "kafka_partition", ...: the key under `columns:` and the default name.
 */
extern const char *const ef_column_names[EF_COL_COUNT];

struct ef_column_map {
    char *column; /* NULL: no column */
    char *value;  /* constant; NULL: none. Of the topic: may hold EF_AGGREGATE_TYPE_WORD */
    bool named; /* written in the file (a missing column is then an error, not an absent option) */
};

/* Of outboxes.*.header_columns. */
enum { EF_HEADER_COLUMNS_MAX = 32 };

/* Stands for the row's aggregate type in a topic's constant. */
#define EF_AGGREGATE_TYPE_WORD "${aggregate_type}"

struct ef_retry {
    int max_attempts;          /* 5 */
    struct ef_backoff backoff; /* exponential, 200 ms .. 30 s, jitter */
    int quota_multiplier;      /* 5 */
    int64_t backpressure_ms;   /* 1000 */
};

enum ef_header_bit { /* outboxes.*.headers: which standard headers are sent */
                     EF_HEADER_CONTENT_TYPE = 1,
                     EF_HEADER_MESSAGE_ID = 2,
                     EF_HEADER_AGGREGATE_TYPE = 4,
                     EF_HEADER_AGGREGATE_ID = 8,
                     EF_HEADER_TRACE_ID = 16,
                     EF_HEADER_ALL = 31, /* eventferry's */
                     EF_HEADER_ID = 32,  /* the message id as the Outbox Event Router sends it */
};

struct ef_topic_override {
    char *pattern;           /* topic name or glob with '*' */
    char *dead_letter_topic; /* NULL: as the outbox's; "": park */
    int max_attempts;        /* 0: as the outbox's, as are these: */
    int64_t base_ms, max_ms;
};

struct ef_config_outbox {
    char *name;
    char *database; /* name in databases */
    char *table;    /* as written; checked by the driver */
    enum ef_wake wake;
    char *channel; /* NULL: table name */
    int64_t poll_interval_ms;
    int64_t batch_max_rows, batch_max_bytes;
    int64_t window_max_rows, window_max_bytes;
    int64_t max_payload_bytes;
    int64_t lease_ttl_ms;
    enum ef_on_delivered on_delivered;
    int64_t retention_ms;      /* 0: never purge; archive's default 24 h */
    bool retention_given;      /* written in the file */
    int64_t archive_max_bytes; /* 0: none */
    struct ef_retry retry;
    char *dead_letter_topic; /* name or pattern with ${topic}; NULL: park */
    enum ef_layout layout;
    struct ef_column_map columns[EF_COL_COUNT];
    char *order_column; /* NULL: id */
    enum ef_order_by order_by;
    unsigned headers;                 /* EF_HEADER_* */
    struct ef_strings header_columns; /* "column" or "column:header" */
    bool tombstone_on_empty;          /* a payload of nothing but white space is sent as null */
    enum ef_timestamp timestamp;
    int64_t timestamp_max_age_ms;
    struct ef_strings topics_allow; /* globs; empty: all but names beginning "__" */
    struct ef_topic_override *topic_overrides;
    size_t topic_override_count;
    int64_t claim_timeout_ms; /* 60 s */
    int64_t ready_max_stall_ms;
    int line;
};

struct ef_config {
    char *path;     /* of the file */
    char *instance; /* default: host name */
    struct ef_config_kafka kafka;
    struct ef_config_database *databases;
    size_t database_count;
    struct ef_config_outbox *outboxes;
    size_t outbox_count;
    struct {
        char *listen;            /* "127.0.0.1:9464"; NULL: off */
        struct ef_strings hosts; /* further names accepted in the Host header */
        char *token_file, *basic_file;
    } http;
    struct {
        char *socket; /* default /run/eventferryd/control.sock; "": off */
    } control;
    struct {
        enum ef_log_level level;
        enum ef_log_format format;
        bool identifiers;
    } log;
    struct {
        int64_t interval_ms; /* between two examinations of what goes wrong slowly */
        int64_t old_ms;      /* a transaction open for longer is a warning */
    } checks;
    char *state_dir; /* lock and token files; default $STATE_DIRECTORY, else /var/lib/eventferryd */
    int64_t shutdown_timeout_ms;
    int secret_line, secret_column; /* first secret that stands in the file itself; 0: none */
    struct ef_strings masked;       /* paths whose value came from a file or credential */
};

/* One problem of a file; all of them are reported, in the order of the file. */
struct ef_config_problem {
    int line, column; /* from 1; 0: the file as a whole */
    bool warning;
    char *text;
};
struct ef_config_problems {
    struct ef_config_problem *items;
    size_t count;
};

/*
 * Parse and check. Opens nothing but the file itself and the secrets it names. Returns NULL on any
 * error; problems (owned by the caller, ef_config_problems_free) then has at least one; warnings
 * come with a good config too. err->class is CONFIG (exit 78) or OUTAGE for a file that cannot be
 * read (exit 77).
 */
struct ef_config *ef_config_load(const char *path, struct ef_config_problems *problems,
                                 struct ef_error *err);
/*
 * The same for eventferryctl, whose user may not read the daemon's secrets: no secret file or
 * credential is looked at, and what they would give stays empty.
 */
struct ef_config *ef_config_load_without_secrets(const char *path,
                                                 struct ef_config_problems *problems,
                                                 struct ef_error *err);
/* The same from memory; path is for messages and is what relative paths start beside. */
struct ef_config *ef_config_parse(const char *path, const void *data, size_t len, bool no_secrets,
                                  struct ef_config_problems *problems, struct ef_error *err);

/*
 * How librdkafka is asked about properties, since this room does not know it: set once at start,
 * before the first load; without it they are taken as they are. On refusal err->text is a sentence
 * that names the property; it is replaced where it repeats a secret.
 */
struct ef_config_kafka_checks {
    bool (*property)(const char *name, const char *value, const struct ef_strings *allow_unsafe,
                     struct ef_error *err);
    bool (*allow_unsafe)(const char *name, struct ef_error *err); /* an entry of allow_unsafe */
};
void ef_config_use_kafka_checks(const struct ef_config_kafka_checks *checks);

/*
 * How drivers are asked whether a text can name a table or a database, since this room does not
 * know it either: set once at start; without it any text is taken. On refusal err->text says why.
 */
struct ef_config_driver_checks {
    bool (*table)(enum ef_driver driver, const char *table, struct ef_error *err);
    bool (*url)(enum ef_driver driver, const char *url, struct ef_error *err);
};
void ef_config_use_driver_checks(const struct ef_config_driver_checks *checks);

/* An entry of header_columns: its column (owned by the caller) and the header's name within it. */
char *ef_config_header_column(const char *entry, const char **ret_header);

void ef_config_free(struct ef_config *config);
void ef_config_problems_free(struct ef_config_problems *problems);
/* "eventferry.yaml:14:17: text" lines, warnings as "...: warning: text". */
void ef_config_problems_print(const struct ef_config_problems *problems, const char *path,
                              struct ef_buf *out);

const struct ef_config_database *ef_config_database(const struct ef_config *config,
                                                    const char *name);
const struct ef_config_outbox *ef_config_outbox(const struct ef_config *config, const char *name);
/* Of kafka.properties, the last of that name, as librdkafka takes it; NULL: it is not among them.
 */
const char *ef_config_property(const struct ef_config_kafka *kafka, const char *name);
/* Password from password_file, read afresh (caller frees with free()); NULL and no error if none is
 * set. */
bool ef_config_password(const struct ef_config_database *database, char **ret,
                        struct ef_error *err);

/* Whole effective config as YAML, secrets as "********" (--print-config). */
void ef_config_print(const struct ef_config *config, struct ef_buf *out);
/* The option table: as JSON Schema, man page part, sample file, plain list
 * (--print-options[=FORM]). */
bool ef_config_print_options(const char *form, struct ef_buf *out, struct ef_error *err);

/*
 * What a reload changes. Options marked "restart" that differ are named in restart_needed (owned
 * strings); the others are applied by the daemon.
 */
void ef_config_diff(const struct ef_config *old, const struct ef_config *fresh,
                    struct ef_strings *ret_changed, struct ef_strings *ret_restart_needed);
