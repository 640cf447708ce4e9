// SPDX-License-Identifier: MIT
/*
 * The wall between the domain and databases: one ef_store serves one outbox table.
 *
 * Contract (enforced once, in store.c, for every driver):
 *  - Every verb is asynchronous, is completed exactly once by its upcall, and never from inside the
 *    starting call. At most one request of each verb is under way.
 *  - A verb started while the database is away is completed with class OUTAGE. A request whose
 * reply was lost is completed with UNCERTAIN (it may have happened); all verbs are idempotent, so
 * they may be repeated.
 *  - Every statement compares lease epoch and server; FENCED means: this owner's time is over.
 *  - The driver reconnects by itself, one attempt at a time with backoff, and says `down` and `up`.
 *  - After ef_store_close no upcall comes but `closed`.
 *
 * Ownership: strings and arrays in requests are borrowed until the call returns; results are
 * borrowed until the upcall returns; a batch given to `rows` carries one reference that the
 * receiver now owns. Thread: the loop's. Life: a driver's _new -> ef_store_open -> ... ->
 * ef_store_close -> closed -> ef_store_free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/report.h"
#include "outbox/command.h"
#include "outbox/holds.h"
#include "outbox/read.h"
#include "outbox/row.h"

enum ef_store_caps {
    EF_STORE_WAKEUP = 1, /* can ring a doorbell (arm_wakeup, on wakeup) */
    EF_STORE_LEASES = 2, /* the lease is real; without it the owner is always alone */
    /* Tells at the next read that the table was emptied (EF_STORE_REWRITTEN); without it the next
     * sweep finds it out by the highest id. */
    EF_STORE_REWRITES = 4,
    EF_STORE_EXAMINES = 8, /* can say what is about to go wrong (examine) */
};

/* --- requests --- */

struct ef_acquire {
    int64_t ttl_ms;
    const char *owner;       /* label: instance */
    const char *incarnation; /* UUID of this process and outbox */
    const char *token;       /* UUID written into the lock file for this acquisition */
    bool passing;            /* it goes again: no standby */
    const char *old_token; /* found in our own flocked file: take back at once if the lease has it;
                              or NULL */
};

struct ef_settle_run {
    int64_t first, last;                    /* every id in it was delivered by us */
    int64_t created_min_us, created_max_us; /* of these rows: an id that came back never matches */
};

enum ef_decision_kind {
    EF_DECIDE_RETRY,     /* status 3: attempts, delay, last_error */
    EF_DECIDE_DEAD,      /* status 4: attempts, last_error */
    EF_DECIDE_DELIVERED, /* was status 1 or 3, has been delivered: settled like any other, but
                            durably */
};

struct ef_decision {
    int64_t id, created_us;
    enum ef_decision_kind kind;
    bool pending;      /* DEAD: its status is PENDING, so that it hides and shows no other row; one
                          that waits (somebody has set it so) is left as it is */
    int attempts;      /* the new value, never an increment */
    int64_t delay_ms;  /* RETRY: next_retry_at = the database's clock plus this */
    const char *error; /* last_error; may be NULL */
};

enum ef_operate_kind {
    EF_OPERATE_ROWS,    /* list rows: {"rows": [...], "more": bool} */
    EF_OPERATE_REQUEST, /* write a command into the command table: {"command": number} */
    EF_OPERATE_RESULT,  /* how far a command is: {"done": bool, "result": text or null} */
};

/* Rows of a listing with payloads, whatever its limit: so many of max_payload may be in memory. */
enum { EF_OPERATE_PAYLOADS_MAX = 16 };

/* What operators ask, of any relay of the table: none of it changes a row of the outbox. */
struct ef_operate {
    enum ef_operate_kind kind;
    const struct ef_row_filter *filter; /* ROWS */
    const char *verb, *args, *actor;    /* REQUEST; args is a JSON object */
    int64_t command;                    /* RESULT */
};

struct ef_examine {
    int64_t old_ms; /* a transaction of others that has been open for longer is a finding */
};

/* --- results --- */

struct ef_command_row { /* as the command table holds it */
    int64_t number;
    const char *verb, *args, *actor;
};

enum ef_lease_outcome {
    EF_LEASE_GRANTED,
    EF_LEASE_HELD,  /* by somebody else; wait_ms until it expires */
    EF_LEASE_QUIET, /* the server is not the one of the lease: nobody acquires for wait_ms */
};

/*
 * The relays that stand by: seen within EF_STANDBY_SEEN_S by the database's clock, and not the
 * owner. A relay that looks for the lease says every 5 s that it is there.
 */
enum { EF_STANDBYS_MAX = 8, EF_STANDBY_SEEN_S = 15 };

struct ef_standby {
    char instance[128], host[128];
};

struct ef_standbys {
    bool known; /* false: the tables are from before they were kept; `migrate` mends it */
    int count;  /* by instance and host; the first EF_STANDBYS_MAX */
    struct ef_standby relays[EF_STANDBYS_MAX];
};

struct ef_lease {
    enum ef_lease_outcome outcome;
    int64_t epoch;
    int64_t wait_ms;
    char owner[128]; /* who holds it */
    struct ef_standbys standbys;
};

struct ef_renewal { /* what a renewal brings along */
    bool paused;
    char paused_by[128], pause_reason[256];
    int commands; /* operators' requests that wait in the command table */
    struct ef_standbys standbys;
};

struct ef_store_info { /* what `check` found */
    char server[128];  /* identity: who answers */
    char version[32];  /* "PostgreSQL 15.20" */
    bool has_last_error, has_partition;
    char warnings[1024]; /* one sentence a line; "" if none */
};

enum { EF_WAITING_DUE_MAX = 500 };

struct ef_waiting {
    int64_t next_retry_ms; /* until the earliest next_retry_at of a status-3 row; -1: none waits */
    int64_t waiting_rows;
    int64_t foreign_rows;            /* status 1, claimed less than claim_timeout ago */
    int64_t due[EF_WAITING_DUE_MAX]; /* status-3 rows that are due: the lowest ids, ascending */
    int due_count;
    bool due_more; /* there are others beyond these */
};

struct ef_lag {
    int64_t backlog_rows; /* counting stops at 100 001 */
    bool backlog_saturated;
    int64_t waiting_rows, dead_rows, blocked_aggregates;
    double oldest_unfinished_age_s;                                  /* 0: none */
    int64_t archive_partitions, archive_bytes, archive_default_rows; /* -1: no archive */
};

/*
 * Name of a fetch's BUSY error: the table was emptied (TRUNCATE) or rewritten since the last read,
 * so ids may have begun again; nothing was handed over. What was concluded about ids not seen yet
 * is void.
 */
#define EF_STORE_REWRITTEN "TABLE_REWRITTEN"

/* --- upcalls: given at creation, all mandatory --- */

struct ef_store_user {
    void (*up)(void *arg, const char *server);
    void (*down)(void *arg, const struct ef_error *err);
    void (*wakeup)(void *arg);
    /* What arm_wakeup asked for last may not have happened, or will not be heard. */
    void (*arming_lost)(void *arg);
    /* completions; err is NULL on success */
    void (*checked)(void *arg, const struct ef_store_info *info, const struct ef_error *err);
    void (*acquired)(void *arg, const struct ef_lease *lease, const struct ef_error *err);
    void (*renewed)(void *arg, const struct ef_renewal *renewal, const struct ef_error *err);
    void (*released)(void *arg, const struct ef_error *err);
    /* A chunk of the open fetch, ids ascending, gap part first; paused: call
     * ef_store_fetch_continue for more. */
    void (*rows)(void *arg, struct ef_batch *batch, bool paused);
    void (*fetched)(void *arg, const struct ef_fetched *fetched, const struct ef_error *err);
    void (*settled)(void *arg, int64_t rows, const struct ef_error *err);
    void (*decided)(void *arg, int64_t rows, const struct ef_error *err);
    void (*topic_released)(void *arg, int64_t rows, const struct ef_error *err);
    void (*waiting)(void *arg, const struct ef_waiting *waiting, const struct ef_error *err);
    void (*lag)(void *arg, const struct ef_lag *lag, const struct ef_error *err);
    void (*maintained)(void *arg, int64_t rows_purged, const struct ef_error *err);
    void (*paused)(void *arg, const struct ef_error *err);
    void (*operated)(void *arg, const char *json, const struct ef_error *err);
    void (*next_command)(void *arg, const struct ef_command_row *row, const struct ef_error *err);
    void (*carried_out)(void *arg, int64_t rows, const struct ef_error *err);
    void (*holds)(void *arg, const struct ef_hold *holds, int count, const struct ef_error *err);
    void (*examined)(void *arg, const struct ef_report *report, const struct ef_error *err);
    void (*closed)(void *arg);
};

/* --- verbs --- */

struct ef_store;

void ef_store_open(struct ef_store *store);
/* Table, columns, privileges, our objects. CONFIG errors say what is missing and the SQL that mends
 * it. Not beside other verbs: it finds out what their statements are. */
void ef_store_check(struct ef_store *store);
void ef_store_acquire(struct ef_store *store, const struct ef_acquire *acquire);
void ef_store_renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms);
void ef_store_release(struct ef_store *store, int64_t epoch);
void ef_store_fetch(struct ef_store *store, const struct ef_fetch *fetch);
void ef_store_fetch_continue(struct ef_store *store);
/* The open fetch ends early: `fetched` comes with class BUSY; no `rows` after this call. */
void ef_store_fetch_cancel(struct ef_store *store);
void ef_store_settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                     int count);
/* Durable. While a fetch is open only for pending rows that become dead: the others need the fate
 * barrier. */
void ef_store_decide(struct ef_store *store, int64_t epoch, const struct ef_decision *decisions,
                     int count);
/* next_retry_at = now for waiting rows of this topic (p NULL: of every topic): the first `limit` by
 * id, 0 for all. */
void ef_store_release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic,
                            int limit);
void ef_store_waiting(struct ef_store *store);
void ef_store_lag(struct ef_store *store);
/* Archive upkeep, or purge of one small batch of done rows (on_delivered: mark). */
void ef_store_maintain(struct ef_store *store, int64_t epoch);
/* Write or clear the registry's pause mark. */
void ef_store_pause(struct ef_store *store, bool pause, const char *actor, const char *reason);
/* Listings and requests of operators: on a connection of their own, opened for them. */
void ef_store_operate(struct ef_store *store, const struct ef_operate *operate);
/* The oldest command of the table that nobody has carried out (row NULL: there is none). */
void ef_store_next_command(struct ef_store *store);
/*
 * Its changes of rows, their audit, and its end with its result, durably and all at once; a command
 * that has ended changes nothing more. CONFIG: it cannot be done so (a right is missing, a value is
 * none of its column's); nothing was changed, and the command waits on.
 */
void ef_store_carry_out(struct ef_store *store, int64_t epoch, const struct ef_command *command);
/* What operators hold back, from the table that keeps it. */
void ef_store_holds(struct ef_store *store);
/*
 * What the doctor would say of the database and the table: old transactions, what holds dead rows
 * back, upkeep, whether a notification arrives, and the warnings of check. Cheap, but it may take
 * some seconds. Only of a store with EF_STORE_EXAMINES, after check.
 */
void ef_store_examine(struct ef_store *store, const struct ef_examine *examine);
/* Doorbell on or off; no completion, but arming_lost if it fails. */
void ef_store_arm_wakeup(struct ef_store *store, bool armed);
void ef_store_close(struct ef_store *store);
void ef_store_free(struct ef_store *store);

unsigned ef_store_caps(const struct ef_store *store);
/* True while wake-ups are known to arrive: only then may polling slow down. */
bool ef_store_wakeup_works(const struct ef_store *store);
/* True between `up` and `down`. */
bool ef_store_is_up(const struct ef_store *store);

/* --- for drivers --- */

struct ef_store_ops {
    const char *driver;
    unsigned caps;
    void (*open)(struct ef_store *store);
    void (*check)(struct ef_store *store);
    void (*acquire)(struct ef_store *store, const struct ef_acquire *acquire);
    void (*renew)(struct ef_store *store, int64_t epoch, int64_t ttl_ms);
    void (*release)(struct ef_store *store, int64_t epoch);
    void (*fetch)(struct ef_store *store, const struct ef_fetch *fetch);
    void (*fetch_continue)(struct ef_store *store);
    void (*fetch_cancel)(struct ef_store *store);
    void (*settle)(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                   int count);
    void (*decide)(struct ef_store *store, int64_t epoch, const struct ef_decision *decisions,
                   int count);
    void (*release_topic)(struct ef_store *store, int64_t epoch, struct ef_slice topic, int limit);
    void (*waiting)(struct ef_store *store);
    void (*lag)(struct ef_store *store);
    void (*maintain)(struct ef_store *store, int64_t epoch);
    void (*pause)(struct ef_store *store, bool pause, const char *actor, const char *reason);
    void (*operate)(struct ef_store *store, const struct ef_operate *operate);
    void (*next_command)(struct ef_store *store);
    void (*carry_out)(struct ef_store *store, int64_t epoch, const struct ef_command *command);
    void (*holds)(struct ef_store *store);
    void (*examine)(struct ef_store *store, const struct ef_examine *examine); /* by its cap */
    void (*arm_wakeup)(struct ef_store *store, bool armed);
    void (*close)(struct ef_store *store);
    void (*free)(struct ef_store *store);
};

enum ef_store_verb {
    EF_VERB_CHECK,
    EF_VERB_ACQUIRE,
    EF_VERB_RENEW,
    EF_VERB_RELEASE,
    EF_VERB_FETCH,
    EF_VERB_SETTLE,
    EF_VERB_DECIDE,
    EF_VERB_RELEASE_TOPIC,
    EF_VERB_WAITING,
    EF_VERB_LAG,
    EF_VERB_MAINTAIN,
    EF_VERB_PAUSE,
    EF_VERB_OPERATE,
    EF_VERB_NEXT_COMMAND,
    EF_VERB_CARRY_OUT,
    EF_VERB_HOLDS,
    EF_VERB_EXAMINE,
    EF_VERB_COUNT,
};

/* First member of each driver's struct. */
struct ef_store {
    const struct ef_store_ops *ops;
    const struct ef_store_user *user;
    void *user_arg;
    const char *name; /* outbox, for logs; borrowed */
    bool busy[EF_VERB_COUNT];
    int64_t started_us[EF_VERB_COUNT];
    bool in_call; /* a verb is being started: completing now would break the contract */
    bool up, closing, closed;
    bool wakeup_works; /* kept by the driver: a notification was heard to arrive */
};

void ef_store_init(struct ef_store *store, const struct ef_store_ops *ops, const char *name,
                   const struct ef_store_user *user, void *arg);

/* One more sentence of warning in what check found. */
void ef_store_info_warn(struct ef_store_info *info, const char *fmt, ...) EF_PRINTF(2, 3);

/* One more; those past the last are left out. */
void ef_standbys_add(struct ef_standbys *standbys, const char *instance, const char *host);

/* Drivers report through these, never through the user's table directly. */
void ef_store_did_up(struct ef_store *store, const char *server);
void ef_store_did_down(struct ef_store *store, const struct ef_error *err);
void ef_store_did_wakeup(struct ef_store *store);
void ef_store_did_lose_arming(struct ef_store *store);
void ef_store_did_check(struct ef_store *store, const struct ef_store_info *info,
                        const struct ef_error *err);
void ef_store_did_acquire(struct ef_store *store, const struct ef_lease *lease,
                          const struct ef_error *err);
void ef_store_did_renew(struct ef_store *store, const struct ef_renewal *renewal,
                        const struct ef_error *err);
void ef_store_did_release(struct ef_store *store, const struct ef_error *err);
void ef_store_did_rows(struct ef_store *store, struct ef_batch *batch, bool paused);
void ef_store_did_fetch(struct ef_store *store, const struct ef_fetched *fetched,
                        const struct ef_error *err);
void ef_store_did_settle(struct ef_store *store, int64_t rows, const struct ef_error *err);
void ef_store_did_decide(struct ef_store *store, int64_t rows, const struct ef_error *err);
void ef_store_did_release_topic(struct ef_store *store, int64_t rows, const struct ef_error *err);
void ef_store_did_waiting(struct ef_store *store, const struct ef_waiting *waiting,
                          const struct ef_error *err);
void ef_store_did_lag(struct ef_store *store, const struct ef_lag *lag, const struct ef_error *err);
void ef_store_did_maintain(struct ef_store *store, int64_t rows_purged, const struct ef_error *err);
void ef_store_did_pause(struct ef_store *store, const struct ef_error *err);
void ef_store_did_operate(struct ef_store *store, const char *json, const struct ef_error *err);
void ef_store_did_next_command(struct ef_store *store, const struct ef_command_row *row,
                               const struct ef_error *err);
void ef_store_did_carry_out(struct ef_store *store, int64_t rows, const struct ef_error *err);
void ef_store_did_holds(struct ef_store *store, const struct ef_hold *holds, int count,
                        const struct ef_error *err);
void ef_store_did_examine(struct ef_store *store, const struct ef_report *report,
                          const struct ef_error *err);
void ef_store_did_close(struct ef_store *store);
