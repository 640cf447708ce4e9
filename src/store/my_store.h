// SPDX-License-Identifier: MIT
/*
 * The MySQL and MariaDB driver's inside, shared by its files: my_store.c (life, connections),
 * my_check.c (start-up), my_sql.c (texts), my_lease.c, my_fetch.c, my_settle.c, my_look.c,
 * my_operate.c and my_operate_sql.c (operators). Not for other rooms.
 *
 * Three connections, as the PostgreSQL driver's: reading, settling, and the lease.
 */
#pragma once

#include "store/intake.h"
#include "store/my_conn.h"
#include "store/my_names.h"
#include "store/operating.h"
#include "store/store.h"

enum { EF_MY_TABLE_MAX = 2 * EF_MY_IDENT_MAX + 2 };

/* What the table looks like; filled by my_check.c. Names are quoted, ready for SQL. */
struct ef_my_layout {
    int outbox_id;
    char database_name[EF_MY_NAME_MAX + 1], table_name[EF_MY_NAME_MAX + 1]; /* as they are */
    char database[EF_MY_IDENT_MAX];
    char table[EF_MY_TABLE_MAX];
    char archive[EF_MY_TABLE_MAX];
    char archive_name[EF_MY_NAME_MAX + 1];
    bool has[EF_COL_COUNT]; /* a column (not a constant) is there */
    char column[EF_COL_COUNT][EF_MY_IDENT_MAX];
    char type[EF_COL_COUNT][32]; /* "bigint", "datetime", "json", ... */
    bool created_nullable;
    bool payload_is_json;
    char id_index[EF_MY_IDENT_MAX];     /* unique, begins with the id */
    char status_index[EF_MY_IDENT_MAX]; /* begins with the status; "" if there is none */
    char *archive_columns; /* "a", "b", ... in both tables; owned; NULL without archive */
    bool has_hold;
    bool has_standbys; /* table eventferry_relay has outbox_id */
};

/* Pieces of statements, built once from the layout; owned. */
struct ef_my_sql {
    char *server;  /* who answers: an expression */
    char *waiting; /* SELECT ... INTO @ef_waiting: is there any row that holds others back? */
    char *held;    /* WITH h AS (...): the first waiting row of each aggregate */
    char *row;     /* SELECT ... : the columns that my_fetch.c decodes */
    char *joined;  /* FROM o LEFT JOIN h */
    char *shown;   /* AND ...: of row o */
};

struct ef_my_operate {
    struct ef_my_conn conn;
    struct ef_operating line;
};

struct ef_my_store {
    struct ef_store store; /* first */
    struct ef_loop *loop;
    const struct ef_config *config;
    const struct ef_config_database *database;
    const struct ef_config_outbox *outbox;
    struct ef_my_conn lease, read, settle;
    struct ef_my_table table; /* as the configuration names it; empty if it is no name */
    bool up, was_up;
    struct ef_my_layout layout;
    bool layout_known;
    char zone[65]; /* of the last check: constant while rows are in flight */
    struct ef_my_sql sql;
    struct ef_intake intake; /* the open fetch */
    int sets_before;         /* of its result sets that come before the header: the look's */
    bool quiet, peeked;      /* the last read found nothing; this one was said to find something */
    struct ef_my_request *read_later; /* the read, while it is looked whether there is anything */
    int64_t no_peek_until_us;         /* that look was wrong: what it sees may not go yet */
    char look[96];             /* what READ UNCOMMITTED showed of the gaps; "" without a look */
    struct ef_store_info info; /* being filled by check */
    int check_step;
    struct ef_deferred check_later, closed_later;
    char incarnation[40]; /* the relay's, by its last acquisition */
    /* Reads are numbered, since there are no transaction numbers to be seen: a read's number is
     * its xmax, and that of the last one whose look found no open row in any gap is xmin. */
    uint64_t reads, clean_read;
    int64_t looked_us;     /* when the last look was; 0: never */
    int64_t highest_id;    /* ever given out in this tenure */
    bool settle_by_lookup; /* the last settle's outcome is not known: rows may be gone */
    int64_t dead_rows, dead_counted_us; /* last count and when; 0: never */
    int64_t archive_default_rows;       /* found by the last upkeep; -1: none yet */
    bool decide_failed;                 /* decide = at most two requests */
    int decide_pending;
    int64_t decide_rows;
    struct ef_error decide_error;
    struct ef_my_operate operate;
    struct ef_report examined; /* the examination under way */
};

static inline struct ef_my_store *ef_my_store_of(struct ef_store *store)
{
    return (struct ef_my_store *)store;
}

/* my_sql.c */
enum { EF_MY_SQL_MAX = 64 << 20 };
void ef_my_sql_build(struct ef_my_store *s); /* after check */
void ef_my_sql_free(struct ef_my_sql *sql);
void ef_my_sql_literal(struct ef_buf *out, const char *text); /* NULL: NULL */
/* "outbox_id = .. AND epoch = .. AND server = ..": a lease of this epoch on this server. */
void ef_my_sql_lease(const struct ef_my_store *s, int64_t epoch, struct ef_buf *out);
/* Begins a transaction in which @ef_owner is 1 if the lease is ours and stays so until its end, and
 * counts EF_MY_FENCE_STATEMENTS statements. */
enum { EF_MY_FENCE_STATEMENTS = 4 };
void ef_my_sql_fence(const struct ef_my_store *s, int64_t epoch, struct ef_buf *out);
/* A text value of row o: its column, its constant, or NULL. */
void ef_my_sql_text(const struct ef_my_store *s, enum ef_column col, struct ef_buf *out);
/* A column that others fill (created_at, claimed_at) of table `of`, as a time in UTC. */
void ef_my_sql_instant(const struct ef_my_store *s, enum ef_column col, const char *of,
                       struct ef_buf *out);
/* created_at of o as it is compared with ef_my_sql_time: in UTC, never NULL */
void ef_my_sql_created(const struct ef_my_store *s, struct ef_buf *out);
/* Microseconds since 1970 UTC as a literal, and back from "2026-11-24 10:00:00.123456". */
void ef_my_sql_time(int64_t us, struct ef_buf *out);
int64_t ef_my_time_of(const char *text);
/* Whether another relay's claim of o is older than claim_timeout; only where there is claimed_at.
 */
void ef_my_sql_claim_is_old(const struct ef_my_store *s, struct ef_buf *out);

/* my_check.c */
void ef_my_check_init(struct ef_my_store *s);
void ef_my_check(struct ef_store *store);
void ef_my_layout_free(struct ef_my_layout *layout);

/* my_lease.c */
void ef_my_acquire(struct ef_store *store, const struct ef_acquire *acquire);
void ef_my_renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms);
void ef_my_release(struct ef_store *store, int64_t epoch);
void ef_my_pause(struct ef_store *store, bool pause, const char *actor, const char *reason);

/* my_fetch.c */
void ef_my_fetch(struct ef_store *store, const struct ef_fetch *fetch);
void ef_my_fetch_continue(struct ef_store *store);
void ef_my_fetch_cancel(struct ef_store *store);

/* my_settle.c */
void ef_my_settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                  int count);
void ef_my_decide(struct ef_store *store, int64_t epoch, const struct ef_decision *decisions,
                  int count);
void ef_my_release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic, int limit);

/* my_operate_sql.c */
void ef_my_rows_sql(const struct ef_my_store *s, const struct ef_row_filter *filter,
                    struct ef_buf *out);
/* CONFIG: the table has no such column, or no such value. */
EF_MUST_CHECK bool ef_my_carry_out_sql(struct ef_my_store *s, int64_t epoch,
                                       const struct ef_command *command, struct ef_buf *out,
                                       struct ef_error *err);

/* my_operate.c */
void ef_my_operate_init(struct ef_my_store *s);
void ef_my_operate_stop(struct ef_my_store *s);
void ef_my_operate(struct ef_store *store, const struct ef_operate *operate);
void ef_my_next_command(struct ef_store *store);
void ef_my_carry_out(struct ef_store *store, int64_t epoch, const struct ef_command *command);
void ef_my_holds(struct ef_store *store);

/* my_look.c */
void ef_my_waiting(struct ef_store *store);
void ef_my_lag(struct ef_store *store);
void ef_my_maintain(struct ef_store *store, int64_t epoch);
void ef_my_examine(struct ef_store *store, const struct ef_examine *examine);
