// SPDX-License-Identifier: MIT
/*
 * Paused topics: those that cannot take messages now. Each is probed with one row at growing
 * intervals; the other rows wait in status 3, out of everybody's way. Pure. Owns its entries.
 * Thread: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/str.h"

struct ef_destination;

struct ef_destinations {
    struct ef_destination *by_topic; /* uthash */
    int count;
};

enum ef_topic_answer {
    EF_TOPIC_OPEN,
    EF_TOPIC_PROBE, /* paused, and this row is the probe: produce it */
    EF_TOPIC_WAIT,  /* paused: the row goes to status 3 for delay_ms */
};

struct ef_destination_view {
    struct ef_slice topic; /* borrowed until the next change */
    const char *reason;
    int64_t since_us, next_probe_us;
};

void ef_destinations_init(struct ef_destinations *d);
void ef_destinations_clear(struct ef_destinations *d);
/* A row for this topic is about to be produced. */
enum ef_topic_answer ef_destinations_ask(struct ef_destinations *d, struct ef_slice topic,
                                         ef_mono now, int64_t *ret_delay_ms);
/* The topic refused; paused now, or paused on with a longer interval. True if it was open before.
 */
bool ef_destinations_failed(struct ef_destinations *d, struct ef_slice topic, const char *reason,
                            ef_mono now, int64_t *ret_delay_ms);
/* The topic took a message. True if it was paused: release what waits for it. */
bool ef_destinations_worked(struct ef_destinations *d, struct ef_slice topic);
/* The probe came back without an answer about the topic: probe again later. */
void ef_destinations_undecided(struct ef_destinations *d, struct ef_slice topic, ef_mono now);
/* The probe has to be sent once more, for a reason of its own: the next row may probe at once. */
void ef_destinations_again(struct ef_destinations *d, struct ef_slice topic);
/* A topic whose probe time has come, to release one row of; at most one per call. */
bool ef_destinations_due(struct ef_destinations *d, ef_mono now, struct ef_slice *ret_topic);
/* Microseconds until the next probe; -1: none is paused. */
int64_t ef_destinations_next_us(const struct ef_destinations *d, ef_mono now);
bool ef_destinations_view(const struct ef_destinations *d, int i, struct ef_destination_view *ret);
