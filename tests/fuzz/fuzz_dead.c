// SPDX-License-Identifier: MIT
/*
 * `eventferryctl dead edit`: a row as the relay lists it, a NUL, and what somebody saved in the
 * editor. Beyond "no crash": a document saved as it was changes nothing, what is refused is
 * complained of once, and what is taken are columns that the command "edit" knows, with the bytes
 * that were written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ctl/asking.h"
#include "ctl/dead_document.h"
#include "fuzz/require.h"
#include "outbox/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __wrap_ef_ctl_complain(const char *fmt, ...);

static int complaints;

void __wrap_ef_ctl_complain(const char *fmt, ...)
{
    require(fmt[0] != '\0');
    complaints++;
}

static void same_saved(const json_t *before)
{
    json_t *set = json_object();
    char *text = json_dumps(before, JSON_INDENT(2));
    require(text && ef_dead_document_changes(before, text, strlen(text), set));
    require(json_object_size(set) == 0 && complaints == 0);
    free(text);
    json_decref(set);
}

/* As the relay will read it. */
static void take(const json_t *set, const json_t *after)
{
    struct ef_command command;
    struct ef_error err = {0};
    json_t *args = json_pack("{s:I, s:O}", "id", (json_int_t)1, "set", (json_t *)set);
    char *text = json_dumps(args, JSON_COMPACT);
    bool known = text && ef_command_parse(1, "edit", text, "alice", &command, &err);
    require(text && (known || err.class == EF_CLASS_CONFIG));
    const json_t *payload = json_object_get(after, "payload");
    if (known && json_is_string(payload) && !json_object_get(after, "payload_base64") &&
        command.edits[EF_EDIT_PAYLOAD].set) {
        struct ef_slice written = {json_string_value(payload), json_string_length(payload)};
        require(ef_slice_eq(command.edits[EF_EDIT_PAYLOAD].value, written));
    }
    ef_command_done(&command);
    free(text);
    json_decref(args);
}

static bool changed(const json_t *before, const json_t *after, const char *name)
{
    const json_t *value = json_object_get(after, name);
    return value && !json_equal(json_object_get(before, name), value);
}

static void check(const json_t *row, const char *saved, size_t len)
{
    const char *name;
    json_t *value, *before = ef_dead_document(row), *set = json_object();
    complaints = 0;
    same_saved(before);
    bool ok = ef_dead_document_changes(before, saved, len, set);
    require(complaints == (ok ? 0 : 1));
    json_object_foreach(set, name, value)
        require(strcmp(name, "payload_base64") == 0 || json_object_get(before, name));
    if (ok && json_object_size(set) > 0) {
        json_t *after = json_loadb(saved, len, 0, NULL);
        require(!changed(before, after, "payload") || !changed(before, after, "payload_base64"));
        take(set, after);
        json_decref(after);
    }
    json_decref(set);
    json_decref(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
    if (!end)
        return 0;
    size_t row_len = (size_t)(end - data);
    json_t *row = json_loadb((const char *)data, row_len, 0, NULL);
    if (json_is_object(row))
        check(row, (const char *)end + 1, size - row_len - 1);
    json_decref(row);
    return 0;
}
