// SPDX-License-Identifier: MIT
#include "admin/control_request.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const verb_names[EF_CONTROL_VERB_COUNT] = {
    [EF_CONTROL_STATUS] = "status", [EF_CONTROL_PAUSE] = "pause",
    [EF_CONTROL_RESUME] = "resume", [EF_CONTROL_DRAIN] = "drain",
    [EF_CONTROL_RELOAD] = "reload", [EF_CONTROL_LIVEZ] = "livez",
    [EF_CONTROL_READYZ] = "readyz", [EF_CONTROL_METRICS] = "metrics",
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
        else if (strcmp(name, "outbox") == 0)
            ok = take_text(name, value, ret->outbox, sizeof(ret->outbox), err);
        else if (strcmp(name, "reason") == 0)
            ok = take_text(name, value, ret->reason, sizeof(ret->reason), err);
        else
            ok = ef_error_set(err, EF_CLASS_CONFIG, "unknown member \"%.64s\"", name);
        if (!ok)
            return false;
    }
    if (!verb[0])
        return ef_error_set(err, EF_CLASS_CONFIG, "\"verb\" is missing");
    if (!find_verb(verb, &ret->verb))
        return ef_error_set(err, EF_CLASS_CONFIG, "unknown verb \"%s\"", verb);
    return true;
}

static bool check(struct ef_control_request *ret, struct ef_error *err)
{
    bool about_outbox = ret->verb == EF_CONTROL_PAUSE || ret->verb == EF_CONTROL_RESUME ||
                        ret->verb == EF_CONTROL_DRAIN;
    if (ret->verb == EF_CONTROL_STATUS && !ret->outbox[0])
        snprintf(ret->outbox, sizeof(ret->outbox), "*");
    if (about_outbox && !ret->outbox[0])
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "\"outbox\" is missing: a name, or \"*\" for all");
    if (ret->outbox[0] && !about_outbox && ret->verb != EF_CONTROL_STATUS)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" takes no outbox", verb_names[ret->verb]);
    if (ret->reason[0] && ret->verb != EF_CONTROL_PAUSE)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%s\" takes no reason", verb_names[ret->verb]);
    return true;
}

bool ef_control_parse(const char *line, size_t len, struct ef_control_request *ret,
                      struct ef_error *err)
{
    json_error_t error;
    *ret = (struct ef_control_request){0};
    if (len > EF_CONTROL_LINE_MAX_BYTES)
        return ef_error_set(err, EF_CLASS_CONFIG, "the request is longer than %d bytes",
                            EF_CONTROL_LINE_MAX_BYTES);
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        return ef_error_set(err, EF_CLASS_CONFIG, "the request is not JSON: %s", error.text);
    bool ok = json_is_object(object) ||
              ef_error_set(err, EF_CLASS_CONFIG, "the request is not a JSON object");
    ok = ok && take_members(object, ret, err) && check(ret, err);
    json_decref(object);
    return ok;
}
