// SPDX-License-Identifier: MIT
/*
 * The PostgreSQL driver's inside, shared by its files: pg_store.c (life, connections), pg_check.c
 * and pg_objects.c (start-up), pg_sql.c and pg_lease_sql.c (statement texts), pg_lease.c,
 * pg_fetch.c, pg_settle.c, pg_look.c, pg_examine.c, pg_operate.c and pg_operate_sql.c (operators).
 * Not for other rooms.
 *
 * Three connections: reading and settling have one each (two server processes share the work), the
 * lease and LISTEN have the third; `listen` is a fourth only where a pooler is in between.
 */
#pragma once

#include "store/intake.h"
#include "store/operating.h"
#include "store/pg_answer.h"
#include "store/pg_conn.h"
#include "store/pg_names.h"
#include "store/store.h"

enum { EF_PG_IDENT_MAX = 136, EF_PG_TABLE_MAX = 2 * EF_PG_IDENT_MAX + 2 };

/* What the table looks like; filled by pg_check.c. Names are quoted, ready for SQL. */
struct ef_pg_layout {
    int outbox_id;
    unsigned table_oid;
    char schema_name[64], table_name[64]; /* as they are */
    char table[EF_PG_TABLE_MAX];
    char archive[EF_PG_TABLE_MAX];
    char bell[EF_PG_TABLE_MAX]; /* sequence; "" if the doorbell is not there */
    char ours[EF_PG_IDENT_MAX]; /* schema of our objects */
    bool has[EF_COL_COUNT];     /* a column (not a constant) is there */
    char column[EF_COL_COUNT][EF_PG_IDENT_MAX];
    char payload_type[32]; /* json, jsonb, text, bytea, ... */
    bool message_id_is_uuid;
    char *archive_columns; /* "a", "b", ... in both tables; owned; NULL without archive */
    bool has_hold;
    bool has_standbys; /* table relay has outbox_id */
};

struct ef_pg_sql { /* statement texts, owned */
    char *fetch, *fetch_gaps;
    char *settle, *settle_durably, *decide;
    char *release_topic;
    char *waiting, *lag;
    char *purge, *maintain;
    char *acquire, *renew, *release, *pause;
    char *next_command, *holds;
};

struct ef_pg_operate {
    struct ef_pg_conn conn;
    struct ef_operating line;
    char *sql, *carry_out_sql; /* of the statement under way; owned */
};

struct ef_pg_examine { /* the examination under way */
    int64_t old_ms;
    int question; /* the one that was asked */
    char *sql;    /* its text; owned */
    bool listens; /* all is asked: it ends with the probe */
    struct ef_report report;
};

struct ef_pg_store {
    struct ef_store store; /* first */
    struct ef_loop *loop;
    const struct ef_config *config;
    const struct ef_config_database *database;
    const struct ef_config_outbox *outbox;
    struct ef_pg_conn lease, read, settle, listen;
    bool use_listen_conn, up, was_up;
    bool listening;              /* LISTEN is in force on the connection that listens */
    struct ef_timer probe_timer; /* a notification of our own must be heard before it fires */
    bool probing;                /* it has not been heard yet */
    struct ef_pg_layout layout;
    bool layout_known;
    struct ef_pg_sql sql, former_sql; /* requests under way may still borrow the former texts */
    struct ef_intake intake;          /* the open fetch */
    struct ef_store_info info;        /* being filled by check */
    struct ef_deferred check_later, closed_later;
    char incarnation[40]; /* the relay's, by its last acquisition */
    /* A transaction number above all given out until then, and when it was asked for: the number of
     * the last renewal's own transaction. (pg_snapshot_xmax is only one above the highest that has
     * ended.) */
    uint64_t xid_ceiling;
    int64_t xid_ceiling_us;
    int64_t renew_sent_us;
    uint64_t filenode;                  /* of the table at the last read; 0: not known */
    int64_t dead_rows, dead_counted_us; /* last count and when; 0: never */
    int64_t archive_default_rows;       /* found by the last upkeep; -1: none yet */
    char channel[EF_PG_NAME_MAX + 1];
    char listen_sql[EF_PG_IDENT_MAX + 16];
    char registry_sql[1024]; /* check's third question */
    bool decide_failed;      /* decide = at most two statements */
    int decide_pending;
    int64_t decide_rows;
    struct ef_error decide_error;
    struct ef_pg_operate operate;
    struct ef_pg_examine examine;
    bool unheard_told; /* the log has said that notifications do not arrive */
    bool pooled;       /* check found a pooler that the configuration does not know of */
};

static inline struct ef_pg_store *ef_pg_store_of(struct ef_store *store)
{
    return (struct ef_pg_store *)store;
}

/* pg_sql.c: pieces that pg_operate_sql.c uses too */
/* $1 outbox_id, $2 epoch, $3 system identifier */
#define EF_PG_LEASE_MATCH                                                                          \
    "outbox_id = $1::int AND epoch = $2::bigint AND server = $3::text || '/' "                     \
    "|| " EF_PG_TIMELINE_SQL
#define EF_PG_RAISE_SYNC                                                                           \
    "CASE WHEN current_setting('synchronous_commit') IN ('off','local')"                           \
    " THEN set_config('synchronous_commit','on',true) END"
enum { EF_PG_SQL_MAX = 65536 };
/* The text (the caller's) and the end of the buffer. */
char *ef_pg_sql_finish(struct ef_buf *b);
/* A text value of row o: its column, its constant, or NULL. */
void ef_pg_sql_text(struct ef_buf *b, const struct ef_pg_store *s, enum ef_column col);
/* "e" and "o" are of one aggregate. */
void ef_pg_sql_same_aggregate(struct ef_buf *b, const struct ef_pg_store *s);
/* One whose only word to fill is our schema's. */
char *ef_pg_sql_simple(const char *fmt, const char *ours);
void ef_pg_sql_build(struct ef_pg_store *s); /* after check */
void ef_pg_sql_free(struct ef_pg_sql *sql);

/* pg_lease_sql.c */
void ef_pg_sql_build_lease(struct ef_pg_store *s); /* before check, and again after it */

/* pg_check.c */
void ef_pg_check(struct ef_store *store);
void ef_pg_check_failed(struct ef_pg_store *s, const struct ef_error *err);
bool ef_pg_check_no_usage(struct ef_error *err, const char *schema, const char *role);

/* pg_objects.c: goes on where pg_check.c ends */
void ef_pg_objects_check(struct ef_pg_store *s);
void ef_pg_layout_free(struct ef_pg_layout *layout);

/* pg_lease.c */
void ef_pg_acquire(struct ef_store *store, const struct ef_acquire *acquire);
void ef_pg_renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms);
void ef_pg_release(struct ef_store *store, int64_t epoch);
void ef_pg_pause(struct ef_store *store, bool pause, const char *actor, const char *reason);

/* pg_fetch.c */
void ef_pg_fetch(struct ef_store *store, const struct ef_fetch *fetch);
void ef_pg_fetch_continue(struct ef_store *store);
void ef_pg_fetch_cancel(struct ef_store *store);

/* pg_settle.c */
/* EF_PG_LEASE_MATCH's three parameters, of the settling connection. */
void ef_pg_param_fence(struct ef_pg_store *s, struct ef_pg_request *req, int64_t epoch);
void ef_pg_settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                  int count);
void ef_pg_decide(struct ef_store *store, int64_t epoch, const struct ef_decision *decisions,
                  int count);
void ef_pg_release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic, int limit);

/* pg_operate_sql.c: texts are the caller's */
/* Parameters in the order they are added to req, which has none yet. */
char *ef_pg_rows_sql(const struct ef_pg_store *s, const struct ef_row_filter *filter,
                     struct ef_pg_request *req);
/* After the fence's three; CONFIG: the table has no such column. */
char *ef_pg_carry_out_sql(struct ef_pg_store *s, const struct ef_command *command,
                          struct ef_pg_request *req, struct ef_error *err);

/* pg_operate.c */
void ef_pg_operate_init(struct ef_pg_store *s);
void ef_pg_operate_stop(struct ef_pg_store *s);
void ef_pg_operate(struct ef_store *store, const struct ef_operate *operate);
void ef_pg_next_command(struct ef_store *store);
void ef_pg_carry_out(struct ef_store *store, int64_t epoch, const struct ef_command *command);
void ef_pg_holds(struct ef_store *store);

/* pg_look.c */
void ef_pg_waiting(struct ef_store *store);
void ef_pg_lag(struct ef_store *store);
void ef_pg_maintain(struct ef_store *store, int64_t epoch);
void ef_pg_arm_wakeup(struct ef_store *store, bool armed);
void ef_pg_listen(struct ef_pg_store *s);
void ef_pg_probe(struct ef_pg_store *s);
void ef_pg_probe_unheard(void *arg);

/* pg_examine.c */
#define EF_PG_PROBE_US (2 * EF_S_US)
void ef_pg_examine(struct ef_store *store, const struct ef_examine *examine);
/* The probe has come back, or has not. */
void ef_pg_examine_heard(struct ef_pg_store *s);
/* The store is being closed. */
void ef_pg_examine_end(struct ef_pg_store *s);
