// SPDX-License-Identifier: MIT
/* What the brokers say about a topic. */
#include <stdlib.h>
#include <string.h>

#include "ctl/topics.h"

static int64_t number_setting(const struct ef_kafka_admin_settings *settings, const char *name,
                              int64_t unknown)
{
    const char *text = ef_kafka_admin_setting_value(settings, name);
    char *end;
    if (!text)
        return unknown;
    long long number = strtoll(text, &end, 10);
    return *end ? unknown : number;
}

bool ef_topic_look(struct ef_kafka_admin *admin, const struct ef_topic_name *topic, int timeout_ms,
                   struct ef_topic_facts *ret, struct ef_error *err)
{
    const char *name = topic->name;
    *ret = (struct ef_topic_facts){.topic = topic,
                                   .min_in_sync = -1,
                                   .max_message_bytes = INT64_MIN,
                                   .retention_ms = INT64_MIN,
                                   .cleanup = ""};
    if (!ef_kafka_admin_topic(admin, name, timeout_ms, &ret->look, err)) {
        ret->err = *err;
        return err->class == EF_CLASS_DESTINATION; /* a name that cannot be: judged as such */
    }
    if (!ret->look.exists)
        return true;
    struct ef_error refused; /* settings need DescribeConfigs, which a relay need not have */
    if (!ef_kafka_admin_topic_settings(admin, &name, 1, timeout_ms, &ret->settings, &refused)) {
        ret->settings.err = refused;
        return true;
    }
    const char *cleanup = ef_kafka_admin_setting_value(&ret->settings, "cleanup.policy");
    ret->min_in_sync = number_setting(&ret->settings, "min.insync.replicas", -1);
    ret->max_message_bytes = number_setting(&ret->settings, "max.message.bytes", INT64_MIN);
    ret->retention_ms = number_setting(&ret->settings, "retention.ms", INT64_MIN);
    ret->cleanup = cleanup ? cleanup : "";
    return true;
}

void ef_topic_facts_done(struct ef_topic_facts *facts)
{
    ef_kafka_admin_settings_done(&facts->settings);
}

size_t ef_topic_brokers(struct ef_kafka_admin *admin)
{
    struct ef_kafka_admin_cluster cluster;
    struct ef_error ignored; /* judged without it, then */
    if (!ef_kafka_admin_cluster(admin, EF_TOPICS_TIMEOUT_MS, &cluster, &ignored))
        return 0;
    size_t count = cluster.broker_count;
    ef_kafka_admin_cluster_done(&cluster);
    return count;
}
