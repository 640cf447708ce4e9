// SPDX-License-Identifier: MIT
/*
 * A publisher (kafka/publisher.h) that is told what to do, and the brokers behind it.
 *
 * It keeps the promises of the interface and no more: partitions are independent of each other,
 * requests of a partition (at most five under way, one or several messages each, one until the
 * first ack) are appended in order, answers come late, any refusal ends the instance: what was
 * queued or on its way is given back in any order, perhaps although it was or will be appended.
 * Requests of a dead instance, or of a dead process, may arrive afterwards, as a chain that breaks
 * once. Threads of the client library go on while a process's loop hangs, unless the process is
 * stopped as a whole.
 *
 * Thread: the only one. Life: sim_brokers_reset begins a schedule; a publisher a process.
 */
#pragma once

#include "kafka/publisher.h"
#include "sim/clockwork.h"
#include "sim/db.h"

enum { SIM_PARTITIONS = 2 };

struct sim_broker_config {
    int forth_max_us, back_max_us;
    int transient_permille, quota_permille, fatal_permille;
    int full_permille, ghost_permille;
    int aside_permille; /* dead letters that are refused */
    bool batches;       /* several messages in one request */
};

struct sim_publisher;

void sim_brokers_reset(const struct sim_broker_config *config);
/* Nobody takes anything / they do again. */
void sim_brokers_outage(bool outage);
/* A topic (SIM_TOPICS: that of dead letters) takes nothing / does again. */
void sim_topic_down(int topic, bool down);
bool sim_topic_is_down(int topic);
/* No more faults but those of rows. */
void sim_brokers_mend(void);

struct sim_publisher *sim_publisher_new(struct ef_loop *loop, int relay, const char *const *topics,
                                        int64_t window_rows);
struct ef_publisher *sim_publisher_of(struct sim_publisher *pub);
/* The whole process stands still, the library's threads too. */
void sim_publisher_freeze(struct sim_publisher *pub, int64_t until_us);
/* Of what was sent under the present lease. */
int sim_publisher_under_way(const struct sim_publisher *pub);
/* The process is gone: calls `release` for everything it was given, and frees it. Requests that
 * were sent stay on their way. */
void sim_publisher_kill(struct sim_publisher *pub, void (*release)(void *opaque));
