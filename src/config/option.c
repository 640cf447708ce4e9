// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "config/options.h"

const char *const ef_column_names[EF_COL_COUNT] = {
    [EF_COL_ID] = "id",
    [EF_COL_MESSAGE_ID] = "message_id",
    [EF_COL_AGGREGATE_TYPE] = "aggregate_type",
    [EF_COL_AGGREGATE_ID] = "aggregate_id",
    [EF_COL_TOPIC] = "topic",
    [EF_COL_KEY] = "key",
    [EF_COL_PAYLOAD] = "payload",
    [EF_COL_HEADERS] = "headers",
    [EF_COL_TRACE_ID] = "trace_id",
    [EF_COL_PARTITION] = "kafka_partition",
    [EF_COL_STATUS] = "status",
    [EF_COL_ATTEMPTS] = "attempts",
    [EF_COL_NEXT_RETRY_AT] = "next_retry_at",
    [EF_COL_CLAIMED_AT] = "claimed_at",
    [EF_COL_CREATED_AT] = "created_at",
    [EF_COL_PROCESSED_AT] = "processed_at",
    [EF_COL_LAST_ERROR] = "last_error",
};

const char *ef_option_name(const struct ef_option *option)
{
    const char *dot = strrchr(option->path, '.');
    return dot ? dot + 1 : option->path;
}

size_t ef_option_scope_len(const char *path)
{
    size_t len = 0;
    for (size_t i = 0; path[i]; i++)
        if (path[i] == '.' && i > 0 && (path[i - 1] == '*' || path[i - 1] == ']'))
            len = i + 1;
    return len;
}

bool ef_option_is_child(const struct ef_option *option, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(option->path, prefix, len) == 0 && option->path[len] != '\0' &&
           !strchr(option->path + len, '.');
}

const struct ef_option *ef_option_find(const char *prefix, const char *name)
{
    size_t len = strlen(prefix);
    for (size_t i = 0; i < ef_option_count; i++)
        if (strncmp(ef_options[i].path, prefix, len) == 0 &&
            strcmp(ef_options[i].path + len, name) == 0 && !strchr(name, '.'))
            return &ef_options[i];
    return NULL;
}

const struct ef_word *ef_option_word(const struct ef_option *option, const char *text)
{
    for (const struct ef_word *word = option->words; word->text; word++)
        if (strcmp(word->text, text) == 0)
            return word;
    return NULL;
}

const char *ef_option_word_text(const struct ef_option *option, int value)
{
    for (const struct ef_word *word = option->words; word->text; word++)
        if (word->value == value && !word->alias)
            return word->text;
    return "?";
}

const char *ef_option_placeholder(const struct ef_option *option)
{
    return option->flags & EF_OPT_TOPIC       ? "${topic}"
           : option->flags & EF_OPT_TYPE_WORD ? EF_AGGREGATE_TYPE_WORD
                                              : NULL;
}

int64_t ef_option_get_int(const struct ef_option *option, const void *base)
{
    const void *at = ef_option_at(option, base);
    switch (option->size) {
    case sizeof(int64_t):
        return *(const int64_t *)at;
    case sizeof(int32_t):
        return *(const int32_t *)at;
    default:
        return *(const bool *)at;
    }
}

void ef_option_set_int(const struct ef_option *option, void *base, int64_t value)
{
    void *at = ef_option_at(option, base);
    switch (option->size) {
    case sizeof(int64_t):
        *(int64_t *)at = value;
        break;
    case sizeof(int32_t):
        *(int32_t *)at = (int32_t)value;
        break;
    default:
        *(bool *)at = value != 0;
    }
}

size_t ef_option_elements(const struct ef_option *option, const void *base)
{
    return *(const size_t *)((const char *)base + option->collection->count_offset);
}

void *ef_option_element(const struct ef_option *option, const void *base, size_t i)
{
    char *elements = *(char **)ef_option_at(option, base);
    return elements + i * option->collection->element_size;
}

char **ef_option_element_name(const struct ef_option *option, void *element)
{
    return (char **)((char *)element + option->collection->name_offset);
}
