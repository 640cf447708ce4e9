// SPDX-License-Identifier: MIT
/*
 * Where every decision of a schedule comes from.
 *
 * A decision has a place: its site (what is decided, one name for each call in the simulation), who
 * it is for (the world, a relay, a writer), often a label (the kind of statement, the partition,
 * the misfortune), and a number (the how-many-eth of these). Its value is 0 when harmless: no
 * fault, the shortest delay, nothing to do. From a seed all values are drawn; what is not 0 is
 * recorded, and a record replays the schedule without any random numbers. Taking entries out of a
 * record makes a simpler schedule, which is how a failing one is made short (shrink.c).
 *
 * Records outlive changes of the simulation: a new decision gets a site of its own and moves no
 * other's number.
 *
 * Thread: the only one. Life: sim_choices_seed or sim_choices_replay begins a schedule.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "prodsim/sites.h"

enum sim_whose {
    WHOSE_WORLD,
    WHOSE_RELAY,
    WHOSE_WRITER,
    WHOSE_PRODUCER,
    WHOSE_USER,
    WHOSE_AGGREGATE,
};
enum sim_labels { LABELS_NONE, LABELS_STATEMENT, LABELS_PARTITION, LABELS_FAULT };

/* site, its name in scenario files, for whom, which labels */
#define SIM_SITES(X)                                                                               \
    X(WORLD_RELAYS, "world.relays", WORLD, NONE)                                                   \
    X(WORLD_MANY_RELAYS, "world.many-relays", WORLD, NONE)                                         \
    X(WORLD_WRITERS, "world.writers", WORLD, NONE)                                                 \
    X(WORLD_MANY_AGGREGATES, "world.many-aggregates", WORLD, NONE)                                 \
    X(WORLD_AGGREGATES, "world.aggregates", WORLD, NONE)                                           \
    X(WORLD_TOPICS, "world.topics", WORLD, NONE)                                                   \
    X(WORLD_CHAOS, "world.chaos", WORLD, NONE)                                                     \
    X(WORLD_LONG_CHAOS, "world.long-chaos", WORLD, NONE)                                           \
    X(WORLD_KEYS, "world.keys", WORLD, NONE)                                                       \
    X(WORLD_PARTITIONS, "world.partitions", WORLD, NONE)                                           \
    X(WORLD_UNSERIALISED, "world.unserialised", WORLD, NONE)                                       \
    X(WORLD_BAD_ROWS, "world.bad-rows", WORLD, NONE)                                               \
    X(WORLD_ROLLBACKS, "world.rollbacks", WORLD, NONE)                                             \
    X(WORLD_CLAIMED, "world.claimed-rows", WORLD, NONE)                                            \
    X(WORLD_FAULTS_EVERY, "world.faults-every", WORLD, NONE)                                       \
    X(WORLD_HELD, "world.insert-to-commit", WORLD, NONE)                                           \
    X(WORLD_DRAWN, "world.id-to-insert", WORLD, NONE)                                              \
    X(WORLD_DRAWN_LONG, "world.id-long-before-insert", WORLD, NONE)                                \
    X(WORLD_PAUSES, "world.writers-pause", WORLD, NONE)                                            \
    X(WORLD_ROW_BYTES, "world.row-bytes", WORLD, NONE)                                             \
    X(WORLD_FOREIGN, "world.another-relay", WORLD, NONE)                                           \
    X(FAULTS_MANY, "faults.many", WORLD, NONE)                                                     \
    X(FAULTS_KIND, "faults.kind", WORLD, FAULT)                                                    \
    X(SHARED_TTL, "shared.lease-ttl", WORLD, NONE)                                                 \
    X(SHARED_DEAD, "shared.no-dead-letters", WORLD, NONE)                                          \
    X(SHARED_DELIVERED, "shared.on-delivered", WORLD, NONE)                                        \
    X(SHARED_ORDER, "shared.order-by-type", WORLD, NONE)                                           \
    X(SHARED_ARCHIVE, "shared.archive", WORLD, NONE)                                               \
    X(SHARED_WAKE, "shared.notify", WORLD, NONE)                                                   \
    X(SHARED_CLAIM, "shared.claim-timeout", WORLD, NONE)                                           \
    X(RELAY_NO_STATE, "relay.no-state-dir", RELAY, NONE)                                           \
    X(RELAY_MONO, "relay.monotonic-clock", RELAY, NONE)                                            \
    X(RELAY_WALL, "relay.wall-clock", RELAY, NONE)                                                 \
    X(RELAY_STATE, "relay.shared-state-dir", RELAY, NONE)                                          \
    X(RELAY_BATCH_ROWS, "relay.batch-rows", RELAY, NONE)                                           \
    X(RELAY_WINDOW_ROWS, "relay.window-rows", RELAY, NONE)                                         \
    X(RELAY_WINDOW_BYTES, "relay.window-bytes", RELAY, NONE)                                       \
    X(RELAY_BATCH_BYTES, "relay.batch-bytes", RELAY, NONE)                                         \
    X(RELAY_POLL, "relay.poll-interval", RELAY, NONE)                                              \
    X(RELAY_ATTEMPTS, "relay.max-attempts", RELAY, NONE)                                           \
    X(DB_SKEW, "db.skew", WORLD, NONE)                                                             \
    X(DB_DRIFT, "db.drift", WORLD, NONE)                                                           \
    X(DB_LOCKS, "db.row-locks", WORLD, NONE)                                                       \
    X(DB_LOCKED, "db.row-locked", RELAY, STATEMENT)                                                \
    X(DB_LOCKED_FOR, "db.row-locked-for", RELAY, STATEMENT)                                        \
    X(DB_REPLICATE, "db.replicate", WORLD, NONE)                                                   \
    X(DB_FLUSH, "db.flush", WORLD, NONE)                                                           \
    X(LINKS_CONNECT, "links.connect-longest", WORLD, NONE)                                         \
    X(LINKS_FORTH, "links.forth-longest", WORLD, NONE)                                             \
    X(LINKS_BACK, "links.back-longest", WORLD, NONE)                                               \
    X(LINKS_ERRORS, "links.errors", WORLD, NONE)                                                   \
    X(LINKS_LOST, "links.lost", WORLD, NONE)                                                       \
    X(LINKS_LATE, "links.late", WORLD, NONE)                                                       \
    X(LINK_CONNECT, "link.connect", RELAY, NONE)                                                   \
    X(LINK_FORTH, "link.forth", RELAY, STATEMENT)                                                  \
    X(LINK_BACK, "link.back", RELAY, STATEMENT)                                                    \
    X(LINK_BELL, "link.bell", RELAY, NONE)                                                         \
    X(LINK_CHUNK, "link.chunk", RELAY, NONE)                                                       \
    X(LINK_CHUNKED, "link.chunked", RELAY, NONE)                                                   \
    X(LINK_ERROR, "link.error", RELAY, STATEMENT)                                                  \
    X(LINK_ERROR_KIND, "link.error-kind", RELAY, STATEMENT)                                        \
    X(LINK_LOST, "link.lost", RELAY, STATEMENT)                                                    \
    X(LINK_LATE, "link.late", RELAY, STATEMENT)                                                    \
    X(LINK_LATE_BY, "link.late-by", RELAY, STATEMENT)                                              \
    X(LINK_LATE_FROZEN, "link.late-frozen", RELAY, STATEMENT)                                      \
    X(LINK_LATE_FREEZE, "link.late-frozen-for", RELAY, STATEMENT)                                  \
    X(LINK_NOTICE, "link.notice", RELAY, NONE)                                                     \
    X(WRITER_BEGIN, "writer.begin", WRITER, NONE)                                                  \
    X(WRITER_TWO, "writer.two-aggregates", WRITER, NONE)                                           \
    X(WRITER_LANE, "writer.aggregate", WRITER, NONE)                                               \
    X(WRITER_ROWS, "writer.rows", WRITER, NONE)                                                    \
    X(WRITER_PAUSE, "writer.pause", WRITER, NONE)                                                  \
    X(WRITER_DRAWN, "writer.id-to-insert", WRITER, NONE)                                           \
    X(WRITER_HELD, "writer.insert-to-commit", WRITER, NONE)                                        \
    X(WRITER_EARLY, "writer.ids-first", WRITER, NONE)                                              \
    X(WRITER_NUMBERED, "writer.number-first", WRITER, NONE)                                        \
    X(WRITER_ROLLBACK, "writer.rollback", WRITER, NONE)                                            \
    X(ROW_LANE, "row.aggregate", WRITER, NONE)                                                     \
    X(ROW_TOPIC, "row.topic", WRITER, NONE)                                                        \
    X(ROW_TYPE, "row.type", WRITER, NONE)                                                          \
    X(ROW_KEY, "row.key", WRITER, NONE)                                                            \
    X(ROW_PARTITION, "row.partition", WRITER, NONE)                                                \
    X(ROW_BAD, "row.bad", WRITER, NONE)                                                            \
    X(ROW_KIND, "row.kind", WRITER, NONE)                                                          \
    X(ROW_SIZE, "row.size", WRITER, NONE)                                                          \
    X(ROW_CLAIMED, "row.claimed", WRITER, NONE)                                                    \
    X(ROW_CLAIMED_AGO, "row.claimed-ago", WRITER, NONE)                                            \
    X(FOREIGN_PAUSE, "another-relay.pause", WORLD, NONE)                                           \
    X(FOREIGN_ROW, "another-relay.row", WORLD, NONE)                                               \
    X(FOREIGN_HOLDS, "another-relay.holds", WORLD, NONE)                                           \
    X(FOREIGN_DIES, "another-relay.dies", WORLD, NONE)                                             \
    X(BROKERS_FORTH, "brokers.forth-longest", WORLD, NONE)                                         \
    X(BROKERS_BACK, "brokers.back-longest", WORLD, NONE)                                           \
    X(BROKERS_TRANSIENT, "brokers.transient", WORLD, NONE)                                         \
    X(BROKERS_QUOTA, "brokers.quota", WORLD, NONE)                                                 \
    X(BROKERS_FATAL, "brokers.fatal", WORLD, NONE)                                                 \
    X(BROKERS_FULL, "brokers.full", WORLD, NONE)                                                   \
    X(BROKERS_GHOSTS, "brokers.late-requests", WORLD, NONE)                                        \
    X(BROKERS_ASIDE, "brokers.dead-letters-refused", WORLD, NONE)                                  \
    X(BROKERS_BATCHES, "brokers.batches", WORLD, NONE)                                             \
    X(BROKER_FORTH, "broker.forth", RELAY, PARTITION)                                              \
    X(BROKER_BACK, "broker.back", RELAY, PARTITION)                                                \
    X(BROKER_TRANSIENT, "broker.transient", RELAY, PARTITION)                                      \
    X(BROKER_QUOTA, "broker.quota", RELAY, PARTITION)                                              \
    X(BROKER_FATAL, "broker.fatal", RELAY, PARTITION)                                              \
    X(BROKER_BATCH, "broker.batch", RELAY, PARTITION)                                              \
    X(BROKER_FULL, "broker.full", RELAY, NONE)                                                     \
    X(BROKER_SUSPECTS, "broker.wants-it-alone", RELAY, NONE)                                       \
    X(BROKER_TWICE, "broker.sent-twice", RELAY, PARTITION)                                         \
    X(BROKER_ROOM, "broker.room", RELAY, NONE)                                                     \
    X(PURGED_FAILED, "purged.appended-yet-failed", RELAY, NONE)                                    \
    X(PURGED_FIRST, "purged.returned-first", RELAY, NONE)                                          \
    X(PURGED_COUNT, "purged.returned-at-once", RELAY, NONE)                                        \
    X(PURGED_BEGIN, "purged.begin", RELAY, NONE)                                                   \
    X(PURGED_NEXT, "purged.next", RELAY, NONE)                                                     \
    X(BROKER_GHOST, "broker.late-request", RELAY, PARTITION)                                       \
    X(BROKER_GHOST_BY, "broker.late-request-by", RELAY, PARTITION)                                 \
    X(BROKER_NEW, "broker.new-producer", RELAY, NONE)                                              \
    X(BROKER_ASIDE, "broker.dead-letter-refused", RELAY, NONE)                                     \
    X(BROKER_ASIDE_KIND, "broker.dead-letter-error", RELAY, NONE)                                  \
    X(NEMESIS, "fault", WORLD, NONE)                                                               \
    X(NEMESIS_WHO, "fault.relay", WORLD, NONE)                                                     \
    X(NEMESIS_OWNER, "fault.owner", WORLD, NONE)                                                   \
    X(NEMESIS_WHICH, "fault.which", WORLD, FAULT)                                                  \
    X(NEMESIS_OPTION, "fault.option", WORLD, FAULT)                                                \
    X(NEMESIS_LASTS, "fault.lasts", WORLD, FAULT)                                                  \
    X(NEMESIS_LATER, "fault.later", WORLD, FAULT)                                                  \
    X(NEMESIS_WAIT, "fault.wait", WORLD, NONE)                                                     \
    X(THAW, "thaw", RELAY, NONE)                                                                   \
    X(WORLD_MYSQL, "world.mysql", WORLD, NONE)                                                     \
    X(DB_BETWEEN, "db.between-statements", RELAY, STATEMENT)                                       \
    X(RELAY_POLL_LONG, "relay.long-poll-interval", RELAY, NONE)                                    \
    X(PROMPT_ROWS, "rest.rows", WORLD, NONE)                                                       \
    X(PROMPT_LANE, "rest.aggregate", WORLD, NONE)                                                  \
    X(PROMPT_TOPIC, "rest.topic", WORLD, NONE)                                                     \
    X(PROMPT_WAIT, "rest.wait", WORLD, NONE)                                                       \
    X(PROMPT_PAUSED, "rest.paused", WORLD, NONE)                                                   \
    X(PROMPT_PAUSE, "rest.pause", WORLD, NONE)

/* The producer's (prodsim/sites.h) come last, beside some of the above. */
enum sim_site {
#define X(name, text, whose, labels) SITE_##name,
    SIM_SITES(X) SITES_OF_RELAYS,
    SITE_BEFORE_PRODUCERS = SITES_OF_RELAYS - 1,
    PRODSIM_SITES(X)
#undef X
        SITE_COUNT
};

/* For whom, and with which label, in one number. */
enum { SIM_WHO = 8, SIM_LABELS = 24, SIM_ACTORS = SIM_WHO * SIM_LABELS };

static inline int sim_for(int who, int label)
{
    return who + SIM_WHO * label;
}

struct sim_choice {
    uint8_t site, actor;
    uint32_t number;
    int64_t value;
};

struct sim_choices { /* a record, owned by whoever asked for it */
    struct sim_choice *items;
    int count, size;
};

/* record may be NULL; it is emptied first and must stay until the schedule has ended. */
void sim_choices_seed(uint64_t seed, struct sim_choices *record);
/* The seed only feeds the product's own random numbers. */
void sim_choices_replay(uint64_t seed, const struct sim_choices *choices);

/* Uniform in [0, n). */
int64_t sim_choose(enum sim_site site, int actor, int64_t n);
/* One of the n > 0 values in `of`, all of them in [0, limit); 0 when harmless. */
int64_t sim_choose_of(enum sim_site site, int actor, const int64_t *of, int n, int64_t limit);
bool sim_happens(enum sim_site site, int actor, int permille);
/* As sim_choose, but out of random numbers of its own: what is drawn after it is the same as
 * without it. */
int64_t sim_choose_apart(enum sim_site site, int actor, int64_t n);
/* Between low and high, every order of magnitude as likely as the next; low when harmless. */
int64_t sim_delay(enum sim_site site, int actor, int64_t low, int64_t high);

/* Bytes for the product (getrandom): the same for the same seed, whatever was chosen. */
void sim_random_bytes(void *out, unsigned size);

void sim_choices_done(struct sim_choices *choices);
void sim_choices_add(struct sim_choices *choices, struct sim_choice choice);

/* A choice as a line of a scenario file: "link.late relay-0 waiting #3 = 1". */
void sim_choice_print(const struct sim_choice *choice, char *out, unsigned size);
bool sim_choice_parse(struct sim_choice *ret, const char *line);
