// SPDX-License-Identifier: MIT
/* The inside of the memory database, shared by memory_db.c (rows, transactions) and
 * memory_statements.c. */
#pragma once

#include "store/memory_db.h"

struct ef_memory_rows {
    struct ef_memory_row **items; /* owned, ids ascending */
    int count, size;
};

struct ef_memory_lease {
    int64_t epoch;
    char owner[128], token[64], server[32]; /* "": NULL */
    char incarnation[40];
    int64_t expires_us, server_seen_us, acquired_us; /* 0: NULL */
};

struct ef_memory_relay { /* a row of the table of live relays */
    char incarnation[40], instance[128];
    int64_t seen_us;
};

struct ef_memory_archived {
    int64_t id, at_us;
};

struct ef_memory_command { /* a row of the command table; texts owned */
    int64_t number;
    char *verb, *args, *actor, *result;
    bool done;
};

/* What a failover may take back. */
struct ef_memory_state {
    struct ef_memory_rows rows;
    struct ef_memory_archived *archive; /* owned */
    int archive_count, archive_size;
    struct ef_memory_lease lease;
    int64_t last_id;
    unsigned filenode; /* another one after each truncate */
    uint64_t next_xid;
    bool paused;
    char paused_by[128], pause_reason[256];
};

struct ef_memory_tx {
    struct ef_memory *db;
    struct ef_memory_tx *prev, *next;
    uint64_t xid;  /* 0: none yet */
    bool bell;     /* something was inserted while the doorbell was armed */
    bool finished; /* by a failover */
};

struct ef_memory_listener {
    struct ef_memory_listener *prev, *next;
    void (*ring)(void *arg);
    void *arg;
};

struct ef_memory {
    struct ef_memory_settings settings;
    struct ef_memory_state now;
    struct ef_memory_state saved;
    bool has_saved;
    struct ef_memory_tx *open; /* list */
    struct ef_memory_listener *listeners;
    bool armed;
    int64_t skew_us;
    int timeline;
    char server[32];
    /* operators' tables; a failover leaves them alone */
    struct ef_memory_command *commands; /* owned */
    int command_count;
    struct ef_memory_hold_list holds;
    struct ef_memory_relay *relays; /* owned */
    int relay_count;
};

/* The fence: a lease of this epoch, taken on this server. */
bool ef_memory_ours(const struct ef_memory *db, int64_t epoch);
/* A statement that writes uses up a transaction number. */
void ef_memory_count_transaction(struct ef_memory *db);
/* Settles row i if it is within the run and bounds; true: it is gone from its place. */
bool ef_memory_settle_row(struct ef_memory *db, int i, const struct ef_settle_run *run,
                          int64_t *rows);
/* The table of live relays: one says that it is there, leaves, and who is there but not the owner.
 */
void ef_memory_see_relay(struct ef_memory *db, const char *incarnation, const char *instance);
void ef_memory_remove_relay(struct ef_memory *db, const char *incarnation);
void ef_memory_standbys(const struct ef_memory *db, struct ef_standbys *ret);
void ef_memory_free_operators(struct ef_memory *db);

/* Index of the first row whose id is not below this. */
int ef_memory_lower_bound(const struct ef_memory *db, int64_t id);
void ef_memory_remove_rows(struct ef_memory *db, int first, int count);
void ef_memory_archive_row(struct ef_memory *db, int64_t id);
