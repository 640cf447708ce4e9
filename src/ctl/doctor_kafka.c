// SPDX-License-Identifier: MIT
/* What the doctor asks the brokers, with the daemon's own configuration. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/doctor.h"
#include "kafka/admin.h"
#include "kafka/version.h"

enum { ASK_MS = 5000, ENVELOPE_BYTES = 4096 /* key, usual headers and the batch's own */ };

struct look {
    struct ef_doctor *doctor;
    struct ef_kafka_admin *admin;
    struct ef_kafka_admin_cluster cluster;
};

static void look_at_library(struct ef_doctor *doctor)
{
    struct ef_report *report = &doctor->report;
    const char *mechanism = ef_config_property(&doctor->config->kafka, "sasl.mechanisms");
    if (!mechanism)
        mechanism = ef_config_property(&doctor->config->kafka, "sasl.mechanism");
    const char *trap = ef_kafka_version_trap(ef_kafka_version_number(), mechanism ? mechanism : "");
    if (!trap) {
        ef_report_add(report, "kafka.library", EF_LEVEL_OK,
                      "librdkafka %s has no fault that matters here", ef_kafka_version());
        return;
    }
    ef_report_add(report, "kafka.library", EF_LEVEL_WARN, "librdkafka %s %s", ef_kafka_version(),
                  trap);
    ef_report_mend(report, "# install librdkafka 2.11.1 or later");
}

/* --- brokers --- */

/* Its settings are asked of each broker itself, so an answer, even a refusal, proves it is there.
 */
static void look_at_broker(struct look *look, const struct ef_kafka_admin_broker *broker)
{
    struct ef_report *report = &look->doctor->report;
    struct ef_kafka_admin_settings settings = {0};
    struct ef_error err;
    if (ef_kafka_admin_broker_settings(look->admin, broker->id, ASK_MS, &settings, &err) ||
        err.class == EF_CLASS_CONFIG) {
        ef_report_add(report, "kafka.broker", EF_LEVEL_OK, "broker %d answers at %s:%d", broker->id,
                      broker->host, broker->port);
    } else {
        ef_report_add(report, "kafka.broker", EF_LEVEL_FAIL,
                      "broker %d does not answer at %s:%d: %s", broker->id, broker->host,
                      broker->port, err.text);
        ef_report_mend(report, "nc -vz %s %d # and advertised.listeners of that broker",
                       broker->host, broker->port);
    }
    ef_kafka_admin_settings_done(&settings);
}

static void look_at_rights(struct look *look)
{
    struct ef_report *report = &look->doctor->report;
    struct ef_error err;
    const char *user = ef_config_property(&look->doctor->config->kafka, "sasl.username");
    if (!ef_kafka_admin_fatal(look->admin, &err))
        return; /* topics say more */
    ef_report_add(report, "kafka.rights", EF_LEVEL_FAIL,
                  "the brokers do not let the daemon write to any topic: %s", err.text);
    ef_report_mend(report,
                   "kafka-acls.sh --bootstrap-server %s --add --allow-principal User:%s "
                   "--operation Write --operation Describe --topic '*'",
                   look->doctor->config->kafka.brokers, user ? user : "USER");
}

/* --- topics --- */

static int64_t number_of(const struct ef_kafka_admin_settings *settings, const char *name,
                         int64_t otherwise)
{
    const char *value = ef_kafka_admin_setting_value(settings, name);
    return value ? strtoll(value, NULL, 10) : otherwise;
}

static void mend_setting(struct look *look, const struct ef_doctor_topic *topic, const char *name,
                         int64_t value)
{
    ef_report_mend(&look->doctor->report,
                   "eventferryctl --config %s topics ensure --topic %s --setting %s=%" PRId64
                   " --yes",
                   look->doctor->config->path, topic->name, name, value);
}

static void look_at_replicas(struct look *look, const struct ef_doctor_topic *topic,
                             const struct ef_kafka_admin_topic *found, int64_t min_in_sync)
{
    struct ef_report *report = &look->doctor->report;
    const char *brokers = look->doctor->config->kafka.brokers;
    if (min_in_sync > found->replicas) {
        ef_report_add(report, "kafka.replicas", EF_LEVEL_FAIL,
                      "topic \"%s\" has %d copies and wants %" PRId64
                      " in sync (min.insync.replicas): it takes no messages",
                      topic->name, found->replicas, min_in_sync);
        mend_setting(look, topic, "min.insync.replicas",
                     found->replicas > 1 ? found->replicas - 1 : 1);
    } else if (found->in_sync < min_in_sync) {
        ef_report_add(report, "kafka.replicas", EF_LEVEL_FAIL,
                      "topic \"%s\" has a partition with %d copies in sync and wants %" PRId64
                      ": it takes no messages",
                      topic->name, found->in_sync, min_in_sync);
        ef_report_mend(report,
                       "kafka-topics.sh --bootstrap-server %s --describe "
                       "--under-min-isr-partitions # start the brokers that are missing",
                       brokers);
    } else if (min_in_sync == 1 && look->cluster.broker_count > 1) {
        ef_report_add(report, "kafka.replicas", EF_LEVEL_WARN,
                      "topic \"%s\" acknowledges with one copy (min.insync.replicas=1): a row can "
                      "count as delivered and be lost with its broker",
                      topic->name);
        if (found->replicas < 2)
            ef_report_mend(report, "# kafka-reassign-partitions.sh: give it two or more replicas");
        else
            mend_setting(look, topic, "min.insync.replicas", 2);
    } else if (min_in_sync == found->replicas && found->replicas > 1) {
        ef_report_add(report, "kafka.replicas", EF_LEVEL_WARN,
                      "topic \"%s\" wants all of its %d copies in sync: one broker away stops it",
                      topic->name, found->replicas);
        mend_setting(look, topic, "min.insync.replicas", found->replicas - 1);
    } else {
        ef_report_add(report, "kafka.replicas", EF_LEVEL_OK,
                      "topic \"%s\" has %d copies, %" PRId64 " of them at each acknowledgement",
                      topic->name, found->replicas, min_in_sync);
    }
}

static void look_at_size(struct look *look, const struct ef_doctor_topic *topic, int64_t limit)
{
    struct ef_report *report = &look->doctor->report;
    bool now = topic->largest_bytes + ENVELOPE_BYTES > limit;
    int64_t wanted =
        now && topic->largest_bytes > topic->max_bytes ? topic->largest_bytes : topic->max_bytes;
    if (!now && topic->max_bytes <= limit) {
        ef_report_add(report, "kafka.message_size", EF_LEVEL_OK,
                      "topic \"%s\" takes messages of up to %" PRId64 " bytes", topic->name, limit);
        return;
    }
    if (now)
        ef_report_add(report, "kafka.message_size", EF_LEVEL_FAIL,
                      "an unfinished row for topic \"%s\" has %" PRId64
                      " bytes, the topic takes %" PRId64 " (max.message.bytes)",
                      topic->name, topic->largest_bytes, limit);
    else
        ef_report_add(report, "kafka.message_size", EF_LEVEL_WARN,
                      "max_payload is %" PRId64 " bytes, topic \"%s\" takes %" PRId64
                      " (max.message.bytes)",
                      topic->max_bytes, topic->name, limit);
    mend_setting(look, topic, "max.message.bytes", wanted + ENVELOPE_BYTES);
}

static void look_at_settings(struct look *look, const struct ef_doctor_topic *topic,
                             const struct ef_kafka_admin_topic *found)
{
    struct ef_report *report = &look->doctor->report;
    struct ef_kafka_admin_settings settings = {0};
    struct ef_error err = {0};
    const char *name = topic->name;
    if (!ef_kafka_admin_topic_settings(look->admin, &name, 1, ASK_MS, &settings, &err) ||
        settings.err.class) {
        ef_report_add(report, "kafka.replicas", EF_LEVEL_OK,
                      "the settings of topic \"%s\" are not to be seen (DescribeConfigs): %s",
                      topic->name, err.class ? err.text : settings.err.text);
    } else {
        look_at_replicas(look, topic, found, number_of(&settings, "min.insync.replicas", 1));
        look_at_size(look, topic, number_of(&settings, "max.message.bytes", INT64_MAX));
    }
    ef_kafka_admin_settings_done(&settings);
}

static void add_missing(struct look *look, const struct ef_doctor_topic *topic)
{
    struct ef_report *report = &look->doctor->report;
    ef_report_add(report, "kafka.topic", EF_LEVEL_FAIL,
                  "topic \"%s\" does not exist, rows of outbox %s name it", topic->name,
                  topic->outbox);
    ef_report_mend(report,
                   "eventferryctl --config %s topics ensure --topic %s --partitions 12 "
                   "--replication-factor %d --yes",
                   look->doctor->config->path, topic->name,
                   look->cluster.broker_count < 3 ? (int)look->cluster.broker_count : 3);
}

static void add_denied(struct look *look, const struct ef_doctor_topic *topic, const char *what,
                       const char *operations)
{
    struct ef_report *report = &look->doctor->report;
    const char *user = ef_config_property(&look->doctor->config->kafka, "sasl.username");
    ef_report_add(report, "kafka.rights", EF_LEVEL_FAIL, "the daemon may not %s topic \"%s\"", what,
                  topic->name);
    ef_report_mend(report,
                   "kafka-acls.sh --bootstrap-server %s --add --allow-principal User:%s %s "
                   "--topic %s",
                   look->doctor->config->kafka.brokers, user ? user : "USER", operations,
                   topic->name);
}

static void look_at_topic(struct look *look, const struct ef_doctor_topic *topic)
{
    struct ef_report *report = &look->doctor->report;
    struct ef_kafka_admin_topic found;
    struct ef_error err;
    if (!ef_kafka_admin_topic(look->admin, topic->name, ASK_MS, &found, &err)) {
        ef_report_add(report, "kafka.topic", EF_LEVEL_FAIL, "topic \"%s\": %s", topic->name,
                      err.text);
        return;
    }
    if (found.denied) {
        add_denied(look, topic, "see", "--operation Describe --operation Write");
        return;
    }
    if (!found.exists) {
        add_missing(look, topic);
        return;
    }
    if (found.leaderless) {
        ef_report_add(report, "kafka.topic", EF_LEVEL_FAIL,
                      "%d of the %d partitions of topic \"%s\" have no leader", found.leaderless,
                      found.partitions, topic->name);
        ef_report_mend(report,
                       "kafka-topics.sh --bootstrap-server %s --describe "
                       "--unavailable-partitions # start the brokers that are missing",
                       look->doctor->config->kafka.brokers);
    } else {
        ef_report_add(report, "kafka.topic", EF_LEVEL_OK, "topic \"%s\" has %d partitions",
                      topic->name, found.partitions);
    }
    if (found.may_write_known && !found.may_write)
        add_denied(look, topic, "write to", "--operation Write");
    else
        ef_report_add(report, "kafka.rights", EF_LEVEL_OK,
                      found.may_write_known
                          ? "the daemon may see and write to topic \"%s\""
                          : "the daemon may see topic \"%s\"; whether it may write there is not "
                            "told to this librdkafka",
                      topic->name);
    look_at_settings(look, topic, &found);
}

/* Topics named by the configuration and not by a row are asked about, too. */
static void add_dead_letter_topics(struct ef_doctor *doctor)
{
    for (size_t i = 0; i < doctor->outbox_count; i++) {
        const struct ef_config_outbox *outbox = doctor->outboxes[i];
        if (outbox->dead_letter_topic && !strchr(outbox->dead_letter_topic, '$'))
            ef_doctor_add_topic(doctor, outbox, outbox->dead_letter_topic, 0);
    }
}

static void look_at_cluster(struct look *look)
{
    struct ef_doctor *doctor = look->doctor;
    struct ef_report *report = &doctor->report;
    struct ef_error err;
    if (!ef_kafka_admin_cluster(look->admin, ASK_MS * 2, &look->cluster, &err)) {
        ef_report_add(report, "kafka.connect", EF_LEVEL_FAIL, "%s", err.text);
        ef_report_mend(report, "# in %s: kafka, brokers and properties", doctor->config->path);
        return;
    }
    doctor->reached++;
    ef_report_add(report, "kafka.connect", EF_LEVEL_OK, "the cluster of %zu brokers lets us in",
                  look->cluster.broker_count);
    for (size_t i = 0; i < look->cluster.broker_count; i++)
        look_at_broker(look, &look->cluster.brokers[i]);
    add_dead_letter_topics(doctor);
    for (size_t i = 0; i < doctor->topic_count; i++)
        look_at_topic(look, &doctor->topics[i]);
    look_at_rights(look);
    ef_kafka_admin_cluster_done(&look->cluster);
}

void ef_doctor_kafka(struct ef_doctor *doctor)
{
    struct look look = {.doctor = doctor};
    struct ef_error err;
    ef_report_subject(&doctor->report, "kafka");
    look_at_library(doctor);
    doctor->tried++;
    look.admin = ef_kafka_admin_new(&doctor->config->kafka, NULL, &err);
    if (look.admin) {
        look_at_cluster(&look);
    } else {
        ef_report_add(&doctor->report, "kafka.connect", EF_LEVEL_FAIL, "%s", err.text);
        ef_report_mend(&doctor->report, "eventferryd --config %s --check-config",
                       doctor->config->path);
    }
    ef_kafka_admin_free(look.admin);
}
