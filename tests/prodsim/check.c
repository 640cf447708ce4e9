// SPDX-License-Identifier: MIT
/*
 * What reaches the library and the brokers: is each message what its user handed over, does it go
 * where it was meant to, and do those of an aggregate appear in their order?
 *
 * Order is a partition's: what its reader sees. But a topic is emptied before its new number of
 * partitions counts: a key's messages go on in another partition once all of the former one's are
 * there.
 */
#include <string.h>

#include "prodsim/cover.h"
#include "prodsim/prodsim.h"

static struct {
    int last[AGGREGATES][PARTITIONS_MAX]; /* number + 1 of the last one that appeared; 0: none */
    int appended, repeats;
} c;

void check_reset(void)
{
    memset(&c, 0, sizeof(c));
}

/* --- what a message is to be like --- */

size_t item_value(const struct item *item, char *out)
{
    size_t size = item->poison || item->huge ? VALUE_MAX : VALUE_SMALL;
    memset(out, 'a' + item->uid % 26, size);
    memcpy(out, &item->uid, sizeof(item->uid));
    return size;
}

/* None, a value, null, empty: as many as the last digit says. A dead letter has one more. */
int item_headers(const struct item *item, bool letter, struct ef_header *out)
{
    int count = item->uid % 4;
    const struct ef_header all[] = {
        {ef_slice_of("uid"), {(const char *)&item->uid, sizeof(item->uid)}},
        {ef_slice_of("null"), {NULL, 0}},
        {ef_slice_of("empty"), {"", 0}}};
    memcpy(out, all, (size_t)count * sizeof(*out));
    if (letter)
        out[count++] = (struct ef_header){ef_slice_of("letter"), ef_slice_of("why")};
    return count;
}

static bool same_bytes(const void *p, size_t size, struct ef_slice want)
{
    if (!p || !want.p)
        return p == want.p && size == 0;
    return size == want.len && memcmp(p, want.p, size) == 0;
}

static bool same_headers(const struct item *item, bool letter, const rd_kafka_headers_t *headers)
{
    struct ef_header want[ITEM_HEADERS_MAX];
    int count = item_headers(item, letter, want);
    const char *name;
    const void *value;
    size_t size;
    for (int i = 0; i < count; i++)
        if (rd_kafka_header_get_all(headers, (size_t)i, &name, &value, &size) ||
            !ef_slice_eq(ef_slice_of(name), want[i].name) ||
            !same_bytes(value, size, want[i].value))
            return false;
    return rd_kafka_header_get_all(headers, (size_t)count, &name, &value, &size) != 0;
}

static bool same_value(const struct message *m)
{
    char want[VALUE_MAX];
    if (m->item->tombstone)
        return !m->rkm.payload && m->rkm.len == 0;
    return same_bytes(m->rkm.payload, m->rkm.len,
                      (struct ef_slice){want, item_value(m->item, want)});
}

/* --- as it reaches the library --- */

void check_handed(const struct message *m, int kind, int topic)
{
    const struct item *item = m->item;
    const struct aim *aim = item->aim;
    bool letter = item->state == ITEM_ASIDE;
    int meant = letter ? ASIDE : item->suspect ? ALONE : MAIN;
    struct ef_slice key = aim->keyless ? (struct ef_slice){NULL, 0} : ef_slice_of(aim->key);
    if (!item->under_way)
        violated(SIM_INVENTION, "m%d is sent, and nobody has handed it over", item->uid);
    if (item->with_library)
        violated(SIM_INVENTION, "m%d is given to the library twice", item->uid);
    if (kind != meant)
        violated(SIM_INVENTION, "m%d goes by producer %d instead of %d", item->uid, kind, meant);
    if (topic != (letter ? DEAD_LETTERS : aim->topic))
        violated(SIM_INVENTION, "m%d goes to topic t%d", item->uid, topic);
    if (!same_bytes(m->rkm.key, m->rkm.key_len, key))
        violated(SIM_INVENTION, "m%d has another key", item->uid);
    if (!same_value(m))
        violated(SIM_INVENTION, "m%d has another value", item->uid);
    if (m->timestamp_ms != item->uid + 1)
        violated(SIM_INVENTION, "m%d has another timestamp", item->uid);
    if (!same_headers(item, letter, m->headers))
        violated(SIM_INVENTION, "m%d has other headers", item->uid);
}

/* What it has borrowed is still there. */
void check_sent(const struct message *m)
{
    if (!same_value(m))
        violated(SIM_INVENTION, "the value of m%d is another one as it is sent", m->item->uid);
}

/* counts: one bit for each number of partitions that the topic is known to have, or to have had. */
void check_partition(const struct item *item, unsigned counts, int partition)
{
    const struct aim *aim = item->aim;
    bool good = partition == aim->partition;
    if (aim->partition < 0)
        for (int n = 1; n <= PARTITIONS_MAX; n++)
            if (counts & 1U << n)
                good = good || (aim->keyless ? partition >= 0 && partition < n
                                             : partition == aim->by_key[n]);
    if (!good)
        violated(SIM_INVENTION, "m%d goes to partition %d", item->uid, partition);
}

/* --- as it reaches its partition --- */

static void first_appearance(const struct item *item, int topic, int partition)
{
    int last = c.last[item->aggregate][partition];
    const struct item *earlier = users_unfinished_before(item);
    if (item->state == ITEM_ASIDE || item->state == ITEM_DEAD)
        violated(SIM_DEAD_ORDER, "m%d was appended after it was reported as refused for good",
                 item->uid);
    if (item->aim->keyless) /* spread over the partitions */
        return;
    if (last > item->number + 1)
        violated(SIM_ORDER, "m%d appears in t%d/%d, where aggregate %d's #%d is and not its #%d",
                 item->uid, topic, partition, item->aggregate, last - 1, item->number);
    if (earlier)
        violated(SIM_HOLD, "m%d appears while m%d before it is unfinished", item->uid,
                 earlier->uid);
}

void check_appended(struct item *item, int topic, int partition)
{
    if (topic == DEAD_LETTERS) {
        item->letter_appended = true;
        return;
    }
    if (item->appended) {
        c.repeats++;
        cover(COVER_REPEATED);
    } else {
        c.appended++;
        first_appearance(item, topic, partition);
    }
    item->appended = true;
    int *last = &c.last[item->aggregate][partition];
    if (*last <= item->number)
        *last = item->number + 1;
}

int check_appended_total(void)
{
    return c.appended;
}

int check_repeats(void)
{
    return c.repeats;
}
