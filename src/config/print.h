// SPDX-License-Identifier: MIT
/*
 * Values as YAML text that the reader takes back unchanged. Shared by --print-config and the forms
 * of
 * --print-options. Thread: any.
 */
#pragma once

#include "config/options.h"

/*
 * A string as a YAML scalar, in quotes where it needs them. ${ is escaped, so that it means itself;
 * word ("${topic}", or NULL) is left as it is.
 */
void ef_print_string(const char *text, const char *word, struct ef_buf *out);
