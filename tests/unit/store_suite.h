// SPDX-License-Identifier: MIT
/*
 * The store contract as tests (store.h): one suite for every driver. A fixture gives it an empty
 * table, the application's side of it, and the means to look behind the store's back.
 */
#pragma once

#include <check.h>

#include "config/config.h"
#include "loop/loop.h"
#include "store/store.h"

struct store_setup {
    enum ef_on_delivered on_delivered;
    enum ef_order_by order_by;
    int64_t claim_timeout_ms;
    int64_t retention_ms;
    int64_t max_payload_bytes;
};

struct store_row { /* a committed row as it stands in the table */
    int status, attempts;
    bool has_retry, has_claim, has_processed;
    int64_t retry_in_ms; /* next_retry_at, from now by the database's clock */
    bool has_error;
    char last_error[256];
};

struct store_gap { /* a test that asks for what a fixture's store does not have */
    const char *test, *why;
};

/* Every function takes what open() returned. */
struct store_fixture {
    const char *name;
    const struct store_gap *gaps; /* ends with a NULL test; NULL: it has everything */
    /* An empty table whose ids begin at 1, a lease that nobody holds, no pause mark, an empty
     * archive. */
    void *(*open)(const struct store_setup *setup);
    void (*close)(void *f);
    struct ef_loop *(*loop)(void *f);
    /* The store of another relay of this table. */
    struct ef_store *(*make_store)(void *f, const struct ef_store_user *user, void *arg);

    /* --- the application --- */
    int64_t (*next_id)(void *f);
    void *(*begin)(void *f);
    /* row->id 0: the next one; created_at_us 0: now. Only the columns of a row that is written;
     * status 0. */
    int64_t (*insert)(void *f, void *tx, const struct ef_row *row);
    void (*commit)(void *f, void *tx);
    void (*rollback)(void *f, void *tx);

    /* --- behind the store's back --- */
    bool (*look)(void *f, int64_t id, struct store_row *ret); /* false: no such row */
    int (*archived)(void *f, int64_t id);                     /* times */
    /* at_ms, from now: of next_retry_at for status 3, claimed_at for 1, processed_at for 2. */
    void (*set_status)(void *f, int64_t id, int status, int64_t at_ms);
    void (*truncate)(void *f); /* and ids begin again at 1 */
    /* The lease was taken on another server than the one that answers now. */
    void (*move_server)(void *f);
    /* No relay has said for EF_STANDBY_SEEN_S that it is there. */
    void (*age_relays)(void *f);
    /* Statements of stores hang from now on, or go on. */
    void (*stall)(void *f, bool stalled);
    /* All connections of this fixture's stores break and cannot come back until mended. */
    void (*cut)(void *f);
    void (*mend)(void *f);
};

/* Every test of the contract, on this fixture; a gap that no test is named after ends the
 * program. */
Suite *store_suite(const struct store_fixture *fixture);
