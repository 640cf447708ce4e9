// SPDX-License-Identifier: MIT
/*
 * The wall between the domain and Kafka.
 *
 * A publisher serves all outboxes of one cluster; each is a user with upcalls of its own. What it
 * promises:
 *  - produce() never blocks. A message that was QUEUED gets exactly one delivery(), never from
 * inside produce().
 *  - Messages of one user for one partition are appended in the order of their produce() calls
 * (those that go alone in none: nothing of their aggregate may be under way beside them), also
 * across refused first requests (one message in flight until a producer's first ack from a
 * partition) and lost connections. If that can no longer be promised, the instance is given up:
 * every message without an ack is reported with class FATAL ("not its fault, produce it again"),
 * the culprit, if there is one, with its own class; but a refused message that went alone disturbs
 * no other. During that time produce() answers FULL; room()
 * says when to go on.
 *  - delivery() with err NULL means: acknowledged by all in-sync replicas.
 * Error classes in delivery(): none, RECORD, TRANSIENT, DESTINATION, FATAL (see above).
 *
 * Thread: the loop's (librdkafka's own threads stay behind it). A scripted publisher stands in in
 * the simulation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "outbox/message.h"

struct ef_publisher;
struct ef_publisher_user;

enum ef_produced {
    EF_PRODUCED_QUEUED,
    EF_PRODUCED_FULL,    /* no room, or the instance is being replaced: try again at the next
                            delivery(), at room(), or after some time */
    EF_PRODUCED_REFUSED, /* err says why; there will be no delivery() */
    EF_PRODUCED_ALONE,   /* its like was refused just now: it is taken only if it goes alone */
};

struct ef_publisher_upcalls {
    /* opaque: as given to produce. err NULL: delivered. */
    void (*delivery)(void *arg, void *opaque, const struct ef_error *err);
    /* A new instance is ready: produce() may be tried again. */
    void (*room)(void *arg);
    /* down: nobody can take anything (err says why); up: err NULL. */
    void (*outage)(void *arg, const struct ef_error *err);
};

struct ef_publisher_ops {
    struct ef_publisher_user *(*join)(struct ef_publisher *pub, const char *name,
                                      const struct ef_publisher_upcalls *upcalls, void *arg);
    /* No upcalls after this; messages still under way are forgotten when their report comes, and
     * `release` (may be NULL) is called for each opaque then. */
    void (*leave)(struct ef_publisher_user *user, void (*release)(void *opaque));
    enum ef_produced (*produce)(struct ef_publisher_user *user, const struct ef_message *msg,
                                void *opaque, bool alone, struct ef_error *err);
    /* Messages for this topic will come: learn of it now. Brokers that make topics by themselves
     * make it. */
    void (*warm)(struct ef_publisher_user *user, struct ef_slice topic);
    /* Dead letters and probes: a producer of their own, without gapless; a failure there disturbs
     * nobody. */
    enum ef_produced (*produce_aside)(struct ef_publisher_user *user, const struct ef_message *msg,
                                      void *opaque, struct ef_error *err);
};

/* First member of an implementation's struct; `ops` is all that relays see. */
struct ef_publisher {
    const struct ef_publisher_ops *ops;
};

/* First member of an implementation's user struct. */
struct ef_publisher_user {
    struct ef_publisher *pub;
    const struct ef_publisher_upcalls *upcalls;
    void *arg;
};

static inline enum ef_produced ef_publisher_produce(struct ef_publisher_user *user,
                                                    const struct ef_message *msg, void *opaque,
                                                    bool alone, struct ef_error *err)
{
    return user->pub->ops->produce(user, msg, opaque, alone, err);
}

static inline void ef_publisher_warm(struct ef_publisher_user *user, struct ef_slice topic)
{
    user->pub->ops->warm(user, topic);
}

static inline enum ef_produced ef_publisher_produce_aside(struct ef_publisher_user *user,
                                                          const struct ef_message *msg,
                                                          void *opaque, struct ef_error *err)
{
    return user->pub->ops->produce_aside(user, msg, opaque, err);
}
