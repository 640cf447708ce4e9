// SPDX-License-Identifier: MIT
/*
 * uthash with this program's answer to a lack of memory; its own is exit(-1), which says nothing.
 * Owns nothing. Thread: that of the table. Life: none.
 */
#pragma once

#include "base/str.h"

#define uthash_malloc(size) ef_xmalloc(size)
#include <uthash.h>
