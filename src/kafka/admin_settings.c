// SPDX-License-Identifier: MIT
/* How topics and brokers are set, as they say themselves (DescribeConfigs). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "kafka/admin_private.h"

static void take_entries(const rd_kafka_ConfigResource_t *resource,
                         struct ef_kafka_admin_settings *ret)
{
    size_t count;
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resource);
    *ret = (struct ef_kafka_admin_settings){0};
    if (code) {
        const char *text = rd_kafka_ConfigResource_error_string(resource);
        ef_error_set(&ret->err, EF_CLASS_CONFIG, "%s", text ? text : rd_kafka_err2str(code));
        ef_error_code(&ret->err, code, rd_kafka_err2name(code));
        return;
    }
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    ret->items = ef_xcalloc(count ? count : 1, sizeof(*ret->items));
    ret->count = count;
    for (size_t i = 0; i < count; i++)
        ret->items[i] = (struct ef_kafka_admin_setting){
            .name = ef_xstrdup(rd_kafka_ConfigEntry_name(entries[i])),
            .value = rd_kafka_ConfigEntry_is_sensitive(entries[i])
                         ? NULL
                         : ef_xstrdup(rd_kafka_ConfigEntry_value(entries[i])),
            .is_default = rd_kafka_ConfigEntry_is_default(entries[i]) != 0,
            .read_only = rd_kafka_ConfigEntry_is_read_only(entries[i]) != 0};
}

/* The broker answers in an order of its own. */
static void take_all(const rd_kafka_event_t *event, const char *const *names, size_t count,
                     struct ef_kafka_admin_settings *ret)
{
    size_t answered;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result((rd_kafka_event_t *)(uintptr_t)event), &answered);
    for (size_t i = 0; i < count; i++) {
        ret[i] = (struct ef_kafka_admin_settings){0};
        ef_error_set(&ret[i].err, EF_CLASS_CONFIG, "the broker left \"%s\" out of its answer",
                     names[i]);
        for (size_t j = 0; j < answered; j++)
            if (strcmp(rd_kafka_ConfigResource_name(resources[j]), names[i]) == 0) {
                take_entries(resources[j], &ret[i]);
                break;
            }
    }
}

static bool ask(struct ef_kafka_admin *admin, rd_kafka_ResourceType_t type,
                const char *const *names, size_t count, int timeout_ms,
                struct ef_kafka_admin_settings *ret, struct ef_error *err)
{
    if (!count)
        return true;
    rd_kafka_AdminOptions_t *options =
        ef_kafka_admin_options(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
    rd_kafka_ConfigResource_t **resources = ef_xcalloc(count, sizeof(rd_kafka_ConfigResource_t *));
    for (size_t i = 0; i < count; i++)
        resources[i] = rd_kafka_ConfigResource_new(type, names[i]);
    rd_kafka_DescribeConfigs(admin->rk, resources, count, options, admin->queue);
    rd_kafka_ConfigResource_destroy_array(resources, count);
    rd_kafka_AdminOptions_destroy(options);
    free(resources);
    rd_kafka_event_t *event = ef_kafka_admin_wait(admin, "read settings", err);
    if (!event)
        return false;
    take_all(event, names, count, ret);
    rd_kafka_event_destroy(event);
    return true;
}

bool ef_kafka_admin_topic_settings(struct ef_kafka_admin *admin, const char *const *names,
                                   size_t count, int timeout_ms,
                                   struct ef_kafka_admin_settings *ret, struct ef_error *err)
{
    return ask(admin, RD_KAFKA_RESOURCE_TOPIC, names, count, timeout_ms, ret, err);
}

bool ef_kafka_admin_broker_settings(struct ef_kafka_admin *admin, int broker, int timeout_ms,
                                    struct ef_kafka_admin_settings *ret, struct ef_error *err)
{
    char id[16];
    const char *name = id;
    snprintf(id, sizeof(id), "%d", broker);
    return ask(admin, RD_KAFKA_RESOURCE_BROKER, &name, 1, timeout_ms, ret, err);
}

void ef_kafka_admin_settings_done(struct ef_kafka_admin_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        free(settings->items[i].name);
        free(settings->items[i].value);
    }
    free(settings->items);
    *settings = (struct ef_kafka_admin_settings){0};
}

const char *ef_kafka_admin_setting_value(const struct ef_kafka_admin_settings *settings,
                                         const char *name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].name, name) == 0)
            return settings->items[i].value;
    return NULL;
}
