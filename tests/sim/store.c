// SPDX-License-Identifier: MIT
/* The verbs of store/store.h as statements of the simulated database, and their answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/str.h"
#include "sim/choice.h"
#include "sim/cover.h"
#include "sim/link_private.h"
#include "sim/world.h"

#define LOOK_EVERY_US EF_S_US /* as my_fetch.c */

void sim_server_name(char *out, size_t size, int timeline)
{
    snprintf(out, size, "7000000000000000001/%08X", (unsigned)timeline);
}

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
        s->fetch.bytes_since_pause += sim_db_row(seen->uid)->size_bytes;
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
        snprintf(lease.owner, sizeof(lease.owner), "relay-%d", q->lease.owner);
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
    char args[64];
    if (!command) {
        ef_store_did_next_command(&s->store, NULL, err);
        return;
    }
    static const char *const verbs[] = {[SIM_RETRY_ROW] = "retry",
                                        [SIM_SKIP_ROW] = "skip",
                                        [SIM_HOLD_TOPIC] = "hold",
                                        [SIM_LET_TOPIC_GO] = "release"};
    if (command->order == SIM_HOLD_TOPIC || command->order == SIM_LET_TOPIC_GO)
        snprintf(args, sizeof(args), "{\"topic\":\"%s\"}", s->topics[command->topic]);
    else
        snprintf(args, sizeof(args), "{\"ids\":[%lld]}", (long long)command->id);
    ef_store_did_next_command(
        &s->store,
        &(struct ef_command_row){
            .number = q->command, .verb = verbs[command->order], .args = args, .actor = "operator"},
        NULL);
}

static void holds_known(struct sim_store *s, const struct sim_stmt *q, const struct ef_error *err)
{
    struct ef_hold held[SIM_TOPICS];
    int count = 0;
    for (int i = 0; i < SIM_TOPICS && !err; i++)
        if (q->held >> i & 1)
            held[count++] = (struct ef_hold){
                .topic = true, .name = text(s->topics[i]), .actor = "operator", .reason = ""};
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

void sim_complete(struct request *r, const struct ef_error *err)
{
    struct sim_store *s = r->store;
    struct ef_store *store = &s->store;
    const struct sim_stmt *q = r->trip ? &r->trip->stmt : NULL;
    struct ef_lag lag = {.archive_partitions = -1};
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
        ef_store_did_lag(store, err ? NULL : &lag, err);
        break;
    case SIM_MAINTAIN:
        ef_store_did_maintain(store, 0, err);
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
    case SIM_BELL:
        if (err)
            ef_store_did_lose_arming(store);
        break;
    case SIM_STMT_KINDS:
        break;
    }
}

/* --- verbs --- */

static void open_store(struct ef_store *store)
{
    sim_link_open(sim_store_of(store));
}

static void simple(struct ef_store *store, int conn, enum sim_stmt_kind kind)
{
    struct sim_store *s = sim_store_of(store);
    sim_submit(s, conn, sim_request_new(s, kind));
}

static void check(struct ef_store *store)
{
    simple(store, CONN_READ, SIM_CHECK);
}

static void acquire(struct ef_store *store, const struct ef_acquire *a)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_ACQUIRE);
    struct sim_stmt *q = &r->trip->stmt;
    q->ttl_ms = a->ttl_ms;
    snprintf(q->token, sizeof(q->token), "%s", a->token);
    snprintf(q->old_token, sizeof(q->old_token), "%s", a->old_token ? a->old_token : "");
    sim_submit(s, CONN_LEASE, r);
}

static void renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_RENEW);
    r->trip->stmt.epoch = epoch;
    r->trip->stmt.ttl_ms = ttl_ms;
    s->renew_sent_us = ef_clock_mono().us;
    sim_submit(s, CONN_LEASE, r);
}

static void release(struct ef_store *store, int64_t epoch)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_RELEASE);
    r->trip->stmt.epoch = epoch;
    sim_submit(s, CONN_LEASE, r);
}

static void fetch(struct ef_store *store, const struct ef_fetch *f)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_FETCH);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = f->epoch;
    q->fetch = *f;
    if (q->gaps_size < f->gap_count) {
        q->gaps_size = f->gap_count;
        q->gaps = ef_xrealloc(q->gaps, (size_t)q->gaps_size * sizeof(*q->gaps));
    }
    for (int i = 0; i < f->gap_count; i++)
        q->gaps[i] = f->gaps[i];
    q->fetch.gaps = q->gaps;
    q->seen_count = 0;
    s->reads++;
    int64_t now_us = ef_clock_mono().us;
    q->look = sim_world.mysql && f->gap_count > 0 && f->all_gaps &&
              (s->looked_us == 0 || now_us - s->looked_us >= LOOK_EVERY_US);
    if (q->look)
        s->looked_us = now_us;
    s->fetch = (struct sim_fetch){.active = true, .max_bytes = f->max_bytes};
    sim_submit(s, CONN_READ, r);
}

static void fetch_continue(struct ef_store *store)
{
    sim_link_continue(sim_store_of(store));
}

static void fetch_cancel(struct ef_store *store)
{
    struct sim_store *s = sim_store_of(store);
    s->fetch.discard = true;
    sim_link_continue(s);
}

static void settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                   int count)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_SETTLE);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = epoch;
    q->count = count;
    if (q->runs_size < count) {
        q->runs_size = count;
        q->runs = ef_xrealloc(q->runs, (size_t)count * sizeof(*q->runs));
    }
    memcpy(q->runs, runs, (size_t)count * sizeof(*runs));
    sim_submit(s, CONN_SETTLE, r);
}

static void submit_marks(struct sim_store *s, int64_t epoch, const struct ef_decision *d, int count)
{
    struct request *r = sim_request_new(s, SIM_MARK);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = epoch;
    q->count = count;
    if (q->decisions_size < count) {
        q->decisions_size = count;
        q->decisions = ef_xrealloc(q->decisions, (size_t)count * sizeof(*d));
    }
    memcpy(q->decisions, d, (size_t)count * sizeof(*d));
    for (int i = 0; i < count; i++) { /* the texts go when this returns */
        bool release = d[i].error && strstr(d[i].error, "is held by");
        q->decisions[i].error = release ? SIM_FOR_A_RELEASE : NULL;
        if (release) /* the relay's words are still these */
            sim_cover_notable(SIM_WAITS_FOR_RELEASE);
    }
    sim_submit(s, CONN_SETTLE, r);
}

static void submit_delivered(struct sim_store *s, int64_t epoch, const struct ef_decision *d,
                             int count)
{
    struct request *r = sim_request_new(s, SIM_SETTLE_DURABLY);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = epoch;
    q->count = 0;
    if (q->runs_size < count) {
        q->runs_size = count;
        q->runs = ef_xrealloc(q->runs, (size_t)count * sizeof(*q->runs));
    }
    for (int i = 0; i < count; i++)
        if (d[i].kind == EF_DECIDE_DELIVERED)
            q->runs[q->count++] =
                (struct ef_settle_run){d[i].id, d[i].id, d[i].created_us, d[i].created_us};
    sim_submit(s, CONN_SETTLE, r);
}

static void decide(struct ef_store *store, int64_t epoch, const struct ef_decision *d, int count)
{
    struct sim_store *s = sim_store_of(store);
    int delivered = 0;
    for (int i = 0; i < count; i++)
        delivered += d[i].kind == EF_DECIDE_DELIVERED;
    s->decide_rows = 0;
    s->decide_failed = false;
    s->decide_pending = (delivered > 0) + (delivered < count);
    if (delivered < count)
        submit_marks(s, epoch, d, count);
    if (delivered > 0)
        submit_delivered(s, epoch, d, count);
}

static void release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic, int limit)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_RELEASE_TOPIC);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = epoch;
    q->limit = limit;
    q->topic = -1;
    for (int i = 0; topic.p && i < SIM_TOPICS; i++)
        if (ef_slice_eq(topic, text(s->topics[i])))
            q->topic = i;
    sim_submit(s, CONN_SETTLE, r);
}

static void waiting(struct ef_store *store)
{
    simple(store, CONN_SETTLE, SIM_WAITING);
}

static void lag(struct ef_store *store)
{
    simple(store, CONN_SETTLE, SIM_LAG);
}

static void maintain(struct ef_store *store, int64_t epoch)
{
    (void)epoch;
    simple(store, CONN_SETTLE, SIM_MAINTAIN);
}

static void pause_verb(struct ef_store *store, bool pause, const char *actor, const char *reason)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_PAUSE);
    (void)actor;
    (void)reason;
    r->trip->stmt.flag = pause;
    sim_submit(s, CONN_LEASE, r);
}

/* Operators write their commands into the simulated table themselves. */
static void operate(struct ef_store *store, const struct ef_operate *question)
{
    (void)store;
    (void)question;
    abort();
}

static void next_command(struct ef_store *store)
{
    simple(store, CONN_SETTLE, SIM_NEXT_COMMAND);
}

static void carry_out(struct ef_store *store, int64_t epoch, const struct ef_command *command)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_CARRY_OUT);
    r->trip->stmt.epoch = epoch;
    r->trip->stmt.command = (int)command->number;
    sim_submit(s, CONN_SETTLE, r);
}

static void holds(struct ef_store *store)
{
    simple(store, CONN_SETTLE, SIM_HOLDS);
}

static void arm_wakeup(struct ef_store *store, bool armed)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_BELL);
    r->trip->stmt.flag = armed;
    sim_submit(s, CONN_LEASE, r);
}

static void arm_nothing(struct ef_store *store, bool armed)
{
    (void)store;
    (void)armed;
}

/* --- the doorbell --- */

static void on_bell(void *arg)
{
    struct sim_store *s = arg;
    ef_store_did_wakeup(&s->store);
}

static void ring(void)
{
    struct sim_store *s;
    DL_FOREACH (sim_links.stores, s)
        if (s->up && !s->conns[CONN_LEASE].broken)
            sim_event_start(&s->bell,
                            sim_delay(SITE_LINK_BELL, s->relay, 50, sim_links.config.back_max_us));
}

/* --- life --- */

static void on_closed(void *arg)
{
    struct sim_store *s = arg;
    sim_link_close(s);
    sim_event_stop(&s->bell);
    ef_store_did_close(&s->store);
}

static void close_store(struct ef_store *store)
{
    struct sim_store *s = sim_store_of(store);
    s->fetch.discard = true;
    ef_defer(&s->closed_later);
}

static void free_store(struct ef_store *store)
{
    struct sim_store *s = sim_store_of(store);
    sim_link_forget(s);
    sim_event_stop(&s->bell);
    free(s);
}

static const struct ef_store_ops ops = {
    .driver = "simulated",
    .caps = EF_STORE_WAKEUP | EF_STORE_LEASES | EF_STORE_REWRITES,
    .open = open_store,
    .check = check,
    .acquire = acquire,
    .renew = renew,
    .release = release,
    .fetch = fetch,
    .fetch_continue = fetch_continue,
    .fetch_cancel = fetch_cancel,
    .settle = settle,
    .decide = decide,
    .release_topic = release_topic,
    .waiting = waiting,
    .lag = lag,
    .maintain = maintain,
    .pause = pause_verb,
    .operate = operate,
    .next_command = next_command,
    .carry_out = carry_out,
    .holds = holds,
    .arm_wakeup = arm_wakeup,
    .close = close_store,
    .free = free_store,
};

/* MySQL's driver can do less. */
static const struct ef_store_ops *ops_now(void)
{
    static struct ef_store_ops my_ops;
    my_ops = ops;
    my_ops.caps = EF_STORE_LEASES;
    my_ops.arm_wakeup = arm_nothing;
    return sim_world.mysql ? &my_ops : &ops;
}

struct ef_store *sim_store_new(struct ef_loop *loop, int relay, const char *name,
                               const char *const *topics, const struct ef_store_user *user,
                               void *arg)
{
    struct sim_store *s = ef_xcalloc(1, sizeof(*s));
    ef_store_init(&s->store, ops_now(), name, user, arg);
    s->loop = loop;
    s->relay = relay;
    s->topics = topics;
    sim_link_init(s);
    ef_deferred_init(&s->closed_later, loop, "sim", on_closed, s);
    sim_event_init(&s->bell, loop, on_bell, s);
    sim_db_on_bell(ring);
    return &s->store;
}

void sim_store_break(struct ef_store *store, int conn, int64_t late_us, int64_t notice_us)
{
    sim_conn_break(&sim_store_of(store)->conns[conn], late_us, notice_us);
}

void sim_store_watch(struct ef_store *store)
{
    struct sim_store *s = sim_store_of(store);
    s->unbroken = s->up;
    for (int i = 0; i < CONNS; i++)
        if (s->conns[i].broken)
            s->unbroken = false;
}

bool sim_store_unbroken(const struct ef_store *store)
{
    return ((const struct sim_store *)store)->unbroken;
}
