// SPDX-License-Identifier: MIT
/* The publisher's inside, shared by publisher.c (what relays see) and brokers.c (requests). */
#pragma once

#include "sim/publisher.h"

enum { IN_FLIGHT_MAX = 5, BATCH_MAX = 4, ALL_TOPICS = SIM_TOPICS + 1 };

struct message {
    struct message *prev, *next;
    void *opaque;
    int uid, topic, partition;
    uint32_t grant; /* under which it was sent */
    bool aside, send_time;
    struct ef_error *error; /* in the list of reports: why not; NULL: delivered. Owned */
};

struct lane { /* one partition, as one instance of the producer sees it */
    struct sim_publisher *pub;
    int topic, partition;
    struct message *queue;
    struct sim_request *sent; /* in order; the head is answered first */
    int sent_count;
    bool warm;    /* has acknowledged something */
    bool refused; /* a request was: the broker takes none behind it */
    int64_t last_arrival_us;
};

struct sim_request {
    struct sim_request *prev, *next; /* in its lane, or among the ghosts */
    struct lane *lane;               /* NULL: its instance is gone */
    int topic, partition, relay;
    struct message *messages;
    int uids[BATCH_MAX], count;
    bool poison, old; /* some message is */
    bool aside;
    bool arrived;
    struct ef_error error; /* the broker's answer; class NONE: appended */
    int chain;             /* ghosts of one instance and partition */
    struct sim_event event;
};

struct sim_publisher {
    struct ef_publisher pub; /* first */
    struct ef_publisher_user user;
    struct ef_loop *loop;
    int relay;
    const char *const *topics;
    int64_t window_rows;
    struct lane lanes[ALL_TOPICS][SIM_PARTITIONS];
    struct sim_request *asides, *alone; /* requests by the producers beside the main one */
    bool resetting, fatal, gone;
    bool outage_told;
    int under_way;
    int former; /* of these, from before the present lease */
    uint32_t grant;
    int64_t frozen_until_us;
    struct message *reports;
    struct message *returned; /* by an instance that is replaced: not reported yet */
    struct sim_event report, give, ready, room, watch;
    void (*release)(void *opaque);
};

struct sim_brokers {
    struct sim_broker_config config;
    bool outage, mended, down[ALL_TOPICS];
    struct sim_request *ghosts;
    int chains; /* ghost chains so far; a broken one takes nothing more */
    bool broken[4096];
    struct sim_request *spare;
    struct message *spare_messages;
};

extern struct sim_brokers sim_brokers;

/* brokers.c */
void sim_lane_send(struct lane *l);
void sim_send_alone(struct sim_publisher *pub, struct message *m);
void sim_send_aside(struct sim_publisher *pub, struct message *m);
/* Requests of this instance go on as ghosts, its messages are given to `each`. */
void sim_abandon(struct sim_publisher *pub,
                 void (*each)(struct sim_publisher *pub, struct message *m, bool appended));
void sim_abandon_asides(struct sim_publisher *pub,
                        void (*each)(struct sim_publisher *pub, struct message *m, bool appended));

/* publisher.c */
void sim_report(struct sim_publisher *pub, struct message *m, const struct ef_error *err);
void sim_refused(struct sim_publisher *pub, struct sim_request *r);
struct message *sim_message_new(void);
void sim_message_free(struct message *m);
