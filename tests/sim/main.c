// SPDX-License-Identifier: MIT
/* The simulation as a program: schedules from seeds, scenarios from files, stories for people. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "sim/choice.h"
#include "sim/run.h"
#include "sim/shrink.h"
#include "sim/tell.h"

static struct {
    uint64_t seed;
    int64_t count, twice;
    double seconds, pace; /* pace: steps a second of processor time, at least */
    bool tell, quiet, coverage, need_coverage, keep_going;
    const char *save;
} options = {.seed = 1};

static uint64_t total_steps;
static int failures;

/* --- whose end comes abruptly --- */

static char what_now[512]; /* "seed N", or a scenario's path */

static void now_seed(uint64_t seed)
{
    snprintf(what_now, sizeof(what_now), "seed %" PRIu64 "\n", seed);
}

/* Only what a signal handler may use. */
static void say_seed(void)
{
    static const char begin[] = "simulation: in the schedule of ";
    ssize_t written = write(STDERR_FILENO, begin, sizeof(begin) - 1);
    written += write(STDERR_FILENO, what_now, strlen(what_now));
    (void)written;
}

static void on_end(int signum)
{
    say_seed();
    signal(signum, SIG_DFL);
    raise(signum);
}

/* The sanitizers end a process without a signal, after this. */
void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

static void watch_for_the_end(void)
{
    static const int ends[] = {SIGABRT, SIGINT, SIGTERM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    bool sanitized = __sanitizer_set_death_callback != NULL; /* it tells of faults by itself */
    for (size_t i = 0; i < (sanitized ? 3 : sizeof(ends) / sizeof(ends[0])); i++)
        signal(ends[i], on_end);
    if (sanitized)
        __sanitizer_set_death_callback(say_seed);
}

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void say_result(uint64_t seed, const struct sim_result *r)
{
    printf("seed %" PRIu64 ": %s: %s\n", seed, sim_violation_name(r->violation), r->text);
}

/* --- one seed --- */

static void save(uint64_t seed, struct sim_choices *record, const struct sim_result *r)
{
    struct sim_scenario s = {.seed = seed};
    struct ef_error err;
    char path[512];
    for (int i = 0; i < record->count; i++)
        sim_choices_add(&s.choices, record->items[i]);
    int before = s.choices.count;
    sim_shrink(&s, r->violation);
    struct sim_result again;
    sim_scenario_run(&s, &again);
    snprintf(s.found, sizeof(s.found), "%s: %s", sim_violation_name(r->violation),
             again.violation == r->violation ? again.text : r->text);
    snprintf(path, sizeof(path), "%s/%s-%" PRIu64 ".scenario", options.save,
             sim_violation_name(r->violation), seed);
    printf("  %d choices made %d: %s\n", before, s.choices.count, path);
    if (!sim_scenario_write(&s, path, &err))
        fprintf(stderr, "sim: %s\n", err.text);
    sim_scenario_done(&s);
}

static void run_seed(uint64_t seed, struct sim_result *r)
{
    struct sim_choices record = {0};
    now_seed(seed);
    sim_choices_seed(seed, options.save ? &record : NULL);
    sim_world_run(r);
    total_steps += r->steps;
    if (r->violation != SIM_VIOLATIONS) {
        failures++;
        say_result(seed, r);
        if (options.save)
            save(seed, &record, r);
    }
    sim_choices_done(&record);
}

/* --- many --- */

static void run_many(void)
{
    double began = now_s(), told = began;
    int64_t ran = 0;
    struct sim_result r;
    while ((options.count == 0 || ran < options.count) &&
           (options.seconds == 0 || now_s() - began < options.seconds)) {
        run_seed(options.seed + (uint64_t)ran++, &r);
        if (failures && !options.keep_going)
            break;
        if (!options.quiet && now_s() - told > 10) {
            told = now_s();
            printf("... %" PRId64 " schedules\n", ran);
            fflush(stdout);
        }
    }
    double took = now_s() - began, pace = (double)total_steps / ((double)clock() / CLOCKS_PER_SEC);
    printf("%" PRId64 " schedules from seed %" PRIu64 ", %" PRIu64 " steps in %.1f s (%.0f steps/s)"
           ", %d with a violation\n",
           ran, options.seed, total_steps, took, (double)total_steps / took, failures);
    if (pace < options.pace) {
        printf("only %.0f steps a second of processor time\n", pace);
        failures++;
    }
    sim_say_totals();
}

/* The same seed twice has to give the same story, byte for byte. */
static void run_twice(void)
{
    int before = failures;
    struct ef_buf story[2];
    struct sim_result r[2];
    for (int64_t i = 0; i < options.twice; i++) {
        for (int k = 0; k < 2; k++) {
            ef_buf_init(&story[k], 512 << 20);
            sim_tell_into(&story[k]);
            sim_telling = true;
            now_seed(options.seed + (uint64_t)i);
            sim_choices_seed(options.seed + (uint64_t)i, NULL);
            sim_world_run(&r[k]);
            sim_telling = false;
            sim_tell_into(NULL);
        }
        bool same = story[0].len == story[1].len && r[0].fingerprint == r[1].fingerprint &&
                    memcmp(story[0].data, story[1].data, story[0].len) == 0;
        if (!same) {
            failures++;
            printf("seed %" PRIu64 " gave two stories\n", options.seed + (uint64_t)i);
        }
        ef_buf_done(&story[0]);
        ef_buf_done(&story[1]);
    }
    if (failures == before)
        printf("%" PRId64 " schedules told twice, the same to the byte\n", options.twice);
}

static void run_scenario(const char *path)
{
    struct sim_scenario s;
    struct sim_result r;
    struct ef_error err;
    if (!sim_scenario_read(&s, path, &err)) {
        fprintf(stderr, "sim: %s\n", err.text);
        exit(2);
    }
    snprintf(what_now, sizeof(what_now), "%s\n", path);
    sim_scenario_run(&s, &r);
    total_steps += r.steps;
    if (r.violation != SIM_VIOLATIONS) {
        failures++;
        printf("%s: %s: %s\n", path, sim_violation_name(r.violation), r.text);
    }
    sim_scenario_done(&s);
}

/* --- arguments --- */

static void usage(FILE *f)
{
    fprintf(f, "%s [OPTIONS] [SCENARIO...]\n", program_invocation_short_name);
    fputs("  --seed N       first seed (1)\n"
          "  --count N      so many schedules\n"
          "  --seconds S    for so long\n"
          "  --twice N      tell so many schedules twice and compare\n"
          "  --tell         print what happens\n"
          "  --save DIR     make failing schedules short and keep them there\n"
          "  --pace N       fail if it makes fewer steps a second of processor time\n"
          "  --keep-going   do not stop at the first violation\n"
          "  --coverage     print what was reached\n"
          "  --covered      fail if something was never reached\n"
          "  --quiet        no progress\n",
          f);
}

static void parse(int argc, char **argv)
{
    static const struct option longs[] = {
        {"seed", 1, NULL, 's'},     {"count", 1, NULL, 'n'},   {"seconds", 1, NULL, 't'},
        {"twice", 1, NULL, '2'},    {"tell", 0, NULL, 'v'},    {"save", 1, NULL, 'w'},
        {"coverage", 0, NULL, 'c'}, {"covered", 0, NULL, 'C'}, {"keep-going", 0, NULL, 'k'},
        {"quiet", 0, NULL, 'q'},    {"pace", 1, NULL, 'p'},    {"help", 0, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (o) {
        case 's':
            options.seed = strtoull(optarg, NULL, 0);
            break;
        case 'n':
            options.count = strtoll(optarg, NULL, 10);
            break;
        case 't':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'p':
            options.pace = strtod(optarg, NULL);
            break;
        case '2':
            options.twice = strtoll(optarg, NULL, 10);
            break;
        case 'v':
            options.tell = true;
            break;
        case 'w':
            options.save = optarg;
            break;
        case 'c':
            options.coverage = true;
            break;
        case 'C':
            options.need_coverage = true;
            break;
        case 'k':
            options.keep_going = true;
            break;
        case 'q':
            options.quiet = true;
            break;
        default:
            usage(o == 'h' ? stdout : stderr);
            exit(o == 'h' ? 0 : 2);
        }
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    watch_for_the_end();
    sim_telling = options.tell;
    for (int i = optind; i < argc; i++)
        run_scenario(argv[i]);
    if (optind < argc)
        printf("%d scenarios, %d with a violation\n", argc - optind, failures);
    if (options.twice > 0)
        run_twice();
    if (options.count > 0 || options.seconds > 0)
        run_many();
    if (options.coverage || options.need_coverage) {
        int missing = sim_cover_print(!options.coverage);
        if (missing > 0)
            printf("%d things were never reached\n", missing);
        if (options.need_coverage)
            failures += missing;
    }
    return failures ? 1 : 0;
}
