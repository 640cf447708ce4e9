// SPDX-License-Identifier: MIT
/*
 * A dead row as people edit it: a JSON document of what may be changed, and what they changed in
 * it, as the command "edit" has it under "set" (outbox/command.h). Pure but for its complaints.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What may be changed of a row as the relay lists it; the caller's. */
json_t *ef_dead_document(const json_t *row);

/* What differs in the text from `before` goes into set. False: it makes no sense, which was said;
 * set may have anything. */
bool ef_dead_document_changes(const json_t *before, const char *text, size_t len, json_t *set);
