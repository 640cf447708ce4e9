// SPDX-License-Identifier: MIT
/*
 * The list of what is wrong with a file: everything found, sorted into the order of the file, at
 * most EF_PROBLEMS_MAX of them. Owns its texts. Thread: any one. Life: zeroed ..
 * ef_config_problems_free.
 */
#pragma once

#include "base/str.h"
#include "config/config.h"

enum { EF_PROBLEMS_MAX = 200 };

/* Control characters become '?'. */
void ef_problems_add(struct ef_config_problems *problems, int line, int column, bool warning,
                     const char *fmt, ...) EF_PRINTF(5, 6);
/* By line and column; those of one place stay in the order they were found. */
void ef_problems_sort(struct ef_config_problems *problems);
/* True if any is more than a warning. */
bool ef_problems_fatal(const struct ef_config_problems *problems);

/* `"text"` for a message: at most 60 bytes, "..." where it was cut. */
void ef_problems_quote(struct ef_buf *buf, const char *text);
