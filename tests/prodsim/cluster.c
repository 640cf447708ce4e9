// SPDX-License-Identifier: MIT
/*
 * Topics and their partitions. A broker knows the next sequence number of a producer from its first
 * request on, and takes any number as the first (KAFKA-15591); it refuses a number that is too high
 * and acknowledges one that it has.
 */
#include <stdio.h>
#include <string.h>

#include "prodsim/cover.h"
#include "prodsim/prodsim.h"
#include "sim/names.h"

enum { FORMER = UINT16_MAX };

static struct {
    int partitions[TOPICS];
    bool deleted[TOPICS]; /* once */
    /* next number + 1 of a producer; 0: it is not known, FORMER: it was, before the topic was
     * deleted */
    uint16_t next[PRODUCERS_MAX][TOPICS][PARTITIONS_MAX];
} c;

void cluster_reset(void)
{
    memset(&c, 0, sizeof(c));
    for (int t = 0; t < TOPICS; t++)
        c.partitions[t] = t < DEAD_LETTERS && happens(SITE_TOPIC_MISSING, 0, 300)
                              ? 0
                              : 1 + (int)sim_choose(SITE_TOPIC_COUNT, 0, 3);
}

const char *sim_partition_name(int label)
{
    static char name[16];
    if (label < 0 || label >= TOPICS * PARTITIONS_MAX)
        return NULL;
    snprintf(name, sizeof(name), "t%d/%d", label / PARTITIONS_MAX, label % PARTITIONS_MAX);
    return name;
}

int cluster_partitions(int topic)
{
    return c.partitions[topic];
}

void cluster_grow(int topic, int count)
{
    if (count <= c.partitions[topic] || count > PARTITIONS_MAX)
        return;
    TELL("topic t%d has %d partitions", topic, count);
    if (c.partitions[topic] > 0)
        cover(COVER_GROWN);
    else if (c.deleted[topic])
        cover(COVER_MADE_AGAIN);
    c.partitions[topic] = count;
}

/*
 * Of the producers that it knew the next topic of that name takes nothing more. (Brokers before
 * ProduceRequest 13 tell topics by their names and would: what was under way to the former topic
 * may come into the next one out of order, docs/guarantees.md.)
 */
void cluster_delete(int topic)
{
    if (c.partitions[topic] == 0)
        return;
    TELL("topic t%d is deleted", topic);
    cover(COVER_DELETED);
    c.deleted[topic] = true;
    c.partitions[topic] = 0;
    for (int p = 0; p < PRODUCERS_MAX; p++)
        for (int i = 0; i < PARTITIONS_MAX; i++)
            if (c.next[p][topic][i])
                c.next[p][topic][i] = FORMER;
}

enum appended cluster_append(int producer, int topic, int partition, int sequence,
                             struct item *const *items, int count)
{
    if (producer >= 0) {
        uint16_t *next = &c.next[producer][topic][partition];
        if (*next == FORMER)
            return FORMER_TOPIC;
        if (*next && sequence + 1 < *next)
            return APPENDED_BEFORE;
        if (*next && sequence + 1 > *next)
            return OUT_OF_SEQUENCE;
        *next = (uint16_t)(sequence + count + 1);
    }
    for (int i = 0; i < count; i++) {
        TELL("t%d/%d takes m%d (a%d #%d)", topic, partition, items[i]->uid, items[i]->aggregate,
             items[i]->number);
        check_appended(items[i], topic, partition);
    }
    return APPENDED;
}
