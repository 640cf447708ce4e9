// SPDX-License-Identifier: MIT
/* Rows that come when nothing is wrong any more and the owner rests: are they taken at once? */
#include "sim/choice.h"
#include "sim/clockwork.h"
#include "sim/cover.h"
#include "sim/tell.h"
#include "sim/world.h"

/* Until whoever was frozen is awake, leases of the dead are over and probes of topics are done. */
#define REST_US (60 * EF_S_US)
/* What a row may take beyond the wait for the next poll: a read under way, the next one, the
 * message, the settle, each with a way there and back of up to 600 ms; with MySQL also up to a
 * second between two statements of a transaction. */
#define TRIPS_US       (6 * EF_S_US)
#define MYSQL_TRIPS_US (20 * EF_S_US)

static int uid;

static bool row_finished(void)
{
    return sim_check_finished(sim_db_row(uid));
}

static int64_t choose(enum sim_site site, int64_t n)
{
    return sim_choose_apart(site, 0, n);
}

static bool insert(void)
{
    struct sim_row row = {.key = -1, .partition = -1, .kind = SIM_ROW_GOOD, .size_bytes = 16};
    row.lane = (int)choose(SITE_PROMPT_LANE, sim_world.lanes);
    row.topic = (int)choose(SITE_PROMPT_TOPIC, sim_world.topics);
    row.type = sim_world.by_type ? row.lane % SIM_TYPES : 0;
    int tx = sim_db_begin();
    if (tx < 0)
        return false;
    uid = sim_db_insert(tx, sim_db_next_id(), &row);
    if (uid >= 0)
        return sim_db_commit(tx);
    sim_db_rollback(tx);
    return false;
}

/* With a pause the row comes meanwhile, and the resume has to look for it. */
static void one_row(bool paused)
{
    sim_world_wait(sim_now_us() + choose(SITE_PROMPT_WAIT, REST_US), NULL);
    int owner = sim_db_lease()->owner;
    if (owner < 0 || !sim_relay_runs(owner)) {
        sim_violated(SIM_STUCK, "after a minute without faults nobody owns the table");
        return;
    }
    if (paused) {
        sim_relay_pause(owner, true);
        sim_world_wait(sim_now_us() + choose(SITE_PROMPT_PAUSE, REST_US), NULL);
    }
    if (!insert())
        return;
    int64_t limit_us = sim_world.mysql ? MYSQL_TRIPS_US : TRIPS_US;
    if (paused) {
        sim_world_wait(sim_now_us() + choose(SITE_PROMPT_PAUSE, REST_US), NULL);
        sim_relays_resume();
    } else {
        limit_us += sim_relay_poll_us(owner);
    }
    if (!sim_world_wait(sim_now_us() + limit_us, row_finished))
        sim_violated(
            SIM_PROMPT, "m%06d, committed with nothing else to do%s, is not finished %lld ms later",
            uid, paused ? " in a pause that has ended" : "", (long long)(limit_us / EF_MS_US));
}

/* Whoever was frozen or left alone with a command is looked after once more. */
static void rest(void)
{
    int64_t end_us = sim_now_us() + REST_US;
    while (sim_now_us() < end_us) {
        sim_relays_mend();
        sim_relays_resume();
        sim_nemesis_release();
        sim_world_wait(sim_now_us() + REST_US / 6, NULL);
    }
}

void sim_promptness_look(void)
{
    int64_t rows = choose(SITE_PROMPT_ROWS, 4);
    if (rows == 0)
        return;
    TELL("--- from here on everybody rests ---");
    sim_cover_notable(SIM_RESTED);
    rest();
    while (rows-- > 0 && sim_check_result(NULL) == SIM_VIOLATIONS)
        one_row(choose(SITE_PROMPT_PAUSED, 2) != 0);
}
