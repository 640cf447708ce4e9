// SPDX-License-Identifier: MIT
/* What tests of the configuration share: texts to start from, and problems as text. */
#pragma once

#include "config/config.h"

/* The shortest text that is a configuration: three lines. */
#define TEST_KAFKA     "kafka: {brokers: [kafka-1:9092]}\n"
#define TEST_DATABASES "databases: {shop: {url: \"postgresql://relay@db/shop\"}}\n"
#define TEST_OUTBOXES  "outboxes: [{name: orders, database: shop, table: public.outbox}]\n"
#define TEST_MINIMAL   TEST_KAFKA TEST_DATABASES TEST_OUTBOXES

/*
 * Parses text as file "f". Problems come back as "f:1:2: text" lines, "" if there are none; caller
 * frees. NULL where they forbid the config.
 */
struct ef_config *test_config_parse(const char *text, char **ret_problems);
/* The same, and fails the test if there is any problem. */
struct ef_config *test_config_good(const char *text);
/* Fails the test unless the problems of text are exactly these lines. */
void test_config_problems(const char *text, const char *expected);
/* The effective config as text; caller frees. */
char *test_config_printed(const struct ef_config *config);
/* A new file with this content and mode in a directory that is removed at exit; caller frees the
 * path. */
char *test_config_file(const char *name, const char *content, unsigned mode);
