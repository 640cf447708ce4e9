// SPDX-License-Identifier: MIT
/*
 * The topics that an outbox sends to, as far as its configuration names them, and where their dead
 * letters go. Pure. Owns: copies of the names. Thread: any. Life: zeroed .. ef_topic_names_done.
 */
#pragma once

#include "config/config.h"

struct ef_topic_name {
    char *name;
    const struct ef_config_outbox *outbox; /* whose limits count: of several that with the largest
                                              max_payload; borrowed; NULL: none */
    bool dead_letters;                     /* for them alone, as far as is known */
    int64_t largest_bytes; /* of the unfinished rows for it that were looked at; 0: none */
};

struct ef_topic_names {
    struct ef_topic_name *items; /* in the order of their names */
    size_t count;
};

/* One topic, and where its dead letters go if outbox (may be NULL) says so. */
void ef_topic_names_add(struct ef_topic_names *names, const struct ef_config_outbox *outbox,
                        const char *topic);
/* The same of a topic that an unfinished row of so many bytes names. */
void ef_topic_names_add_row(struct ef_topic_names *names, const struct ef_config_outbox *outbox,
                            const char *topic, int64_t bytes);
/* All that the configuration names without a pattern. */
void ef_topic_names_of(struct ef_topic_names *names, const struct ef_config_outbox *outbox);
void ef_topic_names_done(struct ef_topic_names *names);
