// SPDX-License-Identifier: MIT
#include "ctl/dead_document.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "ctl/asking.h"
#include "ctl/dead.h"

json_t *ef_dead_document(const json_t *row)
{
    static const char *const names[] = {"topic", "key", "partition", "headers"};
    size_t len;
    bool is_text = false;
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *value = json_object_get(row, names[i]);
        json_object_set_new(json, names[i], value ? json_deep_copy(value) : json_null());
    }
    char *payload = ef_dead_payload(row, &len, &is_text);
    if (payload && is_text)
        json_object_set_new(json, "payload", json_stringn(payload, len));
    else if (payload)
        json_object_set(json, "payload_base64", json_object_get(row, "payload_base64"));
    else
        json_object_set_new(json, "payload", json_null());
    free(payload);
    return json;
}

static bool differs(const json_t *before, const json_t *after, const char *name)
{
    const json_t *value = json_object_get(after, name);
    return value && !json_equal(json_object_get(before, name), value);
}

/* Only what differs goes into set. */
static void put_differences(const json_t *before, const json_t *after, json_t *set)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)after, name, value)
    {
        if (!differs(before, after, name))
            continue;
        if (strcmp(name, "payload") != 0 || json_is_null(value)) {
            json_object_set(set, strcmp(name, "payload") == 0 ? "payload_base64" : name, value);
            continue;
        }
        char *text = ef_base64_encode(json_string_value(value), json_string_length(value));
        json_object_set_new(set, "payload_base64", json_string(text));
        free(text);
    }
}

static bool names_ok(const json_t *before, const json_t *after)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)after, name, value)
    {
        if (json_object_get(before, name) || strcmp(name, "payload") == 0 ||
            strcmp(name, "payload_base64") == 0)
            continue;
        ef_ctl_complain("nothing is called \"%s\"; there are topic, key, partition, headers, and "
                        "payload or payload_base64",
                        name);
        return false;
    }
    return true;
}

static bool payload_ok(const json_t *before, const json_t *after)
{
    const json_t *payload = json_object_get(after, "payload");
    if (payload && !json_is_string(payload) && !json_is_null(payload)) {
        ef_ctl_complain("\"payload\" must be a string or null");
        return false;
    }
    if (differs(before, after, "payload") && differs(before, after, "payload_base64")) {
        ef_ctl_complain("\"payload\" and \"payload_base64\" are the same bytes: change one");
        return false;
    }
    return true;
}

bool ef_dead_document_changes(const json_t *before, const char *text, size_t len, json_t *set)
{
    json_error_t error;
    json_t *after = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    bool ok = json_is_object(after);
    if (!after)
        ef_ctl_complain("what was saved is no JSON object: line %d: %s", error.line, error.text);
    else if (!ok)
        ef_ctl_complain("what was saved is no JSON object but a list");
    ok = ok && payload_ok(before, after) && names_ok(before, after);
    if (ok)
        put_differences(before, after, set);
    json_decref(after);
    return ok;
}
