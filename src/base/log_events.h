// SPDX-License-Identifier: MIT
/*
 * The stable ids of log messages, from src/log-messages.in: words may change, ids do not.
 *
 * Owns: a constant table, made when the program is built. Thread: any. Life: always there.
 */
#pragma once

enum { EF_LOG_UUID_BYTES = 33 }; /* 32 hexadecimal digits and NUL */

/* The id of a message; NULL if src/log-messages.in has no such message. Static. */
const char *ef_log_event(const char *message);
/* An id as the 128 bits that systemd calls MESSAGE_ID (systemd.journal-fields(7)). */
void ef_log_event_uuid(const char *event, char out[EF_LOG_UUID_BYTES]);
