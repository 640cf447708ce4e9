// SPDX-License-Identifier: MIT
/*
 * Files that hold a secret: refused where others may read or the group may write them.
 * Owns: nothing. Thread: any one; blocks for as long as a local file takes to read.
 */
#pragma once

#include "base/str.h"

/* Class OUTAGE if it cannot be read, CONFIG if its mode or content is wrong; content is never in
 * err. */
bool ef_secret_check(const char *path, struct ef_error *err) EF_MUST_CHECK;
/* Content without the last line end, appended to out. An empty file is refused. */
bool ef_secret_read(const char *path, struct ef_buf *out, struct ef_error *err) EF_MUST_CHECK;
