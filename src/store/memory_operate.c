// SPDX-License-Identifier: MIT
/* What operators ask of the memory database: lists of rows, commands, holds. */
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/memory_private.h"

/* --- lists --- */

static bool is_listed(const struct ef_memory_row *row, const struct ef_row_filter *f)
{
    bool named = f->id_count == 0;
    for (int i = 0; i < f->id_count && !named; i++)
        named = f->ids[i] == row->row.id;
    return named && !row->tx && row->row.id > f->after_id &&
           (!f->statuses || (f->statuses >> row->row.status & 1)) &&
           (!f->topic.p || ef_slice_eq(f->topic, row->row.topic)) &&
           (!f->aggregate_id.p || ef_slice_eq(f->aggregate_id, row->row.aggregate_id)) &&
           (!f->error.p ||
            (row->last_error && strncmp(row->last_error, f->error.p, f->error.len) == 0)) &&
           (!f->created_from_us || row->row.created_at_us >= f->created_from_us) &&
           (!f->created_to_us || row->row.created_at_us < f->created_to_us);
}

static json_t *text_of(struct ef_slice text)
{
    json_t *json = text.p ? json_stringn(text.p, text.len) : NULL;
    return json ? json : json_null();
}

static json_t *describe(const struct ef_memory_row *row)
{
    const struct ef_row *r = &row->row;
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:i, s:i, s:I, s:o}", "id", (json_int_t)r->id,
                     "message_id", text_of(r->message_id), "aggregate_id", text_of(r->aggregate_id),
                     "topic", text_of(r->topic), "key", text_of(r->key), "status", (int)r->status,
                     "attempts", (int)r->attempts, "created_us", (json_int_t)r->created_at_us,
                     "last_error", text_of(ef_slice_of(row->last_error)));
}

static char *archived_rows(const struct ef_memory *db, const struct ef_row_filter *filter)
{
    char at[32];
    json_t *rows = json_array();
    for (int i = 0; i < filter->id_count; i++)
        for (int k = 0; k < db->now.archive_count; k++) {
            const struct ef_memory_archived *row = &db->now.archive[k];
            if (row->id != filter->ids[i])
                continue;
            ef_wall_iso8601((ef_wall){row->at_us}, at, sizeof(at));
            json_array_append_new(rows, json_pack("{s:I, s:i, s:s}", "id", (json_int_t)row->id,
                                                  "status", 0, "archived_at", at));
        }
    json_t *answer = json_pack("{s:o, s:b}", "rows", rows, "more", 0);
    char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    return text;
}

static char *counted_rows(const struct ef_memory *db, const struct ef_row_filter *filter)
{
    int64_t before_us = ef_memory_now_us(db) - filter->older_than_ms * EF_MS_US, last = 0;
    int count = 0, looked = 0;
    for (int i = 0; i < db->now.rows.count && looked < EF_ROWS_COUNTED_MAX; i++) {
        const struct ef_memory_row *row = db->now.rows.items[i];
        if (!is_listed(row, filter))
            continue;
        last = row->row.id;
        looked++;
        count += row->processed_us <= before_us;
    }
    return ef_xprintf("{\"rows\":[{\"id\":%lld,\"count\":%d,\"looked\":%d}],\"more\":false}",
                      (long long)last, count, looked);
}

char *ef_memory_rows(struct ef_memory *db, const struct ef_row_filter *filter)
{
    if (filter->count)
        return counted_rows(db, filter);
    if (filter->archived)
        return archived_rows(db, filter);
    json_t *rows = json_array();
    int count = 0, total = db->now.rows.count;
    for (int k = 0; k < total && count <= filter->limit; k++) {
        const struct ef_memory_row *row = db->now.rows.items[filter->newest ? total - 1 - k : k];
        if (!is_listed(row, filter) || count++ == filter->limit)
            continue;
        if (filter->newest)
            json_array_insert_new(rows, 0, describe(row));
        else
            json_array_append_new(rows, describe(row));
    }
    json_t *answer = json_pack("{s:o, s:b}", "rows", rows, "more", count > filter->limit);
    char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    return text;
}

/* --- the command table --- */

int64_t ef_memory_request(struct ef_memory *db, const char *verb, const char *args,
                          const char *actor)
{
    int i = db->command_count++;
    db->commands =
        ef_xrealloc(db->commands, (size_t)db->command_count * sizeof(struct ef_memory_command));
    db->commands[i] = (struct ef_memory_command){.number = i + 1,
                                                 .verb = ef_xstrdup(verb),
                                                 .args = ef_xstrdup(args),
                                                 .actor = ef_xstrdup(actor)};
    ef_memory_count_transaction(db);
    return i + 1;
}

static struct ef_memory_command *find_command(const struct ef_memory *db, int64_t number)
{
    return number >= 1 && number <= db->command_count ? &db->commands[number - 1] : NULL;
}

char *ef_memory_result(const struct ef_memory *db, int64_t number)
{
    const struct ef_memory_command *command = find_command(db, number);
    json_t *result = json_null();
    if (command && command->result)
        result = json_string(command->result);
    json_t *answer = json_pack("{s:b, s:o}", "done", command && command->done, "result", result);
    char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    return text;
}

int ef_memory_open_commands(const struct ef_memory *db)
{
    int count = 0;
    for (int i = 0; i < db->command_count; i++)
        count += !db->commands[i].done;
    return count;
}

void ef_memory_next_command(const struct ef_memory *db, struct ef_command_row *ret)
{
    *ret = (struct ef_command_row){0};
    for (int i = 0; i < db->command_count; i++)
        if (!db->commands[i].done) {
            *ret = (struct ef_command_row){.number = db->commands[i].number,
                                           .verb = ef_xstrdup(db->commands[i].verb),
                                           .args = ef_xstrdup(db->commands[i].args),
                                           .actor = ef_xstrdup(db->commands[i].actor)};
            return;
        }
}

/* --- holds --- */

static void free_hold(struct ef_hold *hold)
{
    free((char *)hold->name.p);
    free((char *)hold->actor);
    free((char *)hold->reason);
}

void ef_memory_hold_list_free(struct ef_memory_hold_list *list)
{
    for (int i = 0; i < list->count; i++)
        free_hold(&list->items[i]);
    free(list->items);
    *list = (struct ef_memory_hold_list){0};
}

static void add_hold(struct ef_memory_hold_list *list, const struct ef_hold *hold)
{
    list->items = ef_xrealloc(list->items, (size_t)(list->count + 1) * sizeof(*list->items));
    list->items[list->count++] =
        (struct ef_hold){.topic = hold->topic,
                         .name = ef_slice_of(ef_xstrndup(hold->name.p, hold->name.len)),
                         .actor = ef_xstrdup(hold->actor),
                         .reason = ef_xstrdup(hold->reason),
                         .at_us = hold->at_us};
}

void ef_memory_holds(const struct ef_memory *db, struct ef_memory_hold_list *ret)
{
    *ret = (struct ef_memory_hold_list){0};
    for (int i = 0; i < db->holds.count; i++)
        add_hold(ret, &db->holds.items[i]);
}

static bool is_held(const struct ef_memory *db, const struct ef_command *c)
{
    for (int i = 0; i < db->holds.count; i++)
        if (db->holds.items[i].topic == c->topic && ef_slice_eq(db->holds.items[i].name, c->name))
            return true;
    return false;
}

static void drop_hold(struct ef_memory *db, const struct ef_command *c)
{
    struct ef_memory_hold_list *list = &db->holds;
    for (int i = 0; i < list->count; i++)
        if (list->items[i].topic == c->topic && ef_slice_eq(list->items[i].name, c->name)) {
            free_hold(&list->items[i]);
            list->items[i--] = list->items[--list->count];
        }
}

static int64_t release(struct ef_memory *db, const struct ef_command *c)
{
    int64_t now = ef_memory_now_us(db), rows = 0;
    drop_hold(db, c);
    for (int i = 0; i < db->now.rows.count; i++) {
        struct ef_memory_row *row = db->now.rows.items[i];
        if (row->tx || row->row.status != EF_STATUS_FAILED || row->next_retry_us <= now ||
            !ef_slice_eq(c->topic ? row->row.topic : row->row.aggregate_id, c->name))
            continue;
        row->next_retry_us = now;
        rows++;
    }
    return rows;
}

/* --- carrying out --- */

static bool may_be_told(const struct ef_memory_row *row)
{
    return row && (row->row.status == EF_STATUS_FAILED || row->row.status == EF_STATUS_DEAD);
}

static bool do_row(struct ef_memory *db, const struct ef_command *c, int64_t id)
{
    struct ef_memory_row *row = ef_memory_find(db, id);
    int64_t rows = 0;
    if (!may_be_told(row))
        return false;
    if (c->verb == EF_COMMAND_RETRY) {
        if (row->row.status == EF_STATUS_DEAD)
            row->row.attempts = 0;
        row->row.status = EF_STATUS_FAILED;
        row->next_retry_us = ef_memory_now_us(db);
        row->processed_us = 0;
    } else if (c->verb == EF_COMMAND_SKIP) {
        struct ef_settle_run run = {id, id, row->row.created_at_us, row->row.created_at_us};
        ef_memory_settle_row(db, ef_memory_lower_bound(db, id), &run, &rows);
    }
    return true; /* an edit changes nothing that the simulation looks at */
}

static int64_t purge(struct ef_memory *db, const struct ef_command *c)
{
    int64_t before_us = ef_memory_now_us(db) - c->older_than_ms * EF_MS_US, rows = 0;
    int status = c->purge_dead ? EF_STATUS_DEAD : EF_STATUS_DONE;
    for (int i = 0; i < db->now.rows.count && rows < c->limit;) {
        const struct ef_memory_row *row = db->now.rows.items[i];
        if (!row->tx && row->row.status == status && row->processed_us <= before_us) {
            ef_memory_remove_rows(db, i, 1);
            rows++;
        } else {
            i++;
        }
    }
    return rows;
}

static int64_t perform(struct ef_memory *db, const struct ef_command *c, int64_t *ids, int *count)
{
    switch (c->verb) {
    case EF_COMMAND_RETRY:
    case EF_COMMAND_SKIP:
    case EF_COMMAND_EDIT:
        for (int i = 0; i < c->id_count; i++)
            if (do_row(db, c, c->ids[i]))
                ids[(*count)++] = c->ids[i];
        return *count;
    case EF_COMMAND_PURGE:
        return purge(db, c);
    case EF_COMMAND_HOLD:
        if (!is_held(db, c))
            add_hold(&db->holds, &(struct ef_hold){.topic = c->topic,
                                                   .name = c->name,
                                                   .actor = c->actor,
                                                   .reason = c->reason,
                                                   .at_us = ef_memory_now_us(db)});
        return 0;
    case EF_COMMAND_RELEASE:
        return release(db, c);
    case EF_COMMAND_REFUSED:
        break;
    }
    return 0;
}

bool ef_memory_carry_out(struct ef_memory *db, int64_t epoch, const struct ef_command *c,
                         int64_t *ret_rows)
{
    struct ef_memory_command *command = find_command(db, c->number);
    int64_t *ids = ef_xcalloc((size_t)c->id_count, sizeof(*ids));
    int count = 0;
    *ret_rows = 0;
    bool ours = ef_memory_ours(db, epoch);
    if (ours && command && !command->done) {
        ef_memory_count_transaction(db);
        *ret_rows = perform(db, c, ids, &count);
        command->done = true;
        command->result = ef_command_result(c, *ret_rows, ids, count);
    }
    free(ids);
    return ours;
}

void ef_memory_free_operators(struct ef_memory *db)
{
    for (int i = 0; i < db->command_count; i++) {
        free(db->commands[i].verb);
        free(db->commands[i].args);
        free(db->commands[i].actor);
        free(db->commands[i].result);
    }
    free(db->commands);
    ef_memory_hold_list_free(&db->holds);
}
