// SPDX-License-Identifier: MIT
/* Who owns the table: one at a time, by the database's clock, on one server; everybody else changes
 * nothing. */
#include "unit/store_relay.h"

#include <stdio.h>

/* Asks again and again until the lease is granted; fails after a deadline. */
static void acquire_when_free(struct relay *r, int64_t ttl_ms)
{
    ef_mono began = ef_clock_mono();
    do {
        acquire(r, ttl_ms, NULL);
        ck_assert_int_lt(ef_clock_mono().us - began.us, 20 * EF_S_US);
    } while (r->lease.outcome != EF_LEASE_GRANTED);
}

static void renew(struct relay *r, int64_t ttl_ms)
{
    ef_store_renew(r->store, r->epoch, ttl_ms);
    completes(r, EF_VERB_RENEW);
}

static void is_fenced(struct relay *r)
{
    ef_store_renew(r->store, r->epoch, 60000);
    fails(r, EF_VERB_RENEW, EF_CLASS_FENCED);
    ef_store_fetch(r->store, &(struct ef_fetch){.epoch = r->epoch, .max_rows = 9, .max_bytes = 9});
    fails(r, EF_VERB_FETCH, EF_CLASS_FENCED);
    ck_assert_int_eq(r->seen_count, 0);
}

START_TEST(granted_to_one)
{
    struct relay *a = start_owner_for(60000), *b = start_relay();
    ck_assert_int_gt(a->lease.epoch, 0);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_HELD);
    ck_assert_int_gt(b->lease.wait_ms, 0);
    ck_assert_int_le(b->lease.wait_ms, 60000);
    char owner[16];
    snprintf(owner, sizeof(owner), "relay-%.4s", a->token);
    ck_assert_str_eq(b->lease.owner, owner);
    fetch(a, 0); /* and still works */
}
END_TEST

START_TEST(not_even_to_its_owner_twice)
{
    struct relay *a = start_owner_for(60000);
    acquire(a, 60000, NULL);
    ck_assert_int_eq(a->lease.outcome, EF_LEASE_HELD);
    renew(a, 60000);
}
END_TEST

START_TEST(renewal_prolongs)
{
    struct relay *a = start_owner_for(5000), *b = start_relay();
    renew(a, 90000);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_HELD);
    ck_assert_int_gt(b->lease.wait_ms, 60000);
    ck_assert_int_le(b->lease.wait_ms, 90000);
}
END_TEST

/* One whose answer was lost may come to the server only now. */
START_TEST(a_lease_given_back_is_not_renewed)
{
    struct relay *a = start_owner_for(60000), *late = start_relay(), *b = start_relay();
    late->epoch = a->epoch;
    ef_store_release(a->store, a->epoch);
    completes(a, EF_VERB_RELEASE);
    ef_store_renew(late->store, late->epoch, 60000);
    fails(late, EF_VERB_RENEW, EF_CLASS_FENCED);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_GRANTED);
}
END_TEST

START_TEST(renewal_and_release_of_another_epoch)
{
    struct relay *a = start_owner_for(60000), *b = start_relay();
    for (int64_t other = a->epoch - 1; other <= a->epoch + 1; other += 2) {
        b->epoch = other;
        is_fenced(b);
        ef_store_release(b->store, other);
        completes(b, EF_VERB_RELEASE);
    }
    renew(a, 60000);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_HELD);
}
END_TEST

START_TEST(release_frees_at_once_and_the_epoch_rises)
{
    struct relay *a = start_owner_for(60000), *b = start_relay();
    int64_t epoch = a->epoch;
    ef_store_release(a->store, a->epoch);
    completes(a, EF_VERB_RELEASE);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_GRANTED);
    ck_assert_int_gt(b->epoch, epoch);
    is_fenced(a);
    ef_store_release(a->store, epoch); /* repeated: not b's */
    completes(a, EF_VERB_RELEASE);
    renew(b, 60000);
}
END_TEST

START_TEST(an_expired_lease_goes_to_the_next)
{
    struct relay *b = start_relay(), *a = start_owner_for(2000);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_HELD);
    acquire_when_free(b, 60000);
    ck_assert_int_gt(b->epoch, a->epoch);
    is_fenced(a);
    fetch(b, 0);
}
END_TEST

START_TEST(an_expired_lease_that_nobody_took_can_be_renewed)
{
    struct relay *a = start_owner_for(1), *b = start_relay();
    renew(a, 60000);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_HELD);
}
END_TEST

START_TEST(the_token_takes_back)
{
    struct relay *a = start_owner_for(60000), *b = start_relay();
    acquire(b, 60000, b->token);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_HELD);
    acquire(b, 60000, a->token);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_GRANTED);
    ck_assert_int_gt(b->epoch, a->epoch);
    is_fenced(a);
    acquire(a, 60000, a->token); /* the lease has b's token now */
    ck_assert_int_eq(a->lease.outcome, EF_LEASE_HELD);
}
END_TEST

START_TEST(another_server_means_silence_for_a_ttl)
{
    struct relay *a = start_owner_for(60000), *b = start_relay();
    int64_t epoch = a->epoch;
    fixture->move_server(world);
    is_fenced(a);
    acquire(b, 700, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_QUIET);
    ck_assert_int_gt(b->lease.wait_ms, 0);
    ck_assert_int_le(b->lease.wait_ms, 700);
    acquire(a, 60000, a->token); /* the token does not help */
    ck_assert_int_eq(a->lease.outcome, EF_LEASE_QUIET);
    ck_assert_int_gt(a->lease.wait_ms, 700);
    acquire_when_free(b, 700);
    ck_assert_int_gt(b->epoch, epoch);
    is_fenced(a);
    fetch(b, 0);
}
END_TEST

START_TEST(who_is_not_the_owner_changes_nothing)
{
    struct relay *a = start_owner_for(60000), *b;
    setup.retention_ms = 1;
    add_rows(5);
    fetch(a, 0);
    struct ef_settle_run run = run_of(a, 1, 3);
    struct ef_decision retry = {.id = 4,
                                .created_us = created_of(a, 4),
                                .kind = EF_DECIDE_RETRY,
                                .attempts = 1,
                                .delay_ms = 60000,
                                .error = "waits"};
    struct ef_decision dead = retry, delivered = retry;
    dead.id = delivered.id = 5;
    dead.created_us = delivered.created_us = created_of(a, 5);
    dead.kind = EF_DECIDE_DEAD;
    delivered.kind = EF_DECIDE_DELIVERED;
    ck_assert_int_eq(decide(a, &retry, 1), 1);

    b = start_relay();
    acquire(b, 60000, a->token);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_GRANTED);
    ck_assert_int_eq(settle(a, &run, 1), 0);
    ck_assert_int_eq(decide(a, &dead, 1), 0);
    ck_assert_int_eq(decide(a, &delivered, 1), 0);
    retry.attempts = 9;
    ck_assert_int_eq(decide(a, &retry, 1), 0);
    ef_store_release_topic(a->store, a->epoch, (struct ef_slice){NULL, 0}, 0);
    completes(a, EF_VERB_RELEASE_TOPIC);
    ck_assert_int_eq(a->rows[EF_VERB_RELEASE_TOPIC], 0);
    for (int64_t id = 1; id <= 5; id++) {
        struct store_row row = look(id);
        ck_assert_int_eq(row.status, id == 4 ? EF_STATUS_FAILED : EF_STATUS_PENDING);
        ck_assert_int_eq(row.attempts, id == 4 ? 1 : 0);
    }
    ck_assert_int_gt(look(4).retry_in_ms, 10000);
    fetch(b, 0);
    SHOWS(b, 1, 2, 3, 5);
    ck_assert_int_eq(settle(b, &run, 1), 3); /* the owner may */
}
END_TEST

START_TEST(nobody_purges_for_the_owner)
{
    setup.on_delivered = EF_ON_DELIVERED_MARK;
    setup.retention_ms = 1000;
    start_again();
    struct relay *a = start_owner(), *b = start_relay();
    add_rows(2);
    fixture->set_status(world, 1, EF_STATUS_DONE, -5000);
    fixture->set_status(world, 2, EF_STATUS_DONE, 0);
    b->epoch = a->epoch - 1;
    ef_store_maintain(b->store, b->epoch);
    completes(b, EF_VERB_MAINTAIN);
    ck_assert_int_eq(b->rows[EF_VERB_MAINTAIN], 0);
    ck_assert(exists(1));
    ef_store_maintain(a->store, a->epoch);
    completes(a, EF_VERB_MAINTAIN);
    ck_assert_int_eq(a->rows[EF_VERB_MAINTAIN], 1);
    ck_assert(!exists(1));
    ck_assert(exists(2));
}
END_TEST

static const struct ef_standby *only(const struct ef_standbys *standbys)
{
    ck_assert(standbys->known);
    ck_assert_int_eq(standbys->count, 1);
    return &standbys->relays[0];
}

static void is_alone(const struct ef_standbys *standbys)
{
    ck_assert(standbys->known);
    ck_assert_int_eq(standbys->count, 0);
}

START_TEST(who_looks_stands_by)
{
    struct relay *a = start_owner_for(60000), *b = start_relay(), *c = start_relay();
    char name[16];
    is_alone(&a->lease.standbys);
    renew(a, 60000);
    is_alone(&a->renewal.standbys);
    acquire(b, 60000, NULL);
    acquire(b, 60000, NULL);
    snprintf(name, sizeof(name), "relay-%.4s", b->token);
    ck_assert_str_eq(only(&b->lease.standbys)->instance, name);
    ck_assert_str_ne(only(&b->lease.standbys)->host, "");
    renew(a, 60000);
    ck_assert_str_eq(only(&a->renewal.standbys)->instance, name);
    acquire(c, 60000, NULL);
    renew(a, 60000);
    ck_assert_int_eq(a->renewal.standbys.count, 2);
    fixture->age_relays(world);
    renew(a, 60000);
    is_alone(&a->renewal.standbys);
    acquire(b, 60000, NULL); /* is here again */
    renew(a, 60000);
    ck_assert_str_eq(only(&a->renewal.standbys)->instance, name);
}
END_TEST

START_TEST(who_is_passing_does_not_stand_by)
{
    struct relay *a = start_owner_for(60000), *b = start_relay();
    for (int i = 0; i < 2; i++) {
        ef_store_acquire(b->store, &(struct ef_acquire){.ttl_ms = 60000,
                                                        .owner = "a tool",
                                                        .incarnation = b->token,
                                                        .token = b->token,
                                                        .passing = true});
        completes(b, EF_VERB_ACQUIRE);
        ck_assert_int_eq(b->lease.outcome, EF_LEASE_HELD);
        is_alone(&b->lease.standbys);
    }
    renew(a, 60000);
    is_alone(&a->renewal.standbys);
}
END_TEST

START_TEST(the_former_owner_does_not_stand_by)
{
    struct relay *a = start_owner_for(60000), *b = start_relay(), *c = start_relay();
    char name[16];
    renew(a, 60000);
    acquire(b, 60000, NULL);
    ef_store_release(a->store, a->epoch);
    completes(a, EF_VERB_RELEASE);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_GRANTED);
    is_alone(&b->lease.standbys);
    renew(b, 60000);
    is_alone(&b->renewal.standbys);
    acquire(c, 60000, b->token); /* b is known to be dead */
    ck_assert_int_eq(c->lease.outcome, EF_LEASE_GRANTED);
    is_alone(&c->lease.standbys);
    renew(c, 60000);
    is_alone(&c->renewal.standbys);
    acquire(b, 60000, NULL); /* and was not */
    renew(c, 60000);
    snprintf(name, sizeof(name), "relay-%.4s", b->token);
    ck_assert_str_eq(only(&c->renewal.standbys)->instance, name);
}
END_TEST

START_TEST(the_pause_mark_reaches_the_owner)
{
    struct relay *a = start_owner(), *b = start_relay();
    renew(a, 60000);
    ck_assert(!a->renewal.paused);
    ef_store_pause(b->store, true, "anna", "new \"broker\"; it's planned");
    completes(b, EF_VERB_PAUSE);
    renew(a, 60000);
    ck_assert(a->renewal.paused);
    ck_assert_str_eq(a->renewal.paused_by, "anna");
    ck_assert_str_eq(a->renewal.pause_reason, "new \"broker\"; it's planned");
    ef_store_pause(a->store, false, "berta", NULL);
    completes(a, EF_VERB_PAUSE);
    renew(a, 60000);
    ck_assert(!a->renewal.paused);
    ck_assert_str_eq(a->renewal.paused_by, "");
}
END_TEST

void add_lease_tests(Suite *suite)
{
    TCase *tc = contract_case(suite, "lease");
    tcase_add_test(tc, granted_to_one);
    tcase_add_test(tc, not_even_to_its_owner_twice);
    tcase_add_test(tc, renewal_prolongs);
    tcase_add_test(tc, a_lease_given_back_is_not_renewed);
    tcase_add_test(tc, renewal_and_release_of_another_epoch);
    tcase_add_test(tc, release_frees_at_once_and_the_epoch_rises);
    tcase_add_test(tc, an_expired_lease_goes_to_the_next);
    tcase_add_test(tc, an_expired_lease_that_nobody_took_can_be_renewed);
    tcase_add_test(tc, the_token_takes_back);
    tcase_add_test(tc, another_server_means_silence_for_a_ttl);
    tcase_add_test(tc, who_is_not_the_owner_changes_nothing);
    tcase_add_test(tc, nobody_purges_for_the_owner);
    tcase_add_test(tc, who_looks_stands_by);
    tcase_add_test(tc, who_is_passing_does_not_stand_by);
    tcase_add_test(tc, the_former_owner_does_not_stand_by);
    tcase_add_test(tc, the_pause_mark_reaches_the_owner);
}
