// SPDX-License-Identifier: MIT
#include "prodsim/cover.h"

#include "sim/names.h"
#include "sim/run.h"

enum { ANSWERS = EF_PRODUCED_ALONE + 1, EACH = (1 << PRODUCER_KINDS) - 1 };

static const struct {
    rd_kafka_resp_err_t err;
    unsigned kinds; /* of producers that get it: 1 << MAIN | ... */
} errors[] = {
    {RD_KAFKA_RESP_ERR_NO_ERROR, EACH},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, EACH},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, EACH},
    /* what goes alone is hardly ever still waiting then: its topic counts as stuck before */
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, 1 << MAIN | 1 << ASIDE},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, 1 << MAIN | 1 << ALONE},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, EACH},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, EACH},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1 << MAIN | 1 << ALONE},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, 1 << MAIN | 1 << ALONE},
};
enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

static const char *const reasons[] = {"fatal error", "a message was refused",
                                      "a held message was refused", "a topic does not answer"};
enum { REASONS = sizeof(reasons) / sizeof(reasons[0]) };

static struct {
    uint64_t things[COVERED_COUNT], misfortunes[MISFORTUNES];
    uint64_t reports[PRODUCER_KINDS][ERRORS], replaced[REASONS];
    uint64_t classes[2][EF_CLASS_COUNT], answers[2][ANSWERS];
} c;

void cover(enum covered what)
{
    c.things[what]++;
}

void cover_misfortune(enum misfortune kind)
{
    c.misfortunes[kind]++;
}

void cover_report(int kind, rd_kafka_resp_err_t err)
{
    for (int i = 0; i < ERRORS; i++)
        if (errors[i].err == err)
            c.reports[kind][i]++;
}

void cover_refusal(rd_kafka_resp_err_t err)
{
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        cover(COVER_LIBRARY_FULL);
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        cover(COVER_LIBRARY_FATAL);
        break;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        cover(COVER_LIBRARY_TOO_LARGE);
        break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        cover(COVER_LIBRARY_NO_TOPIC);
        break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        cover(COVER_LIBRARY_NO_PARTITION);
    }
}

void cover_delivery(bool letter, enum ef_class class)
{
    c.classes[letter][class]++;
}

void cover_produced(bool letter, enum ef_produced answer)
{
    c.answers[letter][answer]++;
}

void cover_producer(struct ef_metrics *metrics)
{
    for (int i = 0; i < REASONS; i++)
        c.replaced[i] +=
            (uint64_t)ef_metrics_get(metrics, EF_COUNTER, "kafka_producer_recreations_total",
                                     "Producers replaced, by the reason.", "cluster", "here",
                                     "reason", reasons[i], NULL)
                ->value;
}

/* --- as text --- */

static int reports(bool only_missing)
{
    static const char *const names[PRODUCER_KINDS] = {"report", "report, went alone",
                                                      "report, dead letter"};
    int missing = 0;
    for (int kind = 0; kind < PRODUCER_KINDS; kind++)
        for (int i = 0; i < ERRORS; i++)
            if (errors[i].kinds & 1U << kind)
                missing += sim_cover_line(names[kind], rd_kafka_err2name(errors[i].err),
                                          c.reports[kind][i], only_missing);
    return missing;
}

static int told(bool only_missing)
{
    /* the last two are of messages only: no letter is at fault, or names a partition */
    static const enum ef_class classes[] = {EF_CLASS_NONE, EF_CLASS_DESTINATION, EF_CLASS_FATAL,
                                            EF_CLASS_RECORD, EF_CLASS_TRANSIENT};
    static const char *const answers[ANSWERS] = {[EF_PRODUCED_QUEUED] = "taken",
                                                 [EF_PRODUCED_FULL] = "full",
                                                 [EF_PRODUCED_REFUSED] = "refused",
                                                 [EF_PRODUCED_ALONE] = "is to go alone"};
    static const char *const delivered[] = {"message delivered", "dead letter delivered"};
    static const char *const produced[] = {"message produced", "dead letter produced"};
    int missing = 0;
    for (int letter = 0; letter < 2; letter++) {
        for (int i = 0; i < (letter ? 3 : 5); i++)
            missing += sim_cover_line(delivered[letter], ef_class_name(classes[i]),
                                      c.classes[letter][classes[i]], only_missing);
        for (int i = 0; i < (letter ? EF_PRODUCED_ALONE : ANSWERS); i++)
            missing +=
                sim_cover_line(produced[letter], answers[i], c.answers[letter][i], only_missing);
    }
    return missing;
}

int sim_cover_print(bool only_missing)
{
    static const struct {
        const char *what, *which;
    } things[COVERED_COUNT] = {
#define X(name, what, which) {what, which},
        COVERED(X)
#undef X
    };
    int missing = reports(only_missing) + told(only_missing);
    for (int i = 0; i < COVERED_COUNT; i++)
        missing += sim_cover_line(things[i].what, things[i].which, c.things[i], only_missing);
    for (int i = 0; i < REASONS; i++)
        missing += sim_cover_line("producer replaced", reasons[i], c.replaced[i], only_missing);
    for (int i = NOTHING + 1; i < MISFORTUNES; i++)
        missing += sim_cover_line("fault", sim_fault_name(i), c.misfortunes[i], only_missing);
    return missing;
}
