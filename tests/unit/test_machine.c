// SPDX-License-Identifier: MIT
/* The relay's state machine as a table: complete where it must be, unambiguous, with a sentence for
 * each change. */
#include "relay/machine.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "unit/run_suite.h"

START_TEST(an_event_has_one_edge_in_a_state)
{
    for (size_t i = 0; i < ef_relay_edge_count; i++)
        for (size_t j = i + 1; j < ef_relay_edge_count; j++)
            ck_assert(ef_relay_edges[i].from != ef_relay_edges[j].from ||
                      ef_relay_edges[i].event != ef_relay_edges[j].event);
}
END_TEST

START_TEST(every_state_but_the_last_ones_can_stop)
{
    for (int state = EF_RELAY_CONNECTING; state < EF_RELAY_DRAINING; state++)
        ck_assert_msg(ef_relay_edge((enum ef_relay_state)state, EF_EVENT_STOP) != NULL,
                      "%s cannot stop", ef_relay_state_name((enum ef_relay_state)state));
}
END_TEST

START_TEST(every_owner_can_lose_the_lease)
{
    static const enum ef_relay_state owners[] = {EF_RELAY_FOREIGN, EF_RELAY_RUNNING,
                                                 EF_RELAY_PAUSED, EF_RELAY_DRAINING};
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        const struct ef_relay_edge *edge = ef_relay_edge(owners[i], EF_EVENT_LEASE_LOST);
        ck_assert_ptr_nonnull(edge);
        ck_assert_ptr_nonnull(edge->action);
        ck_assert_int_ne(edge->to, EF_RELAY_RUNNING);
    }
}
END_TEST

START_TEST(every_state_is_reached_and_left)
{
    bool reached[EF_RELAY_STATE_COUNT] = {[EF_RELAY_STOPPED] = true};
    bool left[EF_RELAY_STATE_COUNT] = {false};
    for (size_t i = 0; i < ef_relay_edge_count; i++) {
        reached[ef_relay_edges[i].to] = true;
        left[ef_relay_edges[i].from] = true;
    }
    for (int state = 0; state < EF_RELAY_STATE_COUNT; state++) {
        ck_assert(reached[state]);
        ck_assert(left[state]);
    }
}
END_TEST

START_TEST(a_change_has_a_sentence_and_every_event_a_use)
{
    bool used[EF_EVENT_COUNT] = {false};
    for (size_t i = 0; i < ef_relay_edge_count; i++) {
        const struct ef_relay_edge *edge = &ef_relay_edges[i];
        used[edge->event] = true;
        /* looking again every ten seconds is no news */
        bool quiet = edge->event == EF_EVENT_LOOK_AGAIN || edge->from == edge->to;
        ck_assert(quiet || (edge->sentence && edge->sentence[0]));
    }
    for (int event = 0; event < EF_EVENT_COUNT; event++)
        ck_assert_msg(used[event], "%s means nothing anywhere",
                      ef_relay_event_name((enum ef_relay_event)event));
}
END_TEST

START_TEST(names_are_known_and_different)
{
    for (int a = 0; a < EF_RELAY_STATE_COUNT; a++)
        for (int b = a + 1; b < EF_RELAY_STATE_COUNT; b++)
            ck_assert_str_ne(ef_relay_state_name((enum ef_relay_state)a),
                             ef_relay_state_name((enum ef_relay_state)b));
    ck_assert_str_eq(ef_relay_state_name(EF_RELAY_STATE_COUNT), "unknown");
    ck_assert_str_eq(ef_relay_event_name(EF_EVENT_COUNT), "unknown");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("machine");
    TCase *table = tcase_create("table");
    tcase_add_test(table, an_event_has_one_edge_in_a_state);
    tcase_add_test(table, every_state_but_the_last_ones_can_stop);
    tcase_add_test(table, every_owner_can_lose_the_lease);
    tcase_add_test(table, every_state_is_reached_and_left);
    tcase_add_test(table, a_change_has_a_sentence_and_every_event_a_use);
    tcase_add_test(table, names_are_known_and_different);
    suite_add_tcase(suite, table);
    return run_suite(suite);
}
