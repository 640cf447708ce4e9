// SPDX-License-Identifier: MIT
/* What tests of routing and dead letters share: an ordinary row, and looks at a message. */
#pragma once

#include "outbox/message.h"
#include "outbox/row.h"

/* Wall clock of these tests: 2026-03-01T12:00:00.500Z. */
#define TEST_NOW_US INT64_C(1772366400500000)

/* A row created one second before TEST_NOW_US: topic orders, JSON payload, all standard columns. */
struct ef_row test_row(void);
/* Number of headers with this name. */
int test_header_count(const struct ef_message *msg, const char *name);
/* Fails the test unless there is exactly one header of this name, with this value; NULL: null
 * header. */
void test_header_is(const struct ef_message *msg, const char *name, const char *value);
/* Fails the test unless the names, in order, are these ("a b c"). */
void test_header_names(const struct ef_message *msg, const char *names);
