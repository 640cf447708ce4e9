// SPDX-License-Identifier: MIT
#include "ctl/explain_row.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/status_json.h"
#include "admin/words.h"
#include "base/arena.h"
#include "base/base64.h"
#include "ctl/asking.h"
#include "ctl/rows.h"
#include "kafka/partition.h"
#include "outbox/route.h"

static void say(json_t *why, const char *fmt, ...) EF_PRINTF(2, 3);

static void say(json_t *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = ef_xvprintf(fmt, ap);
    va_end(ap);
    json_array_append_new(why, ef_json_text(text));
    free(text);
}

/* --- the message --- */

static struct ef_slice slice_of(const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    return (struct ef_slice){json_string_value(value), json_string_length(value)};
}

static enum ef_payload_kind kind_of(const json_t *row)
{
    const char *type = ef_ctl_text(row, "payload_type");
    if (strncmp(type, "json", 4) == 0)
        return EF_PAYLOAD_JSON;
    return strcmp(type, "bytes") == 0 ? EF_PAYLOAD_BYTES : EF_PAYLOAD_TEXT;
}

/* payload: decoded, lives as long as the row. */
static void fill_row(const json_t *json, struct ef_slice payload, struct ef_row *ret)
{
    const json_t *partition = json_object_get(json, "partition");
    *ret = (struct ef_row){
        .id = ef_ctl_number(json, "id"),
        .created_at_us = ef_ctl_number(json, "created_us"),
        .message_id = slice_of(json, "message_id"),
        .aggregate_type = slice_of(json, "aggregate_type"),
        .aggregate_id = slice_of(json, "aggregate_id"),
        .topic = slice_of(json, "topic"),
        .key = slice_of(json, "key"),
        .headers = slice_of(json, "headers"),
        .trace_id = slice_of(json, "trace_id"),
        .payload = payload,
        .payload_bytes = payload.p ? 0 : ef_ctl_number(json, "payload_bytes"),
        .partition = json_is_integer(partition) ? (int32_t)json_integer_value(partition) : -1,
        .status = (int16_t)ef_ctl_number(json, "status"),
        .payload_kind = kind_of(json),
        .attempts = (int32_t)ef_ctl_number(json, "attempts"),
    };
}

/* A string where it is text, else base64 under another name. */
static void put_bytes(json_t *object, const char *name, struct ef_slice bytes)
{
    json_t *text = bytes.p ? json_stringn(bytes.p, bytes.len) : json_null();
    if (text) {
        json_object_set_new(object, name, text);
        return;
    }
    char *encoded = ef_base64_encode(bytes.p, bytes.len);
    char *other = ef_xprintf("%s_base64", name);
    json_object_set_new(object, other, json_string(encoded));
    free(other);
    free(encoded);
}

static void put_partition(const struct ef_explain *explain, const struct ef_message *message,
                          json_t *json)
{
    char *topic = ef_xstrndup(message->topic.p, message->topic.len);
    int count = explain->partitions ? explain->partitions(explain->arg, topic) : 0;
    free(topic);
    json_object_set_new(json, "partitions", count ? json_integer(count) : json_null());
    if (message->partition >= 0)
        json_object_set_new(json, "partition", json_integer(message->partition));
    else if (message->key.p && count)
        json_object_set_new(
            json, "partition",
            json_integer(ef_kafka_partition(message->key.p, message->key.len, count)));
    else
        json_object_set_new(json, "partition", json_null());
    json_object_set_new(json, "partition_by",
                        json_string(message->partition >= 0 ? "row"
                                    : message->key.p        ? "key"
                                                            : "turn"));
}

static json_t *message_json(const struct ef_explain *explain, const struct ef_message *message)
{
    char when[32];
    json_t *headers = json_array();
    json_t *json = json_object();
    put_bytes(json, "topic", message->topic);
    put_partition(explain, message, json);
    put_bytes(json, "key", message->key);
    ef_wall_iso8601((ef_wall){message->timestamp_ms * EF_MS_US}, when, sizeof(when));
    json_object_set_new(json, "timestamp",
                        json_string(message->timestamp_ms ? when : "time of sending"));
    for (int i = 0; i < message->header_count; i++) {
        json_t *header = json_object();
        put_bytes(header, "name", message->headers[i].name);
        put_bytes(header, "value", message->headers[i].value);
        json_array_append_new(headers, header);
    }
    json_object_set_new(json, "headers", headers);
    json_object_set_new(json, "bytes", json_integer((json_int_t)message->value.len));
    put_bytes(json, "value", message->value);
    return json;
}

static void put_message(const struct ef_explain *explain, const json_t *row, json_t *ret)
{
    struct ef_arena scratch;
    struct ef_route_config config;
    struct ef_message *message = ef_xcalloc(1, sizeof(*message));
    struct ef_row taken;
    struct ef_error err;
    struct ef_slice payload = {0};
    char *bytes = NULL;
    const char *encoded = json_string_value(json_object_get(row, "payload_base64"));
    if (encoded && ef_base64_decode(encoded, &bytes, &payload.len))
        payload.p = bytes;
    ef_arena_init(&scratch, 64 * 1024);
    ef_route_config_init(&config, explain->outbox, explain->message_max_bytes);
    fill_row(row, payload, &taken);
    if (ef_route(&config, &taken, ef_clock_wall(), &scratch, message, &err))
        json_object_set_new(ret, "message", message_json(explain, message));
    else
        json_object_set_new(ret, "refused", ef_json_text(err.text));
    ef_arena_done(&scratch);
    free(message);
    free(bytes);
}

/* --- why it has not gone --- */

static void say_topic(const struct ef_explain *explain, const json_t *row, json_t *why)
{
    size_t i;
    json_t *item;
    char since[32];
    const char *topic = ef_ctl_text(row, "topic"), *aggregate = ef_ctl_text(row, "aggregate_id");
    json_array_foreach(json_object_get(explain->status, "paused_topics"), i, item)
    {
        if (strcmp(ef_ctl_text(item, "topic"), topic) == 0)
            say(why, "topic %s has taken no messages for %s: %s", topic,
                ef_words_duration(ef_ctl_number(item, "since_ms"), since, sizeof(since)),
                ef_ctl_text(item, "reason"));
    }
    json_array_foreach(json_object_get(explain->status, "holds"), i, item)
    {
        bool of_topic = json_object_get(item, "topic") != NULL;
        const char *name = ef_ctl_text(item, of_topic ? "topic" : "aggregate");
        if (strcmp(name, of_topic ? topic : aggregate) == 0)
            say(why, "%s %s is held by %s since %s: %s; eventferryctl resume %s --%s ends it",
                of_topic ? "topic" : "aggregate", name, ef_ctl_text(item, "by"),
                ef_ctl_text(item, "since"), ef_ctl_text(item, "reason"), explain->outbox->name,
                of_topic ? "topic" : "aggregate");
    }
}

/* Whether anybody relays, whatever the row. */
static void say_outbox(const struct ef_explain *explain, json_t *why)
{
    const json_t *status = explain->status, *lease = json_object_get(status, "lease");
    const char *state = ef_ctl_text(status, "state"), *reason = ef_ctl_text(status, "reason");
    if (!status) {
        say(why, "no daemon runs here; whether another one owns the table is not known");
    } else if (strcmp(state, "running") == 0) {
        if (ef_ctl_is(status, "outage"))
            say(why, "%s", reason);
    } else if (strcmp(state, "standby") == 0) {
        const char *owner = ef_ctl_text(lease, "owner");
        say(why, owner[0] ? "relay %s owns the table: ask it" : "%s", owner[0] ? owner : reason);
    } else {
        say(why, "the outbox is %s%s%s", state, reason[0] ? ": " : "", reason);
    }
}

static void say_held_by(const json_t *row, json_t *why)
{
    const json_t *held_by = json_object_get(row, "held_by");
    if (json_is_integer(held_by))
        say(why, "row %lld of the same aggregate is before it, and has to go or be given up first",
            (long long)json_integer_value(held_by));
}

static void say_waiting(const struct ef_explain *explain, const json_t *row, json_t *why)
{
    char left[32];
    int64_t ms = ef_ctl_number(row, "next_retry_in_ms");
    const char *error = ef_ctl_text(row, "last_error");
    if (error[0])
        say(why, "it waits: %s", error);
    say_topic(explain, row, why);
    say_held_by(row, why);
    if (ms > 0)
        say(why, "the next try is due in %s, after %" PRId64 " attempts",
            ef_words_duration(ms, left, sizeof(left)), ef_ctl_number(row, "attempts"));
    else
        say(why, "the next try is due now");
    say_outbox(explain, why);
}

static void say_pending(const struct ef_explain *explain, const json_t *row, json_t *why)
{
    say_topic(explain, row, why);
    say_held_by(row, why);
    say_outbox(explain, why);
    if (json_array_size(why))
        return;
    int64_t cursor = ef_ctl_number(explain->status, "cursor_id");
    if (ef_ctl_number(row, "id") > cursor)
        say(why, "nothing holds it: it is about to be read (the relay has come to row %" PRId64 ")",
            cursor);
    else
        say(why,
            "nothing holds it: it is in flight, or was committed late and is about to be read");
}

json_t *ef_explain_row(const struct ef_explain *explain, const json_t *row)
{
    int64_t status = ef_ctl_number(row, "status");
    json_t *why = json_array();
    json_t *ret = json_pack("{s:I, s:s, s:o}", "id", (json_int_t)ef_ctl_number(row, "id"), "status",
                            ef_row_status_name(status), "why", why);
    switch (status) {
    case EF_STATUS_DEAD:
        say(why, "it was given up at %s after %" PRId64 " attempts: %s",
            ef_ctl_text(row, "processed_at"), ef_ctl_number(row, "attempts"),
            ef_ctl_text(row, "last_error"));
        say(why, "eventferryctl dead retry %s %" PRId64 " sends it again", explain->outbox->name,
            ef_ctl_number(row, "id"));
        break;
    case EF_STATUS_FAILED:
        say_waiting(explain, row, why);
        break;
    case EF_STATUS_DONE:
        say(why, "it was delivered at %s", ef_ctl_text(row, "processed_at"));
        break;
    case EF_STATUS_PROCESSING:
        say(why, "another kind of relay took it at %s; it is taken over once that is older than %s",
            ef_ctl_text(row, "claimed_at"), "claim_timeout");
        say_held_by(row, why);
        break;
    default:
        say_pending(explain, row, why);
    }
    put_message(explain, row, ret);
    return ret;
}

/* A dead row leaves by an operator's act only; a waiting one by either. */
static void say_archived(const struct ef_explain *explain, const json_t *archived, json_t *why)
{
    int64_t status = ef_ctl_number(archived, "status");
    say(why, "it was %s at %s and is in the archive of %s",
        status == EF_STATUS_DEAD     ? "skipped by an operator"
        : status == EF_STATUS_FAILED ? "delivered, or skipped by an operator,"
                                     : "delivered",
        ef_ctl_text(archived, "archived_at"), explain->outbox->table);
    if (status == EF_STATUS_DEAD || status == EF_STATUS_FAILED)
        say(why, "the table of audits has each skip, by whom and why");
}

static void say_not_found(const struct ef_explain *explain, json_t *why)
{
    switch (explain->outbox->on_delivered) {
    case EF_ON_DELIVERED_ARCHIVE:
        say(why,
            explain->archive_unread
                ? "whether it is in the archive of %s could not be found out"
                : "it is not in the archive of %s, which keeps delivered rows for the retention",
            explain->outbox->table);
        break;
    case EF_ON_DELIVERED_DELETE:
        say(why, "delivered rows are deleted here (on_delivered: delete), so it may have been "
                 "delivered");
        break;
    case EF_ON_DELIVERED_MARK:
        say(why,
            "delivered rows stay in the table here (on_delivered: mark) until they are purged");
        break;
    }
}

json_t *ef_explain_missing(const struct ef_explain *explain, int64_t id, const json_t *archived)
{
    json_t *why = json_array();
    int64_t cursor = ef_ctl_number(explain->status, "cursor_id");
    if (archived) {
        say_archived(explain, archived, why);
        return json_pack("{s:I, s:s, s:O, s:o}", "id", (json_int_t)id, "status", "archived",
                         "archived_at", json_object_get(archived, "archived_at"), "why", why);
    }
    if (explain->status && id > cursor && cursor > 0)
        say(why, "there is no such row yet: its transaction is not committed, or was rolled back");
    else
        say(why, "there is no such row: it was delivered and has left the table, its transaction "
                 "is not committed, or it was rolled back");
    say_not_found(explain, why);
    return json_pack("{s:I, s:s, s:o}", "id", (json_int_t)id, "status", "not visible", "why", why);
}
