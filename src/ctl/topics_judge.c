// SPDX-License-Identifier: MIT
/* What is right and wrong with a topic, and what mends it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/topics.h"
#include "kafka/topic_rules.h"
#include "outbox/route.h"

struct judgement {
    const struct ef_topic_facts *facts;
    const struct ef_topic_place *place;
    struct ef_report *report;
    const char *name;
};

static const char *brokers_of(const struct judgement *j)
{
    return j->place->brokers ? j->place->brokers : j->place->config->kafka.brokers;
}

/* --- what mends --- */

/* words: before the command. how: its options. */
static void mend_in_words(const struct judgement *j, const char *words, const char *how)
{
    ef_report_mend(j->report, "%seventferryctl --config %s topics ensure --topic %s%s%s%s --yes",
                   words, j->place->config->path, j->name, how,
                   j->place->brokers ? " --brokers " : "",
                   j->place->brokers ? j->place->brokers : "");
}

static void mend_by_ensure(const struct judgement *j, const char *fmt, ...) EF_PRINTF(2, 3);

static void mend_by_ensure(const struct judgement *j, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *how = ef_xvprintf(fmt, ap);
    va_end(ap);
    mend_in_words(j, "", how);
    free(how);
}

static void mend_setting(const struct judgement *j, const char *setting, int64_t value)
{
    mend_by_ensure(j, " --setting %s=%" PRId64, setting, value);
}

static void mend_brokers(const struct judgement *j, const char *which)
{
    ef_report_mend(j->report,
                   "kafka-topics.sh --bootstrap-server %s --describe --%s # start the brokers "
                   "that are missing",
                   brokers_of(j), which);
}

/* --- is it there --- */

static void judge_missing(const struct judgement *j)
{
    const struct ef_topic_name *topic = j->facts->topic;
    size_t brokers = j->place->broker_count;
    if (topic->outbox)
        ef_report_add(j->report, "kafka.topic", EF_LEVEL_FAIL,
                      "topic \"%s\" does not exist, %s of outbox %s go there", j->name,
                      topic->dead_letters ? "dead letters" : "rows", topic->outbox->name);
    else
        ef_report_add(j->report, "kafka.topic", EF_LEVEL_FAIL, "topic \"%s\" does not exist",
                      j->name);
    if (brokers)
        mend_by_ensure(j, " --partitions 12 --replication-factor %zu", brokers < 3 ? brokers : 3);
    else
        mend_by_ensure(j, " --partitions 12");
}

static void add_denied(const struct judgement *j, const char *what, const char *operations)
{
    const char *user = ef_config_property(&j->place->config->kafka, "sasl.username");
    ef_report_add(j->report, "kafka.rights", EF_LEVEL_FAIL, "the daemon may not %s topic \"%s\"",
                  what, j->name);
    ef_report_mend(j->report,
                   "kafka-acls.sh --bootstrap-server %s --add --allow-principal User:%s %s "
                   "--topic %s",
                   brokers_of(j), user ? user : "USER", operations, j->name);
}

static void judge_leaders(const struct judgement *j)
{
    const struct ef_kafka_admin_topic *look = &j->facts->look;
    if (!look->leaderless) {
        ef_report_add(j->report, "kafka.topic", EF_LEVEL_OK, "topic \"%s\" has %d partitions",
                      j->name, look->partitions);
        return;
    }
    ef_report_add(j->report, "kafka.topic", EF_LEVEL_FAIL,
                  "%d of the %d partitions of topic \"%s\" have no leader: messages for them wait",
                  look->leaderless, look->partitions, j->name);
    mend_brokers(j, "unavailable-partitions");
}

static void judge_rights(const struct judgement *j)
{
    const struct ef_kafka_admin_topic *look = &j->facts->look;
    if (look->may_write_known && !look->may_write)
        add_denied(j, "write to", "--operation Write");
    else
        ef_report_add(j->report, "kafka.rights", EF_LEVEL_OK,
                      look->may_write_known
                          ? "the daemon may see and write to topic \"%s\""
                          : "the daemon may see topic \"%s\"; whether it may write there is not "
                            "told to this librdkafka",
                      j->name);
}

/* --- copies --- */

/* Nothing can be acknowledged; true then. */
static bool judge_refusal(const struct judgement *j)
{
    const struct ef_kafka_admin_topic *look = &j->facts->look;
    int64_t wanted = j->facts->min_in_sync;
    if (wanted > look->replicas) {
        ef_report_add(j->report, "kafka.replicas", EF_LEVEL_FAIL,
                      "topic \"%s\" has %d copies and wants %" PRId64
                      " in sync (min.insync.replicas): it takes no messages",
                      j->name, look->replicas, wanted);
        mend_setting(j, "min.insync.replicas", look->replicas > 1 ? look->replicas - 1 : 1);
        return true;
    }
    if (wanted > look->in_sync) {
        ef_report_add(j->report, "kafka.replicas", EF_LEVEL_FAIL,
                      "topic \"%s\" has a partition with %d copies in sync and wants %" PRId64
                      ": it takes no messages",
                      j->name, look->in_sync, wanted);
        mend_brokers(j, "under-min-isr-partitions");
        return true;
    }
    return false;
}

/* How it is set up, whatever is in sync now. A cluster of one broker can do no better. */
static bool judge_copies(const struct judgement *j)
{
    const struct ef_kafka_admin_topic *look = &j->facts->look;
    int64_t wanted = j->facts->min_in_sync;
    if (look->replicas == 1 && j->place->broker_count != 1) {
        ef_report_add(j->report, "kafka.replicas", EF_LEVEL_WARN,
                      "topic \"%s\" has one copy: a row can count as delivered and be lost with "
                      "its broker",
                      j->name);
        ef_report_mend(j->report, "# kafka-reassign-partitions.sh: give it two or more replicas");
        return true;
    }
    if (wanted == 1 && look->replicas > 1) {
        ef_report_add(j->report, "kafka.replicas", EF_LEVEL_WARN,
                      "topic \"%s\" acknowledges with one copy (min.insync.replicas=1): a row can "
                      "count as delivered and be lost with its broker",
                      j->name);
        mend_setting(j, "min.insync.replicas", 2);
        return true;
    }
    if (wanted == look->replicas && look->replicas > 1) {
        ef_report_add(j->report, "kafka.replicas", EF_LEVEL_WARN,
                      "topic \"%s\" wants all of its %d copies in sync: one broker away stops it",
                      j->name, look->replicas);
        mend_setting(j, "min.insync.replicas", look->replicas - 1);
        return true;
    }
    return false;
}

static bool judge_sync(const struct judgement *j)
{
    const struct ef_kafka_admin_topic *look = &j->facts->look;
    if (look->in_sync >= look->replicas)
        return false;
    ef_report_add(j->report, "kafka.replicas", EF_LEVEL_WARN,
                  "topic \"%s\" has a partition with only %d of %d copies in sync", j->name,
                  look->in_sync, look->replicas);
    mend_brokers(j, "under-replicated-partitions");
    return true;
}

static void judge_replicas(const struct judgement *j)
{
    const struct ef_topic_facts *f = j->facts;
    if (judge_refusal(j))
        return;
    bool bad = judge_copies(j);
    bad = judge_sync(j) || bad;
    if (f->min_in_sync < 0)
        ef_report_add(j->report, "kafka.replicas", EF_LEVEL_OK,
                      "the settings of topic \"%s\" are not to be seen (DescribeConfigs): %s",
                      j->name, f->settings.err.class ? f->settings.err.text : "left out");
    else if (!bad)
        ef_report_add(j->report, "kafka.replicas", EF_LEVEL_OK,
                      "topic \"%s\" has %d copies, %" PRId64 " of them at each acknowledgement",
                      j->name, f->look.replicas, f->min_in_sync);
}

/* --- limits --- */

/* Of a row that is there FAIL; of one that may come, and would be a dead letter, WARN. */
static void judge_size(const struct judgement *j)
{
    const struct ef_topic_name *topic = j->facts->topic;
    int64_t limit = j->facts->max_message_bytes, largest = topic->largest_bytes;
    int64_t may_come = topic->outbox ? topic->outbox->max_payload_bytes : 0;
    if (limit == INT64_MIN)
        return;
    if (largest && largest + EF_TOPIC_ENVELOPE_BYTES > limit) {
        ef_report_add(j->report, "kafka.message_size", EF_LEVEL_FAIL,
                      "an unfinished row for topic \"%s\" has %" PRId64
                      " bytes, the topic takes %" PRId64 " (max.message.bytes)",
                      j->name, largest, limit);
    } else if (!topic->outbox ||
               !ef_topic_judge_limit(j->report, j->name, limit, topic->outbox->name, may_come)) {
        ef_report_add(j->report, "kafka.message_size", EF_LEVEL_OK,
                      "topic \"%s\" takes messages of up to %" PRId64 " bytes", j->name, limit);
        return;
    }
    mend_setting(j, "max.message.bytes",
                 (largest > may_come ? largest : may_come) + EF_TOPIC_ENVELOPE_BYTES);
}

static void judge_cleanup(const struct judgement *j)
{
    if (!strstr(j->facts->cleanup, "compact"))
        return;
    ef_report_add(j->report, "kafka.cleanup", EF_LEVEL_WARN,
                  "topic \"%s\" is compacted (cleanup.policy=%s): rows with neither key nor "
                  "aggregate_id are refused, they go dead",
                  j->name, j->facts->cleanup);
    mend_in_words(
        j, "# see to it that each of its rows has one, or: ", " --setting cleanup.policy=delete");
}

void ef_topic_judge(const struct ef_topic_facts *f, const struct ef_topic_place *place,
                    struct ef_report *report)
{
    const struct judgement j = {f, place, report, f->topic->name};
    const char *fault = ef_topic_fault(ef_slice_of(f->topic->name));
    if (fault) {
        ef_report_add(report, "kafka.topic", EF_LEVEL_FAIL,
                      "topic \"%s\" cannot be, its name %s: Kafka takes no such topic", j.name,
                      fault);
    } else if (f->err.class) {
        ef_report_add(report, "kafka.topic", EF_LEVEL_FAIL, "topic \"%s\": %s", j.name,
                      f->err.text);
    } else if (f->look.denied) {
        add_denied(&j, "see", "--operation Describe --operation Write");
    } else if (!f->look.exists) {
        judge_missing(&j);
    } else {
        judge_leaders(&j);
        judge_rights(&j);
        judge_replicas(&j);
        judge_size(&j);
        judge_cleanup(&j);
    }
}
