// SPDX-License-Identifier: MIT
/* What the contract tests share: a store together with everything it was heard to say. */
#pragma once

#include "unit/store_suite.h"

enum { SEEN_ROWS_MAX = 4096, SEEN_CHUNKS_MAX = 256 };

struct relay {
    struct ef_store *store;
    int64_t epoch; /* of the lease it was granted */
    char token[37];
    /* upcalls so far, and what the last one of each brought */
    int up, down, wakeup, arming_lost, closed;
    int done[EF_VERB_COUNT];
    struct ef_error err[EF_VERB_COUNT]; /* class NONE: success */
    char server[128];
    struct ef_error down_err;
    struct ef_store_info info;
    struct ef_lease lease;
    struct ef_renewal renewal;
    struct ef_fetched fetched;
    struct ef_waiting waiting;
    struct ef_lag lag;
    int64_t rows[EF_VERB_COUNT]; /* that settle, decide, release_topic, ... reported */
    char json[65536];            /* answer of operate */
    bool has_command;            /* next_command's answer, */
    bool parsed;                 /* owned once there was one: */
    struct ef_command command;
    struct ef_holds holds;
    /* of the open or last fetch; rows stay valid until the next one */
    struct ef_batch *batches[SEEN_CHUNKS_MAX];
    int chunk_count;
    bool paused;
    const struct ef_row *seen[SEEN_ROWS_MAX], *held[SEEN_ROWS_MAX]; /* the latter held back */
    int seen_count, held_count;
};

/* The fixture of the running test, and its setup: deleting, by aggregate id, payloads up to 1000
 * bytes. */
extern const struct store_fixture *fixture;
extern struct store_setup setup;
extern void *world;

/* Does the fixture say that it cannot have this test? */
bool is_left_out(const char *test);

#undef tcase_add_test
#undef tcase_add_loop_test
#define tcase_add_test(tc, test)                                                                   \
    do {                                                                                           \
        if (!is_left_out(#test))                                                                   \
            tcase_add_test_raise_signal(tc, test, 0);                                              \
    } while (0)
#define tcase_add_loop_test(tc, test, from, to)                                                    \
    do {                                                                                           \
        if (!is_left_out(#test))                                                                   \
            tcase_add_loop_test_raise_signal(tc, test, 0, from, to);                               \
    } while (0)

void start_world(void);
/* With a setup that the test has changed. */
void start_again(void);
/* A store that is up and checked. */
struct relay *start_relay(void);
/* The same, and it owns the table: for ttl_ms. */
struct relay *start_owner_for(int64_t ttl_ms);
struct relay *start_owner(void);
/* Closes and frees every relay, then the fixture's world. */
void stop_world(void);

/* Runs the loop until *counter has reached target; fails the test after a deadline. */
void until(const int *counter, int target);
/* Lets the loop turn for a while: where nothing can be waited for. */
void turn_for(int64_t us);
/* Has the verb completed once more, with success / with this class? Call right after starting it.
 */
void completes(struct relay *r, enum ef_store_verb verb);
void fails(struct relay *r, enum ef_store_verb verb, enum ef_class class);

/* Whole verbs. */
void acquire(struct relay *r, int64_t ttl_ms, const char *old_token);
void fetch_more(struct relay *r, int64_t after, const struct ef_run *gaps, int gap_count,
                int max_rows);
void fetch(struct relay *r, int64_t after); /* no gaps, up to 1000 rows */
int64_t settle(struct relay *r, const struct ef_settle_run *runs, int count);
int64_t decide(struct relay *r, const struct ef_decision *decisions, int count);

/* Fails the test unless the last fetch showed exactly these ids, in this order (0 ends the list).
 */
void shows(const struct relay *r, const int64_t *ids);
#define SHOWS(r, ...) shows((r), (const int64_t[]){__VA_ARGS__ __VA_OPT__(, ) 0})
/* The same of rows that were only said to be there. */
void holds_back(const struct relay *r, const int64_t *ids);
#define HOLDS_BACK(r, ...) holds_back((r), (const int64_t[]){__VA_ARGS__ __VA_OPT__(, ) 0})
/* The run of these ids with the created_at bounds the last fetch showed for them. */
struct ef_settle_run run_of(const struct relay *r, int64_t first, int64_t last);
int64_t created_of(const struct relay *r, int64_t id);

/* An ordinary row of this aggregate. */
struct ef_row plain_row(const char *aggregate);
/* Inserts one committed row; returns its id. */
int64_t add(const char *aggregate);
void add_rows(int count); /* each of an aggregate of its own */
struct store_row look(int64_t id);
bool exists(int64_t id);

void add_life_tests(Suite *suite);
void add_lease_tests(Suite *suite);
void add_read_tests(Suite *suite);
void add_hold_tests(Suite *suite);
void add_write_tests(Suite *suite);
void add_operate_tests(Suite *suite);
/* A case with start and stop of the world around each test. */
TCase *contract_case(Suite *suite, const char *name);
