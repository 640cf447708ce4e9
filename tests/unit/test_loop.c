// SPDX-License-Identifier: MIT
/* The loop itself: in which order things run, that what is stopped does not, and what is told of a
 * callback that took long. */
#include "loop/loop.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "unit/run_suite.h"

static struct ef_loop *loop;
static char ran[16]; /* a letter for each callback, in order */

static void setup(void)
{
    loop = ef_loop_new();
}

static void teardown(void)
{
    ef_loop_free(loop);
}

static void note(void *letter)
{
    strcat(ran, letter);
}

static void end(void *arg)
{
    (void)arg;
    ef_loop_stop(loop);
}

static void run_for(int64_t us)
{
    struct ef_timer timer;
    ef_timer_init(&timer, loop, "test", end, NULL);
    ef_timer_start(&timer, us);
    ef_loop_run(loop);
    ef_timer_stop(&timer);
}

/* --- order --- */

START_TEST(timers_fire_once_in_the_order_of_their_times)
{
    struct ef_timer later, sooner;
    ef_timer_init(&later, loop, "test", note, "b");
    ef_timer_init(&sooner, loop, "test", note, "a");
    ef_timer_start(&later, 2000);
    ef_timer_start(&sooner, 1000);
    ck_assert(ef_timer_active(&later));
    run_for(20000);
    ck_assert_str_eq(ran, "ab");
    ck_assert(!ef_timer_active(&later));
}
END_TEST

/* Both of these are ready in the same turn; whichever comes first stops the other. */
static struct ef_io readers[2];

static void read_once(void *arg, int events)
{
    ck_assert_int_eq(events, EF_IO_READ);
    note("r");
    ef_io_stop(arg);
    ef_io_stop(&readers[arg == &readers[0]]);
}

START_TEST(what_is_stopped_in_a_turn_does_not_run_in_it)
{
    int ends[2][2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pipe(ends[i]), 0);
        ck_assert_int_eq(write(ends[i][1], "x", 1), 1);
        ef_io_init(&readers[i], loop, "test", read_once, &readers[i]);
        ef_io_start(&readers[i], ends[i][0], EF_IO_READ);
    }
    run_for(5000);
    ck_assert_str_eq(ran, "r");
}
END_TEST

static struct ef_deferred first, second;

static void defer_another(void *arg)
{
    note(arg);
    ef_defer(&second);
    ef_defer(&second); /* once, however often it is asked for */
}

static void defer_and_note(void *arg)
{
    ef_defer(&first);
    note(arg);
}

START_TEST(deferred_calls_run_after_the_callback_and_with_those_they_defer)
{
    struct ef_timer timer, next;
    ef_deferred_init(&first, loop, "test", defer_another, "b");
    ef_deferred_init(&second, loop, "test", note, "c");
    ef_timer_init(&timer, loop, "test", defer_and_note, "a");
    ef_timer_init(&next, loop, "test", note, "d");
    ef_timer_start(&timer, 1000);
    ef_timer_start(&next, 5000);
    run_for(20000);
    ck_assert_str_eq(ran, "abcd");
}
END_TEST

static void defer_and_cancel(void *arg)
{
    ef_defer(&first);
    ef_defer(&second);
    ef_deferred_cancel(&first);
    note(arg);
}

START_TEST(a_cancelled_call_does_not_run)
{
    struct ef_timer timer;
    ef_deferred_init(&first, loop, "test", note, "x");
    ef_deferred_init(&second, loop, "test", note, "b");
    ef_timer_init(&timer, loop, "test", defer_and_cancel, "a");
    ef_timer_start(&timer, 0);
    run_for(5000);
    ck_assert_str_eq(ran, "ab");
}
END_TEST

/* --- long callbacks --- */

enum { LONG_MS = 60 };

static void wait_long(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){.tv_nsec = LONG_MS * 1000000L}, NULL);
}

static void work_long(void *arg)
{
    (void)arg;
    int64_t began_us = ef_clock_thread_cpu_us();
    while (ef_clock_thread_cpu_us() - began_us < LONG_MS * EF_MS_US)
        continue;
}

/* The number behind this field of the one line that was logged. */
static int field(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    ck_assert_msg(at != NULL, "no %s in: %s", name, line);
    return atoi(at + strlen(name));
}

static void log_of(void (*fn)(void *arg), char *line, size_t size)
{
    FILE *log = tmpfile();
    ck_assert_ptr_nonnull(log);
    ck_assert_int_ge(dup2(fileno(log), STDERR_FILENO), 0);
    struct ef_timer timer;
    ef_timer_init(&timer, loop, "store", fn, NULL);
    ef_timer_start(&timer, 0);
    run_for(1000);
    ef_log_flush();
    rewind(log);
    line[fread(line, 1, size - 1, log)] = '\0';
    fclose(log);
}

START_TEST(a_callback_that_waited_is_told_from_one_that_worked)
{
    char line[1024];
    log_of(_i ? work_long : wait_long, line, sizeof(line));
    ck_assert_msg(strstr(line, "msg=\"slow callback on the event loop\" where=store") != NULL,
                  "logged: %s", line);
    ck_assert_int_ge(field(line, " took_ms="), LONG_MS);
    if (_i)
        ck_assert_int_ge(field(line, " cpu_ms="), LONG_MS);
    else
        ck_assert_int_lt(field(line, " cpu_ms="), LONG_MS / 2);
    ck_assert_uint_ge(ef_loop_stats(loop)->slow_callbacks, 1); /* a busy machine adds others */
    ck_assert_int_ge(ef_loop_stats(loop)->longest_us, LONG_MS * EF_MS_US);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    TCase *tcase = tcase_create("loop");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, timers_fire_once_in_the_order_of_their_times);
    tcase_add_test(tcase, what_is_stopped_in_a_turn_does_not_run_in_it);
    tcase_add_test(tcase, deferred_calls_run_after_the_callback_and_with_those_they_defer);
    tcase_add_test(tcase, a_cancelled_call_does_not_run);
    tcase_add_loop_test(tcase, a_callback_that_waited_is_told_from_one_that_worked, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
