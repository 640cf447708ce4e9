// SPDX-License-Identifier: MIT
/*
 * The dead letter of a row: the row's message again, plus headers that say what went wrong and
 * where it was meant for (contract.md, Message).
 *
 * Does not decide that a row is dead, nor marks it. It always finds a message if the topic can have
 * one: what made the row unsendable (size, headers) is left out and named. Pure. Thread: the
 * loop's.
 */
#pragma once

#include "outbox/route.h"

/* Texts that could be of any length are cut at a character's end. */
enum { EF_DEADLETTER_REASON_MAX_BYTES = 1024, EF_DEADLETTER_HEADERS_MAX_BYTES = 16 * 1024 };

struct ef_deadletter_config {
    struct ef_route_config route;
    const char
        *topic; /* name, or pattern with ${topic}; NULL: park. Borrowed, as are the overrides. */
    const struct ef_topic_override *overrides;
    size_t override_count;
};

struct ef_deadletter_cause {
    const struct ef_error *err;
    const char *kind; /* eventferry's kind of error: "poison", "retriable", ...; NULL: no header */
    int attempts;     /* this one included */
};

enum ef_deadletter_outcome {
    EF_DEADLETTER_SEND,
    EF_DEADLETTER_PARK,       /* as configured: no dead-letter topic for this row's topic */
    EF_DEADLETTER_IMPOSSIBLE, /* it can never go either (err, class RECORD): park, last_error says
                                 so */
};

/* Borrows from outbox. */
void ef_deadletter_config_init(struct ef_deadletter_config *ret,
                               const struct ef_config_outbox *outbox, int64_t message_max_bytes);

/*
 * Fills ret for EF_DEADLETTER_SEND; it borrows from row, cause and scratch until produce has
 * returned, its value from the row alone. The partition is chosen by the key: the dead-letter topic
 * may have fewer than the original.
 */
enum ef_deadletter_outcome ef_deadletter(const struct ef_deadletter_config *config,
                                         const struct ef_row *row,
                                         const struct ef_deadletter_cause *cause, ef_wall now,
                                         struct ef_arena *scratch, struct ef_message *ret,
                                         struct ef_error *err) EF_MUST_CHECK;

/*
 * Where dead letters of this topic go: the first override that matches and names one, else the
 * outbox's; NULL slice: park. Lives in scratch or in the config. The name is not checked.
 */
struct ef_slice ef_deadletter_topic(const struct ef_deadletter_config *config,
                                    struct ef_slice topic, struct ef_arena *scratch);
