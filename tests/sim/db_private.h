// SPDX-License-Identifier: MIT
/* The database's inside, shared by db.c (rows, transactions, crashes) and statements.c. */
#pragma once

#include "base/arena.h"
#include "sim/db.h"

enum { TX_MAX = 16, COMMANDS_MAX = 128 };

struct tx {
    bool open, ended, bell;
    uint64_t xid; /* 0: none yet */
};

/* What one change can be undone with; `last` closes a transaction. */
struct undo {
    int uid; /* -1: the lease */
    bool last, born;
    struct sim_row_state row;
    struct sim_lease lease;
    bool paused;
    int64_t sequence;
};

struct sim_db {
    struct sim_db_config config;
    struct sim_row *rows; /* config.rows_max of them, as of the index */
    int row_count;
    int *index;
    int index_count;
    struct ef_arena texts;
    struct sim_lease lease;
    uint32_t grants;
    int timeline;
    int64_t sequence;
    int64_t flushed_sequence; /* what a crash leaves of it, on MySQL */
    uint64_t next_xid;
    uint32_t commits;
    unsigned filenode;
    bool paused, armed, no_locks, stalled;
    const char *paused_by, *pause_reason; /* the last mark's, as long as there is one */
    int revoked; /* rights: 1 on the table, 2 on the lease too, 3 on the archive */
    struct tx tx[TX_MAX];
    struct undo *log;
    int log_count, log_size;
    int flushed, replicated; /* log entries on disk, and at the replica */
    int share_locks;         /* statements that hold the lease's row */
    unsigned epoch_of_locks; /* counts crashes: locks from before are void */
    void (*bell)(void);
    struct sim_command commands[COMMANDS_MAX];
    int command_count;
    struct sim_hold holds[SIM_HOLDS_MAX];
    int hold_count;
};

extern struct sim_db db;

void sim_db_save_row(int uid);
void sim_db_save_lease(void);
/* Ends a statement's changes. */
void sim_db_log_commit(bool durable);
void sim_db_unindex(int uid);
bool sim_db_visible(const struct sim_row *row, uint32_t snapshot);
int sim_db_lower_bound(int64_t id);

/* lease.c */
bool sim_db_lease_matches(const struct sim_stmt *stmt);
int64_t sim_db_ms_until(int64_t at_us, int64_t now_us); /* rounded up; 0: it is past */
void sim_db_acquire(struct sim_stmt *stmt);
void sim_db_renew(struct sim_stmt *stmt);
void sim_db_release(struct sim_stmt *stmt);
void sim_db_pause_mark(struct sim_stmt *stmt);

/* orders.c: what operators ask */
void sim_db_carry_out(struct sim_stmt *stmt);
void sim_db_next_command(struct sim_stmt *stmt);
void sim_db_tell_holds(struct sim_stmt *stmt);
void sim_db_operate(struct sim_stmt *stmt);
void sim_db_maintain(struct sim_stmt *stmt);

/* statements.c, for them */
void sim_db_settle_row(struct sim_stmt *stmt, struct sim_row *row);
/* Waiting rows of this topic (-1: of every one) and aggregate (NULL: of any), the first `limit` by
 * id, 0 for all. */
void sim_db_make_due(struct sim_stmt *stmt, int topic, const char *aggregate, int limit);

/* statements_mysql.c */
/* A statement's next part. Returns how long until the one after it; 0: the rest happens now. */
int64_t sim_my_part(struct sim_stmt *stmt, bool changes_rows);
