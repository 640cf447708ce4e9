// SPDX-License-Identifier: MIT
#include "outbox/destinations.h"

#include <stdlib.h>

#include "base/hash.h"

/* Probe intervals double from one second to one minute. */
#define PROBE_MIN_US EF_S_US
#define PROBE_MAX_US (60 * EF_S_US)
/* Rows wait for the probe's success, not for a time of their own; this only bounds it after a
 * restart. */
#define WAIT_FACTOR 4
#define WAIT_MIN_US (10 * EF_S_US)

struct ef_destination {
    char *topic;
    char *reason;
    int64_t since_us, interval_us, next_probe_us;
    bool released; /* a row was released for the probe and has not come by yet */
    bool probing;  /* one is with the publisher */
    UT_hash_handle hh;
};

void ef_destinations_init(struct ef_destinations *d)
{
    *d = (struct ef_destinations){0};
}

static void drop(struct ef_destinations *d, struct ef_destination *x)
{
    HASH_DEL(d->by_topic, x);
    d->count--;
    free(x->topic);
    free(x->reason);
    free(x);
}

void ef_destinations_clear(struct ef_destinations *d)
{
    struct ef_destination *x, *next;
    HASH_ITER (hh, d->by_topic, x, next)
        drop(d, x);
}

static struct ef_destination *find(const struct ef_destinations *d, struct ef_slice topic)
{
    struct ef_destination *x = NULL;
    if (d->by_topic)
        HASH_FIND(hh, d->by_topic, topic.p, topic.len, x);
    return x;
}

static int64_t wait_ms(const struct ef_destination *x)
{
    int64_t us = x->interval_us * WAIT_FACTOR;
    return (us < WAIT_MIN_US ? WAIT_MIN_US : us) / EF_MS_US;
}

enum ef_topic_answer ef_destinations_ask(struct ef_destinations *d, struct ef_slice topic,
                                         ef_mono now, int64_t *ret_delay_ms)
{
    struct ef_destination *x = find(d, topic);
    if (!x)
        return EF_TOPIC_OPEN;
    if (!x->probing && (x->released || now.us >= x->next_probe_us)) {
        x->probing = true;
        x->released = false;
        return EF_TOPIC_PROBE;
    }
    *ret_delay_ms = wait_ms(x);
    return EF_TOPIC_WAIT;
}

bool ef_destinations_failed(struct ef_destinations *d, struct ef_slice topic, const char *reason,
                            ef_mono now, int64_t *ret_delay_ms)
{
    struct ef_destination *x = find(d, topic);
    bool fresh = !x;
    if (fresh) {
        x = ef_xcalloc(1, sizeof(*x));
        x->topic = ef_xstrndup(topic.p, topic.len);
        x->since_us = now.us;
        x->interval_us = PROBE_MIN_US / 2;
        HASH_ADD_KEYPTR(hh, d->by_topic, x->topic, topic.len, x);
        d->count++;
    }
    if (fresh || x->probing) { /* rows that failed together lengthen the interval once */
        x->interval_us = x->interval_us * 2 > PROBE_MAX_US ? PROBE_MAX_US : x->interval_us * 2;
        x->next_probe_us = now.us + x->interval_us;
    }
    x->probing = x->released = false;
    free(x->reason);
    x->reason = ef_xstrdup(reason);
    *ret_delay_ms = wait_ms(x);
    return fresh;
}

bool ef_destinations_worked(struct ef_destinations *d, struct ef_slice topic)
{
    struct ef_destination *x = d->by_topic ? find(d, topic) : NULL;
    if (!x)
        return false;
    drop(d, x);
    return true;
}

void ef_destinations_undecided(struct ef_destinations *d, struct ef_slice topic, ef_mono now)
{
    struct ef_destination *x = find(d, topic);
    if (!x)
        return;
    x->probing = x->released = false;
    x->next_probe_us = now.us + x->interval_us;
}

void ef_destinations_again(struct ef_destinations *d, struct ef_slice topic)
{
    struct ef_destination *x = find(d, topic);
    if (!x)
        return;
    x->probing = false;
    x->released = true;
}

bool ef_destinations_due(struct ef_destinations *d, ef_mono now, struct ef_slice *ret_topic)
{
    struct ef_destination *x, *next;
    HASH_ITER (hh, d->by_topic, x, next) {
        if (x->probing || now.us < x->next_probe_us)
            continue;
        x->released = true;
        x->next_probe_us = now.us + x->interval_us; /* should the row not come by */
        *ret_topic = ef_slice_of(x->topic);
        return true;
    }
    return false;
}

int64_t ef_destinations_next_us(const struct ef_destinations *d, ef_mono now)
{
    int64_t best = -1;
    for (struct ef_destination *x = d->by_topic; x; x = x->hh.next) {
        if (x->probing)
            continue;
        int64_t left = x->next_probe_us > now.us ? x->next_probe_us - now.us : 0;
        if (best < 0 || left < best)
            best = left;
    }
    return best;
}

bool ef_destinations_view(const struct ef_destinations *d, int i, struct ef_destination_view *ret)
{
    struct ef_destination *x = d->by_topic;
    while (x && i-- > 0)
        x = x->hh.next;
    if (!x)
        return false;
    *ret = (struct ef_destination_view){ef_slice_of(x->topic), x->reason, x->since_us,
                                        x->next_probe_us};
    return true;
}
