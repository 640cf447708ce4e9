// SPDX-License-Identifier: MIT
/*
 * Reads the JSON object of a row's `headers` column as a list of Kafka headers (contract.md,
 * Message).
 *
 * Why not a JSON library: it would turn 1.10 and 12345678901234567890 into doubles. Here strings
 * are decoded, null is a null header, and everything else (numbers, true, false, nested values) is
 * its exact source text. Pure and bounded; the first error sticks. A string without escapes is
 * borrowed from the text, others are decoded into the caller's arena. Thread: any. Life: on the
 * stack, for one text.
 *
 * A name given twice: the last value wins, at the place of the first, as with JavaScript's
 * JSON.parse (which eventferry uses) and jsonb. Absent, empty and `null` texts are no headers.
 */
#pragma once

#include "base/arena.h"
#include "outbox/message.h"

/* Of one row, by contract.md. The bytes are those of decoded names and values. */
enum { EF_ROW_HEADERS_MAX = 64, EF_ROW_HEADERS_MAX_BYTES = 64 * 1024 };

struct ef_header_scanner {
    struct ef_slice text;
    size_t at; /* offset of the next byte; after an error, of the byte that is wrong */
    struct ef_arena *arena;
    size_t left_bytes; /* of EF_ROW_HEADERS_MAX_BYTES */
    int count;         /* members so far */
    bool ended;
    const char *error; /* constant text; NULL: none */
};

void ef_header_scanner_init(struct ef_header_scanner *scanner, struct ef_slice text,
                            struct ef_arena *arena);
/* The next member in the order of the text, repeated names included. False at the end and on an
 * error. */
bool ef_header_scanner_next(struct ef_header_scanner *scanner, struct ef_header *ret);

/*
 * The whole text, names unique, into out[], which holds at least EF_ROW_HEADERS_MAX. On failure err
 * has class RECORD and the name "HEADERS_UNREADABLE".
 */
bool ef_headers_read(struct ef_slice text, struct ef_arena *arena, struct ef_header *out,
                     int *ret_count, struct ef_error *err) EF_MUST_CHECK;
