// SPDX-License-Identifier: MIT
/* Misfortunes: each schedule has some kinds of them, and every so often one happens. */
#include "sim/choice.h"
#include "sim/cover.h"
#include "sim/link.h"
#include "sim/names.h"
#include "sim/publisher.h"
#include "sim/tell.h"
#include "sim/world.h"

static struct sim_event tick, outage_ends, topic_ends[SIM_TOPICS + 1], server_comes, grants_return;

static int kind_now; /* the label of what is chosen */

static int64_t lasts(int64_t low, int64_t high)
{
    return sim_delay(SITE_NEMESIS_LASTS, sim_for(0, kind_now), low, high);
}

static int64_t later(int64_t low, int64_t high)
{
    return sim_delay(SITE_NEMESIS_LATER, sim_for(0, kind_now), low, high);
}

static int which(int n)
{
    return (int)sim_choose(SITE_NEMESIS_WHICH, sim_for(0, kind_now), n);
}

static int option(int n)
{
    return (int)sim_choose(SITE_NEMESIS_OPTION, sim_for(0, kind_now), n);
}

/* --- relays --- */

static void kill_relay(int i)
{
    sim_relay_kill(i);
    sim_relay_start_later(i, later(EF_MS_US, 20 * EF_S_US));
}

static void stop_relay(int i)
{
    sim_relay_stop(i, lasts(EF_S_US, 25 * EF_S_US));
    sim_relay_start_later(i, later(EF_MS_US, 20 * EF_S_US));
}

static void freeze_relay(int i)
{
    bool threads_too = option(2) != 0;
    sim_relay_freeze(i, lasts(200 * EF_MS_US, 20 * EF_S_US), threads_too);
}

/* In the middle of a callback: the world goes on between two looks at the clock. */
static void stall_relay(int i)
{
    bool unaware = option(2) != 0;
    bool threads_too = which(2) != 0;
    int looks = (int)later(1, 200);
    sim_relay_stall(i, looks, lasts(10 * EF_MS_US, 20 * EF_S_US), unaware, threads_too);
}

static void break_connection(int i)
{
    int conn = which(3);
    bool late = option(3) == 2;
    int64_t late_us = late ? later(EF_MS_US, 20 * EF_S_US) : 0;
    sim_relay_break(i, conn, late_us, lasts(100, 2 * EF_S_US));
}

static void half_open(int i)
{
    int conn = which(3);
    sim_relay_break(i, conn, 0, lasts(EF_S_US, 40 * EF_S_US));
}

static void pause_or_resume(int i)
{
    sim_relay_pause(i, option(2) != 0);
}

static void drain(int i)
{
    sim_relay_drain(i);
}

static void reload(int i)
{
    sim_relay_reload(i);
}

/* --- the database --- */

static void on_server_comes(void *arg)
{
    (void)arg;
    sim_server_reachable(true);
}

static void server_gone(void)
{
    sim_server_gone();
    sim_server_reachable(false);
    sim_event_start(&server_comes, lasts(10 * EF_MS_US, 10 * EF_S_US));
}

static void crash_database(int i)
{
    (void)i;
    TELL("database: crashes");
    server_gone();
    sim_db_crash();
}

static void fail_over(int i)
{
    (void)i;
    TELL("database: a replica takes over");
    server_gone();
    sim_db_failover((option(20) - 10) * EF_S_US);
}

static void truncate_table(int i)
{
    (void)i;
    /* from the beginning, or from a little before where they were */
    int64_t back = option(2) ? which(20) : INT32_MAX;
    if (sim_world.mysql) /* emptied by DELETE: a TRUNCATE would be noticed late (operations.md) */
        back = 0;
    int64_t from = sim_db_sequence() > back ? sim_db_sequence() - back : 0;
    if (sim_db_truncate(from))
        TELL("operator: TRUNCATE, ids go on after %lld", (long long)from);
}

static void on_grants_return(void *arg)
{
    (void)arg;
    sim_db_revoke(0);
}

static void revoke_rights(int i)
{
    (void)i;
    TELL("operator: takes the relays' rights away");
    sim_db_revoke(1 + option(3));
    sim_event_start(&grants_return, lasts(10 * EF_MS_US, 15 * EF_S_US));
}

/* Some dead row, or -1. */
static int dead_row(void)
{
    int dead[8], count = 0;
    const int *index;
    int all = sim_db_index(&index);
    for (int i = 0; i < all && count < 8; i++)
        if (sim_db_row(index[i])->s.there && sim_db_row(index[i])->s.status == EF_STATUS_DEAD)
            dead[count++] = index[i];
    return count > 0 ? dead[which(count)] : -1;
}

static void retry_dead(int i)
{
    (void)i;
    int uid = dead_row();
    if (uid < 0)
        return;
    TELL("operator: has m%06d sent again", uid);
    sim_check_asked_again(sim_db_row(uid));
    sim_db_retry(uid);
}

/* Some dead or waiting row, or -1. */
static int unlucky_row(void)
{
    int found[8], count = 0;
    const int *index;
    int all = sim_db_index(&index);
    for (int i = 0; i < all && count < 8; i++) {
        const struct sim_row *row = sim_db_row(index[i]);
        if (row->s.there && (row->s.status == EF_STATUS_DEAD || row->s.status == EF_STATUS_FAILED))
            found[count++] = index[i];
    }
    return count > 0 ? found[which(count)] : -1;
}

static void command(int i)
{
    (void)i;
    int uid = unlucky_row();
    if (uid < 0)
        return;
    bool skip = option(2) != 0;
    int number = sim_db_request(uid, skip ? SIM_SKIP_ROW : SIM_RETRY_ROW);
    if (number > 0)
        TELL("operator: command %d: %s m%06d", number, skip ? "skip" : "retry", uid);
}

static void hold_or_release(int i)
{
    (void)i;
    int topic = which(SIM_TOPICS);
    bool hold = option(2) != 0;
    if (!hold && (!sim_db_holds(topic) || sim_db_release_waits(topic)))
        return;
    int number = sim_db_request_for_topic(topic, hold ? SIM_HOLD_TOPIC : SIM_LET_TOPIC_GO);
    if (number > 0)
        TELL("operator: command %d: %s topic %d", number, hold ? "hold" : "release", topic);
}

void sim_nemesis_release(void)
{
    for (int topic = 0; topic < SIM_TOPICS; topic++)
        if (sim_db_holds(topic) && !sim_db_release_waits(topic))
            sim_db_request_for_topic(topic, SIM_LET_TOPIC_GO);
}

static void delete_dead(int i)
{
    (void)i;
    int uid = dead_row();
    if (uid < 0)
        return;
    TELL("operator: deletes m%06d", uid);
    sim_check_truncated(sim_db_row(uid));
    sim_db_delete(uid);
}

/* --- the brokers --- */

static void on_outage_ends(void *arg)
{
    (void)arg;
    TELL("broker: the outage is over");
    sim_brokers_outage(false);
}

static void outage(int i)
{
    (void)i;
    TELL("broker: outage");
    sim_brokers_outage(true);
    sim_event_start(&outage_ends, lasts(100 * EF_MS_US, 30 * EF_S_US));
}

static void on_topic_ends(void *arg)
{
    int topic = (int)((struct sim_event *)arg - topic_ends);
    TELL("broker: topic %d takes messages again", topic);
    sim_topic_down(topic, false);
}

static void topic_down(int i)
{
    (void)i;
    int topic = which(SIM_TOPICS + 1);
    TELL("broker: topic %d takes no messages", topic);
    sim_topic_down(topic, true);
    sim_event_start(&topic_ends[topic], lasts(100 * EF_MS_US, 60 * EF_S_US));
}

/* --- which and when --- */

static const struct {
    const char *name;
    void (*happen)(int relay);
} kinds[] = {
    {NULL, NULL}, /* nothing */
    {"relay-killed", kill_relay},
    {"relay-stopped", stop_relay},
    {"relay-frozen", freeze_relay},
    {"connection-broken", break_connection},
    {"connection-half-open", half_open},
    {"pause-or-resume", pause_or_resume},
    {"drain", drain},
    {"reload", reload},
    {"database-crashes", crash_database},
    {"failover", fail_over},
    {"table-truncated", truncate_table},
    {"privileges-revoked", revoke_rights},
    {"brokers-away", outage},
    {"topic-down", topic_down},
    {"relay-stalls", stall_relay},
    {"dead-row-retried", retry_dead},
    {"dead-row-deleted", delete_dead},
    {"command", command},
    {"hold-or-release", hold_or_release},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
_Static_assert((int)KINDS <= (int)SIM_LABELS, "a label for each");

const char *sim_fault_name(int kind)
{
    return kind >= 0 && kind < KINDS ? kinds[kind].name : NULL;
}

/* Drawn first: most schedules have one or two kinds only, for mistakes hide behind other
 * misfortunes. */
unsigned sim_nemesis_draw(void)
{
    unsigned bits = 0;
    static const int in_16[] = {0, 1, 3, 12};
    int dice = in_16[sim_choose(SITE_FAULTS_MANY, 0, 4)];
    for (int i = 1; i < KINDS; i++)
        if (sim_choose(SITE_FAULTS_KIND, sim_for(0, i), 16) < dice)
            bits |= 1u << i;
    return bits;
}

static void on_tick(void *arg)
{
    (void)arg;
    int64_t enabled[KINDS] = {0};
    int count = 1;
    for (int i = 1; i < KINDS; i++)
        if (sim_world.faults & (1u << i))
            enabled[count++] = i;
    int kind = (int)sim_choose_of(SITE_NEMESIS, 0, enabled, count, KINDS);
    int relay = (int)sim_choose(SITE_NEMESIS_WHO, 0, sim_world.relays);
    int owner = sim_db_lease()->owner;
    if (sim_choose(SITE_NEMESIS_OWNER, 0, 2) && owner >= 0) /* it has the most to lose */
        relay = owner;
    if (kind > 0) {
        sim_cover_fault(kind);
        sim_mark((uint64_t)kind);
        kind_now = kind;
        kinds[kind].happen(relay);
    }
    sim_db_replicate(sim_choose(SITE_DB_REPLICATE, 0, 1001));
    if (sim_happens(SITE_DB_FLUSH, 0, 100))
        sim_db_flush_some();
    sim_event_start(
        &tick, sim_delay(SITE_NEMESIS_WAIT, 0, EF_MS_US, sim_world.nemesis_every_ms * EF_MS_US));
}

void sim_nemesis_begin(void)
{
    sim_event_init(&tick, NULL, on_tick, NULL);
    sim_event_init(&outage_ends, NULL, on_outage_ends, NULL);
    for (int i = 0; i <= SIM_TOPICS; i++)
        sim_event_init(&topic_ends[i], NULL, on_topic_ends, &topic_ends[i]);
    sim_event_init(&server_comes, NULL, on_server_comes, NULL);
    sim_event_init(&grants_return, NULL, on_grants_return, NULL);
    sim_event_start(&tick, 0);
}

/* Single topics may stay down; nothing else stays wrong. */
void sim_nemesis_end(void)
{
    sim_event_stop(&tick);
    sim_server_reachable(true);
    sim_db_revoke(0);
    sim_db_mend();
    sim_links_mend();
    sim_brokers_mend();
}
