// SPDX-License-Identifier: MIT
/*
 * The database of a simulated world: an outbox table, its lease, its transactions, as PostgreSQL
 * would have them and as the driver's statements (store/pg_sql.c) see them; or as MySQL and MariaDB
 * would, where their rules differ (statements_mysql.c).
 *
 * Modelled: ids drawn before transactions have numbers; rows that appear when their transaction
 * commits; one snapshot a statement; row locks that a statement waits for while it holds the
 * lease's key share lock; a clock of its own; commits that are flushed later and lost in a crash;
 * a failover to a replica that misses the last commits, whose ids and epochs come back.
 *
 * It tells checker.c about every change of a row. Thread: the only one. Life: sim_db_reset begins a
 * schedule.
 */
#pragma once

#include "config/config.h"
#include "outbox/read.h"
#include "sim/clockwork.h"
#include "store/store.h"

enum {
    SIM_ROWS_MAX = 1024, /* of a schedule, ever */
    SIM_LANES = 8,       /* aggregates of a schedule; the last is NULL: rows without order */
    SIM_TYPES = 2,       /* of aggregates */
    SIM_TOPICS = 3,
    SIM_RELAYS = 5,
    SIM_DUE_MAX = 6, /* named by a look: few, so that there are more of them now and then */
};

enum sim_row_kind {
    SIM_ROW_GOOD,
    SIM_ROW_POISON,     /* the broker refuses it: too large */
    SIM_ROW_UNREADABLE, /* its headers cannot be read */
    SIM_ROW_LARGE,      /* above max_payload */
    SIM_ROW_OLD,        /* the topic refuses its timestamp */
    SIM_ROW_KINDS,
};

struct sim_row_state { /* what statements change, and a crash may take back */
    bool there;        /* committed and not deleted */
    bool archived;
    int8_t status;
    int16_t attempts;
    int64_t next_retry_us, claimed_us, processed_us; /* database's clock; 0: NULL */
    const char *last_error;                          /* one of sim_db_text's; or NULL */
};

struct sim_row {
    int uid; /* of all rows ever; the message id */
    int64_t id, created_us;
    int lane, type, topic, key, partition; /* key -1: NULL; partition -1: none */
    enum sim_row_kind kind;
    int size_bytes;
    int tx; /* open transaction that inserted it; -1: none any more */
    bool in_index;
    uint32_t born; /* commit that made it visible */
    struct sim_row_state s;
    char message_id[16], payload[16];
};

struct sim_lease {
    int64_t epoch;
    int owner;       /* relay's number; -1: NULL */
    char label[24];  /* its name */
    uint32_t serial; /* which grant of all this is: the checker's epoch, never given twice */
    int server;      /* timeline; 0: NULL */
    char token[40];
    int64_t expires_us, server_seen_us; /* 0: NULL */
};

enum sim_stmt_kind {
    SIM_CHECK,
    SIM_ACQUIRE,
    SIM_RENEW,
    SIM_RELEASE,
    SIM_FETCH,
    SIM_SETTLE,
    SIM_MARK,           /* decide's first half */
    SIM_SETTLE_DURABLY, /* and its second */
    SIM_RELEASE_TOPIC,
    SIM_WAITING,
    SIM_LAG,
    SIM_MAINTAIN,
    SIM_PAUSE,
    SIM_BELL,
    SIM_NEXT_COMMAND,
    SIM_CARRY_OUT,
    SIM_HOLDS,
    SIM_OPERATE,
    SIM_EXAMINE,
    SIM_STMT_KINDS,
};

enum sim_order { SIM_RETRY_ROW, SIM_SKIP_ROW, SIM_HOLD_TOPIC, SIM_LET_TOPIC_GO };

struct sim_command { /* an operator's, as the command table holds it; texts are sim_db_text's */
    const char *verb, *args, *actor, *result;
    bool done;
};

struct sim_hold { /* texts are sim_db_text's */
    bool topic;   /* else an aggregate */
    const char *name, *actor, *reason;
    int64_t at_us;
};
enum { SIM_HOLDS_MAX = 16 };

struct sim_seen { /* a row as a snapshot showed it */
    int uid;
    int8_t status;
    int16_t attempts;
    bool held_back; /* only that it is there */
};

struct sim_stmt {
    enum sim_stmt_kind kind;
    int relay;
    int64_t epoch;
    uint32_t serial; /* of the grant its relay believes in */
    int64_t ttl_ms;
    char token[40], old_token[40]; /* old "": none */
    char label[24];
    struct ef_fetch fetch;
    struct ef_run *gaps;           /* kept between uses */
    struct ef_settle_run *runs;    /* kept between uses */
    struct ef_decision *decisions; /* kept between uses; errors are sim_db_text's */
    int gaps_size, runs_size, decisions_size;
    int count, limit;
    int topic; /* -1: every one, SIM_TOPICS: none that there is */
    bool flag;
    bool late;   /* its relay has given it up */
    bool look;   /* MySQL: what may still come in the gaps is looked at before the read */
    int command; /* its number, from 1; 0: there is none */
    struct ef_command order;               /* owned; to be carried out */
    const char *verb, *args, *actor, *why; /* of a request, a pause mark; sim_db_text's */
    enum ef_operate_kind asked;
    /* the answer */
    struct ef_error err; /* class NONE: done */
    bool fenced;
    int64_t rows;
    struct sim_lease lease;
    struct ef_renewal renewal;
    uint64_t xid;
    struct sim_seen *seen; /* kept between uses */
    int seen_count, seen_size;
    struct ef_fetched fetched;
    unsigned filenode;
    uint64_t looked, counted; /* what the look found, and the read of the same ids */
    struct ef_waiting waiting;
    struct ef_lag lag;
    struct sim_hold holds[SIM_HOLDS_MAX];
    int hold_count;
    char *json; /* owned; to an operator */
    /* while it runs */
    bool began, share_lock;
    uint32_t snapshot;
};

struct sim_db_config {
    bool mysql;
    enum ef_on_delivered on_delivered;
    int64_t claim_timeout_ms, max_payload_bytes;
    int64_t retention_ms; /* of marked rows; 0: for ever. The archive is never emptied */
    int64_t skew_us;
    int drift_ppm;
    int locked_permille; /* statements that wait for a row lock */
    /* 0: what a schedule needs (SIM_ROWS_MAX, SIM_LANES, SIM_DUE_MAX) */
    int rows_max, lanes_max, due_max;
};

void sim_db_reset(const struct sim_db_config *config);
/* A copy that stays until the schedule ends; of NULL it is NULL. */
const char *sim_db_text(const char *text);
int64_t sim_db_now_us(void);
int sim_db_timeline(void);
const struct sim_lease *sim_db_lease(void);
struct sim_row *sim_db_row(int uid);
int sim_db_row_count(void);
/* uids of rows in the table, ids ascending, those of open transactions too. */
int sim_db_index(const int **ret);

/* --- the application --- */
int64_t sim_db_next_id(void);
int sim_db_begin(void); /* -1: too many are open */
void sim_db_touch(int tx);
/* A row with everything but id, transaction and state; returns its uid. */
int sim_db_insert(int tx, int64_t id, const struct sim_row *row);
/* False: a crash or failover had ended it; nothing was committed. */
bool sim_db_commit(int tx);
void sim_db_rollback(int tx);
/* What another kind of relay does to a row. */
void sim_db_foreign(int uid, enum ef_status status, int64_t claimed_us);
/* An operator has a dead row sent again, or deletes it. */
void sim_db_retry(int uid);
void sim_db_delete(int uid);
/* An operator writes a command into the command table; its number, or -1: it is full. */
int sim_db_command_new(const char *verb, const char *args, const char *actor);
/* One about this row. */
int sim_db_request(int uid, enum sim_order order);
/* One about a topic. */
int sim_db_request_for_topic(int topic, enum sim_order order);
bool sim_db_holds(int topic);
int sim_db_topic(struct ef_slice name); /* SIM_TOPICS: there is none of this name */
/* To let it go was asked for, and not done yet. */
bool sim_db_release_waits(int topic);
const struct sim_command *sim_db_command(int number);
/* Commands that nobody has carried out yet. */
int sim_db_open_commands(void);
/* Ids go on after `sequence`; false: transactions are open. */
bool sim_db_truncate(int64_t sequence);
int64_t sim_db_sequence(void);

/* --- faults --- */
void sim_db_crash(void);
void sim_db_failover(int64_t skew_us);
void sim_db_replicate(int64_t fraction_permille); /* the replica catches up by this much */
void sim_db_flush_some(void);
/* Relays' rights are taken away: 0 none, 1 on the table, 2 on the lease too, 3 on the archive. */
void sim_db_revoke(int revoked);
/* Somebody holds the table: statements hang, or go on. */
void sim_db_stall(bool stalled);
void sim_db_mend(void); /* nobody waits for row locks any more */

/* --- statements --- */
/* How long it has to wait for a lock; 0: it is done. Called again then. */
int64_t sim_db_execute(struct sim_stmt *stmt);
/* Its connection is gone before it began. */
void sim_stmt_free(struct sim_stmt *stmt);
/* Called when the doorbell was armed at an insert and its transaction commits. */
void sim_db_on_bell(void (*fn)(void));
