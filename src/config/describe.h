// SPDX-License-Identifier: MIT
/*
 * An option in words: type, accepted values, default. Shared by the forms of --print-options.
 * Pure. Thread: any.
 */
#pragma once

#include "config/options.h"

/* "duration, 1ms to 10m"; "poll or notify"; "mapping". */
void ef_describe_type(const struct ef_option *option, struct ef_buf *out);
/* "50ms", "the host name"; nothing for a mapping or a required option. */
void ef_describe_default(const struct ef_option *option, struct ef_buf *out);
/* "reload" or "restart"; "" for a mapping. */
const char *ef_describe_change(const struct ef_option *option);
/* Appends text broken into lines of at most `width`, each with `prefix` before it. */
void ef_describe_wrap(const char *text, const char *prefix, size_t width, struct ef_buf *out);

/* The forms; each appends to out. */
void ef_document_text(struct ef_buf *out);
void ef_document_man(struct ef_buf *out);
void ef_document_markdown(struct ef_buf *out);
void ef_document_sample(struct ef_buf *out);
void ef_document_schema(struct ef_buf *out);
