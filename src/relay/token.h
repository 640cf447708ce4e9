// SPDX-License-Identifier: MIT
/*
 * The token in a lock file: a UUID as text at its beginning, which is also in the lease that was
 * taken with it. Owns: nothing. Thread: any; reads a local file.
 */
#pragma once

#include <stdbool.h>

enum { EF_TOKEN_LEN = 36 };

/* False, and ret as it was: the file has none. What a crash or an editor left there is none: the
 * database would refuse a text that is no UUID at every attempt to get the lease. */
bool ef_token_read(int fd, char ret[EF_TOKEN_LEN + 1]);
