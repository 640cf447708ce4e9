// SPDX-License-Identifier: MIT
/*
 * Operators' questions, which any relay of the table answers: lists of rows, and commands written
 * into the command table, whose results are waited for. One is with the store at a time.
 */
#include "relay/relay_private.h"

#include <jansson.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/str.h"

enum { OPERATIONS_MAX = 16 };
/* How long a result is waited for, and how often looked at. */
#define RESULT_WAIT_US (60 * EF_S_US)
#define RESULT_LOOK_US (100 * EF_MS_US)
/* A relay that starts may be asked before it has seen its table. */
#define START_WAIT_US (10 * EF_S_US)

struct operation {
    struct operation *prev, *next;
    enum ef_operation_kind kind;
    struct ef_row_filter filter; /* its ids and slices are owned */
    char *verb, *args, *actor;   /* owned */
    int64_t command;             /* its number, once it is in the table */
    bool running;                /* it is with the store */
    int64_t due_us, began_us;
    struct ef_error refusal; /* class NONE: none; else the answer that is due */
    void (*done)(void *arg, const char *json, const struct ef_error *err);
    void *arg;
};

/* --- one operation --- */

static struct ef_slice copy_slice(struct ef_slice from)
{
    return (struct ef_slice){from.p ? ef_xstrndup(from.p, from.len) : NULL, from.len};
}

static void copy_filter(struct operation *op, const struct ef_row_filter *from)
{
    op->filter = *from;
    op->filter.topic = copy_slice(from->topic);
    op->filter.aggregate_id = copy_slice(from->aggregate_id);
    op->filter.error = copy_slice(from->error);
    if (!from->ids)
        return;
    int64_t *ids = ef_xcalloc((size_t)from->id_count, sizeof(*ids));
    memcpy(ids, from->ids, (size_t)from->id_count * sizeof(*ids));
    op->filter.ids = ids;
}

static void free_operation(struct operation *op)
{
    free((char *)op->filter.topic.p);
    free((char *)op->filter.aggregate_id.p);
    free((char *)op->filter.error.p);
    free((int64_t *)op->filter.ids);
    free(op->verb);
    free(op->args);
    free(op->actor);
    free(op);
}

static void finish(struct ef_relay *r, struct operation *op, const char *json,
                   const struct ef_error *err)
{
    DL_DELETE(r->operations, op);
    r->operation_count--;
    op->done(op->arg, json, err);
    free_operation(op);
}

/* --- what comes next --- */

static void refuse_for_want_of_database(struct ef_relay *r, struct operation *op)
{
    ef_error_set(&op->refusal, EF_CLASS_OUTAGE, "outbox \"%s\" has no database now: %s",
                 r->outbox->name, r->reason[0] ? r->reason : "it is being closed");
}

static bool knows_its_table(const struct ef_relay *r)
{
    return ef_store_is_up(r->store) && r->info.server[0];
}

static void ask_store(struct ef_relay *r, struct operation *op)
{
    struct ef_operate question = {.kind = EF_OPERATE_ROWS,
                                  .filter = &op->filter,
                                  .verb = op->verb,
                                  .args = op->args,
                                  .actor = op->actor,
                                  .command = op->command};
    if (op->kind == EF_OPERATION_COMMAND)
        question.kind = op->command ? EF_OPERATE_RESULT : EF_OPERATE_REQUEST;
    op->running = r->operating = true;
    ef_store_operate(r->store, &question);
}

/* Who was to carry it out, and why that has not happened. */
static void tell_what_it_waits_for(const struct ef_relay *r, struct operation *op,
                                   struct ef_error *err)
{
    const char *why = "no relay owns the table";
    char text[600];
    if (ef_relay_is_owner(r) && r->outage) {
        snprintf(text, sizeof(text), "the owner waits for Kafka first: %s", r->outage_reason);
        why = text;
    } else if (ef_relay_is_owner(r)) {
        why = "messages under way are not acknowledged";
    } else if (r->state == EF_RELAY_STANDBY && r->lease_owner[0]) {
        snprintf(text, sizeof(text), "relay %s owns the table and has not come to it",
                 r->lease_owner);
        why = text;
    }
    ef_error_set(err, EF_CLASS_UNCERTAIN,
                 "command %lld is written down and will be done, but not yet: %s",
                 (long long)op->command, why);
}

static void look_later(struct ef_relay *r, struct operation *op)
{
    struct ef_error err;
    int64_t now = ef_clock_mono().us;
    op->due_us = now + RESULT_LOOK_US;
    if (now - op->began_us <= RESULT_WAIT_US)
        return;
    tell_what_it_waits_for(r, op, &err);
    finish(r, op, NULL, &err);
}

static struct operation *refused(const struct ef_relay *r)
{
    struct operation *op;
    DL_FOREACH (r->operations, op)
        if (op->refusal.class && !op->running)
            return op;
    return NULL;
}

static void step(struct ef_relay *r)
{
    struct operation *op, *next;
    int64_t now = ef_clock_mono().us, earliest = INT64_MAX;
    while ((op = refused(r))) /* whoever hears of it may ask or close: begin again each time */
        finish(r, op, NULL, &op->refusal);
    DL_FOREACH_SAFE (r->operations, op, next) {
        if (op->running)
            continue;
        if (op->due_us <= now && op->command && !knows_its_table(r)) {
            look_later(r, op);
            earliest = now + RESULT_LOOK_US < earliest ? now + RESULT_LOOK_US : earliest;
            continue;
        }
        if (op->due_us <= now && !knows_its_table(r)) {
            op->due_us = now + RESULT_LOOK_US;
            if (now - op->began_us > START_WAIT_US ||
                !(r->state == EF_RELAY_CONNECTING || r->state == EF_RELAY_CHECKING)) {
                refuse_for_want_of_database(r, op);
                op->due_us = now;
            }
        } else if (op->due_us <= now && !r->operating) {
            ask_store(r, op);
            continue;
        }
        if (op->due_us < earliest)
            earliest = op->due_us;
    }
    if (earliest != INT64_MAX && !r->operating)
        ef_timer_start(&r->operate_timer, earliest > now ? earliest - now : 0);
}

static void on_operate_timer(void *arg)
{
    step(arg);
}

/* --- answers --- */

static void take_result(struct ef_relay *r, struct operation *op, const char *text)
{
    struct ef_error err;
    json_t *result = text ? json_loads(text, 0, NULL) : NULL;
    const json_t *error = json_object_get(result, "error");
    if (json_is_string(error)) {
        ef_error_set(&err, EF_CLASS_CONFIG, "%s", json_string_value(error));
        finish(r, op, NULL, &err);
    } else if (!json_is_object(result)) {
        ef_error_set(&err, EF_CLASS_CONFIG, "command %lld was ended by somebody else: %s",
                     (long long)op->command, text ? text : "without a result");
        finish(r, op, NULL, &err);
    } else {
        finish(r, op, text, NULL);
    }
    json_decref(result);
}

static void take_answer(struct ef_relay *r, struct operation *op, const json_t *answer)
{
    const json_t *number = json_object_get(answer, "command");
    if (number) {
        op->command = json_integer_value(number);
        op->due_us = ef_clock_mono().us + RESULT_LOOK_US / 4;
        ef_relay_renew_now(r); /* brings the number of open commands to us at once */
    } else if (json_is_true(json_object_get(answer, "done"))) {
        take_result(r, op, json_string_value(json_object_get(answer, "result")));
    } else {
        look_later(r, op);
    }
}

void ef_relay_operated(void *arg, const char *json, const struct ef_error *err)
{
    struct ef_relay *r = arg;
    struct operation *op;
    r->operating = false;
    DL_FOREACH (r->operations, op)
        if (op->running)
            break;
    if (op) {
        op->running = false;
        if (err && op->command && err->class != EF_CLASS_CONFIG) {
            look_later(r, op); /* it is written down: what came of it can be looked up again */
        } else if (err || op->kind == EF_OPERATION_ROWS) {
            finish(r, op, json, err);
        } else {
            json_t *answer = json_loads(json, 0, NULL);
            take_answer(r, op, answer);
            json_decref(answer);
        }
    }
    step(r);
}

/* --- life --- */

static bool makes_sense(const struct ef_operation *operation, struct ef_error *err)
{
    struct ef_command command;
    if (operation->kind == EF_OPERATION_ROWS)
        return true;
    bool good =
        ef_command_parse(0, operation->verb, operation->args, operation->actor, &command, err);
    ef_command_done(&command);
    return good;
}

void ef_relay_operate(struct ef_relay *r, const struct ef_operation *operation,
                      void (*done)(void *arg, const char *json, const struct ef_error *err),
                      void *arg)
{
    struct operation *op = ef_xcalloc(1, sizeof(*op));
    *op = (struct operation){.kind = operation->kind,
                             .verb = ef_xstrdup(operation->verb),
                             .args = ef_xstrdup(operation->args),
                             .actor = ef_xstrdup(operation->actor),
                             .began_us = ef_clock_mono().us,
                             .done = done,
                             .arg = arg};
    op->due_us = op->began_us;
    if (operation->kind == EF_OPERATION_ROWS)
        copy_filter(op, &operation->filter);
    if (r->closed_asked)
        refuse_for_want_of_database(r, op);
    else if (r->operation_count >= OPERATIONS_MAX)
        ef_error_set(&op->refusal, EF_CLASS_BUSY, "too many questions at once for outbox \"%s\"",
                     r->outbox->name);
    else if (!makes_sense(operation, &op->refusal))
        ef_error_prefix(&op->refusal, "%s", operation->verb ? operation->verb : "no verb");
    if (operation->kind == EF_OPERATION_COMMAND && !op->refusal.class)
        ef_relay_want_lease(r);
    DL_APPEND(r->operations, op);
    r->operation_count++;
    ef_timer_start(&r->operate_timer, 0);
}

void ef_relay_operate_init(struct ef_relay *r)
{
    ef_timer_init(&r->operate_timer, r->loop, "relay", on_operate_timer, r);
}

void ef_relay_operate_end(struct ef_relay *r)
{
    struct operation *op;
    ef_timer_stop(&r->operate_timer);
    while ((op = r->operations)) {
        if (op->command)
            tell_what_it_waits_for(r, op, &op->refusal);
        else if (!op->refusal.class)
            refuse_for_want_of_database(r, op);
        finish(r, op, NULL, &op->refusal);
    }
}
