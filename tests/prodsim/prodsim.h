// SPDX-License-Identifier: MIT
/*
 * The producer's simulation: the product's publisher (src/kafka: producer, instance, topics,
 * suspects) between a client library and brokers that are told what to do, and users that go about
 * it as relays do.
 *
 * It shows that the promises of kafka/publisher.h hold, which the other simulation (tests/sim)
 * takes for granted: each message that was taken is reported once, an ack means that it was
 * appended, the messages of an aggregate are appended in their order, nobody is blamed for a
 * neighbour, and once nothing is wrong everything gets there. Violations (sim/run.h):
 *
 * loss         what was acknowledged is nowhere
 * invention    a message that is not what was handed over, or goes where it was not meant to
 * order        messages of an aggregate appear in a partition in another order than theirs
 * hold         one appears while one before it is neither there nor given up
 * dead-order   one is appended after it was reported as refused for good
 * report       one is reported twice, or never, or as nothing may be reported
 * blame        one is reported as its own fault, which it is not
 * bounded      what cannot be made is tried again and again without a pause
 * stuck        something is not delivered although nothing is wrong
 *
 * The program with its options, choices, scenarios and how they are made short is tests/sim's.
 *
 *   world.c    a schedule: what is wrong, and when; time and turns are tests/sim's
 *   sites.h    what is decided in it
 *   users.c    aggregates with their messages, and the check of what is reported
 *   check.c    the check of what reaches the library and the brokers
 *   cover.c    what was reached
 *   library.c  the calls of librdkafka that the product makes: instances, events
 *   messages.c topics as it knows them, and what messages go through
 *   seams.c    what it asks of the operating system
 *   requests.c what the library sends, and what becomes of it when an instance is given up
 *   cluster.c  topics, partitions, sequence numbers of producers
 *
 * Thread: the only one. Life: one schedule after the other.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "base/str.h"
#include "kafka/producer.h"
#include "sim/choice.h"
#include "sim/clockwork.h"
#include "sim/run.h"
#include "sim/tell.h"

/* The last topic is that of dead letters. */
enum { TOPICS = 4, DEAD_LETTERS = TOPICS - 1, PARTITIONS_MAX = 5, PRODUCERS_MAX = 2048 };
enum { AGGREGATES = 6, USERS = 2, MESSAGES_MAX = 400 };
enum { VALUE_SMALL = 20, VALUE_MAX = 300, ITEM_HEADERS_MAX = 4 };
/* The product's instances: most messages, those that go alone, dead letters. */
enum { MAIN, ALONE, ASIDE, PRODUCER_KINDS };

/* --- choices (world.c; sim/choice.h) --- */
/* Not once everything is mended. */
bool happens(enum sim_site site, int actor, int permille);
/* The first one counts, and ends the schedule. */
void violated(enum sim_violation violation, const char *fmt, ...) EF_PRINTF(2, 3);
bool is_violated(void);

/* --- what goes wrong --- */
enum misfortune {
    NOTHING,
    TOPIC_REFUSES,
    TOPIC_SILENT,
    TOPIC_HIDDEN,
    TOPIC_DELETED,
    TOPIC_GROWS,
    OUTAGE,
    FENCED,
    LETTERS_FENCED,
    STANDS_STILL,
    USER_LEAVES,
    NO_NEW_PRODUCER,
    MISFORTUNES,
};

struct faults { /* at this moment */
    bool outage, no_new_producer;
    bool refuses[TOPICS];    /* the topic takes nothing from us */
    bool silent[TOPICS];     /* nor does it answer */
    bool hidden[TOPICS];     /* nobody says how many partitions it has */
    bool wants_keys[TOPICS]; /* always: it takes nothing without a key */
    int retriable_permille, lost_answer_permille, ghost_permille;
    int64_t forth_max_us, back_max_us, metadata_max_us;
};
extern struct faults faults;

/* --- messages, as users know them --- */
struct aim {   /* of an aggregate's messages */
    int topic; /* never that of dead letters */
    int partition;
    bool keyless;
    char key[8];
    int by_key[PARTITIONS_MAX + 1]; /* the key's partition of so many */
};

struct item {
    int uid, aggregate, number; /* of the aggregate, in order */
    const struct aim *aim;
    bool poison;    /* too large for the broker */
    bool huge;      /* and for the library, too */
    bool tombstone; /* without a value */
    bool suspect;   /* goes alone */
    int tries;      /* that were counted */
    bool appended;
    bool letter_appended;
    bool under_way;    /* handed over, and not reported */
    bool with_library; /* given to it, and not reported by it */
    enum { ITEM_WAITS, ITEM_FLIES, ITEM_ASIDE, ITEM_DONE, ITEM_DEAD } state;
};

/* --- cluster.c --- */
void cluster_reset(void);
int cluster_partitions(int topic); /* 0: there is no such topic */
void cluster_grow(int topic, int count);
void cluster_delete(int topic);
enum appended { APPENDED, APPENDED_BEFORE, OUT_OF_SEQUENCE, FORMER_TOPIC };
/* producer < 0: without sequence numbers. */
enum appended cluster_append(int producer, int topic, int partition, int sequence,
                             struct item *const *items, int count);

/* --- check.c --- */
struct message;
void check_reset(void);
/* Into room for VALUE_MAX; returns the size. */
size_t item_value(const struct item *item, char *out);
/* Into room for ITEM_HEADERS_MAX; returns how many. */
int item_headers(const struct item *item, bool letter, struct ef_header *out);
void check_handed(const struct message *m, int kind, int topic);
void check_sent(const struct message *m);
void check_partition(const struct item *item, unsigned counts, int partition);
void check_appended(struct item *item, int topic, int partition);
int check_appended_total(void);
int check_repeats(void);

/* --- users.c --- */
void users_begin(struct ef_loop *loop, struct ef_publisher *publisher, int messages);
void users_leave(void);       /* all, for ever */
void users_end(void);         /* the producer is gone */
void users_replace(int user); /* it leaves, and another comes in its place */
bool users_finished(void);
/* Neither there nor given up; NULL: none is. */
const struct item *users_unfinished_before(const struct item *item);

/* --- library.c --- */
void library_reset(struct ef_loop *loop);
void library_queue_limit(int messages, int64_t bytes); /* 0: none */
/* A fatal error, out of nowhere: of the main producer, or of that of dead letters. */
void library_break(bool aside);
void library_tell_outage(void);

/* Its reader is to look, by and by. */
void library_wake(int fd);

/* --- seams.c --- */
void seams_reset(void);
void seams_readable(int fd);

/* --- between library.c, messages.c and requests.c --- */
enum { IN_FLIGHT_MAX = 5, BATCH_MAX = 6 };

struct message {
    struct message *prev, *next;
    struct item *item;
    rd_kafka_message_t rkm;
    rd_kafka_headers_t *headers;
    int64_t timestamp_ms;
    int partition, flags; /* as given */
    void *copy;           /* owned; of the value, if that was asked for */
};

struct request {
    struct request *prev, *next;
    rd_kafka_t *rk; /* NULL: its instance is gone, it may arrive all the same */
    struct rd_kafka_topic_s *rkt;
    int kind, producer, topic, partition, sequence, count;
    struct item *items[BATCH_MAX];
    struct message *messages;
    bool arrived;
    rd_kafka_resp_err_t err;
    struct sim_event event;
};

struct lane { /* a partition, as an instance knows it */
    struct message *queue;
    struct request *sent; /* in order */
    int sent_count, sequence;
    int64_t last_arrival_us;
};

struct rd_kafka_topic_s {
    rd_kafka_t *rk;
    int topic;
    char name[16];
    void *opaque;
    int32_t (*partitioner)(const rd_kafka_topic_t *rkt, const void *key, size_t key_len,
                           int32_t count, void *topic_opaque, void *msg_opaque);
    bool wanted;                /* its metadata is */
    int known;                  /* partitions by the last metadata; 0: none came */
    unsigned counts;            /* a bit for each number of them that was ever known */
    int64_t missing_since_us;   /* the metadata said so; 0: it did not */
    struct message *unassigned; /* until the number of partitions is known */
    struct lane lanes[PARTITIONS_MAX];
};

struct rd_kafka_s {
    struct rd_kafka_s *next;
    int kind;     /* MAIN, ... */
    int producer; /* -1: it counts nothing */
    int queue_limit, queued;
    int64_t queue_bytes_limit, queued_bytes;
    bool fatal, destroyed;
    struct rd_kafka_topic_s topics[TOPICS];
    struct rd_kafka_op_s *first, **last;
    int fd; /* the product's; -1: none */
    bool told;
    struct sim_event wake, metadata;
    bool asked; /* for metadata, beside what comes by itself */
};

void requests_send(struct rd_kafka_topic_s *rkt, int partition);
/* flags as rd_kafka_purge's. */
void requests_purge(struct rd_kafka_topic_s *rkt, int flags);
void requests_forget(struct rd_kafka_topic_s *rkt); /* the instance is destroyed */
void requests_reset(void);
void messages_on_metadata(void *instance);
void messages_count(rd_kafka_t *rk, const struct message *m, int by); /* in its queue */
void messages_free(struct message *m);
/* What goes alone goes where the main producer would send it, which may know more. */
unsigned library_main_counts(int topic);
void library_report(rd_kafka_t *rk, struct message *m, rd_kafka_resp_err_t err, int partition);
/* For choices about its requests. */
static inline int about(int kind, int topic, int partition)
{
    return sim_for(kind, topic * PARTITIONS_MAX + partition);
}

/* Takes all of them out of the list. */
void library_report_all(rd_kafka_t *rk, struct message **list, rd_kafka_resp_err_t err,
                        int partition);
void library_fatal(rd_kafka_t *rk);
