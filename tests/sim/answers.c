// SPDX-License-Identifier: MIT
/* What the simulated database answers, as upcalls of store/store.h. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sim/choice.h"
#include "sim/link_private.h"
#include "sim/world.h"

static const char *const types[SIM_TYPES] = {"order", "bill"};
static const char *const key_names[] = {"k0", "k1"};
/* A number above what fits is no JSON: such headers are refused as a whole. */
static const char unreadable[] = "{\"x\": ";

static struct ef_slice text(const char *s)
{
    return (struct ef_slice){s, s ? strlen(s) : 0};
}

/* --- reading --- */

static struct ef_slice payload_of(struct ef_arena *arena, const struct sim_row *row)
{
    size_t len = (size_t)row->size_bytes, name = strlen(row->payload);
    char *p = ef_arena_alloc(arena, len);
    memcpy(p, row->payload, len < name ? len : name);
    if (len > name)
        memset(p + name, '.', len - name);
    return (struct ef_slice){p, len};
}

static void fill(const struct sim_store *s, struct ef_batch *batch, const struct sim_seen *seen)
{
    const struct sim_row *row = sim_db_row(seen->uid);
    struct ef_row *out = &batch->rows[batch->count++];
    *out = (struct ef_row){.id = row->id,
                           .created_at_us = row->created_us,
                           .message_id = text(row->message_id),
                           .aggregate_type = text(types[row->type]),
                           .aggregate_id = text(sim_aggregate_id(row)),
                           .topic = text(s->topics[row->topic]),
                           .key = text(row->key < 0 ? NULL : key_names[row->key]),
                           .partition = row->partition,
                           .status = seen->status,
                           .attempts = seen->attempts,
                           .payload_kind = EF_PAYLOAD_TEXT,
                           .held_back = seen->held_back};
    if (seen->held_back)
        return;
    if (row->kind == SIM_ROW_LARGE)
        out->payload_bytes = INT64_C(1) << 30;
    else
        out->payload = payload_of(&batch->arena, row);
    if (row->kind == SIM_ROW_UNREADABLE)
        out->headers = text(unreadable);
}

void sim_fetch_begins(struct sim_store *s, const struct sim_stmt *q)
{
    if (s->fetch.began || q->err.class != EF_CLASS_NONE)
        return;
    s->fetch.began = true;
    if (sim_world.mysql) {
        if (q->look && q->looked == q->counted)
            s->clean_read = s->reads;
        return;
    }
    if (s->filenode != 0 && s->filenode != q->filenode)
        s->fetch.rewritten = s->fetch.discard = true;
    s->filenode = q->filenode;
}

bool sim_fetch_chunk(struct sim_store *s, const struct sim_stmt *q)
{
    int left = q->seen_count - s->fetch.given;
    int want = 1 + (int)sim_choose(SITE_LINK_CHUNK, s->relay, left < 16 ? left : 16);
    if (want > left)
        want = left;
    if (sim_choose(SITE_LINK_CHUNKED, s->relay, 4) == 0)
        want = left;
    struct ef_batch *batch = ef_batch_new(want);
    bool paused = false;
    batch->foreign = q->fetched.foreign;
    while (batch->count < want && !paused) {
        const struct sim_seen *seen = &q->seen[s->fetch.given++];
        fill(s, batch, seen);
        s->fetch.bytes_since_pause += (int64_t)ef_row_bytes(&batch->rows[batch->count - 1]);
        paused = s->fetch.bytes_since_pause >= s->fetch.max_bytes;
    }
    if (paused)
        s->fetch.bytes_since_pause = 0;
    ef_store_did_rows(&s->store, batch, paused);
    return paused && !s->fetch.discard;
}

/* --- answers --- */

static void fetched(struct sim_store *s, const struct sim_stmt *q, const struct ef_error *err)
{
    struct ef_error own;
    struct ef_fetched f = {0};
    s->fetch.active = false;
    if (err) {
        own = *err;
        if (own.class == EF_CLASS_UNCERTAIN)
            own.class = EF_CLASS_OUTAGE;
        err = &own;
    } else if (q->fenced) {
        ef_error_set(&own, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &own;
    } else if (s->fetch.rewritten) {
        ef_error_set(&own, EF_CLASS_BUSY, "the table was emptied");
        ef_error_code(&own, 0, EF_STORE_REWRITTEN);
        err = &own;
    } else if (s->fetch.discard) {
        ef_error_set(&own, EF_CLASS_BUSY, "read given up");
        err = &own;
    } else {
        f = q->fetched;
        f.rows = q->seen_count;
        f.xmax = s->xid_ceiling;
        f.xmax_at_us = s->xid_ceiling_us;
        if (sim_world.mysql) {
            f.xmin = s->clean_read;
            f.xmax = s->reads + 1;
            f.xmax_at_us = 0;
        }
    }
    ef_store_did_fetch(&s->store, err ? NULL : &f, err);
}

static void acquired(struct sim_store *s, const struct sim_stmt *q, const struct ef_error *err)
{
    struct ef_lease lease = {.outcome = q && q->flag ? EF_LEASE_QUIET : EF_LEASE_HELD};
    if (err) {
        ef_store_did_acquire(&s->store, NULL, err);
        return;
    }
    lease.wait_ms = q->limit;
    if (q->rows) {
        lease.outcome = EF_LEASE_GRANTED;
        lease.epoch = q->lease.epoch;
        s->serial = q->lease.serial;
    } else if (q->lease.owner >= 0) {
        snprintf(lease.owner, sizeof(lease.owner), "%s", q->lease.label);
    }
    ef_store_did_acquire(&s->store, &lease, NULL);
}

static void renewed(struct sim_store *s, const struct sim_stmt *q, const struct ef_error *err)
{
    struct ef_error own;
    if (!err && q->fenced) {
        ef_error_set(&own, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &own;
    }
    if (!err) {
        s->xid_ceiling = q->xid;
        s->xid_ceiling_us = s->renew_sent_us;
    }
    ef_store_did_renew(&s->store, err ? NULL : &q->renewal, err);
}

static void part_decided(struct sim_store *s, const struct sim_stmt *q, const struct ef_error *err)
{
    if (err && !s->decide_failed) {
        s->decide_failed = true;
        s->decide_error = *err;
    }
    if (!err)
        s->decide_rows += q->rows;
    if (--s->decide_pending == 0)
        ef_store_did_decide(&s->store, s->decide_rows, s->decide_failed ? &s->decide_error : NULL);
}

static void next_command_known(struct sim_store *s, const struct sim_stmt *q,
                               const struct ef_error *err)
{
    const struct sim_command *command = err || !q->command ? NULL : sim_db_command(q->command);
    if (!command) {
        ef_store_did_next_command(&s->store, NULL, err);
        return;
    }
    ef_store_did_next_command(&s->store,
                              &(struct ef_command_row){.number = q->command,
                                                       .verb = command->verb,
                                                       .args = command->args,
                                                       .actor = command->actor},
                              NULL);
}

static void holds_known(struct sim_store *s, const struct sim_stmt *q, const struct ef_error *err)
{
    struct ef_hold held[SIM_HOLDS_MAX];
    int count = err ? 0 : q->hold_count;
    for (int i = 0; i < count; i++)
        held[i] = (struct ef_hold){.topic = q->holds[i].topic,
                                   .name = text(q->holds[i].name),
                                   .actor = q->holds[i].actor,
                                   .reason = q->holds[i].reason,
                                   .at_us = q->holds[i].at_us};
    ef_store_did_holds(&s->store, held, count, err);
}

static void carried_out(struct sim_store *s, const struct sim_stmt *q, const struct ef_error *err)
{
    struct ef_error own;
    if (!err && q->fenced) {
        ef_error_set(&own, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &own;
    }
    ef_store_did_carry_out(&s->store, err ? 0 : q->rows, err);
}

static void checked(struct sim_store *s, const struct ef_error *err)
{
    struct ef_store_info info = {
        .version = "simulated", .has_last_error = true, .has_partition = true};
    sim_server_name(info.server, sizeof(info.server), s->conns[CONN_READ].server);
    ef_store_did_check(&s->store, err ? NULL : &info, err);
}

/* Nothing goes wrong there slowly. */
static void examined(struct sim_store *s, const struct ef_error *err)
{
    struct ef_report report;
    ef_report_init(&report);
    ef_store_did_examine(&s->store, err ? NULL : &report, err);
    ef_report_done(&report);
}

void sim_complete(struct request *r, const struct ef_error *err)
{
    struct sim_store *s = r->store;
    struct ef_store *store = &s->store;
    const struct sim_stmt *q = r->trip ? &r->trip->stmt : NULL;
    int64_t rows = err ? 0 : q->rows;
    switch (r->kind) {
    case SIM_CHECK:
        checked(s, err);
        break;
    case SIM_ACQUIRE:
        acquired(s, q, err);
        break;
    case SIM_RENEW:
        renewed(s, q, err);
        break;
    case SIM_RELEASE:
        ef_store_did_release(store, err);
        break;
    case SIM_FETCH:
        fetched(s, q, err);
        break;
    case SIM_SETTLE:
        ef_store_did_settle(store, rows, err);
        break;
    case SIM_MARK:
    case SIM_SETTLE_DURABLY:
        part_decided(s, q, err);
        break;
    case SIM_RELEASE_TOPIC:
        ef_store_did_release_topic(store, rows, err);
        break;
    case SIM_WAITING:
        ef_store_did_waiting(store, err ? NULL : &q->waiting, err);
        break;
    case SIM_LAG:
        ef_store_did_lag(store, err ? NULL : &q->lag, err);
        break;
    case SIM_MAINTAIN:
        ef_store_did_maintain(store, rows, err);
        break;
    case SIM_PAUSE:
        ef_store_did_pause(store, err);
        break;
    case SIM_NEXT_COMMAND:
        next_command_known(s, q, err);
        break;
    case SIM_CARRY_OUT:
        carried_out(s, q, err);
        break;
    case SIM_HOLDS:
        holds_known(s, q, err);
        break;
    case SIM_OPERATE:
        ef_store_did_operate(store, err ? NULL : q->json, err);
        break;
    case SIM_EXAMINE:
        examined(s, err);
        break;
    case SIM_BELL:
        if (err)
            ef_store_did_lose_arming(store);
        break;
    case SIM_STMT_KINDS:
        break;
    }
}
