// SPDX-License-Identifier: MIT
#include "kafka/statistics.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Counts, sizes and durations: whatever stands there, the metrics never go back. */
static double not_negative(const json_t *object, const char *key)
{
    double value = number(object, key);
    return value > 0 ? value : 0;
}

static void add_broker(struct ef_kafka_statistics *ret, const json_t *broker)
{
    const char *state = json_string_value(json_object_get(broker, "state"));
    const json_t *rtt = json_object_get(broker, "rtt");
    int64_t node = json_integer_value(json_object_get(broker, "nodeid"));
    if (node < 0)
        return; /* not a broker but an address to begin with */
    ret->brokers_up += state && strcmp(state, "UP") == 0;
    ret->retries += not_negative(broker, "txretries");
    ret->timeouts += not_negative(broker, "req_timeouts");
    ret->brokers[ret->broker_count++] =
        (struct ef_kafka_broker_statistics){.node = node,
                                            .rtt_p50_us = not_negative(rtt, "p50"),
                                            .rtt_p99_us = not_negative(rtt, "p99")};
}

bool ef_kafka_statistics_read(const char *json, struct ef_kafka_statistics *ret)
{
    json_t *root = json_loads(json, 0, NULL), *broker;
    const char *name;
    if (!json_is_object(root)) {
        json_decref(root);
        return false;
    }
    json_t *brokers = json_object_get(root, "brokers");
    *ret = (struct ef_kafka_statistics){.messages = not_negative(root, "msg_cnt"),
                                        .bytes = not_negative(root, "msg_size")};
    ret->brokers = ef_xcalloc(json_object_size(brokers), sizeof(*ret->brokers));
    json_object_foreach(brokers, name, broker)
    {
        add_broker(ret, broker);
    }
    json_decref(root);
    return true;
}

void ef_kafka_statistics_done(struct ef_kafka_statistics *statistics)
{
    free(statistics->brokers);
    *statistics = (struct ef_kafka_statistics){0};
}
