// SPDX-License-Identifier: MIT
/*
 * What the doctor would say of the topics that were sent to, while the producer lives: whether they
 * take what their outboxes let through, and whether their partitions have become others. Nothing
 * here changes what is sent.
 */
#define EF_LOG_ROOM "kafka"
#include "kafka/producer_private.h"

#include <inttypes.h>
#include <stdlib.h>

#include "kafka/topic_rules.h"

/* Some thirty settings come of each topic: an answer about so many is taken in a millisecond. */
enum { TOPICS_A_REQUEST = 100, ANSWER_MS = 10000 };
#define CHANGE_TOLD_US (3600 * EF_S_US)

/* --- who sends where --- */

void ef_examine_use(struct ef_topic *topic, struct user *u)
{
    if (topic->last_user == u)
        return;
    topic->last_user = u;
    for (int i = 0; i < topic->user_count; i++)
        if (topic->users[i] == u)
            return;
    topic->users =
        ef_xrealloc(topic->users, ((size_t)topic->user_count + 1) * sizeof(struct user *));
    topic->users[topic->user_count++] = u;
}

void ef_examine_forget_user(struct ef_producer *p, const struct user *u)
{
    struct ef_topic *topic, *next;
    HASH_ITER (hh, p->topics, topic, next) {
        topic->last_user = NULL;
        for (int i = 0; i < topic->user_count; i++)
            if (topic->users[i] == u)
                topic->users[i--] = topic->users[--topic->user_count];
    }
}

void ef_examine_forget_topic(struct ef_topic *topic)
{
    free(topic->users);
    topic->users = NULL;
    topic->user_count = 0;
}

/* --- judging --- */

static void judge_limits(struct ef_producer *p, const struct ef_topic *topic,
                         struct ef_report *report)
{
    for (int i = 0; i < topic->user_count && topic->limit_bytes; i++) {
        const struct user *u = topic->users[i];
        if (!ef_topic_judge_limit(report, topic->name, topic->limit_bytes, u->name,
                                  u->max_payload_bytes))
            continue;
        ef_report_key(report, "topic %s, outbox %s", topic->name, u->name);
        ef_report_mend(report,
                       "eventferryctl --config %s topics ensure --topic %s --setting "
                       "max.message.bytes=%" PRId64 " --yes",
                       p->params.examiner.config_path, topic->name,
                       u->max_payload_bytes + EF_TOPIC_ENVELOPE_BYTES);
    }
}

static bool is_ours(const struct ef_topic *topic)
{
    for (int i = 0; i < topic->user_count; i++)
        if (topic->users[i]->max_payload_bytes)
            return true;
    return false;
}

static void judge_change(const struct ef_producer *p, struct ef_topic *topic, int64_t now_us,
                         struct ef_report *report)
{
    if (!topic->former_count || !is_ours(topic))
        return;
    if (now_us - topic->changed_us > CHANGE_TOLD_US) {
        topic->former_count = 0;
        return;
    }
    ef_report_add(report, "kafka.partitions", EF_LEVEL_WARN,
                  "topic \"%s\" has %d partitions and had %d: keys may go to other partitions than "
                  "before, so later events may be read before earlier ones",
                  topic->name, topic->known_count, topic->former_count);
    ef_report_key(report, "topic %s", topic->name);
    ef_report_mend(report,
                   "# see that consumers of %s have read what came before; then eventferryctl "
                   "--config %s reload ends this warning",
                   topic->name, p->params.examiner.config_path);
}

static void tell(void *arg)
{
    struct ef_producer *p = arg;
    const struct ef_producer_examiner *examiner = &p->params.examiner;
    int64_t now_us = ef_loop_time(p->loop)->mono.us;
    struct ef_topic *topic, *next;
    struct ef_report report;
    if (!examiner->found)
        return;
    for (struct user *u = p->users; u; u = u->next)
        u->max_payload_bytes = u->gone ? 0 : examiner->max_payload(examiner->arg, u->name);
    ef_report_init(&report);
    ef_report_subject(&report, "kafka");
    HASH_ITER (hh, p->topics, topic, next) {
        judge_limits(p, topic, &report);
        judge_change(p, topic, now_us, &report);
    }
    examiner->found(examiner->arg, &report);
    ef_report_done(&report);
}

bool ef_examine_counted(struct ef_producer *p, struct ef_topic *topic, int count)
{
    int before = topic->known_count;
    topic->known_count = count;
    if (!before || before == count)
        return false;
    topic->former_count = before;
    topic->changed_us = ef_loop_time(p->loop)->mono.us;
    ef_defer(&p->tell_topics);
    return true;
}

void ef_producer_forget_changes(struct ef_producer *p)
{
    struct ef_topic *topic, *next;
    HASH_ITER (hh, p->topics, topic, next)
        topic->former_count = 0;
    ef_defer(&p->tell_topics);
}

/* --- asking --- */

/* The connections of dead letters and probes: what is asked there keeps no row waiting. */
static void send_request(struct ef_producer *p, rd_kafka_ConfigResource_t **resources, size_t count)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(p->aside.rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, NULL, 0);
    rd_kafka_DescribeConfigs(p->aside.rk, resources, count, options, p->aside.queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy_array(resources, count);
}

static void ask(struct ef_producer *p)
{
    rd_kafka_ConfigResource_t *resources[TOPICS_A_REQUEST];
    size_t count = 0;
    struct ef_topic *topic, *next;
    HASH_ITER (hh, p->topics, topic, next) {
        resources[count++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic->name);
        if (count < TOPICS_A_REQUEST)
            continue;
        send_request(p, resources, count);
        count = 0;
    }
    if (count)
        send_request(p, resources, count);
}

/* The embedded broker has no settings to ask for. */
void ef_producer_examine(struct ef_producer *p)
{
    if (!p->params.examiner.found)
        return;
    ef_defer(&p->tell_topics);
    if (!p->params.embedded && p->aside.rk && !p->aside_failed)
        ask(p);
}

/* Without the right (DescribeConfigs), or after the topic went, the limit is not known. */
static int64_t limit_of(const rd_kafka_ConfigResource_t *resource)
{
    size_t count = 0;
    if (rd_kafka_ConfigResource_error(resource))
        return 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0)
            return strtoll(value, NULL, 10);
    }
    return 0;
}

/* An error of the whole request says nothing about a topic: what was known stays. */
void ef_examine_answered(struct ef_producer *p, rd_kafka_event_t *event)
{
    size_t count;
    if (rd_kafka_event_error(event)) {
        ef_debug("could not ask for settings of topics, ignoring",
                 EF_STR("error", rd_kafka_event_error_string(event)));
        return;
    }
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &count);
    for (size_t i = 0; i < count; i++) {
        const char *name = rd_kafka_ConfigResource_name(resources[i]);
        struct ef_topic *topic;
        HASH_FIND(hh, p->topics, name, strlen(name), topic);
        if (topic)
            topic->limit_bytes = limit_of(resources[i]);
    }
    ef_defer(&p->tell_topics);
}

void ef_examine_init(struct ef_producer *p)
{
    ef_deferred_init(&p->tell_topics, p->loop, "kafka", tell, p);
}

void ef_examine_done(struct ef_producer *p)
{
    ef_deferred_cancel(&p->tell_topics);
}
