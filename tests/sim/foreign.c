// SPDX-License-Identifier: MIT
/*
 * Another kind of relay on the same table, as they are met while one is replaced by another: it
 * claims single rows (status 1 and the time) that are first of their aggregate, sends them, and
 * marks them done, as long as the claim is still its own. It may be slow, and it may die with a
 * row in its hands.
 */
#include "sim/choice.h"
#include "sim/cover.h"
#include "sim/publisher.h"
#include "sim/tell.h"
#include "sim/world.h"

static struct {
    bool over;
    int uid; /* claimed; -1: none */
    int64_t claimed_us;
    struct sim_event event;
} f;

static void rest(void)
{
    sim_event_start(&f.event, sim_delay(SITE_FOREIGN_PAUSE, 0, EF_MS_US, 20 * EF_S_US));
}

static bool unfinished(const struct sim_row *row)
{
    return row->s.there &&
           (row->s.status == EF_STATUS_PENDING || row->s.status == EF_STATUS_PROCESSING ||
            row->s.status == EF_STATUS_FAILED);
}

static bool would_send(const struct sim_row *row)
{
    return row->s.status == EF_STATUS_PENDING && row->kind == SIM_ROW_GOOD &&
           row->partition < SIM_PARTITIONS && !sim_topic_is_down(row->topic);
}

/* Rows with nothing unfinished before them in their aggregate, at most `max`. */
static int claimable(int *ret, int max)
{
    bool blocked[SIM_LANES] = {false};
    const int *index;
    int count = 0, all = sim_db_index(&index);
    for (int i = 0; i < all && count < max; i++) {
        const struct sim_row *row = sim_db_row(index[i]);
        if (!unfinished(row))
            continue;
        bool first = !blocked[row->lane] || row->lane == SIM_LANES - 1;
        if (first && would_send(row))
            ret[count++] = row->uid;
        blocked[row->lane] = true;
    }
    return count;
}

static void claim(void)
{
    int uids[8];
    int count = claimable(uids, 8);
    if (f.over)
        return;
    if (count == 0) {
        rest();
        return;
    }
    f.uid = uids[sim_choose(SITE_FOREIGN_ROW, 0, count)];
    f.claimed_us = sim_db_now_us();
    sim_cover_notable(SIM_ANOTHER_CLAIMED);
    TELL("another relay: claims m%06d", f.uid);
    sim_db_foreign(f.uid, EF_STATUS_PROCESSING, f.claimed_us);
    sim_event_start(&f.event, sim_delay(SITE_FOREIGN_HOLDS, 0, 1000, 40 * EF_S_US));
}

static void finish(void)
{
    const struct sim_row *row = sim_db_row(f.uid);
    bool dies = sim_happens(SITE_FOREIGN_DIES, 0, 200);
    bool ours =
        row->s.there && row->s.status == EF_STATUS_PROCESSING && row->s.claimed_us == f.claimed_us;
    if (ours && !dies) {
        sim_cover_notable(SIM_ANOTHER_FINISHED);
        TELL("another relay: has sent m%06d", f.uid);
        sim_check_appended(f.uid, row->topic, true);
        sim_check_foreign(row);
        sim_db_foreign(f.uid, EF_STATUS_DONE, 0);
    }
    if (ours && dies)
        sim_cover_notable(SIM_ANOTHER_DIED);
    f.uid = -1;
    rest();
}

static void on_event(void *arg)
{
    (void)arg;
    if (f.uid >= 0)
        finish();
    else
        claim();
}

void sim_foreign_begin(void)
{
    sim_event_init(&f.event, NULL, on_event, NULL);
    f.over = false;
    f.uid = -1;
    if (sim_world.foreign)
        rest();
}

void sim_foreign_finish(void)
{
    f.over = true;
}
