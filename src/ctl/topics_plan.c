// SPDX-License-Identifier: MIT
/* What would make topics as they shall be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/topics.h"
#include "outbox/route.h"

static void put_wish(const struct ef_topic_wish *wish, char *out, size_t size)
{
    int at;
    if (wish->partitions)
        at = snprintf(out, size, "%" PRId64 " partitions", wish->partitions);
    else
        at = snprintf(out, size, "the brokers' number of partitions");
    if (wish->replicas)
        at += snprintf(out + at, size - (size_t)at, ", %" PRId64 " replicas", wish->replicas);
    for (size_t i = 0; i < wish->setting_count && (size_t)at < size; i++)
        at += snprintf(out + at, size - (size_t)at, ", %s=%s", wish->settings[i].name,
                       wish->settings[i].value);
}

static void plan_partitions(const struct ef_topic_facts *f, const struct ef_topic_wish *wish,
                            struct ef_topic_plan *ret)
{
    int now = f->look.partitions;
    if (!wish->partitions || wish->partitions == now)
        return;
    ret->grow = wish->partitions > now && wish->grow;
    if (ret->grow) {
        snprintf(ret->text, sizeof(ret->text), "grow from %d to %" PRId64 " partitions", now,
                 wish->partitions);
        snprintf(ret->warning, sizeof(ret->warning),
                 "keys go to other partitions than before, so an aggregate's later events may be "
                 "read before its earlier ones: eventferryctl drain%s%s first, and let consumers "
                 "catch up",
                 f->topic->outbox ? " " : "", f->topic->outbox ? f->topic->outbox->name : "");
        return;
    }
    ret->refused = true;
    if (wish->partitions < now)
        snprintf(ret->warning, sizeof(ret->warning),
                 "has %d partitions, more than %" PRId64 "; Kafka takes none away", now,
                 wish->partitions);
    else
        snprintf(ret->warning, sizeof(ret->warning),
                 "has %d partitions, fewer than %" PRId64
                 "; --grow adds them, which changes the partitions of keys",
                 now, wish->partitions);
}

static void plan_settings(const struct ef_topic_facts *f, const struct ef_topic_wish *wish,
                          struct ef_topic_plan *ret)
{
    size_t at = strlen(ret->text);
    for (size_t i = 0; i < wish->setting_count; i++) {
        const char *now = ef_kafka_admin_setting_value(&f->settings, wish->settings[i].name);
        if (now && strcmp(now, wish->settings[i].value) == 0)
            continue;
        ret->set = true;
        if (at < sizeof(ret->text))
            at += (size_t)snprintf(ret->text + at, sizeof(ret->text) - at, "%sset %s from %s to %s",
                                   at ? ", " : "", wish->settings[i].name, now ? now : "nothing",
                                   wish->settings[i].value);
    }
}

void ef_topic_plan(const struct ef_topic_facts *f, const struct ef_topic_wish *wish,
                   struct ef_topic_plan *ret)
{
    const char *fault = ef_topic_fault(ef_slice_of(f->topic->name));
    char how[400];
    *ret = (struct ef_topic_plan){0};
    if (fault || f->look.denied) {
        ret->refused = true;
        snprintf(ret->warning, sizeof(ret->warning), "%s%s",
                 fault ? "cannot be made, its name " : "the brokers do not let us see it",
                 fault ? fault : "");
        return;
    }
    if (!f->look.exists) {
        ret->create = true;
        put_wish(wish, how, sizeof(how));
        snprintf(ret->text, sizeof(ret->text), "make it with %s", how);
        return;
    }
    plan_partitions(f, wish, ret);
    plan_settings(f, wish, ret);
    if (wish->replicas && wish->replicas != f->look.replicas && !ret->warning[0]) {
        ret->refused = true;
        snprintf(ret->warning, sizeof(ret->warning),
                 "has %d replicas, not %" PRId64 "; kafka-reassign-partitions changes that",
                 f->look.replicas, wish->replicas);
    }
}
