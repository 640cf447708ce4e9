// SPDX-License-Identifier: MIT
#include "admin/admin.h"

#include <jansson.h>
#include <stdlib.h>

#include "admin/collect.h"
#include "admin/dead_rows.h"
#include "admin/happenings.h"
#include "admin/rates.h"
#include "base/rng.h"
#include "base/str.h"

struct ef_admin {
    const struct ef_view *view;
    struct ef_rates *rates;
    struct ef_collect *collect;
    struct ef_happenings *happenings;
    struct ef_dead_rows *dead_rows;
    char run[37];
};

struct ef_admin *ef_admin_new(const struct ef_admin_options *options)
{
    json_set_alloc_funcs(ef_xmalloc, free); /* or an answer would lack a part without a word */
    struct ef_admin *admin = ef_xcalloc(1, sizeof(*admin));
    admin->view = options->view;
    ef_uuid_v4(admin->run);
    admin->happenings = ef_happenings_new();
    admin->dead_rows = ef_dead_rows_new(options->view);
    admin->rates = ef_rates_new(options->loop, options->view);
    admin->collect = ef_collect_new(options->view->metrics, options->loop, options->librdkafka,
                                    options->libpq, options->libmariadb);
    return admin;
}

void ef_admin_free(struct ef_admin *admin)
{
    if (!admin)
        return;
    ef_happenings_free(admin->happenings);
    ef_dead_rows_free(admin->dead_rows);
    ef_rates_free(admin->rates);
    ef_collect_free(admin->collect);
    free(admin);
}

const struct ef_view *ef_admin_view(const struct ef_admin *admin)
{
    return admin->view;
}

void ef_admin_snapshot(const struct ef_admin *admin, struct ef_snapshot *ret)
{
    ef_snapshot_take(ret, admin->view, admin->rates);
    ret->run = admin->run;
    for (int i = 0; i < ret->count; i++)
        ret->outboxes[i].dead_rows =
            ef_dead_rows_get(admin->dead_rows, ret->outboxes[i].status.name);
    ret->happenings = ef_xcalloc(EF_HAPPENINGS_MAX, sizeof(*ret->happenings));
    ret->happening_count = ef_happenings_copy(admin->happenings, ret->happenings);
}

void ef_admin_watched(struct ef_admin *admin)
{
    ef_dead_rows_watched(admin->dead_rows);
}

void ef_admin_metrics(struct ef_admin *admin, struct ef_buf *out)
{
    struct ef_snapshot snapshot;
    if (admin->view->refresh)
        admin->view->refresh(admin->view->arg);
    ef_admin_snapshot(admin, &snapshot);
    ef_collect_update(admin->collect, &snapshot);
    ef_snapshot_done(&snapshot);
    ef_metrics_render(admin->view->metrics, out);
}
