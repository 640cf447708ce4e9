// SPDX-License-Identifier: MIT
/* A schedule, from its first choice to its last check, and what goes wrong in it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "prodsim/cover.h"
#include "prodsim/prodsim.h"
#include "sim/names.h"

enum { CHAOS_MAX_US = 120000000, QUIET_US = 600000000, MISFORTUNE_MAX_US = 20000000 };
/* A schedule takes some 2000 steps: beyond this somebody goes round in circles. */
enum { STEPS_MAX = 3000000, MISFORTUNE_MIN_US = 1000 };

struct faults faults;

static struct {
    struct ef_loop *loop;
    struct ef_metrics *metrics;
    struct ef_producer *producer;
    struct sim_event misfortune, relief;
    bool mended;
    enum sim_violation violation;
    char text[256];
} w;

static struct {
    uint64_t appended, repeats, recreations;
} totals;

bool happens(enum sim_site site, int actor, int permille)
{
    return !w.mended && sim_happens(site, actor, permille);
}

void violated(enum sim_violation violation, const char *fmt, ...)
{
    va_list ap;
    if (is_violated())
        return;
    w.violation = violation;
    va_start(ap, fmt);
    vsnprintf(w.text, sizeof(w.text), fmt, ap);
    va_end(ap);
    TELL("*** %s: %s", sim_violation_name(violation), w.text);
}

bool is_violated(void)
{
    return w.violation != SIM_VIOLATIONS;
}

/* --- misfortunes --- */

static const char *const misfortunes[] = {
    [NOTHING] = "nothing",
    [TOPIC_REFUSES] = "topic-refuses",
    [TOPIC_SILENT] = "topic-silent",
    [TOPIC_HIDDEN] = "topic-hidden",
    [TOPIC_DELETED] = "topic-deleted",
    [TOPIC_GROWS] = "topic-grows",
    [OUTAGE] = "outage",
    [FENCED] = "fenced",
    [LETTERS_FENCED] = "letters-fenced",
    [STANDS_STILL] = "stands-still",
    [USER_LEAVES] = "user-leaves",
    [NO_NEW_PRODUCER] = "no-new-producer",
};

const char *sim_fault_name(int kind)
{
    return kind >= 0 && kind < MISFORTUNES ? misfortunes[kind] : NULL;
}

const char *sim_statement_name(int kind)
{
    (void)kind;
    return NULL; /* of tests/sim only */
}

static void misfortune_of_topic(enum misfortune kind, int topic)
{
    switch (kind) {
    case TOPIC_REFUSES:
        TELL("topic t%d refuses everything", topic);
        faults.refuses[topic] = true;
        break;
    case TOPIC_SILENT:
        TELL("topic t%d does not answer", topic);
        faults.silent[topic] = true;
        break;
    case TOPIC_HIDDEN:
        TELL("topic t%d is not to be seen", topic);
        faults.hidden[topic] = true;
        break;
    case TOPIC_DELETED:
        cluster_delete(topic);
        break;
    default:
        cluster_grow(topic, cluster_partitions(topic) + 1 + (int)sim_choose(SITE_TOPIC_MORE, 0, 2));
    }
}

static void misfortune(enum misfortune kind)
{
    int actor = sim_for(0, (int)kind);
    switch (kind) {
    case NOTHING:
        break;
    case OUTAGE:
        TELL("nobody can be reached");
        faults.outage = true;
        library_tell_outage();
        break;
    case FENCED:
    case LETTERS_FENCED:
        TELL("%s is fenced", kind == FENCED ? "the producer" : "the producer of dead letters");
        library_break(kind == LETTERS_FENCED);
        break;
    case STANDS_STILL:
        TELL("the process stands still");
        sim_loop_freeze(w.loop, sim_now_us() + sim_delay(SITE_NEMESIS_LASTS, actor,
                                                         MISFORTUNE_MIN_US, MISFORTUNE_MAX_US));
        break;
    case NO_NEW_PRODUCER:
        TELL("no producer can be made");
        faults.no_new_producer = sim_errors_expected = true;
        break;
    case USER_LEAVES:
        users_replace((int)sim_choose(SITE_NEMESIS_WHICH, actor, USERS));
        break;
    default:
        misfortune_of_topic(kind, (int)sim_choose(SITE_NEMESIS_WHICH, actor, TOPICS));
    }
}

static void on_misfortune(void *arg)
{
    static const int64_t kinds[] = {TOPIC_REFUSES, TOPIC_SILENT, TOPIC_HIDDEN,   TOPIC_DELETED,
                                    TOPIC_GROWS,   OUTAGE,       FENCED,         LETTERS_FENCED,
                                    STANDS_STILL,  USER_LEAVES,  NO_NEW_PRODUCER};
    (void)arg;
    enum misfortune kind = (enum misfortune)sim_choose_of(
        SITE_NEMESIS, 0, kinds, sizeof(kinds) / sizeof(kinds[0]), MISFORTUNES);
    cover_misfortune(kind);
    misfortune(kind);
    sim_event_start(&w.misfortune,
                    sim_delay(SITE_NEMESIS_WAIT, 0, MISFORTUNE_MIN_US, MISFORTUNE_MAX_US));
}

static void relief_soon(void)
{
    sim_event_start(&w.relief,
                    sim_delay(SITE_RELIEF_WAIT, 0, MISFORTUNE_MIN_US, MISFORTUNE_MAX_US));
}

static void on_relief(void *arg)
{
    (void)arg;
    int topic = (int)sim_choose(SITE_RELIEF_TOPIC, 0, TOPICS);
    faults.outage = faults.outage && happens(SITE_RELIEF_OUTAGE, 0, 500);
    faults.no_new_producer = faults.no_new_producer && happens(SITE_RELIEF_PRODUCER, 0, 500);
    sim_errors_expected = faults.no_new_producer;
    faults.refuses[topic] = faults.silent[topic] = faults.hidden[topic] = false;
    if (cluster_partitions(topic) == 0)
        cluster_grow(topic, 1 + (int)sim_choose(SITE_TOPIC_COUNT, 0, 3));
    relief_soon();
}

static void mend(void)
{
    TELL("nothing is wrong any more");
    w.mended = true;
    sim_event_stop(&w.misfortune);
    sim_event_stop(&w.relief);
    faults.outage = faults.no_new_producer = sim_errors_expected = false;
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
        .retriable_permille = some[sim_choose(SITE_PROD_RETRIABLE, 0, 5)],
        .lost_answer_permille = some[sim_choose(SITE_PROD_LOST, 0, 5)],
        .ghost_permille = (int)sim_choose(SITE_BROKERS_GHOSTS, 0, 1000),
        .forth_max_us = sim_delay(SITE_BROKERS_FORTH, 0, 200, 2000000),
        .back_max_us = sim_delay(SITE_BROKERS_BACK, 0, 200, 2000000),
        .metadata_max_us = sim_delay(SITE_PROD_METADATA, 0, 1000, 2000000),
    };
    for (int t = 0; t < DEAD_LETTERS; t++)
        faults.wants_keys[t] = happens(SITE_TOPIC_KEYS, 0, 100);
}

static void begin(void)
{
    static struct ef_config_kafka config;
    struct ef_error err;
    memset(&w, 0, sizeof(w));
    w.violation = SIM_VIOLATIONS;
    sim_errors_expected = false;
    sim_clock_reset();
    w.loop = sim_loop_new(0, 0, 0);
    requests_reset();
    seams_reset();
    library_reset(w.loop);
    check_reset();
    cluster_reset();
    draw_faults();
    int queue =
        happens(SITE_PROD_QUEUE, 0, 300) ? 1 + (int)sim_choose(SITE_PROD_QUEUE_LIMIT, 0, 20) : 0;
    int64_t bytes = sim_choose_apart(SITE_PROD_QUEUE_BYTES, 0, 8 * VALUE_MAX);
    bool limited = bytes > 0 && bytes < 5 * VALUE_MAX;
    library_queue_limit(queue, limited ? VALUE_MAX + bytes : 0);
    w.metrics = ef_metrics_new();
    w.producer = ef_producer_new(&(struct ef_producer_params){.loop = w.loop,
                                                              .metrics = w.metrics,
                                                              .config = &config,
                                                              .cluster = "here",
                                                              .queue_messages = 100,
                                                              .message_max_bytes = 1 << 20},
                                 &err);
    sim_enter(w.loop);
    users_begin(w.loop, ef_producer_publisher(w.producer),
                1 + (int)sim_choose(SITE_PROD_MESSAGES, 0, MESSAGES_MAX));
    sim_leave(w.loop);
    sim_event_init(&w.misfortune, w.loop, on_misfortune, NULL);
    sim_event_init(&w.relief, NULL, on_relief, NULL);
    sim_event_start(&w.misfortune,
                    sim_delay(SITE_NEMESIS_WAIT, 0, MISFORTUNE_MIN_US, MISFORTUNE_MAX_US));
    relief_soon();
}

static void end(void)
{
    struct ef_producer_view view;
    ef_producer_view(w.producer, &view);
    if (users_finished() && view.in_flight != 0)
        violated(SIM_REPORT, "%" PRId64 " messages count as under way at the end", view.in_flight);
    totals.appended += (uint64_t)check_appended_total();
    totals.repeats += (uint64_t)check_repeats();
    totals.recreations += view.recreations;
    if (is_violated()) /* who knows what it is like inside */
        return;
    cover_producer(w.metrics);
    sim_enter(w.loop);
    users_leave();
    ef_producer_free(w.producer);
    sim_leave(w.loop);
    users_end();
    ef_metrics_free(w.metrics);
    sim_loop_free(w.loop);
}

static bool goes_on(int64_t until_us)
{
    if (sim_steps() > STEPS_MAX)
        violated(SIM_STUCK, "%" PRIu64 " steps were taken", sim_steps());
    return !is_violated() && sim_step(until_us);
}

/* Nothing is wrong any more: everything gets there. */
static void finish(void)
{
    int64_t until_us = sim_now_us() + QUIET_US;
    mend();
    while (!users_finished() && goes_on(until_us))
        ;
    if (!users_finished())
        violated(SIM_STUCK, "something is not delivered although nothing is wrong");
}

void sim_world_run(struct sim_result *ret)
{
    begin();
    bool abrupt = happens(SITE_PROD_ABRUPT, 0, 100); /* the daemon ends in the middle of it all */
    int64_t until_us = sim_now_us() + sim_delay(SITE_WORLD_CHAOS, 0, 1000000, CHAOS_MAX_US);
    while (goes_on(until_us))
        ;
    if (!is_violated() && !abrupt)
        finish();
    end();
    *ret = (struct sim_result){
        .violation = w.violation, .steps = sim_steps(), .fingerprint = sim_fingerprint()};
    snprintf(ret->text, sizeof(ret->text), "%s", w.text);
}

void sim_say_totals(void)
{
    printf("%" PRIu64 " messages appended, %" PRIu64 " repeats, %" PRIu64 " producers replaced\n",
           totals.appended, totals.repeats, totals.recreations);
}
