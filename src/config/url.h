// SPDX-License-Identifier: MIT
/*
 * Passwords inside connection URIs: postgresql://user:PASSWORD@host/db?password=PASSWORD.
 * Pure. Works on anything that looks like one; never fails.
 */
#pragma once

#include "base/str.h"

#define EF_MASK "********"

/* Appends the URL with each password replaced by EF_MASK. */
void ef_url_mask(const char *url, struct ef_buf *out);
bool ef_url_has_password(const char *url);
