// SPDX-License-Identifier: MIT
/*
 * Where the HTTP server listens, and which Host headers it answers. A browser that was lured onto a
 * name which now points here (DNS rebinding) sends that name: it is refused, because only an
 * address or a name somebody wrote into the config is accepted. Pure but for ef_http_bind. Thread:
 * the loop's.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"
#include "config/config.h"

struct ef_http_address {
    struct sockaddr_storage addr;
    socklen_t len;
    bool loopback; /* nobody else can reach it */
    bool any;      /* all addresses of the machine: 0.0.0.0, ::, * */
};

/* "host:port" with an address, "localhost", "*" or nothing before the colon; IPv6 in brackets. */
EF_MUST_CHECK bool ef_http_address_parse(const char *listen, struct ef_http_address *ret,
                                         struct ef_error *err);

/* "127.0.0.1:9464", "[::1]:9464" */
void ef_http_address_print(const struct sockaddr_storage *addr, char *out, size_t size);

/* A non-blocking listening socket, or -1. */
EF_MUST_CHECK int ef_http_bind(const struct ef_http_address *address, struct ef_error *err);

enum ef_host_check {
    EF_HOST_OK,
    EF_HOST_MALFORMED, /* 400 */
    EF_HOST_FOREIGN,   /* 421 */
};

/* host: the header's value. Accepted: localhost and loopback addresses, the listen address (any
 * address when listening on all), and the names of http.hosts. The port is not looked at. */
enum ef_host_check ef_http_host_check(const char *host, const struct ef_http_address *listen,
                                      const struct ef_strings *hosts);
