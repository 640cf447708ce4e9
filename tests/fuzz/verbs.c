// SPDX-License-Identifier: MIT
#include "fuzz/verbs.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

enum { VERBS_MAX = 24, ROWS_MAX = 6, ERROR_KIND = 250 };

/* --- the input --- */

uint8_t input_byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

char *input_bytes(struct input *in, size_t want, size_t *ret_len)
{
    size_t len = want < in->left ? want : in->left;
    char *bytes = ef_xmalloc(len + 1);
    if (len)
        memcpy(bytes, in->p, len);
    bytes[len] = '\0';
    in->p += len;
    in->left -= len;
    *ret_len = len;
    return bytes;
}

char *input_value(struct input *in, size_t *ret_len)
{
    size_t want = input_byte(in);
    *ret_len = 0;
    if (want == 255)
        return NULL;
    if (want == 254) {
        want = input_byte(in);
        want = want << 8 | input_byte(in);
    }
    return input_bytes(in, want, ret_len);
}

bool input_error(struct input *in, uint8_t kind, struct ef_error *ret)
{
    static const enum ef_class classes[] = {EF_CLASS_OUTAGE, EF_CLASS_UNCERTAIN, EF_CLASS_CONFIG,
                                            EF_CLASS_TRANSIENT};
    if (kind < ERROR_KIND && in->left > 0)
        return false;
    ef_error_set(ret, classes[kind % 4], "the server said no");
    ef_error_code(ret, kind == 252 ? 1142 : 0, kind == 253 ? "42501" : "XX000");
    return true;
}

/* --- upcalls --- */

static void good_error(const struct ef_error *err)
{
    if (err)
        require(err->class > EF_CLASS_NONE && err->class < EF_CLASS_COUNT && err->text[0] &&
                memchr(err->text, '\0', sizeof(err->text)));
}

static void text(const char *s)
{
    require(s && strlen(s) < SIZE_MAX); /* reads all of it */
}

static void slice(struct ef_slice s)
{
    unsigned sum = 0;
    require(s.p || s.len == 0);
    for (size_t i = 0; i < s.len; i++)
        sum += (unsigned char)s.p[i];
    require(sum < UINT32_MAX);
}

static void standbys(const struct ef_standbys *s)
{
    require(s->count >= 0 && s->count <= EF_STANDBYS_MAX);
    for (int i = 0; i < s->count; i++) {
        text(s->relays[i].instance);
        text(s->relays[i].host);
    }
}

static void on_up(void *arg, const char *server)
{
    (void)arg;
    text(server);
}

static void on_down(void *arg, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
}

static void on_plain(void *arg)
{
    (void)arg;
}

static void on_checked(void *arg, const struct ef_store_info *info, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
    if (err)
        return;
    text(info->server);
    text(info->version);
    text(info->warnings);
}

static void on_acquired(void *arg, const struct ef_lease *lease, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
    if (err)
        return;
    text(lease->owner);
    standbys(&lease->standbys);
    require((lease->epoch != 0) == (lease->outcome == EF_LEASE_GRANTED));
    require(lease->wait_ms >= 0);
}

static void on_renewed(void *arg, const struct ef_renewal *renewal, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
    if (err)
        return;
    text(renewal->paused_by);
    text(renewal->pause_reason);
    standbys(&renewal->standbys);
}

static void on_done(void *arg, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
}

static void on_rows(void *arg, struct ef_batch *batch, bool paused)
{
    struct verbs *v = arg;
    require(batch->count > 0 && batch->count <= batch->size && paused == v->paused);
    for (int i = 0; i < batch->count; i++) {
        const struct ef_row *row = &batch->rows[i];
        const struct ef_slice slices[] = {
            row->message_id, row->aggregate_type, row->aggregate_id, row->topic,
            row->key,        row->payload,        row->headers,      row->trace_id};
        for (size_t k = 0; k < sizeof(slices) / sizeof(slices[0]); k++)
            slice(slices[k]);
        require(row->id > v->last_id || v->last_id == INT64_MIN);
        require(row->held_back == (row->status < 0));
        v->last_id = row->id;
    }
    ef_batch_unref(batch);
}

static void on_fetched(void *arg, const struct ef_fetched *fetched, const struct ef_error *err)
{
    struct verbs *v = arg;
    good_error(err);
    require(err || (fetched->rows >= 0 && !v->misshapen));
}

static void on_count(void *arg, int64_t rows, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
    require(!err || rows == 0);
}

static void on_waiting(void *arg, const struct ef_waiting *waiting, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
    if (!err)
        require(waiting->due_count >= 0 && waiting->due_count <= EF_WAITING_DUE_MAX);
}

static void on_lag(void *arg, const struct ef_lag *lag, const struct ef_error *err)
{
    (void)arg;
    (void)lag;
    good_error(err);
}

static void on_operated(void *arg, const char *json, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
    if (!err)
        text(json);
}

static void on_command(void *arg, const struct ef_command_row *row, const struct ef_error *err)
{
    struct ef_command command;
    struct ef_error why;
    (void)arg;
    good_error(err);
    if (err || !row)
        return;
    if (!ef_command_parse(row->number, row->verb, row->args, row->actor, &command, &why))
        good_error(&why);
    ef_command_done(&command);
}

static void on_holds(void *arg, const struct ef_hold *holds, int count, const struct ef_error *err)
{
    struct ef_holds kept;
    (void)arg;
    good_error(err);
    ef_holds_init(&kept);
    ef_holds_set(&kept, holds, err ? 0 : count);
    ef_holds_clear(&kept);
}

static void on_examined(void *arg, const struct ef_report *report, const struct ef_error *err)
{
    (void)arg;
    good_error(err);
    for (size_t i = 0; !err && i < report->count; i++)
        text(report->items[i].text);
}

static void on_closed(void *arg)
{
    ((struct verbs *)arg)->closed = true;
}

static const struct ef_store_user user = {
    .up = on_up,
    .down = on_down,
    .wakeup = on_plain,
    .arming_lost = on_plain,
    .checked = on_checked,
    .acquired = on_acquired,
    .renewed = on_renewed,
    .released = on_done,
    .rows = on_rows,
    .fetched = on_fetched,
    .settled = on_count,
    .decided = on_count,
    .topic_released = on_count,
    .waiting = on_waiting,
    .lag = on_lag,
    .maintained = on_count,
    .paused = on_done,
    .operated = on_operated,
    .next_command = on_command,
    .carried_out = on_count,
    .holds = on_holds,
    .examined = on_examined,
    .closed = on_closed,
};

/* --- verbs --- */

static void stop(void *arg)
{
    ef_loop_stop(arg);
}

/* What was deferred runs. */
static void turn(struct verbs *v)
{
    struct ef_timer timer;
    ef_timer_init(&timer, v->loop, "test", stop, v->loop);
    ef_timer_start(&timer, 0);
    ef_loop_run(v->loop);
}

void verbs_after_row(struct verbs *v)
{
    if (!v->paused)
        return;
    v->paused = false;
    if (input_byte(&v->in) % 4 == 0)
        ef_store_fetch_cancel(v->store);
    else
        ef_store_fetch_continue(v->store);
}

static void fetch(struct verbs *v)
{
    static const struct ef_run gaps[] = {{1, 1}, {3, 5}};
    uint8_t how = input_byte(&v->in);
    bool with_gaps = how & 1;
    v->last_id = INT64_MIN;
    v->misshapen = false;
    ef_store_fetch(v->store, &(struct ef_fetch){.epoch = 7,
                                                .after = how & 2 ? 10 : INT64_MIN,
                                                .gaps = gaps,
                                                .gap_count = with_gaps && (how & 2) ? 2 : 0,
                                                .all_gaps = how & 4,
                                                .max_rows = ROWS_MAX,
                                                .max_bytes = how & 8 ? 1 : 100,
                                                .want_max_id = how & 16,
                                                .want_foreign = how & 32});
    if (how & 64)
        ef_store_fetch_cancel(v->store);
}

static void decide(struct verbs *v)
{
    const struct ef_decision decisions[] = {
        {.id = 1, .kind = EF_DECIDE_RETRY, .attempts = 1, .delay_ms = 100, .error = "it's 'so'"},
        {.id = 2, .kind = EF_DECIDE_DEAD, .attempts = 5, .error = "\\'"},
        {.id = 3, .kind = EF_DECIDE_DELIVERED},
    };
    ef_store_decide(v->store, 7, decisions, 3);
}

static void operate(struct verbs *v)
{
    uint8_t how = input_byte(&v->in);
    struct ef_row_filter filter = {.statuses = 1U << 4,
                                   .after_id = INT64_MIN,
                                   .limit = 1 + how % 4,
                                   .newest = how & 4,
                                   .payload = how & 8,
                                   .successors = how & 16};
    ef_store_operate(v->store, &(struct ef_operate){.kind = (enum ef_operate_kind)(how % 3),
                                                    .filter = &filter,
                                                    .verb = "skip",
                                                    .args = "{\"ids\": [1]}",
                                                    .actor = "o'brien"});
}

static void carry_out(struct verbs *v)
{
    struct ef_command command;
    struct ef_error err;
    size_t len;
    char *verb = input_value(&v->in, &len), *args = input_value(&v->in, &len);
    if (ef_command_parse(1, verb, args, "o'brien", &command, &err))
        ef_store_carry_out(v->store, 7, &command);
    ef_command_done(&command);
    free(verb);
    free(args);
}

static void begin(struct verbs *v, enum ef_store_verb verb)
{
    static const struct ef_settle_run runs[] = {{1, 3, 1000, 2000}, {5, 5, 3000, 3000}};
    struct ef_store *store = v->store;
    static const char id[] = "4a4a4a4a-0000-4000-8000-000000000001";
    switch (verb) {
    case EF_VERB_CHECK:
        ef_store_check(store);
        turn(v);
        break;
    case EF_VERB_ACQUIRE:
        ef_store_acquire(store, &(struct ef_acquire){.ttl_ms = 10000,
                                                     .owner = "relay-1",
                                                     .incarnation = id,
                                                     .token = id,
                                                     .old_token = id});
        break;
    case EF_VERB_RENEW:
        ef_store_renew(store, 7, 10000);
        break;
    case EF_VERB_RELEASE:
        ef_store_release(store, 7);
        break;
    case EF_VERB_FETCH:
        fetch(v);
        break;
    case EF_VERB_SETTLE:
        ef_store_settle(store, 7, runs, 2);
        break;
    case EF_VERB_DECIDE:
        decide(v);
        break;
    case EF_VERB_RELEASE_TOPIC:
        ef_store_release_topic(store, 7, ef_slice_of("orders"), 10);
        break;
    case EF_VERB_WAITING:
        ef_store_waiting(store);
        break;
    case EF_VERB_LAG:
        ef_store_lag(store);
        break;
    case EF_VERB_MAINTAIN:
        ef_store_maintain(store, 7);
        break;
    case EF_VERB_PAUSE:
        ef_store_pause(store, true, "alice", "it's late");
        break;
    case EF_VERB_OPERATE:
        operate(v);
        break;
    case EF_VERB_NEXT_COMMAND:
        ef_store_next_command(store);
        break;
    case EF_VERB_CARRY_OUT:
        carry_out(v);
        break;
    case EF_VERB_HOLDS:
        ef_store_holds(store);
        break;
    case EF_VERB_EXAMINE:
        ef_store_examine(store, &(struct ef_examine){.old_ms = 60000});
        break;
    case EF_VERB_COUNT:
        break;
    }
}

static void configure(struct verbs *v, const char *table)
{
    uint8_t how = input_byte(&v->in);
    v->database = (struct ef_config_database){
        .name = (char *)"db", .schema = (char *)"eventferry", .statement_timeout_ms = 30000};
    v->outbox = (struct ef_config_outbox){.name = (char *)"orders",
                                          .database = (char *)"db",
                                          .table = (char *)table,
                                          .on_delivered = (enum ef_on_delivered)(how % 3),
                                          .wake = how & 4 ? EF_WAKE_NOTIFY : EF_WAKE_POLL,
                                          .order_by = how & 8 ? EF_ORDER_AGGREGATE_TYPE_AND_ID
                                                              : EF_ORDER_AGGREGATE_ID,
                                          .claim_timeout_ms = 60000,
                                          .retention_ms = 3600000,
                                          .max_payload_bytes = 1000000};
    for (int col = 0; col < EF_COL_COUNT; col++)
        v->outbox.columns[col].column = (char *)ef_column_names[col];
    v->config = (struct ef_config){.path = (char *)"f",
                                   .instance = (char *)"fuzz",
                                   .databases = &v->database,
                                   .database_count = 1,
                                   .outboxes = &v->outbox,
                                   .outbox_count = 1};
}

void verbs_run(const uint8_t *data, size_t size, const char *table, verbs_maker *make,
               void (*about)(struct verbs *v), void (*answer)(struct verbs *v))
{
    static struct ef_loop *loop;
    struct verbs v = {.in = {data, size}};
    if (!loop) {
        ef_log_setup(EF_LOG_ERROR, EF_LOG_LOGFMT, false);
        loop = ef_loop_new();
    }
    v.loop = loop;
    configure(&v, table);
    v.store = make(loop, NULL, &v.config, &v.outbox, &user, &v);
    about(&v);
    for (int i = 0; i < VERBS_MAX && v.in.left > 0; i++) {
        enum ef_store_verb verb = (enum ef_store_verb)(input_byte(&v.in) % EF_VERB_COUNT);
        begin(&v, verb);
        answer(&v);
        require(!v.store->busy[verb]); /* completed, once (store.c) */
    }
    ef_store_close(v.store);
    turn(&v);
    answer(&v);
    require(v.closed);
    ef_store_free(v.store);
}
