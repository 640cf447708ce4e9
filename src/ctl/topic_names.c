// SPDX-License-Identifier: MIT
#include "ctl/topic_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "outbox/deadletter.h"

static void merge(struct ef_topic_name *item, const struct ef_config_outbox *outbox,
                  bool dead_letters)
{
    if (outbox && (!item->outbox || outbox->max_payload_bytes > item->outbox->max_payload_bytes))
        item->outbox = outbox;
    item->dead_letters = item->dead_letters && dead_letters;
}

static void add(struct ef_topic_names *names, const struct ef_config_outbox *outbox,
                struct ef_slice topic, bool dead_letters)
{
    size_t at = 0;
    char *name = ef_xstrndup(topic.p, topic.len);
    while (at < names->count && strcmp(names->items[at].name, name) < 0)
        at++;
    if (at < names->count && strcmp(names->items[at].name, name) == 0) {
        merge(&names->items[at], outbox, dead_letters);
        free(name);
        return;
    }
    names->items = ef_xrealloc(names->items, (names->count + 1) * sizeof(*names->items));
    memmove(names->items + at + 1, names->items + at, (names->count - at) * sizeof(*names->items));
    names->items[at] =
        (struct ef_topic_name){.name = name, .outbox = outbox, .dead_letters = dead_letters};
    names->count++;
}

static bool is_name(const char *text)
{
    return text && text[0] && !strchr(text, '*') && !strchr(text, '$');
}

void ef_topic_names_add(struct ef_topic_names *names, const struct ef_config_outbox *outbox,
                        const char *topic)
{
    struct ef_deadletter_config config;
    struct ef_arena scratch;
    add(names, outbox, ef_slice_of(topic), false);
    if (!outbox)
        return;
    ef_arena_init(&scratch, 4096);
    ef_deadletter_config_init(&config, outbox, INT64_MAX);
    struct ef_slice letters = ef_deadletter_topic(&config, ef_slice_of(topic), &scratch);
    if (letters.p && letters.len)
        add(names, outbox, letters, true);
    ef_arena_done(&scratch);
}

void ef_topic_names_add_row(struct ef_topic_names *names, const struct ef_config_outbox *outbox,
                            const char *topic, int64_t bytes)
{
    ef_topic_names_add(names, outbox, topic);
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].name, topic) == 0 && names->items[i].largest_bytes < bytes)
            names->items[i].largest_bytes = bytes;
}

void ef_topic_names_of(struct ef_topic_names *names, const struct ef_config_outbox *outbox)
{
    const char *constant = outbox->columns[EF_COL_TOPIC].value;
    for (size_t i = 0; i < outbox->topics_allow.count; i++)
        if (is_name(outbox->topics_allow.items[i]))
            ef_topic_names_add(names, outbox, outbox->topics_allow.items[i]);
    if (is_name(constant))
        ef_topic_names_add(names, outbox, constant);
    if (is_name(outbox->dead_letter_topic))
        add(names, outbox, ef_slice_of(outbox->dead_letter_topic), true);
    for (size_t i = 0; i < outbox->topic_override_count; i++) {
        const struct ef_topic_override *override = &outbox->topic_overrides[i];
        if (is_name(override->dead_letter_topic))
            add(names, outbox, ef_slice_of(override->dead_letter_topic), true);
        if (is_name(override->pattern))
            ef_topic_names_add(names, outbox, override->pattern);
    }
}

void ef_topic_names_done(struct ef_topic_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].name);
    free(names->items);
    *names = (struct ef_topic_names){0};
}
