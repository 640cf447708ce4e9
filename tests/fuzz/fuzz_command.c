// SPDX-License-Identifier: MIT
/*
 * Rows of the command table, which whoever may INSERT writes: the verb, a NUL, the arguments.
 * Beyond "no crash": what is accepted keeps to the limits that the rest relies on, what is not is a
 * refused command with a reason, and either has a result that can be written down.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/require.h"
#include "outbox/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_edits(const struct ef_command *c)
{
    int set = 0;
    for (int column = 0; column < EF_EDIT_COUNT; column++) {
        set += c->edits[column].set;
        require(c->edits[column].set || !c->edits[column].value.p);
    }
    require((set > 0) == (c->verb == EF_COMMAND_EDIT));
    require(!c->edits[EF_EDIT_TOPIC].set || c->edits[EF_EDIT_TOPIC].value.p);
    struct ef_slice partition = c->edits[EF_EDIT_PARTITION].value;
    if (partition.p)
        require(partition.len > 0 && strspn(partition.p, "0123456789") == partition.len &&
                strtoll(partition.p, NULL, 10) <= INT32_MAX);
}

static void require_command(const struct ef_command *c)
{
    require(c->verb != EF_COMMAND_REFUSED && ef_command_verb_name(c->verb));
    require(c->id_count >= 0 && c->id_count <= EF_COMMAND_IDS_MAX);
    for (int i = 1; i < c->id_count; i++)
        require(c->ids[i - 1] < c->ids[i]);
    if (ef_command_needs_barrier(c))
        require(c->id_count > 0);
    if (c->verb == EF_COMMAND_PURGE)
        require(c->limit >= 1 && c->limit <= EF_COMMAND_IDS_MAX && c->older_than_ms >= 0);
    if (c->verb == EF_COMMAND_HOLD || c->verb == EF_COMMAND_RELEASE)
        require(c->name.p && c->name.len > 0 && strlen(c->name.p) == c->name.len);
    require_edits(c);
}

static bool same(struct ef_slice a, struct ef_slice b)
{
    return (a.p == NULL) == (b.p == NULL) && ef_slice_eq(a, b);
}

static void require_copy(const struct ef_command *c)
{
    struct ef_command again;
    ef_command_copy(c, &again);
    require(again.verb == c->verb && again.id_count == c->id_count);
    require(strcmp(again.reason, c->reason) == 0 && strcmp(again.actor, c->actor) == 0);
    require(same(again.name, c->name));
    for (int i = 0; i < EF_EDIT_COUNT; i++)
        require(same(again.edits[i].value, c->edits[i].value));
    for (int i = 0; i < c->id_count; i++)
        require(again.ids[i] == c->ids[i]);
    ef_command_done(&again);
}

static void require_result(const struct ef_command *c)
{
    char *text = ef_command_result(c, c->id_count, c->ids, c->id_count);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    bool refused = c->verb == EF_COMMAND_REFUSED;
    require(json_is_string(json_object_get(json, "error")) == refused);
    require(json_is_integer(json_object_get(json, "rows")) == !refused);
    json_decref(json);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_command command;
    struct ef_error err = {0};
    const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
    size_t verb_len = end ? (size_t)(end - data) : size;
    char *verb = ef_xstrndup((const char *)data, verb_len);
    /* without one: the column is NULL */
    char *args = end ? ef_xstrndup((const char *)end + 1, size - verb_len - 1) : NULL;
    if (ef_command_parse(7, verb, args, verb, &command, &err)) {
        require_command(&command);
    } else {
        require(command.verb == EF_COMMAND_REFUSED && command.reason[0]);
        require(err.class == EF_CLASS_CONFIG && strcmp(err.text, command.reason) == 0);
    }
    require_copy(&command);
    require_result(&command);
    ef_command_done(&command);
    free(verb);
    free(args);
    return 0;
}
