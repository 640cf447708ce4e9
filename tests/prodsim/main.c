// SPDX-License-Identifier: MIT
/* Schedules from seeds, and what goes wrong in each. */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "prodsim/prodsim.h"
#include "sim/choice.h"

enum { CHAOS_MAX_US = 120000000, QUIET_US = 600000000, MISFORTUNE_MAX_US = 20000000 };

struct faults faults;

static struct {
    struct ef_rng rng;
    struct ef_loop *loop;
    struct ef_metrics *metrics;
    struct ef_producer *producer;
    struct sim_event misfortune, relief;
    bool mended;
    char violation[256];
} w;

static struct {
    uint64_t seed;
    int64_t count;
    double seconds;
    int messages;
} options = {.seed = 1};

static struct {
    uint64_t appended, repeats, recreations, schedules;
} totals;

/* --- choices --- */

int64_t pick(int64_t n)
{
    return n <= 1 ? 0 : (int64_t)ef_rng_below(&w.rng, (uint64_t)n);
}

bool happens(int permille)
{
    return !w.mended && permille > 0 && pick(1000) < permille;
}

int64_t delay_between(int64_t low, int64_t high)
{
    int doublings = 0;
    while (low << (doublings + 1) <= high)
        doublings++;
    int64_t base = low << pick(doublings + 1);
    int64_t value = base + pick(base);
    return value < high ? value : high;
}

/* What tests/sim's clock asks when a process that stood still goes on. */
int64_t sim_choose(enum sim_site site, int actor, int64_t n)
{
    (void)site;
    (void)actor;
    return pick(n);
}

void violated(const char *fmt, ...)
{
    va_list ap;
    if (is_violated())
        return;
    va_start(ap, fmt);
    vsnprintf(w.violation, sizeof(w.violation), fmt, ap);
    va_end(ap);
    TELL("VIOLATED: %s", w.violation);
}

bool is_violated(void)
{
    return w.violation[0] != '\0';
}

/* --- misfortunes --- */

static void misfortune_of_topic(int kind, int topic)
{
    switch (kind) {
    case 0:
        TELL("topic t%d refuses everything", topic);
        faults.refuses[topic] = true;
        break;
    case 1:
        TELL("topic t%d does not answer", topic);
        faults.silent[topic] = true;
        break;
    case 2:
        TELL("topic t%d is not to be seen", topic);
        faults.hidden[topic] = true;
        break;
    case 3:
        cluster_delete(topic);
        break;
    default:
        cluster_grow(topic, cluster_partitions(topic) + 1 + (int)pick(2));
    }
}

static void misfortune(int kind)
{
    switch (kind) {
    case 0:
        TELL("nobody can be reached");
        faults.outage = true;
        library_tell_outage();
        break;
    case 1:
    case 2:
        TELL("%s is fenced", kind == 1 ? "the producer" : "the producer of dead letters");
        library_break(kind == 2);
        break;
    case 3:
        TELL("the process stands still");
        sim_loop_freeze(w.loop, sim_now_us() + delay_between(1000, MISFORTUNE_MAX_US));
        break;
    default:
        users_replace();
    }
}

static void on_misfortune(void *arg)
{
    (void)arg;
    if (pick(2))
        misfortune_of_topic((int)pick(5), (int)pick(TOPICS));
    else
        misfortune((int)pick(5));
    sim_event_start(&w.misfortune, delay_between(1000, MISFORTUNE_MAX_US));
}

static void on_relief(void *arg)
{
    (void)arg;
    int topic = (int)pick(TOPICS);
    faults.outage = faults.outage && happens(500);
    faults.refuses[topic] = faults.silent[topic] = faults.hidden[topic] = false;
    if (cluster_partitions(topic) == 0)
        cluster_grow(topic, 1 + (int)pick(3));
    sim_event_start(&w.relief, delay_between(1000, MISFORTUNE_MAX_US));
}

static void mend(void)
{
    TELL("nothing is wrong any more");
    w.mended = true;
    sim_event_stop(&w.misfortune);
    sim_event_stop(&w.relief);
    faults.outage = false;
    faults.forth_max_us = faults.back_max_us = 20000;
    faults.metadata_max_us = 50000;
    for (int t = 0; t < TOPICS; t++) {
        faults.refuses[t] = faults.silent[t] = faults.hidden[t] = false;
        cluster_grow(t, PARTITIONS_MAX);
    }
}

/* --- a schedule --- */

static void draw_faults(void)
{
    static const int some[] = {0, 0, 10, 50, 200};
    faults = (struct faults){
        .retriable_permille = some[pick(5)],
        .lost_answer_permille = some[pick(5)],
        .lost_ghost_permille = (int)pick(1000),
        .forth_max_us = delay_between(200, 2000000),
        .back_max_us = delay_between(200, 2000000),
        .metadata_max_us = delay_between(1000, 2000000),
    };
}

static void begin(uint64_t seed)
{
    static struct ef_config_kafka config;
    struct ef_error err;
    memset(&w, 0, sizeof(w));
    ef_rng_seed(&w.rng, seed);
    sim_clock_reset();
    w.loop = sim_loop_new(0, 0, 0);
    requests_reset();
    seams_reset();
    library_reset(w.loop);
    cluster_reset();
    draw_faults();
    library_queue_limit(happens(300) ? 1 + (int)pick(20) : 0);
    w.metrics = ef_metrics_new();
    w.producer = ef_producer_new(&(struct ef_producer_params){.loop = w.loop,
                                                              .metrics = w.metrics,
                                                              .config = &config,
                                                              .cluster = "here",
                                                              .queue_messages = 100,
                                                              .message_max_bytes = 1 << 20},
                                 &err);
    int messages = 1 + (int)pick(MESSAGES_MAX);
    sim_enter(w.loop);
    users_begin(w.loop, ef_producer_publisher(w.producer),
                options.messages ? options.messages : messages);
    sim_leave(w.loop);
    sim_event_init(&w.misfortune, w.loop, on_misfortune, NULL);
    sim_event_init(&w.relief, NULL, on_relief, NULL);
    sim_event_start(&w.misfortune, delay_between(1000, MISFORTUNE_MAX_US));
    sim_event_start(&w.relief, delay_between(1000, MISFORTUNE_MAX_US));
}

static void end(void)
{
    struct ef_producer_view view;
    ef_producer_view(w.producer, &view);
    if (users_finished() && view.in_flight != 0)
        violated("%" PRId64 " messages count as under way at the end", view.in_flight);
    totals.appended += (uint64_t)users_appended_total();
    totals.repeats += (uint64_t)users_repeats();
    totals.recreations += view.recreations;
    totals.schedules++;
    if (is_violated()) /* who knows what it is like inside */
        return;
    sim_enter(w.loop);
    users_leave();
    ef_producer_free(w.producer);
    sim_leave(w.loop);
    users_end();
    ef_metrics_free(w.metrics);
    sim_loop_free(w.loop);
}

/* Nothing is wrong any more: everything gets there. */
static void finish(void)
{
    int64_t until = sim_now_us() + QUIET_US;
    mend();
    while (!is_violated() && !users_finished() && sim_step(until))
        ;
    if (!is_violated() && !users_finished())
        violated("something is not delivered although nothing is wrong");
}

static bool run(uint64_t seed)
{
    begin(seed);
    bool abrupt = pick(10) == 0; /* the daemon ends in the middle of it all */
    int64_t until = sim_now_us() + delay_between(1000000, CHAOS_MAX_US);
    while (!is_violated() && sim_step(until))
        ;
    if (!is_violated() && !abrupt)
        finish();
    end();
    if (is_violated())
        printf("seed %" PRIu64 ": %s\n", seed, w.violation);
    return !is_violated();
}

/* --- the program --- */

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void usage(FILE *f)
{
    fputs("prodsim [OPTIONS]\n"
          "  --seed N       first seed (1)\n"
          "  --count N      so many schedules\n"
          "  --seconds S    for so long\n"
          "  --messages N   in each schedule (drawn)\n"
          "  --tell         print what happens\n",
          f);
}

static void parse(int argc, char **argv)
{
    static const struct option longs[] = {{"seed", 1, NULL, 's'},     {"count", 1, NULL, 'n'},
                                          {"seconds", 1, NULL, 't'},  {"tell", 0, NULL, 'v'},
                                          {"messages", 1, NULL, 'm'}, {"help", 0, NULL, 'h'},
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
        case 'm':
            options.messages = (int)strtol(optarg, NULL, 10);
            break;
        case 'v':
            sim_telling = true;
            break;
        default:
            usage(o == 'h' ? stdout : stderr);
            exit(o == 'h' ? 0 : 2);
        }
    }
    if (options.messages < 0 || options.messages > MESSAGES_MAX) {
        fprintf(stderr, "prodsim: --messages: 1 to %d\n", MESSAGES_MAX);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    double began = now_s();
    bool good = true;
    for (int64_t i = 0; good && (options.count == 0 || i < options.count) &&
                        (options.seconds == 0 || now_s() - began < options.seconds);
         i++)
        good = run(options.seed + (uint64_t)i);
    printf("%" PRIu64 " schedules of the producer from seed %" PRIu64 ": %" PRIu64
           " messages appended, %" PRIu64 " repeats, %" PRIu64 " producers replaced%s\n",
           totals.schedules, options.seed, totals.appended, totals.repeats, totals.recreations,
           good ? "" : ", one violation");
    return good ? 0 : 1;
}
