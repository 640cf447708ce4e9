// SPDX-License-Identifier: MIT
#include "sim/checker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sim/clockwork.h"
#include "sim/publisher.h"
#include "sim/tell.h"
#include "sim/world.h"

/* What happened to a row, for ever: no crash takes it back. */
struct history {
    int64_t id;
    int generation; /* ids begin again with TRUNCATE ... RESTART IDENTITY */
    int lane, topic;
    bool committed, lost, truncated, foreign; /* lost: in a failover */
    bool appeared, acked, dead_acked;
    bool dead;        /* status 4 is committed */
    bool dead_undone; /* by a failover: it may come again */
    int asked_again;  /* by an operator, when this was the next row; 0: never */
    bool skipped;     /* by an operator */
    int failures;     /* reported that count as tries */
    int acked_by, acked_life;
    uint32_t acked_grant; /* its sender's lease */
    bool settled;
};

static struct {
    struct sim_check_config config;
    struct history h[SIM_ROWS_MAX];
    int count, generation;
    uint32_t granted[SIM_RELAYS]; /* serial of each relay's last grant */
    uint32_t last_grant;
    int life[SIM_RELAYS];
    enum sim_violation result;
    char text[256];
    struct totals {
        uint64_t rows, appended, repeats, dead;
    } totals;
} c;

void sim_check_reset(const struct sim_check_config *config)
{
    struct totals totals = c.totals;
    memset(&c, 0, sizeof(c));
    c.totals = totals;
    c.config = *config;
    c.result = SIM_VIOLATIONS;
}

void sim_violated(enum sim_violation violation, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    TELL("*** %s: %s", sim_violation_name(violation), text);
    if (c.result != SIM_VIOLATIONS)
        return;
    c.result = violation;
    snprintf(c.text, sizeof(c.text), "%s", text);
}

enum sim_violation sim_check_result(const char **ret_text)
{
    if (ret_text)
        *ret_text = c.text;
    return c.result;
}

void sim_say_totals(void)
{
    const struct totals *t = &c.totals;
    printf("%" PRIu64 " rows committed, %" PRIu64 " messages appended, %" PRIu64
           " of them repeats, %" PRIu64 " rows dead\n",
           t->rows, t->appended, t->repeats, t->dead);
}

/* Out of everybody's account: it left, or was never there, through no relay's doing. */
static bool excused(const struct history *h)
{
    return !h->committed || h->lost || h->truncated;
}

/* It can never be delivered as it is. */
static bool own_fault(const struct sim_row *row)
{
    return (row->kind != SIM_ROW_GOOD && row->kind != SIM_ROW_OLD) ||
           row->partition >= SIM_PARTITIONS;
}

static bool ordered(const struct history *h)
{
    return c.config.serialised && h->lane != SIM_LANES - 1;
}

/* --- the database --- */

void sim_check_inserted(const struct sim_row *row)
{
    c.h[row->uid] = (struct history){
        .id = row->id, .generation = c.generation, .lane = row->lane, .topic = row->topic};
    c.count = row->uid + 1;
}

void sim_check_committed(const struct sim_row *row)
{
    c.h[row->uid].committed = true;
    c.totals.rows++;
}

static void check_fence(const struct sim_row *row, const struct sim_stmt *stmt)
{
    if (stmt->serial != sim_db_lease()->serial)
        sim_violated(SIM_FENCE, "a statement of relay %d, no owner any more, changes m%06d",
                     stmt->relay, row->uid);
}

void sim_check_settled(const struct sim_row *row, const struct sim_stmt *stmt)
{
    struct history *h = &c.h[row->uid];
    check_fence(row, stmt);
    h->settled = true;
    if (!h->acked && !h->foreign && !h->skipped)
        sim_violated(SIM_LOSS, "id %lld (m%06d) is settled, but was never acknowledged",
                     (long long)row->id, row->uid);
}

void sim_check_marked(const struct sim_row *row, const struct ef_decision *d,
                      const struct sim_stmt *stmt)
{
    struct history *h = &c.h[row->uid];
    check_fence(row, stmt);
    if (d->attempts > h->failures + (own_fault(row) ? 1 : 0))
        sim_violated(SIM_ATTEMPTS, "m%06d: %d attempts are written, %d failures were reported",
                     row->uid, d->attempts, h->failures);
    if (d->kind != EF_DECIDE_DEAD)
        return;
    c.totals.dead += !h->dead;
    h->dead = true;
    if (c.config.dead_letters && !h->dead_acked)
        sim_violated(SIM_LOSS, "m%06d is dead, but its dead letter was never acknowledged",
                     row->uid);
    if (!own_fault(row) && h->failures < c.config.max_attempts)
        sim_violated(SIM_LOSS, "m%06d is dead after %d failures", row->uid, h->failures);
}

void sim_check_undone(const struct sim_row *now, const struct sim_row_state *then, bool born,
                      bool failover)
{
    struct history *h = &c.h[now->uid];
    if (born)
        h->lost = true;
    if (now->s.status == EF_STATUS_DEAD && then->status != EF_STATUS_DEAD) {
        h->dead = false;
        h->dead_undone = h->dead_undone || failover;
        h->asked_again = 0; /* what came since may have gone while it was dead */
    }
    if (now->s.status != EF_STATUS_DEAD && then->there && then->status == EF_STATUS_DEAD)
        h->dead = h->dead_acked = true; /* that it was to be sent again is undone */
    bool came_back = (!now->s.there && then->there) ||
                     (now->s.status == EF_STATUS_DONE && then->status != EF_STATUS_DONE);
    if (came_back) { /* settled asynchronously: it can only repeat */
        h->settled = false;
        h->acked_life = -1;
    }
}

void sim_check_asked_again(const struct sim_row *row)
{
    struct history *h = &c.h[row->uid];
    h->dead = false; /* its dead letter stays: a late statement may say once more that it is dead */
    h->dead_undone = true; /* its successors may have gone */
    h->asked_again = c.count;
}

void sim_check_skipped(const struct sim_row *row)
{
    struct history *h = &c.h[row->uid];
    h->skipped = true;
    h->dead_undone = true; /* a failover may bring it back, and its successors may have gone */
}

void sim_check_truncated(const struct sim_row *row)
{
    c.h[row->uid].truncated = true;
}

void sim_check_ids_begin_again(void)
{
    c.generation++;
}

void sim_check_foreign(const struct sim_row *row)
{
    c.h[row->uid].foreign = true;
    c.h[row->uid].acked = true;
}

void sim_check_granted(int relay, uint32_t serial)
{
    c.granted[relay] = serial;
    c.last_grant = serial;
}

/* --- the brokers and the publisher --- */

static struct ef_slice header(const struct ef_message *msg, const char *name)
{
    for (int i = 0; i < msg->header_count; i++)
        if (ef_slice_eq(msg->headers[i].name, ef_slice_of(name)))
            return msg->headers[i].value;
    return (struct ef_slice){NULL, 0};
}

static int uid_of(struct ef_slice id)
{
    char text[16] = "";
    if (id.len < 2 || id.len >= sizeof(text) || id.p[0] != 'm')
        return -1;
    memcpy(text, id.p, id.len);
    int uid = atoi(text + 1);
    return uid < c.count ? uid : -1;
}

static bool faithful(const struct sim_row *row, const struct ef_message *msg, bool dead_letter)
{
    char key[8];
    snprintf(key, sizeof(key), "k%d", row->key);
    const char *want = row->key >= 0 ? key : sim_aggregate_id(row);
    bool same_key = want ? ef_slice_eq(msg->key, ef_slice_of(want)) : msg->key.p == NULL;
    bool large = row->kind == SIM_ROW_LARGE || row->kind == SIM_ROW_POISON; /* or for the broker */
    if (dead_letter && large && header(msg, "dlq-payload-omitted").p) /* told instead of sent */
        return same_key && msg->value.p && msg->value.len == 0;
    if (row->kind == SIM_ROW_LARGE)
        return false;
    size_t name = strlen(row->payload);
    size_t len = name < (size_t)row->size_bytes ? name : (size_t)row->size_bytes;
    return same_key && msg->value.len == (size_t)row->size_bytes &&
           memcmp(msg->value.p, row->payload, len) == 0 &&
           (dead_letter || msg->partition == row->partition);
}

int sim_check_message(const struct ef_message *msg, bool dead_letter)
{
    int uid = uid_of(header(msg, "message-id"));
    if (uid < 0) {
        sim_violated(SIM_INVENTION, "a message without a row");
        return -1;
    }
    const struct sim_row *row = sim_db_row(uid);
    if (!faithful(row, msg, dead_letter)) {
        sim_violated(SIM_INVENTION, "m%06d is not what its row says", uid);
        return -1;
    }
    if (!c.h[uid].committed) {
        sim_violated(SIM_INVENTION, "m%06d was never committed", uid);
        return -1;
    }
    if (dead_letter && !own_fault(row) && c.h[uid].failures < c.config.max_attempts)
        sim_violated(SIM_INVENTION, "a dead letter of m%06d after %d failures", uid,
                     c.h[uid].failures);
    return uid;
}

void sim_check_produced(int relay)
{
    if (c.granted[relay] != c.last_grant && !sim_late_message())
        sim_violated(SIM_OWNER, "relay %d produces, but another was granted the table after it",
                     relay);
}

/* Within one owner's time nothing goes twice but what had no ack. */
uint32_t sim_check_grant(int relay)
{
    return c.granted[relay];
}

uint32_t sim_check_sent(int uid, int relay)
{
    const struct history *h = &c.h[uid];
    if (sim_db_holds(h->topic) && c.granted[relay] == c.last_grant && !sim_late_message())
        sim_violated(SIM_HOLD, "relay %d sends m%06d, whose topic is held", relay, uid);
    if (h->acked && h->acked_by == relay && h->acked_life == c.life[relay] &&
        h->acked_grant == c.granted[relay])
        sim_violated(SIM_REPEAT, "relay %d sends m%06d again, which was acknowledged", relay, uid);
    return c.granted[relay];
}

static bool earlier(const struct history *a, const struct history *b)
{
    return a->generation != b->generation ? a->generation < b->generation : a->id < b->id;
}

/* One that was dead holds back what was inserted after an operator had it sent again. */
static bool holds_back(const struct history *o, int uid)
{
    return !o->dead_undone || (o->asked_again && uid >= o->asked_again && !o->skipped);
}

static void check_order(int uid, struct history *h, int topic)
{
    for (int i = 0; i < c.count; i++) {
        const struct history *o = &c.h[i];
        if (i == uid || o->lane != h->lane || excused(o))
            continue;
        if (earlier(o, h) && !o->appeared && !o->dead && !o->foreign && holds_back(o, uid))
            sim_violated(SIM_HOLD, "m%06d appears while m%06d before it is unfinished", uid, i);
        if (earlier(h, o) && o->appeared && o->topic == topic)
            sim_violated(h->dead ? SIM_DEAD_ORDER : SIM_ORDER, "m%06d appears after m%06d", uid, i);
    }
}

void sim_check_appended(int uid, int topic, bool late)
{
    struct history *h = &c.h[uid];
    c.totals.appended++;
    c.totals.repeats += h->appeared;
    sim_mark((uint64_t)uid * 8 + (uint64_t)topic);
    if (topic != h->topic)
        sim_violated(SIM_INVENTION, "m%06d went to another topic", uid);
    if (h->appeared)
        return;
    h->appeared = true;
    if (h->skipped && h->settled && !late && !sim_late_message())
        sim_violated(SIM_DEAD_ORDER, "m%06d appears, though it was skipped", uid);
    /* a row may be given up while a request of a former producer is still on its way */
    if (late && h->dead)
        return;
    if (!excused(h) && !h->dead_undone && ordered(h))
        check_order(uid, h, topic);
}

void sim_check_acked(int uid, int relay, uint32_t grant, bool dead_letter)
{
    struct history *h = &c.h[uid];
    if (dead_letter) {
        h->dead_acked = true;
        return;
    }
    h->acked = true;
    h->acked_by = relay;
    h->acked_life = c.life[relay];
    h->acked_grant = grant;
}

void sim_check_refused(int uid, enum ef_class class, bool dead_letter)
{
    struct history *h = uid >= 0 ? &c.h[uid] : NULL;
    if (!h || (dead_letter && class != EF_CLASS_RECORD))
        return;
    if (dead_letter) {
        h->dead_acked = true; /* it can never go: the row may be parked */
        return;
    }
    bool counts = class == EF_CLASS_TRANSIENT ||
                  (class == EF_CLASS_RECORD && sim_db_row(uid)->kind != SIM_ROW_GOOD);
    if (counts)
        h->failures++;
}

/* --- relays --- */

void sim_check_started(int relay)
{
    c.life[relay]++;
}

int sim_check_unsettled(int relay)
{
    int count = 0;
    for (int i = 0; i < c.count; i++) {
        const struct history *h = &c.h[i];
        count += h->acked && h->acked_by == relay && h->acked_life == c.life[relay] &&
                 h->acked_grant == c.granted[relay] && !h->settled && !excused(h) && !h->dead &&
                 !h->foreign;
    }
    return count;
}

/* --- the end --- */

bool sim_check_finished(const struct sim_row *row)
{
    const struct history *h = &c.h[row->uid];
    return excused(h) || h->settled || h->dead || h->foreign;
}

void sim_check_everything(void)
{
    for (int i = 0; i < c.count; i++) {
        const struct history *h = &c.h[i];
        const struct sim_row *row = sim_db_row(i);
        bool gone = !row->s.there || row->s.status == EF_STATUS_DONE;
        if (excused(h) || h->foreign || (h->skipped && gone))
            continue;
        if (gone && !(h->acked && h->appeared))
            sim_violated(SIM_LOSS, "m%06d is gone and was never delivered", i);
        if (gone && c.config.archive && !row->s.archived && row->s.status != EF_STATUS_DONE)
            sim_violated(SIM_LOSS, "m%06d is gone and not in the archive", i);
        if (row->s.there && row->s.status == EF_STATUS_DEAD && c.config.dead_letters &&
            !h->dead_acked)
            sim_violated(SIM_LOSS, "m%06d is dead without a dead letter", i);
        if (!gone && row->s.status != EF_STATUS_DEAD)
            sim_violated(SIM_STUCK, "m%06d was never finished, status %d", i, row->s.status);
    }
}
