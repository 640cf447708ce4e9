// SPDX-License-Identifier: MIT
/*
 * What the verbs `topics describe`, `validate`, `ensure` and the doctor share: what is known of a
 * topic (topics_look.c), what is wrong with it (topics_judge.c), what would have to be done
 * (topics_plan.c). Judging and planning are pure.
 *
 * Owns: the settings in the facts. Thread: the program's only one. Life: ef_topic_look ..
 * ef_topic_facts_done.
 */
#pragma once

#include <jansson.h>

#include "base/report.h"
#include "ctl/ctl.h"
#include "ctl/topic_names.h"
#include "kafka/admin.h"

enum { EF_TOPICS_TIMEOUT_MS = 15000 };

struct ef_topic_facts {
    const struct ef_topic_name *topic; /* borrowed */
    struct ef_kafka_admin_topic look;
    struct ef_error err; /* this topic cannot be asked about; NONE: look is filled */
    struct ef_kafka_admin_settings settings; /* its err: why they are not known */
    int64_t min_in_sync;                     /* -1: not known */
    int64_t max_message_bytes, retention_ms; /* INT64_MIN: not known */
    const char *cleanup;                     /* borrowed from settings; "" not known */
};

/* Fills facts; false ends the verb. A topic that is missing is no error. */
EF_MUST_CHECK bool ef_topic_look(struct ef_kafka_admin *admin, const struct ef_topic_name *topic,
                                 int timeout_ms, struct ef_topic_facts *ret, struct ef_error *err);
void ef_topic_facts_done(struct ef_topic_facts *facts);

/* How many brokers there are; 0: not known. */
size_t ef_topic_brokers(struct ef_kafka_admin *admin);

/* Where the topics are, for what a judgement depends on and for commands that mend. */
struct ef_topic_place {
    const struct ef_config *config; /* borrowed */
    const char *brokers;            /* not those of the configuration; NULL: those */
    size_t broker_count;            /* 0: not known */
};

/*
 * Adds findings to the report, with their commands: kafka.topic first, and where the topic is to
 * be seen kafka.rights, kafka.replicas, kafka.message_size, kafka.cleanup.
 */
void ef_topic_judge(const struct ef_topic_facts *facts, const struct ef_topic_place *place,
                    struct ef_report *report);

/* What the operator wants of topics. */
struct ef_topic_wish {
    int64_t partitions, replicas; /* 0: the brokers' defaults */
    const struct ef_kafka_admin_pair *settings;
    size_t setting_count;
    bool grow;
};

struct ef_topic_plan {
    bool create, grow, set;
    char text[512];    /* what will be done, or why nothing is; "" it is as wished */
    char warning[512]; /* "" none */
    bool refused;      /* it is not as wished, and stays so */
};

void ef_topic_plan(const struct ef_topic_facts *facts, const struct ef_topic_wish *wish,
                   struct ef_topic_plan *ret);
/* Carries a plan out; only_try asks the brokers whether they would. */
EF_MUST_CHECK bool ef_topic_act(struct ef_kafka_admin *admin, const struct ef_topic_facts *facts,
                                const struct ef_topic_wish *wish, const struct ef_topic_plan *plan,
                                bool only_try, struct ef_error *err);

/* Adds the topics that rows of the table name which have not been delivered; asks the daemon, or
 * where none runs the database. False: the exit code. */
bool ef_topic_names_of_rows(struct ef_topic_names *names, struct ef_ctl *ctl, const char *socket,
                            const struct ef_config_outbox *outbox, int *ret_code);
