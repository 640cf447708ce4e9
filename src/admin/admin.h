// SPDX-License-Identifier: MIT
/*
 * What the HTTP endpoints and the control socket share: the view of the daemon, the rates, the
 * gauges, what happened lately.
 *
 * Owns: rates, collector, happenings and lists of dead rows. Borrows: loop and view, for its whole
 * life. Knows neither HTTP nor sockets. Thread: the loop's. Life: ef_admin_new, then ef_http_start
 * and ef_control_start on it; those are stopped before ef_admin_free.
 */
#pragma once

#include "admin/snapshot.h"
#include "admin/view.h"
#include "loop/loop.h"

struct ef_admin;

struct ef_admin_options {
    struct ef_loop *loop;
    const struct ef_view *view;
    const char *librdkafka, *libpq, *libmariadb; /* versions linked, for build_info; copied */
};

struct ef_admin *ef_admin_new(const struct ef_admin_options *options);
void ef_admin_free(struct ef_admin *admin);

const struct ef_view *ef_admin_view(const struct ef_admin *admin);
/* The caller ends it with ef_snapshot_done before the loop's next turn. */
void ef_admin_snapshot(const struct ef_admin *admin, struct ef_snapshot *ret);
/* Somebody looks at the page: what only it shows is asked for, for the next snapshots. */
void ef_admin_watched(struct ef_admin *admin);
/* Gauges brought up to date, then the whole page appended. */
void ef_admin_metrics(struct ef_admin *admin, struct ef_buf *out);
