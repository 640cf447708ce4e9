// SPDX-License-Identifier: MIT
#include "outbox/deadletter.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/utf8.h"
#include "outbox/headers.h"

static const char topic_word[] = "${topic}";
enum { TOPIC_WORD_BYTES = sizeof(topic_word) - 1 };

void ef_deadletter_config_init(struct ef_deadletter_config *ret,
                               const struct ef_config_outbox *outbox, int64_t message_max_bytes)
{
    *ret = (struct ef_deadletter_config){
        .topic = outbox->dead_letter_topic,
        .overrides = outbox->topic_overrides,
        .override_count = outbox->topic_override_count,
    };
    ef_route_config_init(&ret->route, outbox, message_max_bytes);
}

/* --- topic --- */

static struct ef_slice expand(const char *pattern, struct ef_slice topic, struct ef_arena *scratch)
{
    size_t len = strlen(pattern);
    for (const char *at = pattern; (at = strstr(at, topic_word)); at += TOPIC_WORD_BYTES)
        len += topic.len; /* its own bytes are more than is needed, which does no harm */
    char *name = ef_arena_alloc(scratch, len + 1), *out = name;
    for (const char *at; (at = strstr(pattern, topic_word)); pattern = at + TOPIC_WORD_BYTES) {
        memcpy(out, pattern, (size_t)(at - pattern));
        out += at - pattern;
        if (topic.len)
            memcpy(out, topic.p, topic.len);
        out += topic.len;
    }
    len = strlen(pattern);
    memcpy(out, pattern, len + 1);
    return (struct ef_slice){name, (size_t)(out - name) + len};
}

struct ef_slice ef_deadletter_topic(const struct ef_deadletter_config *config,
                                    struct ef_slice topic, struct ef_arena *scratch)
{
    const char *pattern = config->topic;
    for (size_t i = 0; i < config->override_count; i++) {
        const struct ef_topic_override *override = &config->overrides[i];
        if (!override->dead_letter_topic || !ef_topic_matches(override->pattern, topic))
            continue;
        pattern = override->dead_letter_topic;
        break;
    }
    if (!pattern || !*pattern)
        return (struct ef_slice){NULL, 0};
    return expand(pattern, topic, scratch);
}

/* --- headers --- */

/* The longest beginning of at most max bytes that does not end within a character. */
static struct ef_slice cut(const char *p, size_t len, size_t max)
{
    size_t n = len < max ? len : max, start = n;
    while (start > 0 && n - start < 3 && ((unsigned char)p[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)p[start - 1] >= 0xc0 &&
        ef_utf8_length(p + start - 1, n - start + 1) == 0)
        n = start - 1;
    return (struct ef_slice){p, n};
}

static void put(struct ef_message *msg, const char *name, struct ef_slice value)
{
    if (value.p)
        ef_message_put(msg, ef_slice_of(name), value);
}

static void put_number(struct ef_message *msg, const char *name, int64_t value,
                       struct ef_arena *scratch)
{
    enum { NUMBER_BYTES = 24 };
    char *text = ef_arena_alloc(scratch, NUMBER_BYTES);
    snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    put(msg, name, ef_slice_of(text));
}

static void put_cause(struct ef_message *msg, const struct ef_row *row,
                      const struct ef_deadletter_cause *cause, ef_wall now,
                      struct ef_arena *scratch)
{
    const struct ef_error *err = cause->err;
    enum { ISO_BYTES = 32 };
    char *failed_at = ef_arena_alloc(scratch, ISO_BYTES);
    ef_wall_iso8601(now, failed_at, ISO_BYTES);

    put(msg, "original-topic", row->topic);
    put(msg, "dlq-original-topic", row->topic);
    put(msg, "dlq-reason", cut(err->text, strlen(err->text), EF_DEADLETTER_REASON_MAX_BYTES));
    put(msg, "dlq-error-class", ef_slice_of(ef_class_name(err->class)));
    put(msg, "dlq-error-kind", ef_slice_of(cause->kind));
    if (err->name[0])
        put(msg, "dlq-error-code", ef_slice_of(err->name));
    put_number(msg, "dlq-attempts", cause->attempts, scratch);
    put(msg, "dlq-failed-at", ef_slice_of(failed_at));
    put(msg, "dlq-original-aggregate-id", row->aggregate_id);
    put(msg, "dlq-original-message-id", row->message_id);
}

/* The row's own headers, or, where they cannot be read, their text. */
static void put_own(struct ef_message *msg, const struct ef_row *row, struct ef_arena *scratch)
{
    if (ef_headers_read(row->headers, scratch, msg->headers, &msg->header_count, NULL))
        return;
    msg->header_count = 0;
    struct ef_slice text = row->headers;
    if (text.len > EF_DEADLETTER_HEADERS_MAX_BYTES)
        text = cut(text.p, text.len, EF_DEADLETTER_HEADERS_MAX_BYTES);
    put(msg, "dlq-original-headers", text);
}

/* --- value --- */

static void omit_value(struct ef_message *msg, int64_t bytes, struct ef_arena *scratch)
{
    msg->value = (struct ef_slice){"", 0}; /* not null: that would be a tombstone */
    put_number(msg, "dlq-payload-omitted", bytes, scratch);
}

/* Leaves the payload out if it is not there, or if the message was or is too large with it. */
static void put_value(const struct ef_deadletter_config *config, const struct ef_row *row,
                      const struct ef_error *cause, struct ef_arena *scratch,
                      struct ef_message *msg)
{
    msg->value = ef_route_value(&config->route, row);
    if (ef_row_payload_omitted(row)) {
        omit_value(msg, row->payload_bytes, scratch);
        return;
    }
    if (msg->value.len == 0)
        return;
    /* the broker may have a smaller limit than the producer, and the dead-letter topic the same */
    if (strcmp(cause->name, "MSG_SIZE_TOO_LARGE") == 0 ||
        ef_message_bytes(msg) > config->route.message_max_bytes)
        omit_value(msg, (int64_t)row->payload.len, scratch);
}

static enum ef_deadletter_outcome impossible(struct ef_error *err, const char *name)
{
    ef_error_code(err, 0, name);
    return EF_DEADLETTER_IMPOSSIBLE;
}

enum ef_deadletter_outcome ef_deadletter(const struct ef_deadletter_config *config,
                                         const struct ef_row *row,
                                         const struct ef_deadletter_cause *cause, ef_wall now,
                                         struct ef_arena *scratch, struct ef_message *ret,
                                         struct ef_error *err)
{
    struct ef_slice topic = ef_deadletter_topic(config, row->topic, scratch);
    if (!topic.p)
        return EF_DEADLETTER_PARK;
    const char *fault = ef_topic_fault(topic);
    if (fault) {
        ef_error_set(err, EF_CLASS_RECORD, "cannot send the dead letter: its topic '%.250s' %s",
                     topic.p, fault);
        return impossible(err, "TOPIC_INVALID");
    }
    put_own(ret, row, scratch);
    ret->topic = topic;
    ret->key = row->key.p ? row->key : row->aggregate_id;
    ret->partition = -1;
    ef_route_standard_headers(&config->route, row, ret);
    ef_route_timestamp(&config->route, row, now, scratch, ret);
    ret->timestamp_ms = 0;
    put_cause(ret, row, cause, now, scratch);
    put_value(config, row, cause->err, scratch, ret);
    if (ef_message_bytes(ret) > config->route.message_max_bytes) {
        ef_error_set(err, EF_CLASS_RECORD,
                     "cannot send the dead letter: it has %lld bytes without its payload",
                     (long long)ef_message_bytes(ret));
        return impossible(err, "MSG_SIZE_TOO_LARGE");
    }
    return EF_DEADLETTER_SEND;
}
