// SPDX-License-Identifier: MIT
#include "kafka/properties.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rule {
    const char *names[2];    /* the property and its alias; a '*' at the end stands for any rest */
    bool refused;            /* never; else only with allow_unsafe */
    const char *reason;      /* completes "cannot be set: " */
    const char *harmless[5]; /* values that change nothing we promise */
};

static const struct rule rules[] = {
    /* code, commands, other worlds */
    {{"plugin.library.paths"}, true, "it loads code into the daemon", {0}},
    {{"ssl.engine.location"}, true, "it loads code into the daemon", {0}},
    {{"sasl.kerberos.kinit.cmd"}, true, "it runs a shell command as the daemon", {0}},
    {{"test.mock.*"}, true, "it replaces the brokers by a mock (use `brokers: embedded`)", {0}},
    /* settings that have an option of their own */
    {{"bootstrap.servers", "metadata.broker.list"}, true, "use kafka.brokers", {0}},
    {{"client.id"}, true, "use kafka.client_id", {0}},
    /* between the daemon and its library */
    {{"enabled_events"}, true, "the daemon chooses the events it handles", {0}},
    {{"log.queue"}, true, "the library's log lines go through the daemon's log", {"true"}},
    {{"delivery.report.only.error"}, true, "every row waits for its report", {"false"}},
    {{"internal.termination.signal"}, true, "the daemon handles signals itself", {"0"}},
    {{"enable_sasl_queue"}, true, "nobody would read that queue", {"false"}},
    {{"transactional.id"},
     true,
     "the relay does not open transactions, so every produce would fail",
     {0}},
    {{"transaction.timeout.ms"}, true, "the relay does not open transactions", {0}},
    /* what the guarantees stand on */
    {{"acks", "request.required.acks"},
     false,
     "a row could count as delivered and then be lost with its broker",
     {"all", "-1"}},
    {{"enable.idempotence"}, false, "retries could repeat and reorder messages", {"true"}},
    {{"enable.gapless.guarantee"},
     false,
     "events could overtake one that the broker refused",
     {"true"}},
    {{"message.timeout.ms", "delivery.timeout.ms"},
     false,
     "messages that expire in an outage let later ones overtake them",
     {"0"}},
    {{"retries", "message.send.max.retries"},
     false,
     "a message given up in an outage lets later ones overtake it",
     {"2147483647"}},
    {{"max.in.flight", "max.in.flight.requests.per.connection"},
     false,
     "more than 5 requests in flight cannot be kept in order",
     {"1", "2", "3", "4", "5"}},
    {{"queuing.strategy"}, false, "newer events would go before older ones", {"fifo"}},
    {{"sticky.partitioning.linger.ms"},
     true,
     "messages without a key would go elsewhere than the relay decided",
     {"0"}},
    {{"partitioner"},
     false,
     "keys would go to other partitions than with other clients, and events in flight with an "
     "order",
     {"murmur2_random"}},
};

static bool name_matches(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);
    if (len && pattern[len - 1] == '*')
        return strncmp(pattern, name, len - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static const struct rule *rule_of(const char *name)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        for (size_t j = 0; j < 2 && rules[i].names[j]; j++)
            if (name_matches(rules[i].names[j], name))
                return &rules[i];
    return NULL;
}

static bool rule_is_harmless(const struct rule *rule, const char *value)
{
    for (size_t i = 0; i < 5 && rule->harmless[i]; i++)
        if (strcmp(rule->harmless[i], value) == 0)
            return true;
    return false;
}

static bool rule_is_allowed(const struct rule *rule, const struct ef_strings *allow_unsafe)
{
    for (size_t i = 0; allow_unsafe && i < allow_unsafe->count; i++)
        if (rule_of(allow_unsafe->items[i]) == rule)
            return true;
    return false;
}

static bool check_rules(const char *name, const char *value, const struct ef_strings *allow_unsafe,
                        struct ef_error *err)
{
    const struct rule *rule = rule_of(name);
    if (!rule || rule_is_harmless(rule, value))
        return true;
    if (rule->refused)
        return ef_error_set(err, EF_CLASS_CONFIG, "property \"%s\" cannot be set: %s", name,
                            rule->reason);
    if (rule_is_allowed(rule, allow_unsafe))
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "property \"%s\" cannot be set: %s; whoever accepts that adds it to "
                        "kafka.allow_unsafe",
                        name, rule->reason);
}

bool ef_kafka_allow_unsafe_check(const char *name, struct ef_error *err)
{
    const struct rule *rule = rule_of(name);
    if (rule && !rule->refused)
        return true;
    if (rule)
        return ef_error_set(err, EF_CLASS_CONFIG, "property \"%s\" cannot be allowed: %s", name,
                            rule->reason);
    return ef_error_set(
        err, EF_CLASS_CONFIG,
        "property \"%s\" needs no permission; kafka.allow_unsafe takes only those that "
        "would break a guarantee",
        name);
}

struct known {
    const char *name;      /* asked for */
    bool listed;           /* found in the library's list */
    bool of_consumer_only; /* each time with a "C" */
    char nearest[64];      /* another name that is close; "" if none */
    unsigned nearest_distance;
};

static void known_line(struct known *known, char *line)
{
    char *save = NULL;
    char *name = strtok_r(line, " |\n", &save);
    char *use = strtok_r(NULL, " |\n", &save);
    if (!name || !use || strlen(use) != 1 || !strchr("CP*", use[0]))
        return; /* headings */
    if (strcmp(name, known->name) == 0) {
        known->of_consumer_only = use[0] == 'C' && (known->of_consumer_only || !known->listed);
        known->listed = true;
        return;
    }
    unsigned distance = ef_edit_distance(name, known->name);
    if (use[0] != 'C' && distance < known->nearest_distance &&
        strlen(name) < sizeof(known->nearest)) {
        known->nearest_distance = distance;
        snprintf(known->nearest, sizeof(known->nearest), "%s", name);
    }
}

/*
 * Look a name up in the table the library prints for people (rd_kafka_conf_properties_show): the
 * only place where it names aliases and unset properties and says which side uses them. Hidden
 * properties are not there.
 */
static struct known known_find(const char *name)
{
    struct known known = {.name = name};
    known.nearest_distance = (unsigned)strlen(name) / 3 + 2; /* further away is no help */
    char *table = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&table, &size);
    if (!stream)
        return known;
    rd_kafka_conf_properties_show(stream);
    bool whole = !ferror(stream);
    if (fclose(stream) == 0 && whole && table) {
        char *save = NULL;
        for (char *line = strtok_r(table, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
            known_line(&known, line);
    }
    free(table);
    return known;
}

/* Names whose values never appear in a message. */
static bool is_secret(const char *name)
{
    static const char *const parts[] = {"password", "secret", "key.pem", "oauthbearer.config",
                                        "token"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

static bool error_unknown(const char *name, struct ef_error *err)
{
    struct known known = known_find(name);
    if (known.nearest[0])
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "property \"%s\" is not known to librdkafka %s; the nearest is \"%s\"",
                            name, rd_kafka_version_str(), known.nearest);
    return ef_error_set(err, EF_CLASS_CONFIG, "property \"%s\" is not known to librdkafka %s", name,
                        rd_kafka_version_str());
}

/* Set one property; a failure says it in the library's own words. */
static bool conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, bool secret,
                     struct ef_error *err)
{
    char reason[512] = "";
    switch (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason))) {
    case RD_KAFKA_CONF_OK:
        return true;
    case RD_KAFKA_CONF_UNKNOWN:
        return error_unknown(name, err);
    default:
        break;
    }
    reason[strcspn(reason, "\n")] = '\0';
    if ((secret || is_secret(name)) && value[0] && strstr(reason, value))
        snprintf(reason, sizeof(reason), "its value (not shown) is not accepted");
    return ef_error_set(err, EF_CLASS_CONFIG, "property \"%s\": %s", name, reason);
}

bool ef_kafka_property_check(const char *name, const char *value,
                             const struct ef_strings *allow_unsafe, struct ef_error *err)
{
    if (!check_rules(name, value, allow_unsafe, err))
        return false;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool ok = conf_set(conf, name, value, false, err);
    rd_kafka_conf_destroy(conf);
    if (ok && known_find(name).of_consumer_only)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "property \"%s\" is a consumer's and would have no effect here", name);
    return ok;
}

struct setting {
    const char *name, *value;
    bool optional; /* older or newer libraries may not know it */
};

/*
 * The guarantees (claim-and-order: "Producing"), then what was measured to matter: reconnecting
 * within a second of a broker's return instead of up to ten, Nagle's algorithm off (the default
 * only since 2.10), batches that stay in the cache and far below a topic's max.message.bytes, so
 * that only a single record can be too large.
 */
static const struct setting every[] = {
    {"enable.idempotence", "true", false},
    {"acks", "all", false},
    {"max.in.flight", "5", false},
    {"queuing.strategy", "fifo", false},
    /* else the library never asks ef_topic_partitioner about messages without a key */
    {"sticky.partitioning.linger.ms", "0", false},
    {"log.queue", "true", false},
    {"reconnect.backoff.ms", "100", false},
    {"reconnect.backoff.max.ms", "1000", false},
    {"retry.backoff.ms", "100", false},
    {"retry.backoff.max.ms", "1000", true}, /* since 2.3 */
    {"socket.timeout.ms", "30000", false},
    {"socket.connection.setup.timeout.ms", "10000", true},
    {"socket.nagle.disable", "true", false},
    {"socket.keepalive.enable", "true", false},
    {"topic.metadata.propagation.max.ms", "5000", true},
    {"batch.size", "262144", false},
    {"client.software.name", "eventferryd", true},
    {"enable.metrics.push", "false", true}, /* since 2.5; asserts in 2.5.0 to 2.5.2 */
};
static const struct setting main_only[] = {
    {"enable.gapless.guarantee", "true", false},
    {"message.timeout.ms", "0", false}, /* never: an outage may last as long as it likes */
};
static const struct setting aside_only[] = {
    {"enable.gapless.guarantee", "false", false},
    {"message.timeout.ms", "30000", false},
    {"partitioner", "murmur2_random", false}, /* the main one's is ef_topic_partitioner */
};
/* An idempotent producer would have to count anew after each refusal; without, a refused message
 * is the only one that hears of it. What a lost answer makes it send again can only repeat. */
static const struct setting alone_only[] = {
    {"enable.idempotence", "false", false},
    {"enable.gapless.guarantee", "false", false},
    {"message.timeout.ms", "0", false},
    {"batch.num.messages", "1", false},
};

#define COUNT(settings) (sizeof(settings) / sizeof((settings)[0]))

static bool set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t count,
                    struct ef_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct setting *s = &settings[i];
        if (s->optional) {
            rd_kafka_conf_set(conf, s->name, s->value, NULL, 0);
            continue;
        }
        if (!conf_set(conf, s->name, s->value, false, err))
            return false;
    }
    return true;
}

/* A number cut to the library's range for it; 0 leaves its default. */
static bool set_number(rd_kafka_conf_t *conf, const char *name, int64_t number, int64_t min,
                       int64_t max, struct ef_error *err)
{
    char text[24];
    if (number <= 0)
        return true;
    number = number < min ? min : number > max ? max : number;
    snprintf(text, sizeof(text), "%lld", (long long)number);
    return conf_set(conf, name, text, false, err);
}

static bool set_params(rd_kafka_conf_t *conf, const struct ef_kafka_params *params,
                       struct ef_error *err)
{
    const char *bootstrap = params->bootstrap ? params->bootstrap : params->config->brokers;
    if (bootstrap && !conf_set(conf, "bootstrap.servers", bootstrap, false, err))
        return false;
    if (params->config->client_id &&
        !conf_set(conf, "client.id", params->config->client_id, false, err))
        return false;
    int64_t linger_us = params->linger_us < 0 ? 0 : params->linger_us;
    char linger[32]; /* ms with a fraction; the library's range ends at 15 min */
    snprintf(linger, sizeof(linger), "%lld.%03lld", (long long)(linger_us / 1000),
             (long long)(linger_us % 1000));
    int64_t queue_kbytes = params->queue_bytes / 1024 + (params->queue_bytes % 1024 != 0);
    return conf_set(conf, "linger.ms", linger, false, err) &&
           set_number(conf, "queue.buffering.max.messages", params->queue_messages, 1, 10000000,
                      err) &&
           set_number(conf, "queue.buffering.max.kbytes", queue_kbytes, 1, 2097151, err) &&
           set_number(conf, "message.max.bytes", params->message_max_bytes, 1000, 1000000000,
                      err) &&
           set_number(conf, "statistics.interval.ms", params->statistics_ms, 1, 86400000, err);
}

/* What makes the producers beside the main one what they are, an operator's property does not
 * change. */
static bool is_fixed_beside(const char *name)
{
    static const char *const names[] = {"enable.gapless.guarantee", "message.timeout.ms",
                                        "delivery.timeout.ms", "enable.idempotence",
                                        "batch.num.messages"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool set_properties(rd_kafka_conf_t *conf, const struct ef_kafka_params *params,
                           struct ef_error *err)
{
    const struct ef_config_kafka *config = params->config;
    for (size_t i = 0; i < config->properties.count; i++) {
        const struct ef_property *property = &config->properties.items[i];
        if (!check_rules(property->name, property->value, &config->allow_unsafe, err))
            return false;
        if ((params->aside || params->alone) && is_fixed_beside(property->name))
            continue;
        if (!conf_set(conf, property->name, property->value, property->secret, err))
            return false;
    }
    return true;
}

static bool set_own(rd_kafka_conf_t *conf, const struct ef_kafka_params *params,
                    struct ef_error *err)
{
    if (params->alone)
        return set_all(conf, alone_only, COUNT(alone_only), err);
    return params->aside ? set_all(conf, aside_only, COUNT(aside_only), err)
                         : set_all(conf, main_only, COUNT(main_only), err);
}

bool ef_kafka_conf_new(const struct ef_kafka_params *params, struct rd_kafka_conf_s **ret,
                       struct ef_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (set_all(conf, every, COUNT(every), err) && set_own(conf, params, err) &&
        set_params(conf, params, err) && set_properties(conf, params, err)) {
        *ret = conf;
        return true;
    }
    rd_kafka_conf_destroy(conf);
    return false;
}

const char *ef_kafka_own_partitioner(const struct ef_config_kafka *config)
{
    const char *value = ef_config_property(config, "partitioner");
    return value && strcmp(value, "murmur2_random") != 0 ? value : NULL;
}

/* rd_kafka_new puts the cause of a bad file into a log line, not into its error: keep the first
 * such line. */
struct trial {
    pthread_t thread;
    char line[256];
};

static void trial_log(const rd_kafka_t *rk, int level, const char *facility, const char *line)
{
    struct trial *trial = rd_kafka_opaque(rk);
    (void)facility;
    if (level <= 3 && pthread_equal(trial->thread, pthread_self()) && !trial->line[0])
        snprintf(trial->line, sizeof(trial->line), "%s", line);
}

static const char *property_value(const rd_kafka_conf_t *conf, const char *name, char *out,
                                  size_t size)
{
    out[0] = '\0';
    size_t len = size;
    if (rd_kafka_conf_get(conf, name, out, &len) != RD_KAFKA_CONF_OK)
        out[0] = '\0';
    return out;
}

static bool starts_kinit(const rd_kafka_conf_t *conf)
{
    char protocol[64], mechanism[64];
    return strncmp(property_value(conf, "security.protocol", protocol, sizeof(protocol)), "sasl",
                   4) == 0 &&
           strcmp(property_value(conf, "sasl.mechanisms", mechanism, sizeof(mechanism)),
                  "GSSAPI") == 0;
}

bool ef_kafka_config_try(const struct ef_config_kafka *config, struct ef_error *err)
{
    struct ef_config_kafka alone = *config;
    alone.brokers = NULL;
    struct ef_kafka_params params = {.config = &alone};
    struct trial trial = {.thread = pthread_self()};
    rd_kafka_conf_t *conf;
    if (!ef_kafka_conf_new(&params, &conf, err))
        return false;
    bool kerberos = starts_kinit(conf);
    /* trial_log wants the lines at once, not from a queue */
    if (kerberos || !conf_set(conf, "log.queue", "false", false, err)) {
        rd_kafka_conf_destroy(conf);
        return kerberos;
    }
    rd_kafka_conf_set_opaque(conf, &trial);
    rd_kafka_conf_set_log_cb(conf, trial_log);
    char reason[512];
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (rk) {
        rd_kafka_destroy(rk);
        return true;
    }
    rd_kafka_conf_destroy(conf); /* still ours after a failure */
    reason[strcspn(reason, "\n")] = '\0';
    return ef_error_set(err, EF_CLASS_CONFIG, "kafka.properties: %s%s%s%s", reason,
                        trial.line[0] ? " (" : "", trial.line, trial.line[0] ? ")" : "");
}

const struct ef_config_kafka_checks ef_kafka_config_checks = {
    .property = ef_kafka_property_check, .allow_unsafe = ef_kafka_allow_unsafe_check};
