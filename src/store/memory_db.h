// SPDX-License-Identifier: MIT
/*
 * An outbox table with its lease in memory, behaving as PostgreSQL's do: ids are drawn before
 * transactions have numbers, rows appear when their transaction commits, every statement sees one
 * snapshot and happens at once. For the contract suite and the simulation; nothing survives the
 * process.
 *
 * Owns its rows and transactions. Knows no loop and no connections: memory.c carries statements
 * here and answers back, and can lose either. Time is the process's clock plus a skew. Thread: the
 * loop's. Life: ef_memory_new .. ef_memory_free, after its stores.
 */
#pragma once

#include "config/config.h"
#include "outbox/row.h"
#include "store/store.h"

struct ef_memory;
struct ef_memory_tx;

struct ef_memory_settings {
    enum ef_on_delivered on_delivered;
    enum ef_order_by order_by;
    int64_t claim_timeout_ms;
    int64_t retention_ms; /* 0: never purge */
    int64_t max_payload_bytes;
};

struct ef_memory_row {
    struct ef_row row;                               /* status and attempts are the current ones */
    int64_t next_retry_us, claimed_us, processed_us; /* database's clock; 0: NULL */
    char *last_error;                                /* owned; NULL: none */
    struct ef_memory_tx *tx;                         /* that inserted it; NULL: committed */
    char bytes[];                                    /* what row's slices point to */
};

struct ef_memory *ef_memory_new(const struct ef_memory_settings *settings);
void ef_memory_free(struct ef_memory *db);
/* The database's clock runs ahead of ours by this. */
void ef_memory_skew(struct ef_memory *db, int64_t ahead_us);

/* --- the application's side --- */

/* Draws an id from the sequence. */
int64_t ef_memory_next_id(struct ef_memory *db);
struct ef_memory_tx *ef_memory_begin(struct ef_memory *db);
/* Gives the transaction its number, as any first write does. */
void ef_memory_touch(struct ef_memory_tx *tx);
/* Copies the row; id 0: the next one, created_at_us 0: now. Returns the id; 0: the id is taken. */
int64_t ef_memory_insert(struct ef_memory_tx *tx, const struct ef_row *row);
/* Both free the transaction. False: a failover has ended it, nothing was committed. */
bool ef_memory_commit(struct ef_memory_tx *tx);
void ef_memory_rollback(struct ef_memory_tx *tx);
/* Committed rows go at once; ids begin again at 1 if wanted. Not while a transaction is open. */
void ef_memory_truncate(struct ef_memory *db, bool restart_ids);
/* Remove a committed row; false if there is none. */
bool ef_memory_delete(struct ef_memory *db, int64_t id);

/* --- what tests look at and change --- */

/* A committed row, or NULL. Status, attempts and times may be changed. Valid until the next call.
 */
struct ef_memory_row *ef_memory_find(struct ef_memory *db, int64_t id);
/* Committed rows in id order, i from 0; NULL past the end. */
struct ef_memory_row *ef_memory_at(struct ef_memory *db, int i);
/* Times this id was archived. */
int ef_memory_archived(const struct ef_memory *db, int64_t id);
int64_t ef_memory_now_us(const struct ef_memory *db);

/*
 * Another server takes over. What was committed after the last save (if there was one) is lost, as
 * with an asynchronous replica; sequence and lease go back with it. Open transactions end without
 * effect. The caller breaks the stores' connections (memory.h).
 */
void ef_memory_save(struct ef_memory *db);
void ef_memory_fail_over(struct ef_memory *db);

/* --- statements, for memory.c; each happens at once --- */

const char *ef_memory_server(const struct ef_memory *db);
/* Rows inserted while the doorbell is armed ring it when their transaction commits. */
void ef_memory_listen(struct ef_memory *db, void (*ring)(void *arg), void *arg);
void ef_memory_unlisten(struct ef_memory *db, void *arg);
void ef_memory_arm(struct ef_memory *db, bool armed);

struct ef_memory_lease_request {
    int64_t ttl_ms;
    const char *owner, *incarnation, *token, *old_token; /* old_token may be NULL */
    bool passing;
};
void ef_memory_acquire(struct ef_memory *db, const struct ef_memory_lease_request *request,
                       struct ef_lease *ret);
/* The others compare epoch and server; false: not ours any more, nothing was done. */
bool ef_memory_renew(struct ef_memory *db, int64_t epoch, int64_t ttl_ms, struct ef_renewal *ret);
bool ef_memory_release(struct ef_memory *db, int64_t epoch);
/* Appends batches (one reference each) that tell what the statement's snapshot showed; each but the
 * last ends where max_bytes or its size was reached. */
struct ef_memory_read {
    struct ef_batch **batches; /* owned array */
    bool *full;                /* owned array: the batch reached max_bytes */
    int count, size;
    unsigned filenode; /* of the table: another one after each truncate */
    struct ef_fetched fetched;
};
bool ef_memory_fetch(struct ef_memory *db, const struct ef_fetch *fetch,
                     struct ef_memory_read *ret);
bool ef_memory_settle(struct ef_memory *db, int64_t epoch, const struct ef_settle_run *runs,
                      int count, int64_t *ret_rows);
bool ef_memory_decide(struct ef_memory *db, int64_t epoch, const struct ef_decision *decisions,
                      int count, int64_t *ret_rows);
bool ef_memory_release_topic(struct ef_memory *db, int64_t epoch, struct ef_slice topic, int limit,
                             int64_t *ret_rows);
bool ef_memory_maintain(struct ef_memory *db, int64_t epoch, int64_t *ret_rows);
void ef_memory_waiting(struct ef_memory *db, struct ef_waiting *ret);
void ef_memory_lag(struct ef_memory *db, struct ef_lag *ret);
void ef_memory_pause(struct ef_memory *db, bool pause, const char *actor, const char *reason);
/* memory_operate.c. Answers as texts are the caller's to free. */
char *ef_memory_rows(struct ef_memory *db, const struct ef_row_filter *filter);
int64_t ef_memory_request(struct ef_memory *db, const char *verb, const char *args,
                          const char *actor);
char *ef_memory_result(const struct ef_memory *db, int64_t command);
int ef_memory_open_commands(const struct ef_memory *db);
/* The oldest open one, its texts the caller's to free; number 0: there is none. */
void ef_memory_next_command(const struct ef_memory *db, struct ef_command_row *ret);
bool ef_memory_carry_out(struct ef_memory *db, int64_t epoch, const struct ef_command *command,
                         int64_t *ret_rows);
struct ef_memory_hold_list {
    struct ef_hold *items; /* owned, with their texts */
    int count;
};
void ef_memory_holds(const struct ef_memory *db, struct ef_memory_hold_list *ret);
void ef_memory_hold_list_free(struct ef_memory_hold_list *list);
