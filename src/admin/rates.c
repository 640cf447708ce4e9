// SPDX-License-Identifier: MIT
#include "admin/rates.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/str.h"

enum { LOOK_EVERY_US = EF_HISTORY_EVERY_S * 1000 * 1000 };

struct sample {
    char *outbox; /* owned: a reload frees the config's */
    ef_mono at;
    uint64_t fetched, delivered, settled;
    bool known;
    struct ef_rate rate;
    bool seen; /* in the running look */
    struct ef_history history;
    UT_hash_handle hh;
};

struct ef_rates {
    const struct ef_view *view;
    struct ef_timer timer;
    struct sample *samples;
};

static void forget(struct ef_rates *rates, struct sample *sample)
{
    HASH_DEL(rates->samples, sample);
    free(sample->outbox);
    free(sample);
}

/* A counter that went back belongs to a new relay of the same name. */
static double per_second(uint64_t before, uint64_t now, int64_t us)
{
    return now >= before && us > 0 ? (double)(now - before) * 1e6 / (double)us : 0;
}

static void take(struct ef_rates *rates, const struct ef_relay_status *status)
{
    struct sample *sample;
    ef_mono now = ef_clock_mono();
    HASH_FIND_STR(rates->samples, status->name, sample);
    if (sample) {
        int64_t us = now.us - sample->at.us;
        sample->rate = (struct ef_rate){
            .fetched = per_second(sample->fetched, status->fetched, us),
            .delivered = per_second(sample->delivered, status->delivered, us),
            .settled = per_second(sample->settled, status->settled, us),
        };
        sample->known = true;
    } else {
        sample = ef_xcalloc(1, sizeof(*sample));
        sample->outbox = ef_xstrdup(status->name);
        HASH_ADD_KEYPTR(hh, rates->samples, sample->outbox, strlen(sample->outbox), sample);
    }
    if (sample->known)
        ef_history_look(&sample->history, rates->view->metrics, status->name,
                        sample->rate.delivered,
                        status->lag_known && status->lease_held ? status->lag.backlog_rows : -1);
    sample->at = now;
    sample->fetched = status->fetched;
    sample->delivered = status->delivered;
    sample->settled = status->settled;
    sample->seen = true;
}

static void on_timer(void *arg)
{
    struct ef_rates *rates = arg;
    struct sample *sample, *next;
    struct ef_relay_status status;
    int count = rates->view->relay_count(rates->view->arg);

    HASH_ITER (hh, rates->samples, sample, next)
        sample->seen = false;
    for (int i = 0; i < count; i++) {
        ef_relay_status(rates->view->relay_at(rates->view->arg, i), &status);
        take(rates, &status);
    }
    HASH_ITER (hh, rates->samples, sample, next)
        if (!sample->seen)
            forget(rates, sample);
    ef_timer_start(&rates->timer, LOOK_EVERY_US);
}

struct ef_rates *ef_rates_new(struct ef_loop *loop, const struct ef_view *view)
{
    struct ef_rates *rates = ef_xcalloc(1, sizeof(*rates));
    rates->view = view;
    ef_timer_init(&rates->timer, loop, "admin", on_timer, rates);
    ef_timer_start(&rates->timer, 0);
    return rates;
}

void ef_rates_free(struct ef_rates *rates)
{
    struct sample *sample, *next;
    if (!rates)
        return;
    ef_timer_stop(&rates->timer);
    HASH_ITER (hh, rates->samples, sample, next)
        forget(rates, sample);
    free(rates);
}

bool ef_rates_get(const struct ef_rates *rates, const char *outbox, struct ef_rate *ret)
{
    struct sample *sample;
    HASH_FIND_STR(rates->samples, outbox, sample);
    if (!sample || !sample->known)
        return false;
    *ret = sample->rate;
    return true;
}

const struct ef_history *ef_rates_history(const struct ef_rates *rates, const char *outbox)
{
    struct sample *sample;
    HASH_FIND_STR(rates->samples, outbox, sample);
    return sample ? &sample->history : NULL;
}
