// SPDX-License-Identifier: MIT
/* Operators' acts: lists of rows, commands that the owner carries out, what is held. */
#include "unit/store_relay.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/str.h"

/* --- asking --- */

static json_t *answer_of(struct relay *r)
{
    json_t *json = json_loads(r->json, 0, NULL);
    ck_assert_msg(json_is_object(json), "no JSON object: %s", r->json);
    return json;
}

static json_t *list(struct relay *r, struct ef_row_filter filter)
{
    if (!filter.limit)
        filter.limit = 100;
    if (!filter.after_id)
        filter.after_id = INT64_MIN;
    ef_store_operate(r->store, &(struct ef_operate){.kind = EF_OPERATE_ROWS, .filter = &filter});
    completes(r, EF_VERB_OPERATE);
    return answer_of(r);
}

/* Fails the test unless the list has these rows, in this order (0 ends them). */
static void lists(struct relay *r, struct ef_row_filter filter, const int64_t *ids)
{
    json_t *answer = list(r, filter);
    const json_t *rows = json_object_get(answer, "rows");
    size_t count = 0;
    for (; ids[count]; count++) {
        const json_t *id = json_object_get(json_array_get(rows, count), "id");
        ck_assert_msg(json_integer_value(id) == ids[count], "row %zu of %s", count, r->json);
    }
    ck_assert_uint_eq(json_array_size(rows), count);
    json_decref(answer);
}
#define LISTS(r, filter, ...)                                                                      \
    lists((r), (struct ef_row_filter)filter, (const int64_t[]){__VA_ARGS__ __VA_OPT__(, ) 0})
#define WHERE(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static int64_t request(struct relay *r, const char *verb, const char *args)
{
    ef_store_operate(r->store, &(struct ef_operate){.kind = EF_OPERATE_REQUEST,
                                                    .verb = verb,
                                                    .args = args,
                                                    .actor = "anna (uid 7)"});
    completes(r, EF_VERB_OPERATE);
    json_t *answer = answer_of(r);
    int64_t number = json_integer_value(json_object_get(answer, "command"));
    ck_assert_int_gt(number, 0);
    json_decref(answer);
    return number;
}

/* The command's result as text, "" while it is open. */
static void result_is(struct relay *r, int64_t number, const char *want)
{
    ef_store_operate(r->store, &(struct ef_operate){.kind = EF_OPERATE_RESULT, .command = number});
    completes(r, EF_VERB_OPERATE);
    json_t *answer = answer_of(r), *wanted = json_loads(want, 0, NULL);
    const json_t *text = json_object_get(answer, "result");
    ck_assert(json_is_true(json_object_get(answer, "done")) == (want[0] != '\0'));
    if (want[0]) {
        ck_assert_ptr_nonnull(wanted);
        json_t *result = json_loads(json_string_value(text), 0, NULL);
        ck_assert_msg(json_equal(result, wanted), "%s, not %s", r->json, want);
        json_decref(result);
    }
    json_decref(wanted);
    json_decref(answer);
}

static void next(struct relay *r)
{
    ef_store_next_command(r->store);
    completes(r, EF_VERB_NEXT_COMMAND);
}

/* Asked for, found and carried out, by the owner. */
static int64_t command(struct relay *r, const char *verb, const char *args)
{
    int64_t number = request(r, verb, args);
    next(r);
    ck_assert(r->has_command);
    ck_assert_int_eq(r->command.number, number);
    ef_store_carry_out(r->store, r->epoch, &r->command);
    completes(r, EF_VERB_CARRY_OUT);
    return number;
}

/* --- lists --- */

START_TEST(rows_are_listed_by_what_they_are)
{
    struct relay *r = start_relay();
    add("a");
    add("a");
    add("b");
    add("a");
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000);
    fixture->set_status(world, 3, EF_STATUS_DEAD, 0);
    LISTS(r, WHERE(.statuses = 0), 1, 2, 3, 4);
    LISTS(r, WHERE(.statuses = 1 << EF_STATUS_DEAD), 3);
    LISTS(r, WHERE(.statuses = 1 << EF_STATUS_DEAD | 1 << EF_STATUS_FAILED), 1, 3);
    LISTS(r, WHERE(.aggregate_id = {"a", 1}), 1, 2, 4);
    LISTS(r, WHERE(.aggregate_id = {"A", 1}));
    LISTS(r, WHERE(.topic = {"nobody's", 8}));
    LISTS(r, WHERE(.ids = (const int64_t[]){4, 2, 77}, .id_count = 3), 2, 4);
    LISTS(r, WHERE(.after_id = 2), 3, 4);
    LISTS(r, WHERE(.limit = 2), 1, 2);
    LISTS(r, WHERE(.limit = 2, .newest = true), 3, 4);
    LISTS(r, WHERE(.error = {"record", 6}));
}
END_TEST

START_TEST(archived_rows_are_listed_with_their_time)
{
    const struct ef_row_filter some = {
        .archived = true, .ids = (const int64_t[]){1, 2, 77}, .id_count = 3};
    LISTS(start_relay(), WHERE(.archived = true, .ids = (const int64_t[]){1}, .id_count = 1));
    setup.on_delivered = EF_ON_DELIVERED_ARCHIVE;
    start_again();
    struct relay *r = start_owner();
    add_rows(3);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 2);
    ck_assert_int_eq(settle(r, &run, 1), 2);
    json_t *answer = list(r, some);
    const json_t *rows = json_object_get(answer, "rows");
    ck_assert_uint_eq(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);
        const char *at = json_string_value(json_object_get(row, "archived_at"));
        ck_assert_int_eq(json_integer_value(json_object_get(row, "id")), (int)i + 1);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "status")), EF_STATUS_PENDING);
        ck_assert_msg(at && strncmp(at, "20", 2) == 0 && at[strlen(at) - 1] == 'Z', "%s", r->json);
    }
    json_decref(answer);
}
END_TEST

START_TEST(finished_rows_are_counted_by_age)
{
    struct ef_row_filter dead = {
        .statuses = 1 << EF_STATUS_DEAD, .count = true, .older_than_ms = 3000 * 1000};
    struct relay *r = start_relay();
    add_rows(6);
    for (int64_t id = 1; id <= 4; id++)
        fixture->set_status(world, id, id == 4 ? EF_STATUS_DEAD : EF_STATUS_DONE, -7200 * 1000);
    fixture->set_status(world, 5, EF_STATUS_DONE, -60 * 1000);
    struct ef_row_filter done = dead, newer = dead, rest = dead, none = dead;
    done.statuses = newer.statuses = rest.statuses = 1 << EF_STATUS_DONE;
    newer.older_than_ms = 1000;
    rest.after_id = 2;
    none.statuses = 1 << EF_STATUS_FAILED;
    const struct {
        const struct ef_row_filter *filter;
        int count, looked, last;
    } parts[] = {{&done, 3, 4, 5}, {&newer, 4, 4, 5}, {&rest, 1, 2, 5}, {&none, 0, 0, 0}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        json_t *answer = list(r, *parts[i].filter);
        const json_t *row = json_array_get(json_object_get(answer, "rows"), 0);
        ck_assert_uint_eq(json_array_size(json_object_get(answer, "rows")), 1);
        ck_assert(json_is_integer(json_object_get(row, "count")));
        ck_assert_int_eq(json_integer_value(json_object_get(row, "count")), parts[i].count);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "looked")), parts[i].looked);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "id")), parts[i].last);
        json_decref(answer);
    }
}
END_TEST

START_TEST(a_list_says_whether_there_is_more)
{
    struct relay *r = start_relay();
    add_rows(3);
    json_t *answer = list(r, (struct ef_row_filter){.limit = 3});
    ck_assert(json_is_false(json_object_get(answer, "more")));
    json_decref(answer);
    answer = list(r, (struct ef_row_filter){.limit = 2});
    ck_assert(json_is_true(json_object_get(answer, "more")));
    json_decref(answer);
}
END_TEST

START_TEST(a_listed_row_tells_of_itself)
{
    struct relay *r = start_owner();
    struct ef_row row = plain_row("it's \"a\"");
    void *tx = fixture->begin(world);
    int64_t id = fixture->insert(world, tx, &row);
    fixture->commit(world, tx);
    fetch(r, 0);
    struct ef_decision d = {.id = id,
                            .created_us = created_of(r, id),
                            .kind = EF_DECIDE_DEAD,
                            .attempts = 3,
                            .error = "record X: no"};
    decide(r, &d, 1);
    LISTS(r, WHERE(.error = {"record X", 8}), id);
    LISTS(r, WHERE(.error = {"transient", 9}));
    json_t *answer = list(r, (struct ef_row_filter){.statuses = 1 << EF_STATUS_DEAD});
    const json_t *got = json_array_get(json_object_get(answer, "rows"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(got, "status")), EF_STATUS_DEAD);
    ck_assert_int_eq(json_integer_value(json_object_get(got, "attempts")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(got, "created_us")), d.created_us);
    ck_assert_str_eq(json_string_value(json_object_get(got, "aggregate_id")), "it's \"a\"");
    ck_assert_str_eq(json_string_value(json_object_get(got, "last_error")), "record X: no");
    json_decref(answer);
}
END_TEST

START_TEST(a_list_needs_no_lease)
{
    struct relay *owner = start_owner(), *other = start_relay();
    (void)owner;
    add("a");
    LISTS(other, WHERE(.limit = 1), 1);
}
END_TEST

/* --- commands --- */

START_TEST(a_command_waits_for_the_owner)
{
    struct relay *owner = start_owner(), *other = start_relay();
    ef_store_renew(owner->store, owner->epoch, 60000);
    completes(owner, EF_VERB_RENEW);
    ck_assert_int_eq(owner->renewal.commands, 0);
    next(owner);
    ck_assert(!owner->has_command);
    int64_t number = request(other, "retry", "{\"ids\":[5, 2, 5],\"reason\":\"mended\"}");
    ck_assert_int_gt(request(other, "skip", "{\"ids\":[3]}"), number);
    result_is(other, number, "");
    ef_store_renew(owner->store, owner->epoch, 60000);
    completes(owner, EF_VERB_RENEW);
    ck_assert_int_eq(owner->renewal.commands, 2);
    next(owner);
    ck_assert(owner->has_command);
    ck_assert_int_eq(owner->command.number, number);
    ck_assert_int_eq(owner->command.verb, EF_COMMAND_RETRY);
    ck_assert_int_eq(owner->command.id_count, 2);
    ck_assert_str_eq(owner->command.actor, "anna (uid 7)");
    ck_assert_str_eq(owner->command.reason, "mended");
}
END_TEST

START_TEST(retry_takes_dead_and_waiting_rows)
{
    struct relay *r = start_owner();
    add_rows(4);
    fetch(r, 0);
    struct ef_decision d[] = {
        {.id = 1, .created_us = created_of(r, 1), .kind = EF_DECIDE_DEAD, .attempts = 5},
        {.id = 2, .created_us = created_of(r, 2), .kind = EF_DECIDE_RETRY, .attempts = 2}};
    d[1].delay_ms = 3600 * 1000;
    ck_assert_int_eq(decide(r, d, 2), 2);
    ck_assert(look(1).has_processed);
    fixture->set_status(world, 3, EF_STATUS_DONE, 0);
    int64_t number = command(r, "retry", "{\"ids\":[1,2,3,4,99]}");
    ck_assert_int_eq(r->rows[EF_VERB_CARRY_OUT], 2);
    result_is(r, number, "{\"rows\":2,\"ids\":[1,2]}");
    ck_assert_int_eq(look(1).status, EF_STATUS_FAILED);
    ck_assert_int_eq(look(1).attempts, 0);
    ck_assert(!look(1).has_processed);
    ck_assert_int_le(look(1).retry_in_ms, 0);
    ck_assert_int_eq(look(2).status, EF_STATUS_FAILED);
    ck_assert_int_eq(look(2).attempts, 2); /* only what was dead begins to count again */
    ck_assert_int_le(look(2).retry_in_ms, 0);
    ck_assert_int_eq(look(3).status, EF_STATUS_DONE);
    ck_assert_int_eq(look(4).status, EF_STATUS_PENDING);
    next(r);
    ck_assert(!r->has_command);
}
END_TEST

START_TEST(a_skipped_row_leaves_as_a_delivered_one_does)
{
    static const enum ef_on_delivered ways[] = {EF_ON_DELIVERED_DELETE, EF_ON_DELIVERED_ARCHIVE,
                                                EF_ON_DELIVERED_MARK};
    setup.on_delivered = ways[_i];
    start_again();
    struct relay *r = start_owner();
    add_rows(3);
    fixture->set_status(world, 1, EF_STATUS_DEAD, 0);
    fixture->set_status(world, 2, EF_STATUS_FAILED, 3600 * 1000);
    int64_t number = command(r, "skip", "{\"ids\":[1,2,3]}");
    result_is(r, number, "{\"rows\":2,\"ids\":[1,2]}");
    for (int64_t id = 1; id <= 2; id++) {
        if (ways[_i] == EF_ON_DELIVERED_MARK)
            ck_assert_int_eq(look(id).status, EF_STATUS_DONE);
        else
            ck_assert(!exists(id));
        ck_assert_int_eq(fixture->archived(world, id), ways[_i] == EF_ON_DELIVERED_ARCHIVE);
    }
    ck_assert_int_eq(look(3).status, EF_STATUS_PENDING);
}
END_TEST

START_TEST(a_command_is_carried_out_once)
{
    struct relay *r = start_owner();
    add("a");
    fixture->set_status(world, 1, EF_STATUS_DEAD, 0);
    int64_t number = command(r, "retry", "{\"ids\":[1]}");
    fixture->set_status(world, 1, EF_STATUS_DEAD, 0);
    ef_store_carry_out(r->store, r->epoch, &r->command);
    completes(r, EF_VERB_CARRY_OUT);
    ck_assert_int_eq(r->rows[EF_VERB_CARRY_OUT], 0);
    ck_assert_int_eq(look(1).status, EF_STATUS_DEAD);
    result_is(r, number, "{\"rows\":1,\"ids\":[1]}");
}
END_TEST

START_TEST(who_is_not_the_owner_carries_nothing_out)
{
    struct relay *a = start_owner_for(300), *b = start_relay();
    add("a");
    fixture->set_status(world, 1, EF_STATUS_DEAD, 0);
    int64_t number = request(b, "skip", "{\"ids\":[1]}");
    next(a);
    turn_for(400 * 1000);
    acquire(b, 60000, NULL);
    ef_store_carry_out(a->store, a->epoch, &a->command);
    fails(a, EF_VERB_CARRY_OUT, EF_CLASS_FENCED);
    ck_assert_int_eq(look(1).status, EF_STATUS_DEAD);
    result_is(b, number, "");
}
END_TEST

START_TEST(a_refused_command_says_why)
{
    struct relay *r = start_owner();
    add("a");
    fixture->set_status(world, 1, EF_STATUS_DEAD, 0);
    int64_t number = request(r, "retry", "{\"ids\":[1]}");
    next(r);
    ef_command_refuse(&r->command, "it's \"forbidden\"");
    ef_store_carry_out(r->store, r->epoch, &r->command);
    completes(r, EF_VERB_CARRY_OUT);
    result_is(r, number, "{\"error\":\"it's \\\"forbidden\\\"\"}");
    ck_assert_int_eq(look(1).status, EF_STATUS_DEAD);
    next(r);
    ck_assert(!r->has_command);
}
END_TEST

START_TEST(purge_takes_old_rows_of_one_kind_in_batches)
{
    struct relay *r = start_owner();
    add_rows(5);
    for (int64_t id = 1; id <= 3; id++)
        fixture->set_status(world, id, EF_STATUS_DEAD, 0);
    fixture->set_status(world, 4, EF_STATUS_DONE, -7200 * 1000);
    int64_t number = command(r, "purge", "{\"what\":\"dead\",\"older_than_s\":0,\"limit\":2}");
    result_is(r, number, "{\"rows\":2}");
    ck_assert(!exists(1));
    ck_assert(!exists(2));
    ck_assert(exists(3));
    ck_assert(exists(4));
    number = command(r, "purge", "{\"what\":\"done\",\"older_than_s\":7300,\"limit\":100}");
    result_is(r, number, "{\"rows\":0}");
    number = command(r, "purge", "{\"what\":\"done\",\"older_than_s\":7100,\"limit\":100}");
    result_is(r, number, "{\"rows\":1}");
    ck_assert(!exists(4));
    ck_assert(exists(5));
}
END_TEST

static const struct ef_hold *held(struct relay *r, const char *topic, const char *aggregate)
{
    ef_store_holds(r->store);
    completes(r, EF_VERB_HOLDS);
    return ef_holds_of(&r->holds, ef_slice_of(topic), ef_slice_of(aggregate));
}

START_TEST(holds_are_kept_until_released)
{
    struct relay *r = start_owner();
    ck_assert_ptr_null(held(r, "t", "a"));
    command(r, "hold", "{\"aggregate\":\"it's a\",\"reason\":\"why \\\"not\\\"\"}");
    command(r, "hold", "{\"aggregate\":\"it's a\",\"reason\":\"twice\"}");
    const struct ef_hold *hold = held(r, "t", "it's a");
    ck_assert_ptr_nonnull(hold);
    ck_assert(!hold->topic);
    ck_assert_str_eq(hold->actor, "anna (uid 7)");
    ck_assert_str_eq(hold->reason, "why \"not\"");
    ck_assert_int_gt(hold->at_us, INT64_C(1700000000) * 1000000);
    ck_assert_ptr_null(held(r, "it's a", "b"));
    command(r, "hold", "{\"topic\":\"t\"}");
    ck_assert(held(r, "t", "b")->topic);
    ck_assert_int_eq(r->holds.count, 2);
    command(r, "release", "{\"topic\":\"t\"}");
    ck_assert_ptr_null(held(r, "t", "b"));
    command(r, "release", "{\"aggregate\":\"it's a\"}");
    ck_assert_ptr_null(held(r, "t", "it's a"));
    ef_holds_clear(&r->holds);
}
END_TEST

START_TEST(release_makes_its_waiting_rows_due)
{
    struct relay *r = start_owner();
    add("a");
    add("b");
    for (int64_t id = 1; id <= 2; id++)
        fixture->set_status(world, id, EF_STATUS_FAILED, 3600 * 1000);
    int64_t number = command(r, "release", "{\"aggregate\":\"a\"}");
    result_is(r, number, "{\"rows\":1}");
    ck_assert_int_le(look(1).retry_in_ms, 0);
    ck_assert_int_gt(look(2).retry_in_ms, 1000);
}
END_TEST

START_TEST(what_is_not_committed_holds_no_command_up)
{
    struct relay *r = start_owner();
    struct ef_row row = plain_row("open");
    add("a");
    fixture->set_status(world, 1, EF_STATUS_DEAD, 0);
    void *tx = fixture->begin(world);
    int64_t open = fixture->insert(world, tx, &row);
    ck_assert_int_eq(open, 2);
    int64_t number = command(r, "retry", "{\"ids\":[1,2,3]}");
    result_is(r, number, "{\"rows\":1,\"ids\":[1]}");
    command(r, "purge", "{\"what\":\"dead\",\"older_than_s\":0,\"limit\":10}");
    command(r, "release", "{\"aggregate\":\"a\"}");
    fixture->commit(world, tx);
}
END_TEST

void add_operate_tests(Suite *suite)
{
    TCase *tc = contract_case(suite, "operate");
    tcase_add_test(tc, rows_are_listed_by_what_they_are);
    tcase_add_test(tc, archived_rows_are_listed_with_their_time);
    tcase_add_test(tc, finished_rows_are_counted_by_age);
    tcase_add_test(tc, a_list_says_whether_there_is_more);
    tcase_add_test(tc, a_listed_row_tells_of_itself);
    tcase_add_test(tc, a_list_needs_no_lease);
    tcase_add_test(tc, a_command_waits_for_the_owner);
    tcase_add_test(tc, retry_takes_dead_and_waiting_rows);
    tcase_add_loop_test(tc, a_skipped_row_leaves_as_a_delivered_one_does, 0, 3);
    tcase_add_test(tc, a_command_is_carried_out_once);
    tcase_add_test(tc, who_is_not_the_owner_carries_nothing_out);
    tcase_add_test(tc, a_refused_command_says_why);
    tcase_add_test(tc, purge_takes_old_rows_of_one_kind_in_batches);
    tcase_add_test(tc, holds_are_kept_until_released);
    tcase_add_test(tc, release_makes_its_waiting_rows_due);
    tcase_add_test(tc, what_is_not_committed_holds_no_command_up);
}
