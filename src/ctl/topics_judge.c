// SPDX-License-Identifier: MIT
/* What is right and wrong with topics, and what would make them as they shall be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/topics.h"
#include "outbox/route.h"

struct judgement {
    void (*found)(void *arg, enum ef_topic_level level, const char *text);
    void *arg;
    enum ef_topic_level worst;
};

static void say(struct judgement *j, enum ef_topic_level level, const char *fmt, ...)
    EF_PRINTF(3, 4);

static void say(struct judgement *j, enum ef_topic_level level, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (level > j->worst)
        j->worst = level;
    j->found(j->arg, level, text);
}

static void judge_replicas(struct judgement *j, const struct ef_topic_facts *f)
{
    const struct ef_kafka_admin_topic *look = &f->look;
    if (look->leaderless)
        say(j, EF_TOPIC_FAIL, "%d of %d partitions have no leader: messages for them wait",
            look->leaderless, look->partitions);
    if (f->min_in_sync > look->replicas)
        say(j, EF_TOPIC_FAIL,
            "min.insync.replicas is %" PRId64 ", but there are %d replicas: no message can ever be "
            "acknowledged; lower it or add replicas",
            f->min_in_sync, look->replicas);
    else if (f->min_in_sync > look->in_sync)
        say(j, EF_TOPIC_FAIL,
            "%d replicas are in sync, min.insync.replicas wants %" PRId64
            ": messages wait until more brokers have caught up",
            look->in_sync, f->min_in_sync);
    else if (look->in_sync < look->replicas)
        say(j, EF_TOPIC_WARN, "only %d of %d replicas are in sync", look->in_sync, look->replicas);
    if (look->replicas == 1)
        say(j, EF_TOPIC_WARN, "one replica: the loss of one broker loses acknowledged messages");
    else if (f->min_in_sync == 1)
        say(j, EF_TOPIC_WARN,
            "min.insync.replicas is 1: a message may be acknowledged by one broker and lost with "
            "it; 2 is better");
}

static void judge_limits(struct judgement *j, const struct ef_topic_facts *f)
{
    const struct ef_config_outbox *outbox = f->topic->outbox;
    if (strstr(f->cleanup, "compact"))
        say(j, EF_TOPIC_WARN,
            "cleanup.policy is %s: rows with neither key nor aggregate_id are refused, they go "
            "dead",
            f->cleanup);
    if (!outbox || f->max_message_bytes == INT64_MIN)
        return;
    if (f->max_message_bytes < outbox->max_payload_bytes)
        say(j, EF_TOPIC_FAIL,
            "max.message.bytes is %" PRId64 ", max_payload of outbox %s is %" PRId64
            ": larger rows go dead; raise the one or lower the other",
            f->max_message_bytes, outbox->name, outbox->max_payload_bytes);
}

void ef_topic_judge(const struct ef_topic_facts *f,
                    void (*found)(void *arg, enum ef_topic_level level, const char *text),
                    void *arg)
{
    struct judgement j = {found, arg, EF_TOPIC_OK};
    const char *fault = ef_topic_fault(ef_slice_of(f->topic->name));
    if (fault) {
        say(&j, EF_TOPIC_FAIL, "the name %s: Kafka takes no such topic", fault);
    } else if (f->look.denied) {
        say(&j, EF_TOPIC_FAIL, "the brokers do not let us see it: Describe and Write are needed");
    } else if (!f->look.exists) {
        say(&j, EF_TOPIC_FAIL,
            "does not exist; eventferryctl topics ensure --topic %s --yes makes it",
            f->topic->name);
    } else {
        if (f->look.may_write_known && !f->look.may_write)
            say(&j, EF_TOPIC_FAIL, "we may not write to it");
        judge_replicas(&j, f);
        judge_limits(&j, f);
    }
    if (j.worst == EF_TOPIC_OK)
        say(&j, EF_TOPIC_OK, "%d partitions, %d replicas", f->look.partitions, f->look.replicas);
}

/* --- plans --- */

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
