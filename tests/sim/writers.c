// SPDX-License-Identifier: MIT
/*
 * Applications: transactions that insert rows, in their own time. A writer holds an aggregate for
 * itself from before it draws an id until its transaction has ended (the protocol's precondition
 * for order), unless this world's applications are not serialised.
 */
#include <string.h>

#include "sim/choice.h"
#include "sim/tell.h"
#include "sim/world.h"

enum { WRITERS_MAX = 8, TX_ROWS_MAX = 6 };

enum stage { IDLE, INSERTING, HOLDING };

struct writer {
    int number;
    enum stage stage;
    int tx;
    bool lanes[SIM_LANES];
    int rows, done;
    int64_t ids[TX_ROWS_MAX]; /* drawn first; 0: at the insert */
    struct sim_event event;
};

static struct writer writers[WRITERS_MAX];
static bool lane_taken[SIM_LANES];
static bool finishing;

/* With order by type and id two lanes share an id. */
const char *sim_aggregate_id(const struct sim_row *row)
{
    static const char *const ids[SIM_LANES] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", NULL};
    if (row->lane == SIM_LANES - 1)
        return NULL;
    return ids[sim_world.by_type ? row->lane / SIM_TYPES : row->lane];
}

static int lane_of(const struct writer *w)
{
    int lane = (int)sim_choose(SITE_WRITER_LANE, w->number, sim_world.lanes);
    return lane == sim_world.lanes - 1 && sim_world.lanes > 2 ? SIM_LANES - 1 : lane;
}

static bool take_lanes(struct writer *w)
{
    memset(w->lanes, 0, sizeof(w->lanes));
    int count = 1 + (int)sim_choose(SITE_WRITER_TWO, w->number, 2);
    for (int i = 0; i < count; i++) {
        int lane = lane_of(w);
        bool free = !lane_taken[lane] || !sim_world.serialised || lane == SIM_LANES - 1;
        if (free)
            w->lanes[lane] = true;
        else if (i == 0)
            return false;
    }
    for (int i = 0; i < SIM_LANES; i++)
        lane_taken[i] = lane_taken[i] || w->lanes[i];
    return true;
}

static void let_lanes_go(struct writer *w)
{
    for (int i = 0; i < SIM_LANES; i++)
        if (w->lanes[i])
            lane_taken[i] = false;
}

static void rest(struct writer *w)
{
    w->stage = IDLE;
    sim_event_start(&w->event,
                    sim_delay(SITE_WRITER_PAUSE, w->number, EF_MS_US, sim_world.pause_max_us));
}

static void begin(struct writer *w)
{
    if (finishing)
        return;
    if (!sim_happens(SITE_WRITER_BEGIN, w->number, 800) || sim_db_row_count() > SIM_ROWS_MAX - 60 ||
        !take_lanes(w)) {
        rest(w);
        return;
    }
    w->tx = sim_db_begin();
    if (w->tx < 0) {
        let_lanes_go(w);
        rest(w);
        return;
    }
    w->rows = 1 + (int)sim_choose(SITE_WRITER_ROWS, w->number, TX_ROWS_MAX);
    w->done = 0;
    bool ids_first = sim_choose(SITE_WRITER_EARLY, w->number, 2) != 0;
    if (sim_happens(SITE_WRITER_NUMBERED, w->number, 300))
        sim_db_touch(w->tx);
    for (int i = 0; i < w->rows; i++)
        w->ids[i] = ids_first ? sim_db_next_id() : 0;
    w->stage = INSERTING;
    sim_event_start(&w->event,
                    ids_first ? sim_delay(SITE_WRITER_DRAWN, w->number, 100, sim_world.drawn_max_us)
                              : 100);
}

static int some_lane(struct writer *w)
{
    int lanes[SIM_LANES], count = 0;
    for (int i = 0; i < SIM_LANES; i++)
        if (w->lanes[i])
            lanes[count++] = i;
    return lanes[sim_choose(SITE_ROW_LANE, w->number, count)];
}

static enum sim_row_kind kind_of(const struct writer *w)
{
    if (!sim_happens(SITE_ROW_BAD, w->number, sim_world.poison_permille))
        return SIM_ROW_GOOD;
    return (enum sim_row_kind)(1 + sim_choose(SITE_ROW_KIND, w->number, SIM_ROW_KINDS - 1));
}

static void insert(struct writer *w)
{
    int n = w->number;
    struct sim_row row = {.lane = some_lane(w), .key = -1, .partition = -1};
    row.type =
        sim_world.by_type ? row.lane % SIM_TYPES : (int)sim_choose(SITE_ROW_TYPE, n, SIM_TYPES);
    row.topic = (int)sim_choose(SITE_ROW_TOPIC, n, sim_world.topics);
    if (sim_world.keys)
        row.key = (int)sim_choose(SITE_ROW_KEY, n, 3) - 1;
    if (sim_world.partitions)
        row.partition = (int)sim_choose(SITE_ROW_PARTITION, n, 4) - 1;
    row.kind = kind_of(w);
    row.size_bytes = 8 + (int)sim_choose(SITE_ROW_SIZE, n, sim_world.row_max_bytes);
    if (sim_happens(SITE_ROW_CLAIMED, n, sim_world.claimed_permille)) {
        row.s.status = EF_STATUS_PROCESSING; /* another kind of relay has been here */
        row.s.claimed_us = sim_db_now_us() - sim_choose(SITE_ROW_CLAIMED_AGO, n, 8) * EF_S_US;
    }
    int64_t id = w->ids[w->done] ? w->ids[w->done] : sim_db_next_id();
    sim_db_insert(w->tx, id, &row);
    w->done++;
}

static void end(struct writer *w)
{
    if (sim_happens(SITE_WRITER_ROLLBACK, w->number, sim_world.rollback_permille))
        sim_db_rollback(w->tx);
    else
        sim_db_commit(w->tx);
    let_lanes_go(w);
    rest(w);
}

static void on_writer(void *arg)
{
    struct writer *w = arg;
    switch (w->stage) {
    case IDLE:
        begin(w);
        break;
    case INSERTING:
        insert(w);
        if (w->done == w->rows)
            w->stage = HOLDING;
        sim_event_start(&w->event,
                        sim_delay(SITE_WRITER_HELD, w->number, 200, sim_world.held_max_us));
        break;
    case HOLDING:
        end(w);
        break;
    }
}

void sim_writers_begin(void)
{
    finishing = false;
    memset(lane_taken, 0, sizeof(lane_taken));
    for (int i = 0; i < sim_world.writers; i++) {
        struct writer *w = &writers[i];
        *w = (struct writer){.number = i};
        sim_event_init(&w->event, NULL, on_writer, w);
        rest(w);
    }
}

void sim_writers_finish(void)
{
    finishing = true;
}

bool sim_writers_done(void)
{
    for (int i = 0; i < sim_world.writers; i++)
        if (writers[i].stage != IDLE)
            return false;
    return true;
}
