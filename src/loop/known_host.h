// SPDX-License-Identifier: MIT
/*
 * The answer to a library's own look-up of a host name, so that it does not block the loop.
 *
 * libmariadb compares a server's certificate with the name it was given, and looks that name up by
 * getaddrinfo(), which waits for the network. So the program's getaddrinfo() takes the place of the
 * C library's: for the one name that is set, on the thread that set it, it answers with the address
 * that the resolver has found; for every other name it is the C library's.
 */
#pragma once

#include <stdbool.h>

/* Both borrowed until the next call; NULL: no name any more. */
void ef_known_host_set(const char *host, const char *address);
/* True if this program's getaddrinfo() is the one that libraries call. */
bool ef_known_host_in_place(void);
