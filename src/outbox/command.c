// SPDX-License-Identifier: MIT
#include "outbox/command.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/base64.h"

static const char *const verb_names[] = {
    [EF_COMMAND_RETRY] = "retry", [EF_COMMAND_SKIP] = "skip", [EF_COMMAND_EDIT] = "edit",
    [EF_COMMAND_PURGE] = "purge", [EF_COMMAND_HOLD] = "hold", [EF_COMMAND_RELEASE] = "release",
};

enum { VERB_COUNT = sizeof(verb_names) / sizeof(verb_names[0]) };

static const char *const edit_names[EF_EDIT_COUNT] = {
    [EF_EDIT_TOPIC] = "topic",         [EF_EDIT_KEY] = "key",
    [EF_EDIT_HEADERS] = "headers",     [EF_EDIT_PAYLOAD] = "payload_base64",
    [EF_EDIT_PARTITION] = "partition",
};

const char *ef_command_verb_name(enum ef_command_verb verb)
{
    return (unsigned)verb < VERB_COUNT ? verb_names[verb] : NULL;
}

const char *ef_edit_name(enum ef_edit_column column)
{
    return (unsigned)column < EF_EDIT_COUNT ? edit_names[column] : NULL;
}

static struct ef_slice copy(const char *p, size_t len)
{
    char *bytes = ef_xmalloc(len + 1);
    memcpy(bytes, p, len);
    bytes[len] = '\0';
    return (struct ef_slice){bytes, len};
}

/* --- row numbers --- */

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool take_ids(const json_t *args, struct ef_command *c, struct ef_error *err)
{
    const json_t *ids = json_object_get(args, "ids");
    size_t count = json_array_size(ids);
    if (count == 0 || count > EF_COMMAND_IDS_MAX)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"ids\" must be a list of 1 to %d row numbers",
                            EF_COMMAND_IDS_MAX);
    c->ids = ef_xcalloc(count, sizeof(*c->ids));
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id))
            return ef_error_set(err, EF_CLASS_CONFIG, "\"ids\" must hold row numbers only");
        c->ids[i] = json_integer_value(id);
    }
    qsort(c->ids, count, sizeof(*c->ids), by_id);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || c->ids[i] != c->ids[i - 1])
            c->ids[c->id_count++] = c->ids[i];
    return true;
}

/* --- edit --- */

static bool take_partition(const json_t *value, struct ef_edit *edit, struct ef_error *err)
{
    json_int_t number = json_integer_value(value);
    char text[16];
    if (!json_is_integer(value) || number < 0 || number > INT32_MAX)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "\"partition\" must be a number from 0 to %d, or null", INT32_MAX);
    int n = snprintf(text, sizeof(text), "%d", (int)number);
    edit->value = copy(text, (size_t)n);
    return true;
}

static bool take_edit(enum ef_edit_column column, const json_t *value, struct ef_edit *edit,
                      struct ef_error *err)
{
    edit->set = true;
    if (json_is_null(value))
        return column != EF_EDIT_TOPIC ||
               ef_error_set(err, EF_CLASS_CONFIG, "a row needs a topic: it cannot be null");
    if (column == EF_EDIT_PARTITION)
        return take_partition(value, edit, err);
    if (!json_is_string(value))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" must be a string or null",
                            edit_names[column]);
    if (column != EF_EDIT_PAYLOAD) {
        edit->value = copy(json_string_value(value), json_string_length(value));
        return true;
    }
    char *bytes;
    size_t len;
    if (!ef_base64_decode(json_string_value(value), &bytes, &len))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"payload_base64\" is no base64");
    edit->value = (struct ef_slice){bytes, len};
    return true;
}

static bool take_edits(const json_t *args, struct ef_command *c, struct ef_error *err)
{
    const json_t *id = json_object_get(args, "id"), *set = json_object_get(args, "set");
    size_t known = 0;
    if (!json_is_integer(id))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"id\" must be the number of a row");
    c->ids = ef_xcalloc(1, sizeof(*c->ids));
    c->ids[c->id_count++] = json_integer_value(id);
    for (int column = 0; column < EF_EDIT_COUNT; column++) {
        const json_t *value = json_object_get(set, edit_names[column]);
        known += value != NULL;
        if (value && !take_edit((enum ef_edit_column)column, value, &c->edits[column], err))
            return false;
    }
    if (known == 0 || known != json_object_size(set))
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "\"set\" must name columns of: topic, key, headers, payload_base64, "
                            "partition");
    return true;
}

/* --- purge, hold --- */

static bool take_purge(const json_t *args, struct ef_command *c, struct ef_error *err)
{
    const char *what = json_string_value(json_object_get(args, "what"));
    const json_t *age = json_object_get(args, "older_than_s"),
                 *limit = json_object_get(args, "limit");
    if (!what || (strcmp(what, "done") != 0 && strcmp(what, "dead") != 0))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"what\" must be \"done\" or \"dead\"");
    json_int_t seconds = json_integer_value(age), rows = json_integer_value(limit);
    if (!json_is_integer(age) || seconds < 0 || seconds > INT32_MAX)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"older_than_s\" must be seconds, 0 to %d",
                            INT32_MAX);
    if (!json_is_integer(limit) || rows < 1 || rows > EF_COMMAND_IDS_MAX)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"limit\" must be 1 to %d", EF_COMMAND_IDS_MAX);
    c->purge_dead = strcmp(what, "dead") == 0;
    c->older_than_ms = (int64_t)seconds * 1000;
    c->limit = (int)rows;
    return true;
}

static bool take_name(const json_t *args, struct ef_command *c, struct ef_error *err)
{
    enum { NAME_MAX_BYTES = 1024 };
    const json_t *topic = json_object_get(args, "topic");
    const json_t *name = topic ? topic : json_object_get(args, "aggregate");
    size_t len = json_string_length(name);
    if (!json_is_string(name) || len == 0 || len > NAME_MAX_BYTES)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "\"topic\" or \"aggregate\" must be a name of 1 to %d bytes",
                            NAME_MAX_BYTES);
    c->topic = topic != NULL;
    c->name = copy(json_string_value(name), len);
    return true;
}

/* --- the whole --- */

static enum ef_command_verb verb_of(const char *name)
{
    for (int verb = 0; verb < VERB_COUNT; verb++)
        if (verb_names[verb] && strcmp(verb_names[verb], name) == 0)
            return (enum ef_command_verb)verb;
    return EF_COMMAND_REFUSED;
}

static bool take_args(const json_t *args, struct ef_command *c, struct ef_error *err)
{
    const char *reason = json_string_value(json_object_get(args, "reason"));
    if (reason) {
        free(c->reason);
        c->reason = ef_xstrdup(reason);
    }
    switch (c->verb) {
    case EF_COMMAND_RETRY:
    case EF_COMMAND_SKIP:
        return take_ids(args, c, err);
    case EF_COMMAND_EDIT:
        return take_edits(args, c, err);
    case EF_COMMAND_PURGE:
        return take_purge(args, c, err);
    case EF_COMMAND_HOLD:
    case EF_COMMAND_RELEASE:
        return take_name(args, c, err);
    case EF_COMMAND_REFUSED:
        break;
    }
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "the verb must be retry, skip, edit, purge, hold or release");
}

bool ef_command_parse(int64_t number, const char *verb, const char *args, const char *actor,
                      struct ef_command *ret, struct ef_error *err)
{
    json_error_t where;
    *ret = (struct ef_command){.number = number,
                               .verb = verb_of(verb ? verb : ""),
                               .actor = ef_xstrdup(actor ? actor : ""),
                               .reason = ef_xstrdup("")};
    json_t *json = NULL;
    bool good = args && strlen(args) <= EF_COMMAND_ARGS_MAX_BYTES;
    if (good)
        json = json_loads(args, JSON_REJECT_DUPLICATES, &where);
    if (json_is_object(json))
        good = take_args(json, ret, err);
    else
        good = ef_error_set(err, EF_CLASS_CONFIG, "its arguments are no JSON object");
    json_decref(json);
    if (!good)
        ef_command_refuse(ret, err->text);
    return good;
}

void ef_command_refuse(struct ef_command *command, const char *why)
{
    command->verb = EF_COMMAND_REFUSED;
    free(command->reason);
    command->reason = ef_xstrdup(why);
}

void ef_command_done(struct ef_command *command)
{
    free(command->actor);
    free(command->reason);
    free(command->ids);
    free((char *)command->name.p);
    for (int i = 0; i < EF_EDIT_COUNT; i++)
        free((char *)command->edits[i].value.p);
    *command = (struct ef_command){0};
}

void ef_command_copy(const struct ef_command *from, struct ef_command *ret)
{
    *ret = *from;
    ret->actor = ef_xstrdup(from->actor);
    ret->reason = ef_xstrdup(from->reason);
    ret->ids = ef_xcalloc((size_t)from->id_count, sizeof(*ret->ids));
    for (int i = 0; i < from->id_count; i++)
        ret->ids[i] = from->ids[i];
    if (from->name.p)
        ret->name = copy(from->name.p, from->name.len);
    for (int i = 0; i < EF_EDIT_COUNT; i++)
        if (from->edits[i].value.p)
            ret->edits[i].value = copy(from->edits[i].value.p, from->edits[i].value.len);
}

bool ef_command_needs_barrier(const struct ef_command *command)
{
    return command->verb == EF_COMMAND_RETRY || command->verb == EF_COMMAND_SKIP ||
           command->verb == EF_COMMAND_EDIT;
}

bool ef_command_is_about_rows(const struct ef_command *command)
{
    return ef_command_needs_barrier(command) ||
           (command->verb == EF_COMMAND_PURGE && command->purge_dead);
}

char *ef_command_result(const struct ef_command *command, int64_t rows, const int64_t *ids,
                        int id_count)
{
    json_t *result, *list = NULL;
    if (command->verb == EF_COMMAND_REFUSED) {
        json_t *why = json_string(command->reason);
        result = json_pack("{s:o}", "error", why ? why : json_string("it cannot be done"));
    } else {
        result = json_pack("{s:I}", "rows", (json_int_t)rows);
        list = id_count ? json_array() : NULL;
    }
    for (int i = 0; i < id_count && list; i++)
        json_array_append_new(list, json_integer(ids[i]));
    if (list)
        json_object_set_new(result, "ids", list);
    char *text = json_dumps(result, JSON_COMPACT);
    json_decref(result);
    return text ? text : ef_xstrdup("{}");
}
