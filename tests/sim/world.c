// SPDX-License-Identifier: MIT
#include "sim/world.h"

#include <stdio.h>
#include <string.h>

#include "sim/choice.h"
#include "sim/clockwork.h"
#include "sim/cover.h"
#include "sim/link.h"
#include "sim/publisher.h"
#include "sim/seams.h"
#include "sim/tell.h"

/* Longest time without faults until the next row is finished: a half-open connection is noticed
 * after a statement's limit, a frozen relay thaws after 20 s, then a lease has to expire twice, a
 * topic is probed after at most a minute, and retries wait their backoff. */
#define QUIET_US (300 * EF_S_US)
/* Ids that were drawn long before their insert come with a sweep, whose pause is twenty times what
 * the last one took. */
#define SWEEP_US (1500 * EF_S_US)
#define STOP_US  (120 * EF_S_US)
enum { LOOK_EVERY_STEPS = 512, DONE_EVERY_STEPS = 64 };
/* A schedule takes some 15 000 steps, none of the first 40 000 seeds as many as 3 000 000: beyond
 * this somebody goes round in circles. */
enum { STEPS_MAX = 20000000 };

struct sim_world sim_world;

static int64_t knob(enum sim_site site, int n)
{
    return sim_choose(site, 0, n);
}

/* A misfortune's rate: never, rarely, or as often as `high`. */
static int rate(enum sim_site site, int high)
{
    static const int tenths[] = {0, 0, 1, 10};
    return high * tenths[knob(site, 4)] / 10;
}

static void draw_world(void)
{
    static const int64_t held[] = {1, 50, 2000, 30000};
    static const int64_t drawn[] = {1, 20, 1000, 9000};
    struct sim_world *w = &sim_world;
    *w = (struct sim_world){.relays = 1 + (int)knob(SITE_WORLD_RELAYS, SIM_RELAYS)};
    if (knob(SITE_WORLD_MANY_RELAYS, 2) == 0)
        w->relays = w->relays > 2 ? 2 : w->relays;
    w->writers = 1 + (int)knob(SITE_WORLD_WRITERS, 4);
    int lanes = knob(SITE_WORLD_MANY_AGGREGATES, 2) ? SIM_LANES : 2;
    w->lanes = 1 + (int)knob(SITE_WORLD_AGGREGATES, lanes);
    w->topics = 1 + (int)knob(SITE_WORLD_TOPICS, SIM_TOPICS);
    int64_t chaos = knob(SITE_WORLD_CHAOS, 6);
    w->chaos_us = (1 + chaos * knob(SITE_WORLD_LONG_CHAOS, 4)) * EF_S_US;
    w->keys = knob(SITE_WORLD_KEYS, 2);
    w->partitions = knob(SITE_WORLD_PARTITIONS, 3) == 2;
    w->serialised = knob(SITE_WORLD_UNSERIALISED, 8) != 7;
    w->poison_permille = rate(SITE_WORLD_BAD_ROWS, 150);
    w->rollback_permille = rate(SITE_WORLD_ROLLBACKS, 300);
    w->claimed_permille = rate(SITE_WORLD_CLAIMED, 50);
    w->nemesis_every_ms = 100 << knob(SITE_WORLD_FAULTS_EVERY, 7);
    w->held_max_us = held[knob(SITE_WORLD_HELD, 4)] * EF_MS_US;
    w->drawn_max_us = drawn[knob(SITE_WORLD_DRAWN, 4)] * EF_MS_US;
    if (!w->serialised) /* longer than gaps are kept: such rows come with a sweep */
        w->drawn_max_us *= 1 + 3 * knob(SITE_WORLD_DRAWN_LONG, 2);
    w->pause_max_us = (10 << knob(SITE_WORLD_PAUSES, 8)) * EF_MS_US;
    w->row_max_bytes = 1 << knob(SITE_WORLD_ROW_BYTES, 9);
    w->foreign = knob(SITE_WORLD_FOREIGN, 6) == 5;
    w->faults = sim_nemesis_draw();
    w->mysql = sim_choose_apart(SITE_WORLD_MYSQL, 0, 3) == 2;
    if (w->mysql)
        sim_cover_notable(SIM_ON_MYSQL);
}

static void draw_parts(const struct ef_config_outbox *outbox)
{
    static const int64_t legs[] = {100, 2000, 30000, 300000};
    struct sim_db_config database = {.mysql = sim_world.mysql,
                                     .on_delivered = outbox->on_delivered,
                                     .claim_timeout_ms = outbox->claim_timeout_ms,
                                     .skew_us = (knob(SITE_DB_SKEW, 21) - 10) * EF_S_US,
                                     .drift_ppm = ((int)knob(SITE_DB_DRIFT, 5) - 2) * 50000,
                                     .locked_permille = rate(SITE_DB_LOCKS, 200)};
    sim_db_reset(&database);
    struct sim_link_config link = {.connect_max_ms = 20 << knob(SITE_LINKS_CONNECT, 6),
                                   .forth_max_us = (int)legs[knob(SITE_LINKS_FORTH, 4)],
                                   .back_max_us = (int)legs[knob(SITE_LINKS_BACK, 4)],
                                   .error_permille = rate(SITE_LINKS_ERRORS, 50),
                                   .lost_permille = rate(SITE_LINKS_LOST, 50),
                                   .late_permille = rate(SITE_LINKS_LATE, 30),
                                   .statement_timeout_ms = 35000};
    sim_links_reset(&link);
    struct sim_broker_config brokers = {.forth_max_us = (int)legs[knob(SITE_BROKERS_FORTH, 4)],
                                        .back_max_us = (int)legs[knob(SITE_BROKERS_BACK, 4)],
                                        .transient_permille = rate(SITE_BROKERS_TRANSIENT, 100),
                                        .quota_permille = rate(SITE_BROKERS_QUOTA, 20),
                                        .fatal_permille = rate(SITE_BROKERS_FATAL, 50),
                                        .full_permille = rate(SITE_BROKERS_FULL, 100),
                                        .ghost_permille = (int)knob(SITE_BROKERS_GHOSTS, 2) * 500,
                                        .aside_permille = rate(SITE_BROKERS_ASIDE, 300),
                                        .batches = knob(SITE_BROKERS_BATCHES, 2) != 0};
    sim_brokers_reset(&brokers);
}

/* --- the three parts of a schedule --- */

static bool failed(void)
{
    return sim_check_result(NULL) != SIM_VIOLATIONS;
}

bool sim_world_wait(int64_t until_us, bool (*done)(void))
{
    for (unsigned step = 0; !failed(); step++) {
        if (step % DONE_EVERY_STEPS == 0 && done && done())
            return true;
        if (!sim_step(until_us))
            return done && done();
        if (step % LOOK_EVERY_STEPS != LOOK_EVERY_STEPS - 1)
            continue;
        sim_relays_look();
        if (sim_steps() > STEPS_MAX)
            sim_violated(SIM_STUCK, "%llu steps were taken", (unsigned long long)sim_steps());
    }
    return true;
}

/* Rows of aggregates that have nothing to do with a topic that is down, or with a bad row. */
static bool bystanders_finished(void)
{
    bool touched[SIM_LANES] = {false};
    if (!sim_writers_done())
        return false;
    for (int i = 0; i < sim_db_row_count(); i++) {
        const struct sim_row *row = sim_db_row(i);
        bool aside = sim_topic_is_down(SIM_TOPICS); /* dead letters cannot go */
        if (sim_topic_is_down(row->topic) || (aside && row->s.there && row->s.status != 2))
            touched[row->lane] = true;
    }
    for (int i = 0; i < sim_db_row_count(); i++)
        if (!sim_check_finished(sim_db_row(i)) && !touched[sim_db_row(i)->lane])
            return false;
    return true;
}

static bool all_finished(void)
{
    if (!sim_writers_done() || sim_db_open_commands() > 0) /* which may set a dead row to wait */
        return false;
    for (int i = sim_db_row_count() - 1; i >= 0; i--)
        if (!sim_check_finished(sim_db_row(i)))
            return false;
    return true;
}

static int first_unfinished(void)
{
    for (int i = 0; i < sim_db_row_count(); i++)
        if (!sim_check_finished(sim_db_row(i)))
            return i;
    return -1;
}

static int finished_count(void)
{
    int count = 0;
    for (int i = 0; i < sim_db_row_count(); i++)
        count += sim_check_finished(sim_db_row(i));
    return count;
}

/*
 * Some row has to be finished within the time, again and again until all are: an aggregate with
 * many bad rows takes its time for each. Operators' pauses end; a command may get lost, so it is
 * given again.
 */
static bool finish(int64_t patience_us, bool (*done)(void), enum sim_violation violation)
{
    if (!sim_world.serialised)
        patience_us += SWEEP_US;
    int64_t end_us = sim_now_us() + patience_us;
    int finished = finished_count();
    while (!failed() && sim_now_us() < end_us) {
        if (finished_count() > finished) {
            finished = finished_count();
            end_us = sim_now_us() + patience_us;
        }
        sim_relays_mend();
        sim_relays_resume();
        sim_nemesis_release();
        if (sim_world_wait(sim_now_us() + 10 * EF_S_US, done) && !failed())
            return true;
    }
    if (!failed())
        sim_violated(violation, "m%06d is not finished, no row was for %lld s without faults",
                     first_unfinished(), (long long)(patience_us / EF_S_US));
    return false;
}

static bool relays_stopped(void)
{
    return sim_relays_stopped();
}

static void run_schedule(void)
{
    sim_world_wait(sim_world.chaos_us, NULL);
    if (failed())
        return;
    TELL("--- from here on only single topics and rows are wrong ---");
    sim_writers_finish();
    sim_foreign_finish();
    sim_nemesis_end();
    if (!finish(QUIET_US, bystanders_finished, SIM_ISOLATION))
        return;
    TELL("--- from here on nothing is wrong ---");
    for (int i = 0; i <= SIM_TOPICS; i++)
        sim_topic_down(i, false);
    if (!finish(QUIET_US, all_finished, SIM_STUCK))
        return;
    sim_promptness_look();
    sim_relays_stop();
    if (!sim_world_wait(sim_now_us() + STOP_US, relays_stopped) && !failed())
        sim_violated(SIM_STUCK, "a relay did not stop");
    if (!failed())
        sim_check_everything();
}

void sim_world_run(struct sim_result *ret)
{
    struct sim_check_config check = {0};
    const char *text;
    sim_clock_reset();
    sim_files_reset();
    draw_world();
    check.serialised = sim_world.serialised;
    draw_parts(sim_relays_configure(&check));
    sim_check_reset(&check);
    sim_relays_begin();
    sim_writers_begin();
    sim_foreign_begin();
    sim_nemesis_begin();
    run_schedule();
    sim_relays_end();
    *ret = (struct sim_result){.violation = sim_check_result(&text),
                               .steps = sim_steps(),
                               .fingerprint = sim_fingerprint()};
    snprintf(ret->text, sizeof(ret->text), "%s", text);
}
