// SPDX-License-Identifier: MIT
/* What operators ask of the simulated database: the command table, what is held; and upkeep. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sim/checker.h"
#include "sim/cover.h"
#include "sim/db_private.h"
#include "sim/tell.h"
#include "sim/world.h"

enum { PURGE_ROWS = 1000 }; /* at once, by upkeep */

/* --- the command table --- */

static int write_down(const char *verb, const char *args, const char *actor, int max)
{
    if (db.command_count >= max)
        return -1;
    db.commands[db.command_count++] = (struct sim_command){
        .verb = sim_db_text(verb), .args = sim_db_text(args), .actor = sim_db_text(actor)};
    return db.command_count;
}

int sim_db_command_new(const char *verb, const char *args, const char *actor)
{
    return write_down(verb, args, actor, COMMANDS_MAX);
}

int sim_db_request(int uid, enum sim_order order)
{
    char args[64];
    snprintf(args, sizeof(args), "{\"ids\":[%lld]}", (long long)db.rows[uid].id);
    return write_down(order == SIM_SKIP_ROW ? "skip" : "retry", args, "operator", COMMANDS_MAX / 4);
}

static void about_topic(int topic, char *out, size_t size)
{
    snprintf(out, size, "{\"topic\":\"%s\"}", sim_topic_names()[topic]);
}

int sim_db_request_for_topic(int topic, enum sim_order order)
{
    bool release = order == SIM_LET_TOPIC_GO; /* what is held can always be let go */
    char args[64];
    about_topic(topic, args, sizeof(args));
    return write_down(release ? "release" : "hold", args, "operator",
                      release ? COMMANDS_MAX : COMMANDS_MAX / 4);
}

bool sim_db_release_waits(int topic)
{
    char args[64];
    about_topic(topic, args, sizeof(args));
    for (int i = 0; i < db.command_count; i++)
        if (!db.commands[i].done && strcmp(db.commands[i].verb, "release") == 0 &&
            strcmp(db.commands[i].args, args) == 0)
            return true;
    return false;
}

static struct sim_command *find_command(int64_t number)
{
    return number >= 1 && number <= db.command_count ? &db.commands[number - 1] : NULL;
}

const struct sim_command *sim_db_command(int number)
{
    return find_command(number);
}

int sim_db_open_commands(void)
{
    int count = 0;
    for (int i = 0; i < db.command_count; i++)
        count += !db.commands[i].done;
    return count;
}

void sim_db_next_command(struct sim_stmt *q)
{
    q->command = 0;
    for (int i = 0; i < db.command_count && q->command == 0; i++)
        if (!db.commands[i].done)
            q->command = i + 1;
}

/* --- what is held --- */

int sim_db_topic(struct ef_slice name)
{
    int topic = 0;
    while (topic < SIM_TOPICS && !ef_slice_eq(name, ef_slice_of(sim_topic_names()[topic])))
        topic++;
    return topic;
}

static struct sim_hold *find_hold(bool topic, struct ef_slice name)
{
    for (int i = 0; i < db.hold_count; i++)
        if (db.holds[i].topic == topic && ef_slice_eq(ef_slice_of(db.holds[i].name), name))
            return &db.holds[i];
    return NULL;
}

bool sim_db_holds(int topic)
{
    return find_hold(true, ef_slice_of(sim_topic_names()[topic])) != NULL;
}

void sim_db_tell_holds(struct sim_stmt *q)
{
    q->hold_count = db.hold_count;
    memcpy(q->holds, db.holds, sizeof(db.holds));
}

static void hold(const struct ef_command *order)
{
    TELL("database: %.*s is held", (int)order->name.len, order->name.p);
    sim_cover_notable(SIM_HELD);
    if (find_hold(order->topic, order->name) || db.hold_count == SIM_HOLDS_MAX)
        return;
    db.holds[db.hold_count++] =
        (struct sim_hold){.topic = order->topic,
                          .name = ef_arena_copy(&db.texts, order->name.p, order->name.len),
                          .actor = sim_db_text(order->actor),
                          .reason = sim_db_text(order->reason),
                          .at_us = sim_db_now_us()};
}

static void let_go(struct sim_stmt *q, const struct ef_command *order)
{
    TELL("database: %.*s is released", (int)order->name.len, order->name.p);
    struct sim_hold *held = find_hold(order->topic, order->name);
    if (held)
        *held = db.holds[--db.hold_count];
    if (order->topic)
        sim_db_make_due(q, sim_db_topic(order->name), NULL, 0);
    else
        sim_db_make_due(q, -1, ef_arena_copy(&db.texts, order->name.p, order->name.len), 0);
}

/* --- carrying out --- */

static void retry_row(struct sim_stmt *q, struct sim_row *row)
{
    bool dead = row->s.status == EF_STATUS_DEAD;
    if (dead)
        sim_check_asked_again(row);
    sim_db_save_row(row->uid);
    if (dead)
        row->s.attempts = 0;
    row->s.status = EF_STATUS_FAILED;
    row->s.next_retry_us = sim_db_now_us();
    row->s.processed_us = 0;
    q->rows++;
    TELL("database: id %lld (m%06d) is to be tried again", (long long)row->id, row->uid);
}

static bool order_of_row(struct sim_stmt *q, int64_t id)
{
    int i = sim_db_lower_bound(id);
    struct sim_row *row = i < db.index_count ? &db.rows[db.index[i]] : NULL;
    bool there = row && row->id == id && sim_db_visible(row, q->snapshot) &&
                 (row->s.status == EF_STATUS_FAILED || row->s.status == EF_STATUS_DEAD);
    if (!there)
        return false;
    bool skip = q->order.verb == EF_COMMAND_SKIP;
    sim_cover_notable(skip ? SIM_SKIPPED : SIM_RETRIED);
    if (skip) {
        sim_check_skipped(row);
        sim_db_settle_row(q, row);
    } else {
        retry_row(q, row);
    }
    return true;
}

/* Rows that ended so long ago go, the first `limit` by id. */
static void purge(struct sim_stmt *q, int status, int64_t older_than_ms, int limit)
{
    int64_t before_us = sim_db_now_us() - older_than_ms * EF_MS_US;
    for (int i = 0; i < db.index_count && q->rows < limit;) {
        struct sim_row *row = &db.rows[db.index[i]];
        if (!row->s.there || row->s.status != status || row->s.processed_us > before_us) {
            i++;
            continue;
        }
        sim_check_truncated(row);
        sim_db_save_row(row->uid);
        row->s.there = false;
        sim_db_unindex(row->uid);
        q->rows++;
    }
}

void sim_db_maintain(struct sim_stmt *q)
{
    q->rows = 0;
    if (db.config.on_delivered != EF_ON_DELIVERED_MARK || db.config.retention_ms == 0 ||
        !sim_db_lease_matches(q))
        return;
    db.next_xid++;
    purge(q, EF_STATUS_DONE, db.config.retention_ms, PURGE_ROWS);
    sim_db_log_commit(true);
}

/* As the owner has read it, which may be that it is refused. */
static int perform(struct sim_stmt *q, int64_t *ids)
{
    const struct ef_command *order = &q->order;
    int count = 0;
    switch (order->verb) {
    case EF_COMMAND_RETRY:
    case EF_COMMAND_SKIP:
        for (int i = 0; i < order->id_count; i++)
            if (order_of_row(q, order->ids[i]))
                ids[count++] = order->ids[i];
        break;
    case EF_COMMAND_HOLD:
        hold(order);
        break;
    case EF_COMMAND_RELEASE:
        let_go(q, order);
        break;
    case EF_COMMAND_PURGE:
        purge(q, order->purge_dead ? EF_STATUS_DEAD : EF_STATUS_DONE, order->older_than_ms,
              order->limit);
        break;
    case EF_COMMAND_EDIT: /* rows have no texts of their own */
    case EF_COMMAND_REFUSED:
        break;
    }
    return count;
}

void sim_db_carry_out(struct sim_stmt *q)
{
    struct sim_command *command = find_command(q->order.number);
    q->rows = 0;
    if (q->fenced || !command || command->done)
        return;
    db.next_xid++;
    int64_t *ids = ef_xcalloc((size_t)q->order.id_count + 1, sizeof(*ids));
    int count = perform(q, ids);
    char *result = ef_command_result(&q->order, q->rows, ids, count);
    command->done = true;
    command->result = sim_db_text(result);
    free(result);
    free(ids);
    sim_db_log_commit(true);
}

/* --- operators themselves --- */

/* Lists of rows are not simulated: they are empty. */
void sim_db_operate(struct sim_stmt *q)
{
    const struct sim_command *command = find_command(q->command);
    json_t *answer = NULL;
    switch (q->asked) {
    case EF_OPERATE_ROWS:
        answer = json_pack("{s:[], s:b}", "rows", "more", 0);
        break;
    case EF_OPERATE_REQUEST:
        answer = json_pack("{s:i}", "command", sim_db_command_new(q->verb, q->args, q->actor));
        break;
    case EF_OPERATE_RESULT:
        answer = json_pack("{s:b, s:s?}", "done", command && command->done, "result",
                           command ? command->result : NULL);
        break;
    }
    free(q->json);
    q->json = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
}
