// SPDX-License-Identifier: MIT
/*
 * Rows with any bytes in their texts become messages and dead letters. The input is a row: 24 bytes
 * of numbers, then its texts, each behind one byte of length (255: NULL). Beyond "no crash": a
 * message has a topic that Kafka accepts, no header twice, its value is the row's own and it keeps
 * to the limit; a dead letter is found whenever its topic can have one; nothing depends on chance.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/require.h"
#include "outbox/deadletter.h"

enum { NUMBERS_BYTES = 24, MESSAGE_MAX_BYTES = 900, ABSENT = 255 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ef_slice text(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return (struct ef_slice){NULL, 0};
    size_t len = **data;
    (*data)++;
    (*size)--;
    if (len == ABSENT)
        return (struct ef_slice){NULL, 0};
    if (len > *size)
        len = *size;
    struct ef_slice found = {(const char *)*data, len};
    *data += len;
    *size -= len;
    return found;
}

static void read_row(struct ef_row *row, const uint8_t *data, size_t size)
{
    uint8_t numbers[NUMBERS_BYTES] = {0};
    size_t len = size < NUMBERS_BYTES ? size : NUMBERS_BYTES;
    memcpy(numbers, data, len);
    data += len;
    size -= len;
    *row = (struct ef_row){.id = 1};
    memcpy(&row->id, numbers, 8);
    memcpy(&row->created_at_us, numbers + 8, 8);
    memcpy(&row->partition, numbers + 16, 4);
    row->status = numbers[20] % 5;
    row->payload_kind = (enum ef_payload_kind)(numbers[21] % 3);
    row->payload_bytes = numbers[22];
    row->attempts = numbers[23];
    row->message_id = text(&data, &size);
    row->aggregate_type = text(&data, &size);
    row->aggregate_id = text(&data, &size);
    row->topic = text(&data, &size);
    row->key = text(&data, &size);
    row->trace_id = text(&data, &size);
    row->headers = text(&data, &size);
    row->payload = text(&data, &size);
}

static void check_message(const struct ef_message *msg, const struct ef_row *row)
{
    require(ef_topic_fault(msg->topic) == NULL);
    require(msg->partition >= -1);
    require(msg->timestamp_ms >= 0);
    require(msg->header_count >= 0 && msg->header_count <= EF_HEADERS_MAX);
    require(msg->value.len == 0 || msg->value.p == row->payload.p);
    for (int i = 0; i < msg->header_count; i++)
        for (int k = 0; k < i; k++)
            require(!ef_slice_eq(msg->headers[i].name, msg->headers[k].name));
}

static bool same(const struct ef_message *a, const struct ef_message *b)
{
    bool equal = ef_slice_eq(a->topic, b->topic) && ef_slice_eq(a->key, b->key) &&
                 a->partition == b->partition && a->timestamp_ms == b->timestamp_ms &&
                 a->header_count == b->header_count;
    for (int i = 0; equal && i < a->header_count; i++)
        equal = ef_slice_eq(a->headers[i].name, b->headers[i].name) &&
                ef_slice_eq(a->headers[i].value, b->headers[i].value);
    return equal;
}

static void check_route(const struct ef_route_config *config, const struct ef_row *row, ef_wall now)
{
    struct ef_arena scratch, more;
    struct ef_message msg, again;
    struct ef_error err = {0};
    ef_arena_init(&scratch, 1024);
    ef_arena_init(&more, 1024);
    if (ef_route(config, row, now, &scratch, &msg, &err)) {
        check_message(&msg, row);
        require(ef_message_bytes(&msg) <= config->message_max_bytes);
        require(ef_slice_eq(msg.topic, row->topic));
        require(strncmp(msg.topic.p, "__", msg.topic.len < 2 ? msg.topic.len : 2) != 0 ||
                msg.topic.len < 2);
        require(ef_route(config, row, now, &more, &again, &err));
        require(same(&msg, &again));
    } else {
        require(err.class == EF_CLASS_RECORD && err.text[0] != '\0' && err.name[0] != '\0');
    }
    ef_arena_done(&scratch);
    ef_arena_done(&more);
}

static void check_letter(const struct ef_route_config *route, const struct ef_row *row, ef_wall now)
{
    struct ef_error why, err = {0};
    struct ef_message msg;
    struct ef_arena scratch;
    ef_error_set(&why, EF_CLASS_RECORD, "%.*s", (int)row->payload.len,
                 row->payload.p ? row->payload.p : "");
    struct ef_deadletter_config config = {.route = *route, .topic = "${topic}.dead"};
    struct ef_deadletter_cause cause = {.err = &why, .kind = "poison", .attempts = row->attempts};
    ef_arena_init(&scratch, 1024);
    switch (ef_deadletter(&config, row, &cause, now, &scratch, &msg, &err)) {
    case EF_DEADLETTER_SEND:
        check_message(&msg, row);
        break;
    case EF_DEADLETTER_IMPOSSIBLE:
        require(err.class == EF_CLASS_RECORD);
        break;
    default:
        abort(); /* a topic is configured for all */
    }
    ef_arena_done(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ef_strings all = {0};
    const ef_wall now = {INT64_C(1700000000) * EF_S_US};
    struct ef_row row;
    struct ef_route_config config = {.headers = ~0U,
                                     .timestamp = EF_TIMESTAMP_CREATED_AT,
                                     .timestamp_max_age_us = INT64_C(7) * 86400 * EF_S_US,
                                     .message_max_bytes = MESSAGE_MAX_BYTES,
                                     .topics_allow = &all};
    read_row(&row, data, size);
    check_route(&config, &row, now);
    check_letter(&config, &row, now);
    config.timestamp = EF_TIMESTAMP_SEND;
    config.headers = 0;
    check_route(&config, &row, now);
    return 0;
}
