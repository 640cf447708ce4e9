// SPDX-License-Identifier: MIT
/*
 * Host names to addresses without blocking the loop: c-ares on its descriptors and timers.
 * /etc/hosts first, then DNS; both address families, in the order getaddrinfo would give (RFC
 * 6724).
 *
 * Owns: the lookups under way, each with a channel of its own, so that a changed resolv.conf counts
 * from the next lookup on. Caches nothing. Thread: the loop's. Life: ef_resolver_new ..
 * ef_resolver_free, which drops the lookups still open without calling anyone.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "loop/loop.h"

struct ef_resolver;
struct ef_resolve; /* one lookup; gone when its callback begins, or by ef_resolve_cancel */

/*
 * addresses: `count` numeric ones without repeats ("192.0.2.1", "2001:db8::1"), valid during the
 * call; at least one when err is NULL. err: OUTAGE, `could not resolve host "x": reason`.
 */
typedef void ef_resolve_fn(void *arg, const char *const *addresses, int count,
                           const struct ef_error *err);

struct ef_resolver *ef_resolver_new(struct ef_loop *loop);
void ef_resolver_free(struct ef_resolver *resolver);

/* How long a lookup may take; 10 s at first. Counts for the lookups started after it. */
void ef_resolver_set_timeout(struct ef_resolver *resolver, int64_t timeout_us);
/* Ask these servers ("127.0.0.1:5353,...", borrowed) instead of resolv.conf's; for tests. */
void ef_resolver_set_servers(struct ef_resolver *resolver, const char *servers);

/* fn runs once, never from inside this call; a literal address is given back as it is. Never NULL.
 */
struct ef_resolve *ef_resolve(struct ef_resolver *resolver, const char *host, ef_resolve_fn *fn,
                              void *arg);
/* fn is not called any more. */
void ef_resolve_cancel(struct ef_resolve *resolve);
