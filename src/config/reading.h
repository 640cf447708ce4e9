// SPDX-License-Identifier: MIT
/*
 * One scalar on its way from the file to a struct: what is written, what the substitutions made of
 * it, and how problems with it are told. Thread: any one. Life: ef_reading_begin ..
 * ef_reading_done.
 */
#pragma once

#include "config/fill.h"
#include "config/substitute.h"

struct ef_reading {
    struct ef_fill *fill;
    const struct ef_option *option;
    const char *shown; /* path for messages: "outboxes[0].wake" */
    const struct ef_node *node;
    struct ef_buf text; /* with everything substituted */
    struct ef_substitution how;
};

/* False, and nothing to end, where there is no value to go on with. */
bool ef_reading_begin(struct ef_reading *value, struct ef_fill *fill,
                      const struct ef_option *option, const char *shown,
                      const struct ef_node *node) EF_MUST_CHECK;
void ef_reading_done(struct ef_reading *value);
/*
 * Adds `path: "value" reason`. The value is quoted as the file has it, never as a substitution made
 * it, and not at all where it may be a secret.
 */
void ef_reading_complain(const struct ef_reading *value, const char *reason);
/* The same with the words or the range that the option accepts. */
void ef_reading_not_accepted(const struct ef_reading *value);
/* With secrets left unread the text is not the real one: nothing can be said against it. */
bool ef_reading_unknown(const struct ef_reading *value);
/* Remembers where the file itself first has a secret in plain text. */
void ef_reading_plain_secret(const struct ef_reading *value);
