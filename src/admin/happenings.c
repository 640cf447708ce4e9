// SPDX-License-Identifier: MIT
#include "admin/happenings.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { SEARCHED = 25 }; /* of the last ones, for the same */

struct ef_happenings {
    pthread_mutex_t mutex;
    struct ef_happening ring[EF_HAPPENINGS_MAX];
    int64_t total; /* ever kept; number n is at n modulo the size */
};

/* Fields that are shown, in the order of the line; what is not named here stays in the log. */
static const char *const facts[] = {
    "topic", "id",    "attempts", "epoch",   "from",  "to",         "connection", "database",
    "verb",  "actor", "signal",   "address", "level", "exit_code",  "changed",    "unsettled_rows",
    "count", "line",  "option",   "version", "peer",  "partitions",
};
/* Fields that say why: they come last, behind a colon. */
static const char *const reasons[] = {"reason", "why", "what", "how", "text"};

static bool among(const char *key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}
#define AMONG(key, names) among((key), (names), sizeof(names) / sizeof((names)[0]))

static void add_facts(struct ef_buf *text, const struct ef_field *fields)
{
    for (const struct ef_field *f = fields; f->type != EF_FIELD_END; f++) {
        if (!AMONG(f->key, facts))
            continue;
        if (f->type == EF_FIELD_INT)
            ef_buf_printf(text, ", %s %lld", f->key, (long long)f->i);
        else if (f->type == EF_FIELD_STR && f->s)
            ef_buf_printf(text, ", %s %s", f->key, f->s);
    }
}

static void add_reasons(struct ef_buf *text, const struct ef_field *fields)
{
    for (const struct ef_field *f = fields; f->type != EF_FIELD_END; f++) {
        if (f->type == EF_FIELD_ERR)
            ef_buf_printf(text, ": %s", f->err->text);
        else if (f->type == EF_FIELD_STR && f->s && AMONG(f->key, reasons))
            ef_buf_printf(text, ": %s", f->s);
    }
}

static void fill(struct ef_happening *ret, enum ef_log_level level, const char *msg,
                 const struct ef_field *fields)
{
    struct ef_buf text;
    *ret = (struct ef_happening){.at = ef_clock_wall(), .level = level, .count = 1};
    for (const struct ef_field *f = fields; f->type != EF_FIELD_END; f++)
        if (f->type == EF_FIELD_STR && f->s && strcmp(f->key, "outbox") == 0)
            snprintf(ret->outbox, sizeof(ret->outbox), "%s", f->s);
    ef_buf_init(&text, 8192);
    ef_buf_puts(&text, msg);
    add_facts(&text, fields);
    add_reasons(&text, fields);
    snprintf(ret->text, sizeof(ret->text), "%s", text.data);
    ef_buf_done(&text);
}

static bool same(const struct ef_happening *a, const struct ef_happening *b)
{
    return a->level == b->level && strcmp(a->outbox, b->outbox) == 0 &&
           strcmp(a->text, b->text) == 0;
}

static struct ef_happening *number(struct ef_happenings *happenings, int64_t n)
{
    return &happenings->ring[n % EF_HAPPENINGS_MAX];
}

/* Takes the same out of the last ones, and counts it in. */
static void take_former(struct ef_happenings *happenings, struct ef_happening *happening)
{
    int64_t total = happenings->total, n = total - 1;
    while (n >= 0 && n >= total - SEARCHED && !same(number(happenings, n), happening))
        n--;
    if (n < 0 || n < total - SEARCHED)
        return;
    happening->count += number(happenings, n)->count;
    for (; n + 1 < total; n++)
        *number(happenings, n) = *number(happenings, n + 1);
    happenings->total--;
}

static void on_line(void *arg, enum ef_log_level level, const char *msg,
                    const struct ef_field *fields)
{
    struct ef_happenings *happenings = arg;
    struct ef_happening happening;
    if (level < EF_LOG_INFO)
        return;
    fill(&happening, level, msg, fields);
    pthread_mutex_lock(&happenings->mutex);
    take_former(happenings, &happening);
    *number(happenings, happenings->total++) = happening;
    pthread_mutex_unlock(&happenings->mutex);
}

struct ef_happenings *ef_happenings_new(void)
{
    struct ef_happenings *happenings = ef_xcalloc(1, sizeof(*happenings));
    pthread_mutex_init(&happenings->mutex, NULL);
    ef_log_observe(on_line, happenings);
    return happenings;
}

void ef_happenings_free(struct ef_happenings *happenings)
{
    if (!happenings)
        return;
    ef_log_observe(NULL, NULL);
    pthread_mutex_destroy(&happenings->mutex);
    free(happenings);
}

int ef_happenings_copy(struct ef_happenings *happenings, struct ef_happening ret[EF_HAPPENINGS_MAX])
{
    pthread_mutex_lock(&happenings->mutex);
    int count = happenings->total < EF_HAPPENINGS_MAX ? (int)happenings->total : EF_HAPPENINGS_MAX;
    for (int i = 0; i < count; i++)
        ret[i] = happenings->ring[(happenings->total - 1 - i) % EF_HAPPENINGS_MAX];
    pthread_mutex_unlock(&happenings->mutex);
    return count;
}
