// SPDX-License-Identifier: MIT
/* The contract's first half page: one completion each, never from inside the call, OUTAGE,
 * UNCERTAIN, close. */
#include "unit/store_suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit/store_relay.h"

/* Starts a verb that changes nothing worth mentioning. */
static void start_verb(struct relay *r, enum ef_store_verb verb)
{
    static const struct ef_settle_run run = {1000000, 1000001, 0, 1};
    static const struct ef_decision decision = {
        .id = 1000000, .created_us = 1, .kind = EF_DECIDE_RETRY, .attempts = 1, .delay_ms = 1};
    static const struct ef_row_filter filter = {.limit = 1, .after_id = INT64_MIN};
    static const struct ef_command command = {.number = 1000000,
                                              .verb = EF_COMMAND_REFUSED,
                                              .actor = (char *)"test",
                                              .reason = (char *)"test"};
    struct ef_store *s = r->store;
    switch (verb) {
    case EF_VERB_CHECK:
        ef_store_check(s);
        break;
    case EF_VERB_ACQUIRE:
        ef_store_acquire(s, &(struct ef_acquire){.ttl_ms = 60000,
                                                 .owner = "somebody",
                                                 .incarnation = r->token,
                                                 .token = r->token,
                                                 .old_token = r->token});
        break;
    case EF_VERB_RENEW:
        ef_store_renew(s, r->epoch, 60000);
        break;
    case EF_VERB_RELEASE:
        ef_store_release(s, r->epoch + 1000);
        break;
    case EF_VERB_FETCH:
        ef_store_fetch(s, &(struct ef_fetch){.epoch = r->epoch, .max_rows = 1, .max_bytes = 1000});
        break;
    case EF_VERB_SETTLE:
        ef_store_settle(s, r->epoch, &run, 1);
        break;
    case EF_VERB_DECIDE:
        ef_store_decide(s, r->epoch, &decision, 1);
        break;
    case EF_VERB_RELEASE_TOPIC:
        ef_store_release_topic(s, r->epoch, ef_slice_of("no-such-topic"), 0);
        break;
    case EF_VERB_WAITING:
        ef_store_waiting(s);
        break;
    case EF_VERB_LAG:
        ef_store_lag(s);
        break;
    case EF_VERB_MAINTAIN:
        ef_store_maintain(s, r->epoch);
        break;
    case EF_VERB_PAUSE:
        ef_store_pause(s, false, "test", NULL);
        break;
    case EF_VERB_OPERATE:
        ef_store_operate(s, &(struct ef_operate){.kind = EF_OPERATE_ROWS, .filter = &filter});
        break;
    case EF_VERB_NEXT_COMMAND:
        ef_store_next_command(s);
        break;
    case EF_VERB_CARRY_OUT:
        ef_store_carry_out(s, r->epoch, &command);
        break;
    case EF_VERB_HOLDS:
        ef_store_holds(s);
        break;
    case EF_VERB_EXAMINE:
        ef_store_examine(s, &(struct ef_examine){.old_ms = 300000});
        break;
    case EF_VERB_COUNT:
        break;
    }
}

START_TEST(up_says_who_answers)
{
    struct relay *r = start_relay();
    ck_assert_int_eq(r->up, 1);
    ck_assert_int_eq(r->down, 0);
    ck_assert(ef_store_is_up(r->store));
    ck_assert_str_ne(r->server, "");
    ck_assert_str_eq(r->info.server, r->server);
    ck_assert_str_ne(r->info.version, "");
    ck_assert(r->info.has_last_error);
    ck_assert(r->info.has_partition);
}
END_TEST

START_TEST(each_verb_completes_once_and_later)
{
    struct relay *r = start_owner();
    for (int verb = 0; verb < EF_VERB_COUNT; verb++) {
        int before = r->done[verb];
        start_verb(r, (enum ef_store_verb)verb);
        ck_assert_int_eq(r->done[verb], before);
        completes(r, (enum ef_store_verb)verb);
        if (verb == EF_VERB_ACQUIRE)
            r->epoch = r->lease.epoch;
        ck_assert_int_eq(r->done[verb], before + 1);
    }
    int all[EF_VERB_COUNT];
    memcpy(all, r->done, sizeof(all));
    for (int i = 0; i < 3; i++) { /* a second completion would have come by then */
        start_verb(r, EF_VERB_WAITING);
        completes(r, EF_VERB_WAITING);
        start_verb(r, EF_VERB_SETTLE);
        completes(r, EF_VERB_SETTLE);
    }
    all[EF_VERB_WAITING] += 3;
    all[EF_VERB_SETTLE] += 3;
    ck_assert_int_eq(memcmp(all, r->done, sizeof(all)), 0);
    ck_assert_int_eq(r->up, 1);
    ck_assert_int_eq(r->down, 0);
}
END_TEST

/* Not beside: check, which finds out what the others say; acquire, which changes the epoch; decide,
 * which is behind the fate barrier. */
static bool may_be_beside_others(enum ef_store_verb verb)
{
    return verb != EF_VERB_CHECK && verb != EF_VERB_ACQUIRE && verb != EF_VERB_DECIDE;
}

START_TEST(verbs_may_be_under_way_together)
{
    struct relay *r = start_owner();
    int before[EF_VERB_COUNT];
    memcpy(before, r->done, sizeof(before));
    for (int verb = 0; verb < EF_VERB_COUNT; verb++)
        if (may_be_beside_others((enum ef_store_verb)verb))
            start_verb(r, (enum ef_store_verb)verb);
    for (int verb = 0; verb < EF_VERB_COUNT; verb++)
        if (may_be_beside_others((enum ef_store_verb)verb)) {
            until(&r->done[verb], before[verb] + 1);
            ck_assert_msg(r->err[verb].class == EF_CLASS_NONE, "verb %d: %s", verb,
                          r->err[verb].text);
        }
}
END_TEST

START_TEST(closing_ends_everything_silently)
{
    struct relay *r = start_owner();
    add_rows(10);
    int before[EF_VERB_COUNT];
    memcpy(before, r->done, sizeof(before));
    start_verb(r, EF_VERB_WAITING);
    start_verb(r, EF_VERB_SETTLE);
    start_verb(r, EF_VERB_FETCH);
    ef_store_close(r->store);
    ck_assert_int_eq(r->closed, 0);
    until(&r->closed, 1);
    ck_assert_int_eq(memcmp(before, r->done, sizeof(before)), 0);
    ck_assert_int_eq(r->chunk_count, 0);
    ck_assert_int_eq(r->down, 0);
}
END_TEST

START_TEST(closing_a_paused_fetch)
{
    struct relay *r = start_owner();
    add_rows(10);
    ef_store_fetch(r->store, &(struct ef_fetch){.epoch = r->epoch, .max_rows = 10, .max_bytes = 1});
    until(&r->chunk_count, 1);
    ck_assert(r->paused);
    ef_store_close(r->store);
    until(&r->closed, 1);
    ck_assert_int_eq(r->done[EF_VERB_FETCH], 0);
}
END_TEST

START_TEST(closing_while_it_is_down)
{
    struct relay *r = start_relay();
    fixture->cut(world);
    until(&r->down, 1);
    ef_store_close(r->store);
    until(&r->closed, 1);
    fixture->mend(world);
}
END_TEST

START_TEST(without_a_database_no_verb_succeeds)
{
    struct relay *r = start_owner();
    fixture->cut(world);
    until(&r->down, 1);
    ck_assert(!ef_store_is_up(r->store));
    ck_assert_int_eq(r->down_err.class, EF_CLASS_OUTAGE);
    for (int verb = 0; verb < EF_VERB_COUNT; verb++) {
        start_verb(r, (enum ef_store_verb)verb);
        until(&r->done[verb], r->done[verb] + 1);
        /* UNCERTAIN: it went out on one of several connections that was not known to be lost */
        ck_assert_msg(r->err[verb].class == EF_CLASS_OUTAGE ||
                          r->err[verb].class == EF_CLASS_UNCERTAIN,
                      "verb %d: %s", verb, r->err[verb].text);
    }
    ck_assert_int_eq(r->down, 1); /* told once, not for each attempt */
    fixture->mend(world);
    until(&r->up, 2);
    ef_store_check(r->store);
    completes(r, EF_VERB_CHECK);
    fetch(r, 0);
}
END_TEST

START_TEST(an_answer_that_is_lost_leaves_writes_uncertain)
{
    struct relay *r = start_owner();
    add_rows(3);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 3);
    fixture->stall(world, true);
    ef_store_settle(r->store, r->epoch, &run, 1);
    start_verb(r, EF_VERB_FETCH);
    start_verb(r, EF_VERB_WAITING);
    turn_for(300000); /* they have been sent, and hang */
    ck_assert_int_eq(r->done[EF_VERB_SETTLE], 0);
    fixture->cut(world);
    until(&r->done[EF_VERB_SETTLE], 1);
    until(&r->down, 1);
    until(&r->done[EF_VERB_FETCH], 2);
    until(&r->done[EF_VERB_WAITING], 1);
    ck_assert_int_eq(r->err[EF_VERB_SETTLE].class, EF_CLASS_UNCERTAIN);
    ck_assert_int_eq(r->err[EF_VERB_FETCH].class, EF_CLASS_OUTAGE);
    ck_assert(r->err[EF_VERB_WAITING].class == EF_CLASS_OUTAGE ||
              r->err[EF_VERB_WAITING].class == EF_CLASS_UNCERTAIN);
    fixture->stall(world, false);
    fixture->mend(world);
    until(&r->up, 2);
    ef_store_check(r->store);
    completes(r, EF_VERB_CHECK);
    settle(r, &run, 1); /* whether it had happened or not: it may be repeated */
    fetch(r, 0);
    SHOWS(r);
}
END_TEST

void add_life_tests(Suite *suite)
{
    TCase *tc = contract_case(suite, "life");
    tcase_add_test(tc, up_says_who_answers);
    tcase_add_test(tc, each_verb_completes_once_and_later);
    tcase_add_test(tc, verbs_may_be_under_way_together);
    tcase_add_test(tc, closing_ends_everything_silently);
    tcase_add_test(tc, closing_a_paused_fetch);
    tcase_add_test(tc, closing_while_it_is_down);
    tcase_add_test(tc, without_a_database_no_verb_succeeds);
    tcase_add_test(tc, an_answer_that_is_lost_leaves_writes_uncertain);
}

enum { GAPS_MAX = 64 };
static bool found[GAPS_MAX];

bool is_left_out(const char *test)
{
    for (int i = 0; fixture->gaps && fixture->gaps[i].test; i++)
        if (strcmp(fixture->gaps[i].test, test) == 0)
            return found[i] = true;
    return false;
}

/* A test that was renamed is left out by nobody. */
static void check_gaps(void)
{
    for (int i = 0; fixture->gaps && fixture->gaps[i].test; i++)
        if (!found[i]) {
            fprintf(stderr, "%s: there is no test %s\n", fixture->name, fixture->gaps[i].test);
            exit(2);
        }
}

Suite *store_suite(const struct store_fixture *which)
{
    Suite *suite = suite_create(which->name);
    fixture = which;
    memset(found, 0, sizeof(found));
    add_life_tests(suite);
    add_lease_tests(suite);
    add_read_tests(suite);
    add_hold_tests(suite);
    add_write_tests(suite);
    add_operate_tests(suite);
    check_gaps();
    return suite;
}
