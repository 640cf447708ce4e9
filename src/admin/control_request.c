// SPDX-License-Identifier: MIT
#include "admin/control_request.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin/control_filter.h"

enum { LOG_LEVEL_DEFAULT_MS = 15 * 60 * 1000, LOG_LEVEL_MAX_MS = 24 * 60 * 60 * 1000 };

static const char *const verb_names[EF_CONTROL_VERB_COUNT] = {
    [EF_CONTROL_STATUS] = "status",       [EF_CONTROL_PAUSE] = "pause",
    [EF_CONTROL_RESUME] = "resume",       [EF_CONTROL_DRAIN] = "drain",
    [EF_CONTROL_RELOAD] = "reload",       [EF_CONTROL_LIVEZ] = "livez",
    [EF_CONTROL_READYZ] = "readyz",       [EF_CONTROL_METRICS] = "metrics",
    [EF_CONTROL_LOG_LEVEL] = "log-level", [EF_CONTROL_ROWS] = "rows",
    [EF_CONTROL_COMMAND] = "command",
};

const char *ef_control_verb_name(enum ef_control_verb verb)
{
    return verb_names[verb];
}

static bool find_verb(const char *name, enum ef_control_verb *ret)
{
    for (int i = 0; i < EF_CONTROL_VERB_COUNT; i++) {
        if (strcmp(verb_names[i], name) == 0) {
            *ret = (enum ef_control_verb)i;
            return true;
        }
    }
    return false;
}

/* A member that is a string of at most size - 1 bytes, without control characters: it ends up in
 * logs, in the database and on terminals. */
static bool take_text(const char *name, const json_t *value, char *out, size_t size,
                      struct ef_error *err)
{
    if (!json_is_string(value))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" must be a string", name);
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len >= size)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" is longer than %zu bytes", name,
                            size - 1);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" holds a control character", name);
    memcpy(out, text, len + 1);
    return true;
}

static bool take_level(const json_t *value, struct ef_control_request *ret, struct ef_error *err)
{
    char level[16];
    if (!take_text("level", value, level, sizeof(level), err))
        return false;
    ret->restore = strcmp(level, "reset") == 0;
    ret->level_given = ret->restore || ef_log_level_parse(level, &ret->level);
    return ret->level_given || ef_error_set(err, EF_CLASS_CONFIG,
                                            "\"level\" is none of debug, info, warn, error, reset");
}

static bool take_room(const json_t *value, struct ef_control_request *ret, struct ef_error *err)
{
    if (!take_text("room", value, ret->room, sizeof(ret->room), err))
        return false;
    return !ret->room[0] || ef_log_room_known(ret->room) ||
           ef_error_set(err, EF_CLASS_CONFIG, "no room is named \"%s\"; there are: %s", ret->room,
                        ef_log_rooms());
}

static bool take_for(const json_t *value, struct ef_control_request *ret, struct ef_error *err)
{
    json_int_t ms = json_integer_value(value);
    ret->for_ms = (int64_t)ms;
    return (ms >= 1 && ms <= LOG_LEVEL_MAX_MS) ||
           ef_error_set(err, EF_CLASS_CONFIG, "\"for_ms\" must be 1 to %d", LOG_LEVEL_MAX_MS);
}

static bool take_args(const json_t *value, struct ef_control_request *ret, struct ef_error *err)
{
    ret->args = value;
    return json_is_object(value) ||
           ef_error_set(err, EF_CLASS_CONFIG, "\"args\" must be an object");
}

static bool take_filter(const json_t *value, struct ef_control_request *ret, struct ef_error *err)
{
    if (!json_is_object(value))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"filter\" must be an object");
    return ef_control_filter(value, &ret->filter, err);
}

static bool take_member(const char *name, const json_t *value, struct ef_control_request *ret,
                        struct ef_error *err)
{
    if (strcmp(name, "outbox") == 0)
        return take_text(name, value, ret->outbox, sizeof(ret->outbox), err);
    if (strcmp(name, "reason") == 0)
        return take_text(name, value, ret->reason, sizeof(ret->reason), err);
    if (strcmp(name, "level") == 0)
        return take_level(value, ret, err);
    if (strcmp(name, "room") == 0)
        return take_room(value, ret, err);
    if (strcmp(name, "for_ms") == 0)
        return take_for(value, ret, err);
    if (strcmp(name, "command") == 0)
        return take_text(name, value, ret->command, sizeof(ret->command), err);
    if (strcmp(name, "args") == 0)
        return take_args(value, ret, err);
    if (strcmp(name, "filter") == 0)
        return take_filter(value, ret, err);
    return ef_error_set(err, EF_CLASS_CONFIG, "unknown member \"%.64s\"", name);
}

static bool take_members(json_t *object, struct ef_control_request *ret, struct ef_error *err)
{
    const char *name;
    json_t *value;
    char verb[32] = "";

    json_object_foreach(object, name, value)
    {
        bool ok;
        if (strcmp(name, "verb") == 0)
            ok = take_text(name, value, verb, sizeof(verb), err);
        else
            ok = take_member(name, value, ret, err);
        if (!ok)
            return false;
    }
    if (!verb[0])
        return ef_error_set(err, EF_CLASS_CONFIG, "\"verb\" is missing");
    if (!find_verb(verb, &ret->verb))
        return ef_error_set(err, EF_CLASS_CONFIG, "unknown verb \"%s\"", verb);
    return true;
}

/* Verbs whose outbox must be named. */
static bool needs_outbox(enum ef_control_verb verb)
{
    return verb == EF_CONTROL_PAUSE || verb == EF_CONTROL_RESUME || verb == EF_CONTROL_DRAIN ||
           verb == EF_CONTROL_ROWS || verb == EF_CONTROL_COMMAND;
}

static bool check_outbox(struct ef_control_request *ret, struct ef_error *err)
{
    bool one = ret->verb == EF_CONTROL_ROWS || ret->verb == EF_CONTROL_COMMAND;
    if (ret->verb == EF_CONTROL_STATUS && !ret->outbox[0])
        snprintf(ret->outbox, sizeof(ret->outbox), "*");
    if (one && (!ret->outbox[0] || strcmp(ret->outbox, "*") == 0))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"outbox\" must name one");
    if (needs_outbox(ret->verb) && !ret->outbox[0])
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "\"outbox\" is missing: a name, or \"*\" for all");
    if (ret->outbox[0] && !needs_outbox(ret->verb) && ret->verb != EF_CONTROL_STATUS)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" takes no outbox", verb_names[ret->verb]);
    return true;
}

static bool check_operation(const struct ef_control_request *ret, struct ef_error *err)
{
    if (ret->verb == EF_CONTROL_COMMAND && (!ret->command[0] || !ret->args))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"command\" and \"args\" are wanted");
    if (ret->verb != EF_CONTROL_COMMAND && (ret->command[0] || ret->args))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" takes no command", verb_names[ret->verb]);
    if (ret->verb != EF_CONTROL_ROWS && json_object_get(ret->document, "filter"))
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" takes no filter", verb_names[ret->verb]);
    return true;
}

static bool check(struct ef_control_request *ret, struct ef_error *err)
{
    bool about_log = ret->level_given || ret->room[0] || ret->for_ms;
    if (!check_outbox(ret, err) || !check_operation(ret, err))
        return false;
    if (ret->reason[0] && ret->verb != EF_CONTROL_PAUSE)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" takes no reason", verb_names[ret->verb]);
    if (about_log && ret->verb != EF_CONTROL_LOG_LEVEL)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" takes no level, room or duration",
                            verb_names[ret->verb]);
    if (ret->verb == EF_CONTROL_LOG_LEVEL && !ret->level_given)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"level\" is missing");
    if (!ret->for_ms)
        ret->for_ms = LOG_LEVEL_DEFAULT_MS;
    return true;
}

bool ef_control_parse(const char *line, size_t len, struct ef_control_request *ret,
                      struct ef_error *err)
{
    json_error_t error;
    *ret =
        (struct ef_control_request){.filter = {.after_id = INT64_MIN, .limit = EF_COMMAND_IDS_MAX}};
    if (len > EF_CONTROL_LINE_MAX_BYTES)
        return ef_error_set(err, EF_CLASS_CONFIG, "the request is longer than %d bytes",
                            EF_CONTROL_LINE_MAX_BYTES);
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    ret->document = object;
    if (!object)
        return ef_error_set(err, EF_CLASS_CONFIG, "the request is not JSON: %s", error.text);
    bool ok = json_is_object(object) ||
              ef_error_set(err, EF_CLASS_CONFIG, "the request is not a JSON object");
    return ok && take_members(object, ret, err) && check(ret, err);
}

void ef_control_request_done(struct ef_control_request *request)
{
    ef_control_filter_done(&request->filter);
    json_decref(request->document);
    request->document = NULL;
}
