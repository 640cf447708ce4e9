// SPDX-License-Identifier: MIT
/*
 * Text into HTML: everything that comes from a database, a broker, the config or a person goes
 * through here, both as content and inside quoted attributes. Pure. Thread: any.
 */
#pragma once

#include "base/str.h"

/* Appended with & < > " ' escaped; what is not UTF-8 becomes U+FFFD; cut at 4 KiB. */
void ef_html_text(struct ef_buf *out, const char *text);
