// SPDX-License-Identifier: MIT
#include "unit/messages.h"

#include <check.h>

struct ef_row test_row(void)
{
    return (struct ef_row){
        .id = 17,
        .created_at_us = TEST_NOW_US - 1000000,
        .message_id = ef_slice_of("5f3c"),
        .aggregate_type = ef_slice_of("order"),
        .aggregate_id = ef_slice_of("order-9"),
        .topic = ef_slice_of("orders"),
        .payload = ef_slice_of("{\"total\": 1.10}"),
        .headers = ef_slice_of("{}"),
        .trace_id = ef_slice_of("4bf9"),
        .partition = -1,
        .payload_kind = EF_PAYLOAD_JSON,
    };
}

int test_header_count(const struct ef_message *msg, const char *name)
{
    int n = 0;
    for (int i = 0; i < msg->header_count; i++)
        n += ef_slice_eq(msg->headers[i].name, ef_slice_of(name));
    return n;
}

void test_header_is(const struct ef_message *msg, const char *name, const char *value)
{
    ck_assert_msg(test_header_count(msg, name) == 1, "%d headers %s", test_header_count(msg, name),
                  name);
    for (int i = 0; i < msg->header_count; i++)
        if (ef_slice_eq(msg->headers[i].name, ef_slice_of(name)))
            ck_assert_msg(ef_slice_eq(msg->headers[i].value, ef_slice_of(value)), "%s is %.*s",
                          name, (int)msg->headers[i].value.len, msg->headers[i].value.p);
}

void test_header_names(const struct ef_message *msg, const char *names)
{
    struct ef_buf found;
    ef_buf_init(&found, 1 << 16);
    ef_buf_puts(&found, "");
    for (int i = 0; i < msg->header_count; i++) {
        ef_buf_puts(&found, i ? " " : "");
        ef_buf_add(&found, msg->headers[i].name.p, msg->headers[i].name.len);
    }
    ck_assert_str_eq(found.data, names);
    ef_buf_done(&found);
}
