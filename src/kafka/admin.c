// SPDX-License-Identifier: MIT
#include "kafka/admin_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "kafka/errors.h"
#include "kafka/properties.h"

/* --- the connection --- */

/* Served by rd_kafka_poll in our own thread. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct ef_kafka_admin *admin = opaque;
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && admin->why[0])
        return; /* says less than what was before it */
    snprintf(admin->why, sizeof(admin->why), "%s", reason);
    admin->why[strcspn(admin->why, "\n")] = '\0';
}

/* What matters comes as an error; lines of a log would be mixed into a verb's output. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *line)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)line;
}

static bool set_own(rd_kafka_conf_t *conf, struct ef_error *err)
{
    /* a producer's questions create topics where brokers let them, unless told not to */
    static const char *const own[][2] = {{"log.queue", "false"},
                                         {"allow.auto.create.topics", "false"}};
    char reason[256];
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (rd_kafka_conf_set(conf, own[i][0], own[i][1], reason, sizeof(reason)) !=
            RD_KAFKA_CONF_OK)
            return ef_error_set(err, EF_CLASS_CONFIG, "property \"%s\": %s", own[i][0], reason);
    return true;
}

struct ef_kafka_admin *ef_kafka_admin_new(const struct ef_config_kafka *config,
                                          const char *bootstrap, struct ef_error *err)
{
    struct ef_kafka_params params = {.config = config, .bootstrap = bootstrap, .aside = true};
    rd_kafka_conf_t *conf;
    char reason[512];
    if (!ef_kafka_conf_new(&params, &conf, err))
        return NULL;
    if (!set_own(conf, err)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    struct ef_kafka_admin *admin = ef_xcalloc(1, sizeof(*admin));
    rd_kafka_conf_set_opaque(conf, admin);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    admin->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!admin->rk) {
        rd_kafka_conf_destroy(conf);
        free(admin);
        reason[strcspn(reason, "\n")] = '\0';
        ef_error_set(err, EF_CLASS_CONFIG, "kafka.properties: %s", reason);
        return NULL;
    }
    admin->queue = rd_kafka_queue_new(admin->rk);
    return admin;
}

void ef_kafka_admin_free(struct ef_kafka_admin *admin)
{
    if (!admin)
        return;
    rd_kafka_queue_destroy(admin->queue);
    rd_kafka_destroy_flags(admin->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(admin);
}

/* Missing rights are the operator's to mend; the rest of what an error event may mean is kept. */
static enum ef_class class_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
        return EF_CLASS_CONFIG;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__UNKNOWN_BROKER:
        return EF_CLASS_OUTAGE;
    default:
        return ef_kafka_error_row(code)->event;
    }
}

bool ef_kafka_admin_fail(struct ef_kafka_admin *admin, struct ef_error *err,
                         rd_kafka_resp_err_t code, const char *detail, const char *what)
{
    rd_kafka_poll(admin->rk, 0);
    enum ef_class class = class_of(code);
    const char *text = detail && detail[0] ? detail : rd_kafka_err2str(code);
    bool told = class == EF_CLASS_OUTAGE && admin->why[0];
    ef_error_set(err, class, "could not %s: %s", what, told ? admin->why : text);
    ef_error_code(err, code, rd_kafka_err2name(code));
    return false;
}

rd_kafka_AdminOptions_t *ef_kafka_admin_options(struct ef_kafka_admin *admin,
                                                rd_kafka_admin_op_t op, int timeout_ms)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->rk, op);
    /* refused only outside the range of a request's timeout; the default is a minute, then */
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    return options;
}

rd_kafka_event_t *ef_kafka_admin_wait(struct ef_kafka_admin *admin, const char *what,
                                      struct ef_error *err)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(admin->queue, -1); /* the request times out */
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (!code)
        return event;
    ef_kafka_admin_fail(admin, err, code, rd_kafka_event_error_string(event), what);
    rd_kafka_event_destroy(event);
    return NULL;
}

bool ef_kafka_admin_fatal(struct ef_kafka_admin *admin, struct ef_error *ret)
{
    char text[512];
    rd_kafka_poll(admin->rk, 0);
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(admin->rk, text, sizeof(text));
    if (!code)
        return false;
    ef_error_set(ret, class_of(code), "%s", text);
    ef_error_code(ret, code, rd_kafka_err2name(code));
    return true;
}

/* --- brokers --- */

bool ef_kafka_admin_cluster(struct ef_kafka_admin *admin, int timeout_ms,
                            struct ef_kafka_admin_cluster *ret, struct ef_error *err)
{
    const struct rd_kafka_metadata *metadata;
    /* only topics this instance uses, of which there are none */
    rd_kafka_resp_err_t code = rd_kafka_metadata(admin->rk, 0, NULL, &metadata, timeout_ms);
    if (code)
        return ef_kafka_admin_fail(admin, err, code, NULL, "reach a Kafka broker");
    struct ef_kafka_admin_cluster cluster = {.broker_count = (size_t)metadata->broker_cnt};
    cluster.brokers = ef_xcalloc(cluster.broker_count, sizeof(*cluster.brokers));
    for (size_t i = 0; i < cluster.broker_count; i++)
        cluster.brokers[i] =
            (struct ef_kafka_admin_broker){.id = metadata->brokers[i].id,
                                           .host = ef_xstrdup(metadata->brokers[i].host),
                                           .port = metadata->brokers[i].port};
    rd_kafka_metadata_destroy(metadata);
    char *id = rd_kafka_clusterid(admin->rk, 0);
    cluster.id = ef_xstrdup(id);
    if (id)
        rd_kafka_mem_free(admin->rk, id);
    cluster.controller = rd_kafka_controllerid(admin->rk, 0);
    *ret = cluster;
    return true;
}

void ef_kafka_admin_cluster_done(struct ef_kafka_admin_cluster *cluster)
{
    for (size_t i = 0; i < cluster->broker_count; i++)
        free(cluster->brokers[i].host);
    free(cluster->brokers);
    free(cluster->id);
    *cluster = (struct ef_kafka_admin_cluster){0};
}

/* --- topics --- */

static void take_partitions(const rd_kafka_metadata_topic_t *topic,
                            struct ef_kafka_admin_topic *ret)
{
    ret->partitions = topic->partition_cnt;
    for (int i = 0; i < topic->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *partition = &topic->partitions[i];
        if (i == 0 || partition->replica_cnt < ret->replicas)
            ret->replicas = partition->replica_cnt;
        if (i == 0 || partition->isr_cnt < ret->in_sync)
            ret->in_sync = partition->isr_cnt;
        ret->leaderless += partition->leader < 0;
    }
}

static bool take_topic(struct ef_kafka_admin *admin, const rd_kafka_metadata_topic_t *topic,
                       struct ef_kafka_admin_topic *ret, struct ef_error *err)
{
    *ret = (struct ef_kafka_admin_topic){0};
    switch (topic->err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return true;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return ret->denied = true;
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: /* its partitions say it one by one */
        ret->exists = true;
        take_partitions(topic, ret);
        return true;
    default:
        return ef_kafka_admin_fail(admin, err, topic->err, NULL, "look at the topic");
    }
}

#if RD_KAFKA_VERSION >= 0x020300ff
/* Optional: without an answer it stays unknown. */
static void ask_rights(struct ef_kafka_admin *admin, const char *name, int timeout_ms,
                       struct ef_kafka_admin_topic *ret)
{
    struct ef_error ignored;
    size_t count, operation_count;
    rd_kafka_AdminOptions_t *options =
        ef_kafka_admin_options(admin, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout_ms);
    rd_kafka_error_destroy(rd_kafka_AdminOptions_set_include_authorized_operations(options, 1));
    rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(&name, 1);
    rd_kafka_DescribeTopics(admin->rk, topics, options, admin->queue);
    rd_kafka_TopicCollection_destroy(topics);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = ef_kafka_admin_wait(admin, "look at rights", &ignored);
    if (!event)
        return;
    const rd_kafka_TopicDescription_t **answers =
        rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &count);
    const rd_kafka_AclOperation_t *operations =
        count ? rd_kafka_TopicDescription_authorized_operations(answers[0], &operation_count)
              : NULL;
    ret->may_write_known = operations != NULL;
    for (size_t i = 0; operations && i < operation_count; i++)
        ret->may_write |= operations[i] == RD_KAFKA_ACL_OPERATION_WRITE ||
                          operations[i] == RD_KAFKA_ACL_OPERATION_ALL;
    rd_kafka_event_destroy(event);
}
#else
static void ask_rights(struct ef_kafka_admin *admin, const char *name, int timeout_ms,
                       struct ef_kafka_admin_topic *ret)
{
    (void)admin;
    (void)name;
    (void)timeout_ms;
    ret->may_write_known = false;
}
#endif

bool ef_kafka_admin_topic(struct ef_kafka_admin *admin, const char *name, int timeout_ms,
                          struct ef_kafka_admin_topic *ret, struct ef_error *err)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(admin->rk, name, NULL);
    if (!rkt)
        return ef_error_set(err, EF_CLASS_DESTINATION, "cannot use topic \"%s\": %s", name,
                            rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_resp_err_t code = rd_kafka_metadata(admin->rk, 0, rkt, &metadata, timeout_ms);
    rd_kafka_topic_destroy(rkt);
    if (code)
        return ef_kafka_admin_fail(admin, err, code, NULL, "look at the topic");
    bool ok = metadata->topic_cnt == 1
                  ? take_topic(admin, &metadata->topics[0], ret, err)
                  : ef_error_set(err, EF_CLASS_DESTINATION, "no answer about topic \"%s\"", name);
    rd_kafka_metadata_destroy(metadata);
    if (ok && ret->exists)
        ask_rights(admin, name, timeout_ms, ret);
    return ok;
}
