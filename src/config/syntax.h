// SPDX-License-Identifier: MIT
/*
 * What strings of the configuration may look like. Pure: text in, yes or a reason out; the reason
 * follows the quoted value in a message, as in value.h. The option table refers to these.
 */
#pragma once

#include "base/error.h"

/* Names of databases and outboxes: they become metric labels, parts of log lines and
 * application_name. */
bool ef_syntax_name(const char *text, struct ef_error *err);
/* The instance label. */
bool ef_syntax_instance(const char *text, struct ef_error *err);
/* host, host:port, [v6]:port, perhaps with a protocol in front. */
bool ef_syntax_broker(const char *text, struct ef_error *err);
/* host:port, *:port, [v6]:port; port 0: any free one. */
/* Of what ef_syntax_listen accepts: true if nobody on another machine can reach it. */
bool ef_syntax_is_loopback(const char *listen);
bool ef_syntax_listen(const char *text, struct ef_error *err);
/* Kafka topic name in which ${topic} may stand; "" is left to the caller. */
bool ef_syntax_topic_pattern(const char *text, struct ef_error *err);
/* Topic name with * for any characters. */
bool ef_syntax_topic_glob(const char *text, struct ef_error *err);
bool ef_syntax_url(const char *text, struct ef_error *err);
/* Path of a Unix socket: fits sockaddr_un. "" means off. */
bool ef_syntax_socket(const char *text, struct ef_error *err);
bool ef_syntax_host(const char *text, struct ef_error *err);
/* "column" or "column:header"; the header may hold further colons. */
bool ef_syntax_header_column(const char *text, struct ef_error *err);
bool ef_syntax_nonempty(const char *text, struct ef_error *err);
