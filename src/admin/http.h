// SPDX-License-Identifier: MIT
/*
 * The HTTP endpoints, read-only: GET and HEAD, no query has an effect, no threads of its own.
 * libmicrohttpd runs inside the event loop; what is answered is in http_routes.h.
 *
 * Owns: the listening socket and the connections (64 at most; 16 KiB of memory and headers each;
 * closed after 10 s of silence, or 30 s without a finished request, streams of /events
 * excepted) and the credentials. Borrows: loop, admin. Thread:
 * the loop's. Life: ef_http_start .. ef_http_stop.
 */
#pragma once

#include "admin/admin.h"
#include "admin/http_access.h"
#include "base/error.h"
#include "config/config.h"
#include "loop/loop.h"

struct ef_http;

/* NULL: could not listen; the error says why. hosts (may be NULL) is copied. */
struct ef_http *ef_http_start(struct ef_loop *loop, struct ef_admin *admin, const char *listen,
                              const struct ef_strings *hosts, struct ef_error *err);
/* Streams are ended, connections closed at once. Not from inside a callback of this module. */
void ef_http_stop(struct ef_http *http);

/* Who may see the page, /status and /events from now on; takes the secrets. Before the first call
 * nobody has credentials: these are open on a loopback address and closed on any other. Streams
 * that are open go on. */
void ef_http_take_access(struct ef_http *http, struct ef_http_access *access);

/* Other names are accepted in the Host header from now on (a reload). */
void ef_http_set_hosts(struct ef_http *http, const struct ef_strings *hosts);

/* Where it listens, with the port that was given for port 0: "127.0.0.1:9464". */
const char *ef_http_listening(const struct ef_http *http);
