// SPDX-License-Identifier: MIT
/*
 * The producer's inside, shared by producer.c (users, promises), instance.c (librdkafka's life and
 * events) and topics.c (partitions: what may be sent now, what is held). Not for other files.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "base/log.h"
#include "kafka/producer.h"

struct ef_pmsg {                 /* a message under way */
    struct ef_pmsg *prev, *next; /* in a hold list, or in the returned list */
    struct user *user;
    void *opaque;
    struct ef_topic *topic;
    struct ef_slice key, value;  /* borrowed until the report */
    rd_kafka_headers_t *headers; /* owned until librdkafka takes them */
    int64_t timestamp_ms;
    size_t bytes;      /* key, value and headers */
    int32_t partition; /* where it goes; -1: by key, not yet known */
    bool explicit_partition, alone, sent, aside;
    uint64_t seq;           /* order of produce() */
    struct ef_error *error; /* in the returned list: why */
};

struct ef_partition {
    bool warm;        /* the broker has acknowledged a message of this instance, and not long ago */
    int64_t acked_us; /* when it did last */
    int in_flight;
    struct ef_pmsg *held; /* in order */
};

/* Messages that look like one that was refused go alone: in a batch they would take it, and the
 * instance, with them. Only what the broker says of each decides about it. */
struct suspicion {
    size_t bytes;       /* so large, or larger; 0: none is suspect by its size */
    size_t taken_bytes; /* the last one that was as large and was taken */
    bool keyless;       /* without a key */
    int64_t until_us;   /* monotonic */
};

struct ef_topic {
    char *name;
    rd_kafka_topic_t *rkt;       /* of the current instance */
    rd_kafka_topic_t *alone_rkt; /* of the one for messages that go alone; NULL: not wanted yet */
    int alone_in_flight;
    bool alone_answers; /* a report of a message that went alone has come */
    struct suspicion suspicion;
    atomic_int seen_count; /* partitions by the library's last word (set by its threads) */
    int count;             /* partitions we count with; 0: not known yet */
    struct ef_partition *partitions;
    struct ef_pmsg *held; /* while the count is unknown or changes */
    int in_flight;        /* sent and not reported */
    int held_count;
    int64_t alone_behind_us;   /* since when the one for messages that go alone knows fewer; 0 */
    int64_t asked_us;          /* when the brokers were asked last how many partitions there are */
    bool draining;             /* the count has changed: empty it first */
    int64_t progress_us;       /* last report, or when the first message went out */
    int64_t alone_progress_us; /* the same of messages that went alone */
    bool stuck;                /* does not answer: its messages are the reset's culprits */
    struct user **users, *last_user; /* who has sent to it; last_user: most recently */
    int user_count;
    int64_t limit_bytes; /* max.message.bytes as the brokers said it; 0: not known */
    int known_count;     /* partitions when they were counted last, by any instance; 0: never */
    int former_count; /* as many were there before changed_us (monotonic); 0: no change is told */
    int64_t changed_us;
    UT_hash_handle hh;
};

struct user {
    struct ef_publisher_user base; /* first */
    struct user *prev, *next;
    char *name;
    bool gone;
    int under_way;
    int64_t max_payload_bytes; /* while topics are judged */
    void (*release)(void *opaque);
};

enum instance_state { INSTANCE_UP, INSTANCE_RESETTING };

struct instance {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int eventfd;
    struct ef_io io;
    bool aside, alone;
    struct ef_producer *producer;
};

struct ef_producer {
    struct ef_publisher pub; /* first */
    struct ef_loop *loop;
    struct ef_producer_params params;
    char *bootstrap;
    struct instance main, aside;
    struct instance alone; /* made when first wanted, given up with the main one */
    enum instance_state state;
    struct ef_topic *topics;
    struct ef_topic *last_topic; /* the one asked for last */
    struct user *users;
    struct ef_pmsg *spare;
    struct ef_pmsg *returned; /* reports to give from the loop */
    struct ef_deferred report_later, tell_topics;
    bool room_now;
    bool held_by_full;  /* messages are held since the library's queue was full */
    bool aside_failed;  /* to be replaced once its messages are reported */
    bool aside_answers; /* a report of the present instance has come */
    struct ef_timer tick, retry_new, warm;
    int64_t aside_again_us; /* none could be made: not before this (monotonic) */
    int64_t warm_delay_us;
    uint64_t seq;
    int64_t in_flight, aside_in_flight, held; /* with librdkafka; held back */
    int64_t last_ack_us, first_wait_us, reset_began_us;
    bool outage;
    struct ef_error outage_error, suspect; /* suspect.class NONE: nothing suspected */
    int64_t suspect_us;
    int brokers_up;
    double retries_told, timeouts_told; /* of the instance's statistics, as counted so far */
    uint64_t recreations;
    const char *reset_reason;
    struct ef_log_limit event_limit, reset_limit;
};

/* instance.c */
bool ef_instance_start(struct ef_producer *p, struct instance *in, struct ef_error *err);
void ef_instance_stop(struct instance *in, bool wait);
/* False: not now, err says why (DESTINATION). */
bool ef_producer_want_alone(struct ef_producer *p, struct ef_error *err);
/* What is queued comes back as failed; also what is in flight, once it has had time to be
 * answered. */
void ef_producer_purge(struct ef_producer *p);
void ef_producer_begin_reset(struct ef_producer *p, const char *reason);
void ef_producer_continue_reset(struct ef_producer *p);
void ef_producer_replace_aside(struct ef_producer *p);
/* At the end: what is under way comes back and is reported, as far as it does at once. Not from the
 * loop, which may run no more. */
void ef_producer_give_up(struct ef_producer *p);

/* producer.c */
void ef_producer_report(struct ef_producer *p, struct ef_pmsg *m, const struct ef_error *err);
void ef_producer_report_later(struct ef_producer *p, struct ef_pmsg *m, const struct ef_error *err);
void ef_producer_acked(struct ef_producer *p);
void ef_producer_suspect(struct ef_producer *p, const struct ef_error *err);
void ef_producer_give_room(struct ef_producer *p);

/* A topic whose partitions are not known has a message waiting: see that metadata is asked for
 * soon. */
void ef_producer_warm_soon(struct ef_producer *p);
void ef_producer_warm(struct ef_producer *p);
/* Make the library ask the brokers about this topic; does not wait. */
void ef_producer_ask_metadata(struct ef_producer *p, struct ef_topic *topic);

/* examine.c */
void ef_examine_init(struct ef_producer *p);
void ef_examine_done(struct ef_producer *p);
/* The user sends to the topic. */
void ef_examine_use(struct ef_topic *topic, struct user *u);
void ef_examine_forget_user(struct ef_producer *p, const struct user *u);
void ef_examine_forget_topic(struct ef_topic *topic);
void ef_examine_answered(struct ef_producer *p, rd_kafka_event_t *event);
/* The topic's partitions were counted. False: there are as many as before, or this is the first
 * time. */
bool ef_examine_counted(struct ef_producer *p, struct ef_topic *topic, int count);

/* suspects.c */
bool ef_topic_suspects(struct ef_topic *topic, size_t bytes, bool keyless, int64_t now_us);
void ef_topic_refused_alone(struct ef_topic *topic, const struct ef_pmsg *m, int code,
                            int64_t now_us);
void ef_topic_took_alone(struct ef_topic *topic, const struct ef_pmsg *m);

/* topics.c */
struct ef_topic *ef_topic_get(struct ef_producer *p, struct ef_slice name);
/* Send now, or hold it. False: refused at once, err says why; the message is the caller's again. */
bool ef_topic_dispatch(struct ef_producer *p, struct ef_pmsg *m, struct ef_error *err);
/* A report for a message of this topic came; more may go now. ok: it was an ack. */
void ef_topic_reported_alone(struct ef_producer *p, struct ef_pmsg *m, struct ef_error *err);
void ef_topic_reported(struct ef_producer *p, struct ef_pmsg *m, int32_t partition, bool ok);
/* Reports have come, so the library's queue has room: what is held because it was full may go. */
void ef_topics_room(struct ef_producer *p);
/* The instance is given up: everything held goes back to its users. */
void ef_topic_return_held(struct ef_producer *p, struct ef_topic *topic);
void ef_topic_new_instance(struct ef_producer *p, struct ef_topic *topic);
void ef_topic_free(struct ef_producer *p, struct ef_topic *topic);
int32_t ef_topic_partitioner(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                             int32_t count, void *topic_opaque, void *msg_opaque);
