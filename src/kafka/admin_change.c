// SPDX-License-Identifier: MIT
/* What an administrator's connection changes: topics made, grown, set. */
#include <stdlib.h>

#include "base/str.h"
#include "kafka/admin_private.h"

/* How long the brokers may take to carry it out, which is part of the request's own time. */
static rd_kafka_AdminOptions_t *change_options(struct ef_kafka_admin *admin, rd_kafka_admin_op_t op,
                                               bool only_try, int timeout_ms)
{
    rd_kafka_AdminOptions_t *options = ef_kafka_admin_options(admin, op, timeout_ms);
    if (op != RD_KAFKA_ADMIN_OP_ALTERCONFIGS)
        rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, NULL, 0);
    if (only_try)
        rd_kafka_AdminOptions_set_validate_only(options, 1, NULL, 0);
    return options;
}

/* The one topic of an answer. */
static bool take_result(struct ef_kafka_admin *admin, const rd_kafka_topic_result_t **results,
                        size_t count, const char *what, struct ef_error *err)
{
    if (count != 1)
        return ef_error_set(err, EF_CLASS_DESTINATION, "could not %s: no answer about it", what);
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[0]);
    return !code || ef_kafka_admin_fail(admin, err, code,
                                        rd_kafka_topic_result_error_string(results[0]), what);
}

static bool new_topic(const struct ef_kafka_admin_new_topic *wanted, rd_kafka_NewTopic_t **ret,
                      struct ef_error *err)
{
    char reason[256];
    *ret = rd_kafka_NewTopic_new(wanted->name, wanted->partitions, wanted->replicas, reason,
                                 sizeof(reason));
    if (!*ret)
        return ef_error_set(err, EF_CLASS_CONFIG, "cannot make the topic \"%s\": %s", wanted->name,
                            reason);
    for (size_t i = 0; i < wanted->setting_count; i++)
        rd_kafka_NewTopic_set_config(*ret, wanted->settings[i].name, wanted->settings[i].value);
    return true;
}

bool ef_kafka_admin_create(struct ef_kafka_admin *admin,
                           const struct ef_kafka_admin_new_topic *wanted, bool only_try,
                           int timeout_ms, struct ef_error *err)
{
    rd_kafka_NewTopic_t *topic;
    size_t count;
    if (!new_topic(wanted, &topic, err))
        return false;
    rd_kafka_AdminOptions_t *options =
        change_options(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS, only_try, timeout_ms);
    rd_kafka_CreateTopics(admin->rk, &topic, 1, options, admin->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_event_t *event = ef_kafka_admin_wait(admin, "make the topic", err);
    if (!event)
        return false;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    bool ok = take_result(admin, results, count, "make the topic", err);
    rd_kafka_event_destroy(event);
    return ok;
}

bool ef_kafka_admin_grow(struct ef_kafka_admin *admin, const char *name, int partitions,
                         bool only_try, int timeout_ms, struct ef_error *err)
{
    char reason[256];
    size_t count;
    rd_kafka_NewPartitions_t *wanted =
        rd_kafka_NewPartitions_new(name, (size_t)partitions, reason, sizeof(reason));
    if (!wanted)
        return ef_error_set(err, EF_CLASS_CONFIG, "cannot grow the topic \"%s\": %s", name, reason);
    rd_kafka_AdminOptions_t *options =
        change_options(admin, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, only_try, timeout_ms);
    rd_kafka_CreatePartitions(admin->rk, &wanted, 1, options, admin->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewPartitions_destroy(wanted);
    rd_kafka_event_t *event = ef_kafka_admin_wait(admin, "grow the topic", err);
    if (!event)
        return false;
    const rd_kafka_topic_result_t **results = rd_kafka_CreatePartitions_result_topics(
        rd_kafka_event_CreatePartitions_result(event), &count);
    bool ok = take_result(admin, results, count, "grow the topic", err);
    rd_kafka_event_destroy(event);
    return ok;
}

static bool is_wanted(const struct ef_kafka_admin_pair *wanted, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(wanted[i].name, name) == 0)
            return true;
    return false;
}

/*
 * AlterConfigs (Kafka's KIP-133) replaces all that was set on the topic, so what stands there goes
 * along. Every librdkafka and broker this builds with has it; the incremental form came later.
 */
static bool fill_resource(struct ef_kafka_admin *admin, const char *name,
                          const struct ef_kafka_admin_pair *wanted, size_t count, int timeout_ms,
                          rd_kafka_ConfigResource_t *resource, struct ef_error *err)
{
    struct ef_kafka_admin_settings now;
    if (!ef_kafka_admin_topic_settings(admin, &name, 1, timeout_ms, &now, err))
        return false;
    bool ok = now.err.class == EF_CLASS_NONE;
    if (!ok)
        *err = now.err;
    for (size_t i = 0; ok && i < now.count; i++) {
        const struct ef_kafka_admin_setting *setting = &now.items[i];
        if (!setting->is_default && !setting->read_only && setting->value &&
            !is_wanted(wanted, count, setting->name))
            rd_kafka_ConfigResource_set_config(resource, setting->name, setting->value);
    }
    for (size_t i = 0; ok && i < count; i++)
        rd_kafka_ConfigResource_set_config(resource, wanted[i].name, wanted[i].value);
    ef_kafka_admin_settings_done(&now);
    return ok;
}

static bool take_altered(struct ef_kafka_admin *admin, rd_kafka_event_t *event,
                         struct ef_error *err)
{
    size_t count;
    const rd_kafka_ConfigResource_t **results =
        rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count);
    if (count != 1)
        return ef_error_set(err, EF_CLASS_DESTINATION, "could not set the topic: no answer");
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(results[0]);
    return !code ||
           ef_kafka_admin_fail(admin, err, code, rd_kafka_ConfigResource_error_string(results[0]),
                               "set the topic");
}

bool ef_kafka_admin_set(struct ef_kafka_admin *admin, const char *name,
                        const struct ef_kafka_admin_pair *wanted, size_t count, bool only_try,
                        int timeout_ms, struct ef_error *err)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    bool ok = fill_resource(admin, name, wanted, count, timeout_ms, resource, err);
    rd_kafka_event_t *event = NULL;
    if (ok) {
        rd_kafka_AdminOptions_t *options =
            change_options(admin, RD_KAFKA_ADMIN_OP_ALTERCONFIGS, only_try, timeout_ms);
        rd_kafka_AlterConfigs(admin->rk, &resource, 1, options, admin->queue);
        rd_kafka_AdminOptions_destroy(options);
        event = ef_kafka_admin_wait(admin, "set the topic", err);
        ok = event && take_altered(admin, event, err);
    }
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    return ok;
}
