// SPDX-License-Identifier: MIT
/* What the doctor asks the brokers, with the daemon's own configuration. */
#include "ctl/doctor.h"
#include "ctl/topics.h"
#include "kafka/admin.h"
#include "kafka/version.h"

enum { ASK_MS = 5000 };

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

/* What of it is well or not is judged as `topics validate` judges it. */
static void look_at_topic(struct look *look, const struct ef_topic_name *topic)
{
    struct ef_doctor *doctor = look->doctor;
    const struct ef_topic_place place = {doctor->config, NULL, look->cluster.broker_count};
    struct ef_topic_facts facts;
    struct ef_error err;
    if (ef_topic_look(look->admin, topic, ASK_MS, &facts, &err))
        ef_topic_judge(&facts, &place, &doctor->report);
    else
        ef_report_add(&doctor->report, "kafka.topic", EF_LEVEL_FAIL, "topic \"%s\": %s",
                      topic->name, err.text);
    ef_topic_facts_done(&facts);
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
    for (size_t i = 0; i < doctor->outbox_count; i++)
        ef_topic_names_of(&doctor->topics, doctor->outboxes[i]);
    for (size_t i = 0; i < doctor->topics.count; i++)
        look_at_topic(look, &doctor->topics.items[i]);
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
