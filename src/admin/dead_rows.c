// SPDX-License-Identifier: MIT
#include "admin/dead_rows.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/str.h"
#include "outbox/row.h"

/* A list that changed may be asked for again so often. Where done rows stay in the table it is read
 * from its end until enough dead ones are found, which may be far. */
#define AGAIN_US       (60 * EF_S_US)
#define AGAIN_MARKS_US (600 * EF_S_US)

struct question;

struct entry {
    char *outbox; /* owned: a reload frees the config's */
    struct ef_dead_list list;
    bool known, seen;
    int64_t asked_us, dead_rows; /* when it was asked for last, and how many there were then */
    uint64_t dead;               /* and how many this relay had given up */
    struct question *question;   /* under way; NULL: none */
    UT_hash_handle hh;
};

struct question {
    struct entry *entry; /* NULL: nobody wants the answer any more */
};

struct ef_dead_rows {
    const struct ef_view *view;
    struct entry *entries;
};

static void forget(struct ef_dead_rows *dead, struct entry *entry)
{
    if (entry->question)
        entry->question->entry = NULL;
    HASH_DEL(dead->entries, entry);
    free(entry->outbox);
    free(entry);
}

/* --- the answer --- */

static void take_text(const json_t *row, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(row, name));
    snprintf(out, size, "%s", text ? text : "");
}

/* "2026-11-24T06:14:03.123Z" as people read it; anything else is no time. */
static void take_time(const json_t *row, char *out, size_t size)
{
    enum { SECONDS = sizeof("2026-11-24 06:14:03") - 1 };
    take_text(row, "processed_at", out, size);
    bool whole = strlen(out) > SECONDS && out[10] == 'T';
    out[10] = ' ';
    out[whole ? SECONDS : 0] = '\0';
}

static void take(struct ef_dead_list *list, const json_t *rows)
{
    *list = (struct ef_dead_list){0};
    for (size_t i = json_array_size(rows); i > 0 && list->count < EF_DEAD_ROWS_SHOWN; i--) {
        const json_t *row = json_array_get(rows, i - 1);
        struct ef_dead_row *ret = &list->rows[list->count++];
        ret->id = json_integer_value(json_object_get(row, "id"));
        take_text(row, "topic", ret->topic, sizeof(ret->topic));
        take_time(row, ret->at, sizeof(ret->at));
        take_text(row, "last_error", ret->error, sizeof(ret->error));
    }
}

static void answered(void *arg, const char *json, const struct ef_error *err)
{
    struct question *question = arg;
    struct entry *entry = question->entry;
    json_t *answer = err ? NULL : json_loads(json, 0, NULL);
    if (entry) {
        entry->question = NULL;
        if (answer) {
            take(&entry->list, json_object_get(answer, "rows"));
            entry->known = true;
        }
    }
    json_decref(answer);
    free(question);
}

/* --- the question --- */

static void ask(struct entry *entry, struct ef_relay *relay)
{
    struct ef_operation newest = {
        .kind = EF_OPERATION_ROWS,
        .actor = "page",
        .filter = {.statuses = 1u << EF_STATUS_DEAD,
                   .after_id = INT64_MIN,
                   .newest = true,
                   .limit = EF_DEAD_ROWS_SHOWN},
    };
    struct question *question = ef_xcalloc(1, sizeof(*question));
    question->entry = entry;
    entry->question = question;
    ef_relay_operate(relay, &newest, answered, question);
}

static bool is_due(const struct entry *entry, const struct ef_relay_status *s, int64_t now_us)
{
    bool marks = s->on_delivered && strcmp(s->on_delivered, "mark") == 0;
    if (entry->question)
        return false;
    if (!entry->asked_us)
        return true;
    bool changed = !entry->known || entry->dead_rows != s->lag.dead_rows || entry->dead != s->dead;
    return changed && now_us - entry->asked_us >= (marks ? AGAIN_MARKS_US : AGAIN_US);
}

static void look(struct ef_dead_rows *dead, struct ef_relay *relay, const struct ef_relay_status *s)
{
    struct entry *entry;
    int64_t now_us = ef_clock_mono().us;
    HASH_FIND_STR(dead->entries, s->name, entry);
    if (!entry) {
        entry = ef_xcalloc(1, sizeof(*entry));
        entry->outbox = ef_xstrdup(s->name);
        HASH_ADD_KEYPTR(hh, dead->entries, entry->outbox, strlen(entry->outbox), entry);
    }
    entry->seen = true;
    if (!is_due(entry, s, now_us))
        return;
    entry->asked_us = now_us;
    entry->dead_rows = s->lag.dead_rows;
    entry->dead = s->dead;
    ask(entry, relay);
}

void ef_dead_rows_watched(struct ef_dead_rows *dead)
{
    struct entry *entry, *next;
    struct ef_relay_status status;
    int count = dead->view->relay_count(dead->view->arg);
    HASH_ITER (hh, dead->entries, entry, next)
        entry->seen = false;
    for (int i = 0; i < count; i++) {
        struct ef_relay *relay = dead->view->relay_at(dead->view->arg, i);
        ef_relay_status(relay, &status);
        if (status.lease_held && status.lag_known && status.lag.dead_rows > 0)
            look(dead, relay, &status);
    }
    HASH_ITER (hh, dead->entries, entry, next)
        if (!entry->seen) /* no dead rows any more, or no such outbox */
            forget(dead, entry);
}

/* --- life --- */

const struct ef_dead_list *ef_dead_rows_get(const struct ef_dead_rows *dead, const char *outbox)
{
    struct entry *entry;
    HASH_FIND_STR(dead->entries, outbox, entry);
    return entry && entry->known ? &entry->list : NULL;
}

struct ef_dead_rows *ef_dead_rows_new(const struct ef_view *view)
{
    struct ef_dead_rows *dead = ef_xcalloc(1, sizeof(*dead));
    dead->view = view;
    return dead;
}

void ef_dead_rows_free(struct ef_dead_rows *dead)
{
    struct entry *entry, *next;
    if (!dead)
        return;
    HASH_ITER (hh, dead->entries, entry, next)
        forget(dead, entry);
    free(dead);
}
