// SPDX-License-Identifier: MIT
#include "outbox/route.h"

#include <assert.h>

#include "outbox/headers.h"

/*
 * Kafka's record batch v2: 61 bytes before the records, then per record seven bytes of lengths and
 * deltas for a small one and a few more for a large one; 6 a header for the lengths of its name and
 * value (varints below 1 MiB). The broker's default limit is 12 bytes above 1 MiB, the producer's 1
 * 000 000.
 */
enum { MESSAGE_OVERHEAD_BYTES = 70, HEADER_OVERHEAD_BYTES = 6 };
enum { TOPIC_MAX_BYTES = 249 }; /* Kafka's Topic.MAX_NAME_LENGTH */

/* Clocks of database and relay differ; a row further ahead than this is not believed (contract.md).
 */
static const int64_t ahead_max_us = 5 * 60 * EF_S_US;
/* ISO 8601 with four digits: 0001-01-01 to 9999-12-31; PostgreSQL's infinity lies outside. */
static const int64_t iso_min_us = INT64_C(-62135596800) * EF_S_US;
static const int64_t iso_max_us = INT64_C(253402300800) * EF_S_US - 1;

#define LITERAL(text) ((struct ef_slice){text, sizeof(text) - 1})

static const struct ef_slice content_types[] = {
    [EF_PAYLOAD_JSON] = LITERAL("application/json"),
    [EF_PAYLOAD_TEXT] = LITERAL("text/plain; charset=utf-8"),
    [EF_PAYLOAD_BYTES] = LITERAL("application/octet-stream"),
};

static const bool topic_bytes[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
    ['.'] = true,         ['_'] = true,         ['-'] = true,
};

void ef_route_config_init(struct ef_route_config *ret, const struct ef_config_outbox *outbox,
                          int64_t message_max_bytes)
{
    *ret = (struct ef_route_config){
        .headers = outbox->headers,
        .tombstone_on_empty = outbox->tombstone_on_empty,
        .timestamp = outbox->timestamp,
        .timestamp_max_age_us = outbox->timestamp_max_age_ms * EF_MS_US,
        .message_max_bytes = message_max_bytes,
        .topics_allow = &outbox->topics_allow,
    };
}

static bool refuse(struct ef_error *err, const char *name)
{
    ef_error_code(err, 0, name);
    return false;
}

/* --- topic --- */

const char *ef_topic_fault(struct ef_slice topic)
{
    if (!topic.p || topic.len == 0)
        return "is empty";
    if (topic.len > TOPIC_MAX_BYTES)
        return "is longer than 249 bytes";
    for (size_t i = 0; i < topic.len; i++)
        if (!topic_bytes[(unsigned char)topic.p[i]])
            return "has a character other than letters, digits, '.', '_' and '-'";
    if (topic.p[0] == '.' && (topic.len == 1 || (topic.len == 2 && topic.p[1] == '.')))
        return "is '.' or '..'";
    return NULL;
}

bool ef_topic_matches(const char *pattern, struct ef_slice topic)
{
    const char *star = NULL; /* behind the last '*' seen */
    size_t i = 0, retry = 0; /* where in the topic that '*' tries again */
    while (i < topic.len) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = i;
        } else if (*pattern && *pattern == topic.p[i]) {
            pattern++;
            i++;
        } else if (star) {
            pattern = star;
            i = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool is_internal(const char *p, size_t len)
{
    return len >= 2 && p[0] == '_' && p[1] == '_';
}

/* A pattern admits a "__" topic only if it names the underscores itself: "*" means the
 * application's. */
static bool is_allowed(const struct ef_strings *allow, struct ef_slice topic)
{
    bool internal = is_internal(topic.p, topic.len);
    if (!allow || allow->count == 0)
        return !internal;
    for (size_t i = 0; i < allow->count; i++) {
        const char *pattern = allow->items[i];
        if (internal && !is_internal(pattern, strlen(pattern)))
            continue;
        if (ef_topic_matches(pattern, topic))
            return true;
    }
    return false;
}

static bool check_topic(const struct ef_route_config *config, struct ef_slice topic,
                        struct ef_error *err)
{
    if (!topic.p) {
        ef_error_set(err, EF_CLASS_RECORD, "cannot send the row: it has no topic");
        return refuse(err, "TOPIC_INVALID");
    }
    int shown = topic.len > TOPIC_MAX_BYTES ? TOPIC_MAX_BYTES : (int)topic.len;
    const char *fault = ef_topic_fault(topic);
    if (fault) {
        ef_error_set(err, EF_CLASS_RECORD, "cannot send the row: its topic '%.*s' %s", shown,
                     topic.p, fault);
        return refuse(err, "TOPIC_INVALID");
    }
    if (!is_allowed(config->topics_allow, topic)) {
        ef_error_set(err, EF_CLASS_RECORD,
                     "cannot send the row: its topic '%.*s' is not allowed (topics.allow)", shown,
                     topic.p);
        return refuse(err, "TOPIC_NOT_ALLOWED");
    }
    return true;
}

/* --- headers --- */

void ef_message_put(struct ef_message *msg, struct ef_slice name, struct ef_slice value)
{
    int i = 0;
    while (i < msg->header_count && !ef_slice_eq(msg->headers[i].name, name))
        i++;
    assert(i < EF_HEADERS_MAX);
    msg->headers[i] = (struct ef_header){name, value};
    if (i == msg->header_count)
        msg->header_count++;
}

bool ef_row_payload_omitted(const struct ef_row *row)
{
    return !row->payload.p && row->payload_bytes > 0;
}

/* Before all others, as the Outbox Event Router does, and instead of one of that name. */
static void put_id_first(struct ef_message *msg, struct ef_slice id)
{
    static const struct ef_slice name = LITERAL("id");
    int i = 0;
    while (i < msg->header_count && !ef_slice_eq(msg->headers[i].name, name))
        i++;
    if (i == msg->header_count)
        msg->header_count++;
    assert(msg->header_count <= EF_HEADERS_MAX);
    memmove(&msg->headers[1], &msg->headers[0], (size_t)i * sizeof(msg->headers[0]));
    msg->headers[0] = (struct ef_header){name, id};
}

void ef_route_standard_headers(const struct ef_route_config *config, const struct ef_row *row,
                               struct ef_message *msg)
{
    unsigned wanted = config->headers;
    bool tombstone = !ef_route_value(config, row).p && !ef_row_payload_omitted(row);
    if ((wanted & EF_HEADER_CONTENT_TYPE) && !tombstone)
        ef_message_put(msg, LITERAL("content-type"), content_types[row->payload_kind]);
    if ((wanted & EF_HEADER_MESSAGE_ID) && row->message_id.p)
        ef_message_put(msg, LITERAL("message-id"), row->message_id);
    if ((wanted & EF_HEADER_AGGREGATE_TYPE) && row->aggregate_type.p)
        ef_message_put(msg, LITERAL("aggregate-type"), row->aggregate_type);
    if ((wanted & EF_HEADER_AGGREGATE_ID) && row->aggregate_id.p)
        ef_message_put(msg, LITERAL("aggregate-id"), row->aggregate_id);
    if ((wanted & EF_HEADER_TRACE_ID) && row->trace_id.p)
        ef_message_put(msg, LITERAL("trace-id"), row->trace_id);
    if ((wanted & EF_HEADER_ID) && row->message_id.p)
        put_id_first(msg, row->message_id);
}

/* What Java's String.trim() takes for white space: all up to the space. */
static bool is_blank(struct ef_slice payload)
{
    for (size_t i = 0; i < payload.len; i++)
        if ((unsigned char)payload.p[i] > ' ')
            return false;
    return true;
}

struct ef_slice ef_route_value(const struct ef_route_config *config, const struct ef_row *row)
{
    if (config->tombstone_on_empty && row->payload.p && is_blank(row->payload))
        return (struct ef_slice){NULL, 0};
    return row->payload;
}

void ef_route_timestamp(const struct ef_route_config *config, const struct ef_row *row, ef_wall now,
                        struct ef_arena *scratch, struct ef_message *msg)
{
    int64_t at = row->created_at_us;
    msg->timestamp_ms = 0;
    if (config->timestamp != EF_TIMESTAMP_CREATED_AT || at == 0)
        return; /* 0: the table has no created_at */
    bool credible = at <= now.us + ahead_max_us && at >= now.us - config->timestamp_max_age_us;
    if (credible && !config->send_time && at >= EF_MS_US) {
        msg->timestamp_ms = at / EF_MS_US;
        return;
    }
    if (at < iso_min_us || at > iso_max_us)
        return;
    enum { ISO_BYTES = 32 };
    char *text = ef_arena_alloc(scratch, ISO_BYTES);
    ef_wall_iso8601((ef_wall){at}, text, ISO_BYTES);
    ef_message_put(msg, LITERAL("created-at"), ef_slice_of(text));
}

/* --- size --- */

int64_t ef_message_bytes(const struct ef_message *msg)
{
    size_t bytes = MESSAGE_OVERHEAD_BYTES + msg->key.len + msg->value.len;
    for (int i = 0; i < msg->header_count; i++)
        bytes += HEADER_OVERHEAD_BYTES + msg->headers[i].name.len + msg->headers[i].value.len;
    return (int64_t)bytes;
}

static bool check_size(const struct ef_route_config *config, const struct ef_message *msg,
                       struct ef_error *err)
{
    int64_t bytes = ef_message_bytes(msg);
    if (bytes <= config->message_max_bytes)
        return true;
    ef_error_set(err, EF_CLASS_RECORD,
                 "cannot send the row: its message has %lld bytes, message.max.bytes is %lld",
                 (long long)bytes, (long long)config->message_max_bytes);
    return refuse(err, "MSG_SIZE_TOO_LARGE");
}

bool ef_route(const struct ef_route_config *config, const struct ef_row *row, ef_wall now,
              struct ef_arena *scratch, struct ef_message *ret, struct ef_error *err)
{
    if (!check_topic(config, row->topic, err))
        return false;
    if (row->partition < -1) {
        ef_error_set(err, EF_CLASS_RECORD, "cannot send the row: its partition is %d",
                     (int)row->partition);
        return refuse(err, "PARTITION_INVALID");
    }
    if (ef_row_payload_omitted(row)) {
        ef_error_set(err, EF_CLASS_RECORD,
                     "cannot send the row: its payload of %lld bytes exceeds max_payload",
                     (long long)row->payload_bytes);
        return refuse(err, "MSG_SIZE_TOO_LARGE");
    }
    if (!ef_headers_read(row->headers, scratch, ret->headers, &ret->header_count, err))
        return false;
    ret->topic = row->topic;
    ret->key = row->key.p ? row->key : row->aggregate_id;
    ret->value = ef_route_value(config, row);
    ret->partition = row->partition;
    ef_route_standard_headers(config, row, ret);
    ef_route_timestamp(config, row, now, scratch, ret);
    return check_size(config, ret, err);
}
