// SPDX-License-Identifier: MIT
/*
 * Where every decision of a schedule comes from.
 *
 * A decision has a site (what is decided), an actor (for whom) and a number (the how-many-eth of
 * these), and a value of which 0 is the harmless one: no fault, the shortest delay, nothing to do.
 * From a seed all values are drawn; what is not 0 is recorded, and a record replays the schedule
 * without any random numbers. Taking entries out of a record makes a simpler schedule, which is how
 * a failing one is made short (shrink.c).
 *
 * Thread: the only one. Life: sim_choices_seed or sim_choices_replay begins a schedule.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* name as it stands in scenario files */
#define SIM_SITES(X)                                                                               \
    X(KNOB, "knob")                                                                                \
    X(WRITER_BEGIN, "writer.begin")                                                                \
    X(WRITER_LANES, "writer.aggregate")                                                            \
    X(WRITER_ROWS, "writer.rows")                                                                  \
    X(WRITER_PAUSE, "writer.pause")                                                                \
    X(WRITER_DRAWN, "writer.id-to-insert")                                                         \
    X(WRITER_HELD, "writer.insert-to-commit")                                                      \
    X(WRITER_EARLY, "writer.ids-first")                                                            \
    X(WRITER_ROLLBACK, "writer.rollback")                                                          \
    X(ROW_TOPIC, "row.topic")                                                                      \
    X(ROW_KEY, "row.key")                                                                          \
    X(ROW_PARTITION, "row.partition")                                                              \
    X(ROW_KIND, "row.kind")                                                                        \
    X(ROW_SIZE, "row.size")                                                                        \
    X(ROW_CLAIMED, "row.claimed")                                                                  \
    X(LINK_CONNECT, "link.connect")                                                                \
    X(LINK_FORTH, "link.forth")                                                                    \
    X(LINK_BACK, "link.back")                                                                      \
    X(LINK_CHUNK, "link.chunk")                                                                    \
    X(LINK_ERROR, "link.error")                                                                    \
    X(LINK_LOST, "link.lost")                                                                      \
    X(LINK_LATE, "link.late")                                                                      \
    X(LINK_NOTICE, "link.notice")                                                                  \
    X(DB_LOCKED, "db.row-locked")                                                                  \
    X(DB_FLUSH, "db.flush")                                                                        \
    X(BROKER_FORTH, "broker.forth")                                                                \
    X(BROKER_BACK, "broker.back")                                                                  \
    X(BROKER_REFUSE, "broker.refuse")                                                              \
    X(BROKER_BATCH, "broker.batch")                                                                \
    X(BROKER_FULL, "broker.queue-full")                                                            \
    X(BROKER_PURGED, "broker.purged")                                                              \
    X(BROKER_GHOST, "broker.ghost")                                                                \
    X(BROKER_NEW, "broker.new-producer")                                                           \
    X(BROKER_ASIDE, "broker.aside-refuse")                                                         \
    X(NEMESIS, "nemesis")                                                                          \
    X(NEMESIS_WHO, "nemesis.who")                                                                  \
    X(NEMESIS_HOW, "nemesis.how")                                                                  \
    X(NEMESIS_WAIT, "nemesis.wait")                                                                \
    X(THAW, "thaw")

enum sim_site {
#define X(name, text) SITE_##name,
    SIM_SITES(X)
#undef X
        SITE_COUNT
};

enum { SIM_ACTORS = 48 };

struct sim_choice {
    uint8_t site, actor;
    uint32_t number;
    int64_t value;
};

struct sim_choices { /* a record, owned by whoever asked for it */
    struct sim_choice *items;
    int count, size;
};

const char *sim_site_name(enum sim_site site);
/* -1: no such site */
int sim_site_by_name(const char *name);

/* record may be NULL; it is emptied first and must stay until the schedule has ended. */
void sim_choices_seed(uint64_t seed, struct sim_choices *record);
/* The seed only feeds the product's own random numbers. */
void sim_choices_replay(uint64_t seed, const struct sim_choices *choices);

/* Uniform in [0, n). */
int64_t sim_choose(enum sim_site site, int actor, int64_t n);
/* One of the n > 0 values in `of`; 0 when harmless. */
int64_t sim_choose_of(enum sim_site site, int actor, const int64_t *of, int n);
bool sim_happens(enum sim_site site, int actor, int permille);
/* Between low and high, every order of magnitude as likely as the next; low when harmless. */
int64_t sim_delay(enum sim_site site, int actor, int64_t low, int64_t high);

/* Bytes for the product (getrandom): the same for the same seed, whatever was chosen. */
void sim_random_bytes(void *out, unsigned size);

void sim_choices_done(struct sim_choices *choices);
void sim_choices_add(struct sim_choices *choices, struct sim_choice choice);
