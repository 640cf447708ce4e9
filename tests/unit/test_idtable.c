// SPDX-License-Identifier: MIT
/* The table of ids against a plain array, under ids in sequence, with steps and at random. */
#include "outbox/idtable.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "unit/run_suite.h"

enum { SPAN = 3000, STEPS = 60000 };

static const int64_t strides[] = {1, 2, 8, 64, 4096, INT64_C(1) << 40, -1, 7};

static char present[SPAN];
static char values[SPAN];

static int64_t id_of(int i, int64_t stride)
{
    return (int64_t)((uint64_t)(i - SPAN / 2) * (uint64_t)stride);
}

START_TEST(it_knows_what_is_there_and_nothing_else)
{
    struct ef_idtable table;
    struct ef_rng rng;
    int64_t stride = strides[_i];
    size_t count = 0;
    ef_rng_seed(&rng, (uint64_t)_i + 1);
    ef_idtable_init(&table);
    ck_assert_ptr_null(ef_idtable_get(&table, 0));
    memset(present, 0, sizeof(present));
    for (int step = 0; step < STEPS; step++) {
        /* mostly a window that moves on, sometimes anywhere */
        int i = (int)(ef_rng_below(&rng, 4) ? (step / 20 + (int)ef_rng_below(&rng, 200)) % SPAN
                                            : (int)ef_rng_below(&rng, SPAN));
        void *value = ef_idtable_get(&table, id_of(i, stride));
        ck_assert_ptr_eq(value, present[i] ? &values[i] : NULL);
        if (present[i])
            ef_idtable_remove(&table, id_of(i, stride));
        else
            ef_idtable_add(&table, id_of(i, stride), &values[i]);
        present[i] = !present[i];
        count = present[i] ? count + 1 : count - 1;
        ck_assert_uint_eq(table.count, count);
    }
    for (int i = 0; i < SPAN; i++)
        ck_assert_ptr_eq(ef_idtable_get(&table, id_of(i, stride)), present[i] ? &values[i] : NULL);
    ef_idtable_done(&table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("id table");
    TCase *tc = tcase_create("id table");
    tcase_add_loop_test(tc, it_knows_what_is_there_and_nothing_else, 0,
                        (int)(sizeof(strides) / sizeof(strides[0])));
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
