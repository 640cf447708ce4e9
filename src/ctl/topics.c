// SPDX-License-Identifier: MIT
/* eventferryctl topics describe, validate, ensure. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/words.h"
#include "ctl/asking.h"
#include "ctl/confirm.h"
#include "ctl/findings.h"
#include "ctl/table.h"
#include "ctl/topics.h"
#include "kafka/properties.h"
#include "store/drivers.h"

static const char usage_text[] =
    "usage: eventferryctl topics describe|validate [--topic NAME]... [--json] [OUTBOX]\n"
    "       eventferryctl topics ensure [--topic NAME]... [--partitions N] "
    "[--replication-factor N]\n"
    "           [--setting NAME=VALUE]... [--grow] --dry-run|--yes [OUTBOX]\n\n"
    "The topics are those given, or those that the configuration names without a pattern\n"
    "(topics.allow, a constant topic, overrides), and where their dead letters go. Needs no "
    "daemon,\n"
    "but the daemon's rights in Kafka; ensure also Create, Alter and AlterConfigs.\n\n"
    "  describe                 partitions, replicas and settings\n"
    "  validate                 what would stop delivery; exit status 1, or 2 for warnings alone\n"
    "  ensure                   makes what is missing, sets what --setting says; takes no\n"
    "                           partition away\n"
    "  --topic NAME             this topic, perhaps more than one\n"
    "  --from-rows              also those that undelivered rows of the table name\n"
    "  --partitions N           of new topics (the brokers' default)\n"
    "  --replication-factor N   the same\n"
    "  --setting NAME=VALUE     a setting of these topics, perhaps more than one\n"
    "  --grow                   add partitions to topics that have fewer; keys then go to other\n"
    "                           partitions than before, so drain the outbox first\n"
    "  --dry-run                ask the brokers whether they would, and change nothing\n"
    "  --yes                    do it without asking\n"
    "  --brokers LIST           not those of the configuration\n"
    "  --json                   the same as JSON\n";

struct topics_args {
    struct ef_words topics, settings;
    int64_t partitions, replicas;
    bool grow, dry_run, yes, json, from_rows;
    const char *brokers;
};

struct run {
    const struct topics_args *given;
    struct ef_config *config;
    struct ef_kafka_admin *admin;
    struct ef_topic_names names;
    struct ef_topic_facts *facts; /* as many as names */
    size_t known;                 /* of them */
    json_t *list;                 /* with --json */
};

/* --- describe --- */

static json_t *optional(int64_t number, int64_t unknown)
{
    return number == unknown ? json_null() : json_integer((json_int_t)number);
}

static json_t *facts_json(const struct ef_topic_facts *f)
{
    json_t *json = json_pack("{s:s, s:b}", "topic", f->topic->name, "exists", f->look.exists);
    if (f->topic->outbox)
        json_object_set_new(json, "outbox", json_string(f->topic->outbox->name));
    json_object_set_new(json, "dead_letters", json_boolean(f->topic->dead_letters));
    if (f->look.denied)
        json_object_set_new(json, "denied", json_true());
    if (!f->look.exists)
        return json;
    json_object_set_new(json, "partitions", json_integer(f->look.partitions));
    json_object_set_new(json, "replicas", json_integer(f->look.replicas));
    json_object_set_new(json, "in_sync", json_integer(f->look.in_sync));
    json_object_set_new(json, "without_leader", json_integer(f->look.leaderless));
    json_object_set_new(json, "min_insync_replicas", optional(f->min_in_sync, -1));
    json_object_set_new(json, "max_message_bytes", optional(f->max_message_bytes, INT64_MIN));
    json_object_set_new(json, "retention_ms", optional(f->retention_ms, INT64_MIN));
    json_object_set_new(json, "cleanup_policy",
                        f->cleanup[0] ? json_string(f->cleanup) : json_null());
    return json;
}

static void describe_one(struct ef_table *table, const struct ef_topic_facts *f)
{
    char text[64];
    ef_table_row(table);
    ef_table_set(table, 0, f->topic->name);
    ef_table_set(table, 1, f->topic->outbox ? f->topic->outbox->name : "");
    if (!f->look.exists) {
        ef_table_set(table, 2, f->look.denied ? "not to be seen" : "missing");
        return;
    }
    ef_table_setf(table, 2, "%d", f->look.partitions);
    ef_table_setf(table, 3, "%d", f->look.replicas);
    ef_table_setf(table, 4, "%d", f->look.in_sync);
    if (f->min_in_sync >= 0)
        ef_table_setf(table, 5, "%" PRId64, f->min_in_sync);
    if (f->max_message_bytes != INT64_MIN)
        ef_table_set(table, 6, ef_words_count(f->max_message_bytes, text, sizeof(text)));
    if (f->retention_ms != INT64_MIN)
        ef_table_set(table, 7,
                     f->retention_ms < 0 ? "for ever"
                                         : ef_words_duration(f->retention_ms, text, sizeof(text)));
    ef_table_set(table, 8, f->cleanup);
}

static int describe(struct run *run)
{
    static const char *const titles[] = {"TOPIC",     "OUTBOX",    "PARTITIONS",
                                         "REPLICAS",  "IN SYNC",   "MIN IN SYNC",
                                         "MAX BYTES", "RETENTION", "CLEANUP"};
    struct ef_table table;
    ef_table_init(&table, titles, 9, 0xfcu);
    for (size_t i = 0; i < run->known; i++) {
        if (run->list)
            json_array_append_new(run->list, facts_json(&run->facts[i]));
        describe_one(&table, &run->facts[i]);
    }
    if (!run->list)
        ef_table_print(&table, false);
    ef_table_done(&table);
    return EF_CTL_DONE;
}

/* --- validate --- */

/* All of it for programs; for people what is not well, or that all is. */
static void tell_findings(struct run *run, const char *topic, const struct ef_report *report)
{
    bool well = ef_report_worst(report) == EF_LEVEL_OK;
    for (size_t i = 0; i < report->count; i++) {
        const struct ef_finding *finding = &report->items[i];
        if (run->list) {
            json_t *json = ef_finding_json(finding);
            json_object_set_new(json, "topic", json_string(topic));
            json_array_append_new(run->list, json);
        } else if (well ? i == 0 : finding->level != EF_LEVEL_OK) {
            printf("%-4s  %s\n", ef_level_name(finding->level), finding->text);
            for (size_t j = 0; j < finding->mends.count; j++)
                printf("      %s %s\n", j ? "  " : "->", finding->mends.items[j]);
        }
    }
}

static int validate(struct run *run)
{
    static const int codes[] = {EF_CTL_DONE, EF_CTL_WARNED, EF_CTL_REFUSED};
    const struct ef_topic_place place = {run->config, run->given->brokers,
                                         ef_topic_brokers(run->admin)};
    enum ef_level worst = EF_LEVEL_OK;
    for (size_t i = 0; i < run->known; i++) {
        struct ef_report report;
        ef_report_init(&report);
        ef_topic_judge(&run->facts[i], &place, &report);
        tell_findings(run, run->facts[i].topic->name, &report);
        if (ef_report_worst(&report) > worst)
            worst = ef_report_worst(&report);
        ef_report_done(&report);
    }
    return codes[worst];
}

/* --- ensure --- */

bool ef_topic_act(struct ef_kafka_admin *admin, const struct ef_topic_facts *facts,
                  const struct ef_topic_wish *wish, const struct ef_topic_plan *plan, bool only_try,
                  struct ef_error *err)
{
    const char *name = facts->topic->name;
    if (plan->create) {
        struct ef_kafka_admin_new_topic topic = {
            .name = name,
            .partitions = wish->partitions ? (int)wish->partitions : -1,
            .replicas = wish->replicas ? (int)wish->replicas : -1,
            .settings = wish->settings,
            .setting_count = wish->setting_count};
        return ef_kafka_admin_create(admin, &topic, only_try, EF_TOPICS_TIMEOUT_MS, err);
    }
    if (plan->grow && !ef_kafka_admin_grow(admin, name, (int)wish->partitions, only_try,
                                           EF_TOPICS_TIMEOUT_MS, err))
        return false;
    return !plan->set || ef_kafka_admin_set(admin, name, wish->settings, wish->setting_count,
                                            only_try, EF_TOPICS_TIMEOUT_MS, err);
}

static void tell_plan(struct run *run, const char *topic, const struct ef_topic_plan *plan)
{
    if (run->list) {
        json_array_append_new(run->list, json_pack("{s:s, s:s, s:s, s:b}", "topic", topic, "plan",
                                                   plan->text, "warning", plan->warning, "change",
                                                   plan->create || plan->grow || plan->set));
        return;
    }
    if (plan->text[0])
        printf("%s: %s\n", topic, plan->text);
    else if (!plan->warning[0])
        printf("%s: is as wished\n", topic);
    if (plan->warning[0])
        ef_ctl_complain("warning: %s: %s", topic, plan->warning);
}

/* The topics' changes one by one; all are tried, so that one refusal hides no other. */
static int act(struct run *run, const struct ef_topic_wish *wish, const struct ef_topic_plan *plans,
               bool only_try)
{
    int code = EF_CTL_DONE;
    for (size_t i = 0; i < run->known; i++) {
        struct ef_error err;
        const char *name = run->facts[i].topic->name;
        if (!plans[i].create && !plans[i].grow && !plans[i].set)
            continue;
        if (!ef_topic_act(run->admin, &run->facts[i], wish, &plans[i], only_try, &err)) {
            ef_ctl_complain("%s: %s", name, err.text);
            code = ef_ctl_code(&err);
        } else if (!only_try && !run->list) {
            printf("%s: done\n", name);
        }
    }
    return code;
}

static int ensure(struct run *run, const struct ef_topic_wish *wish)
{
    int code = EF_CTL_DONE;
    bool any = false, refused = false;
    struct ef_topic_plan *plans = ef_xcalloc(run->known, sizeof(*plans));
    for (size_t i = 0; i < run->known; i++) {
        ef_topic_plan(&run->facts[i], wish, &plans[i]);
        any = any || plans[i].create || plans[i].grow || plans[i].set;
        refused = refused || plans[i].refused;
        tell_plan(run, run->facts[i].topic->name, &plans[i]);
    }
    if (any && run->given->dry_run)
        code = act(run, wish, plans, true);
    if (any && code == EF_CTL_DONE && ef_ctl_confirm(run->given->dry_run, run->given->yes, &code))
        code = act(run, wish, plans, false);
    free(plans);
    return code == EF_CTL_DONE && refused ? EF_CTL_WARNED : code;
}

/* --- arguments --- */

/* "retention.ms=1000" in place: its own copy. */
static bool read_settings(const struct ef_words *words, struct ef_kafka_admin_pair *ret,
                          char **texts)
{
    for (int i = 0; i < words->count; i++) {
        texts[i] = ef_xstrdup(words->items[i]);
        char *equals = strchr(texts[i], '=');
        if (!equals || equals == texts[i]) {
            ef_ctl_complain("--setting '%s' is not NAME=VALUE", words->items[i]);
            return false;
        }
        *equals = '\0';
        ret[i] = (struct ef_kafka_admin_pair){texts[i], equals + 1};
    }
    return true;
}

static int ensure_wished(struct run *run)
{
    const struct topics_args *given = run->given;
    size_t count = (size_t)given->settings.count;
    struct ef_kafka_admin_pair *pairs = ef_xcalloc(count + 1, sizeof(*pairs));
    char **texts = ef_xcalloc(count + 1, sizeof(*texts));
    struct ef_topic_wish wish = {given->partitions, given->replicas, pairs, count, given->grow};
    int code = EF_CTL_USAGE;
    if (read_settings(&given->settings, pairs, texts))
        code = ensure(run, &wish);
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
    free(pairs);
    return code;
}

static bool gather(struct ef_ctl *ctl, struct run *run, const struct ef_args *args, int *ret_code)
{
    const struct ef_words *topics = &run->given->topics;
    const char *wanted = args->word_count == 2 ? args->words[1] : NULL;
    const struct ef_config *config = run->config;
    *ret_code = EF_CTL_REFUSED;
    if (wanted && !ef_config_outbox(config, wanted)) {
        ef_ctl_complain("no outbox is named \"%s\"", wanted);
        return false;
    }
    for (size_t i = 0; i < config->outbox_count; i++) {
        const struct ef_config_outbox *outbox = &config->outboxes[i];
        if (wanted && strcmp(wanted, outbox->name) != 0)
            continue;
        if (run->given->from_rows &&
            !ef_topic_names_of_rows(&run->names, ctl, args->socket, outbox, ret_code))
            return false;
        if (topics->count == 0)
            ef_topic_names_of(&run->names, outbox);
        else if (wanted || config->outbox_count == 1)
            for (int t = 0; t < topics->count; t++)
                ef_topic_names_add(&run->names, outbox, topics->items[t]);
    }
    for (int t = 0; t < topics->count && run->names.count == 0; t++)
        ef_topic_names_add(&run->names, NULL, topics->items[t]);
    if (topics->count && run->names.count < (size_t)topics->count)
        for (int t = 0; t < topics->count; t++)
            ef_topic_names_add(&run->names, NULL, topics->items[t]);
    if (run->names.count)
        return true;
    ef_ctl_complain("the configuration names no topic without a pattern: say --topic NAME or "
                    "--from-rows, or list them in topics.allow");
    return false;
}

static bool look(struct run *run, int *ret_code)
{
    struct ef_error err;
    run->facts = ef_xcalloc(run->names.count, sizeof(*run->facts));
    for (size_t i = 0; i < run->names.count; i++) {
        if (!ef_topic_look(run->admin, &run->names.items[i], EF_TOPICS_TIMEOUT_MS, &run->facts[i],
                           &err)) {
            ef_ctl_complain("%s: %s", run->names.items[i].name, err.text);
            *ret_code = ef_ctl_code(&err);
            return false;
        }
        run->known++;
    }
    return true;
}

static bool open_run(struct ef_ctl *ctl, struct run *run, const struct ef_args *args, int *ret_code)
{
    struct ef_error err;
    ef_config_use_kafka_checks(&ef_kafka_config_checks);
    ef_config_use_driver_checks(&ef_store_config_checks);
    run->config = ef_ctl_load_config(ctl, true, ret_code);
    if (!run->config || !gather(ctl, run, args, ret_code))
        return false;
    if (run->config->kafka.embedded && !run->given->brokers) {
        ef_ctl_complain("the broker is embedded in the daemon: eventferryctl status shows its "
                        "address, give it with --brokers");
        *ret_code = EF_CTL_REFUSED;
        return false;
    }
    run->admin = ef_kafka_admin_new(&run->config->kafka, run->given->brokers, &err);
    if (!run->admin) {
        ef_ctl_complain("%s", err.text);
        *ret_code = EF_CTL_CONFIG;
        return false;
    }
    return look(run, ret_code);
}

static int run_topics(struct ef_ctl *ctl, struct run *run, const struct ef_args *args)
{
    int code = EF_CTL_USAGE;
    const char *what = args->word_count ? args->words[0] : "";
    int (*act_on)(struct run *) = strcmp(what, "describe") == 0   ? describe
                                  : strcmp(what, "validate") == 0 ? validate
                                  : strcmp(what, "ensure") == 0   ? ensure_wished
                                                                  : NULL;
    if (!act_on) {
        ef_ctl_complain("topics wants describe, validate or ensure");
        return code;
    }
    if (run->given->json)
        run->list = json_array();
    if (open_run(ctl, run, args, &code)) {
        code = act_on(run);
        if (run->list)
            ef_ctl_print_json(run->list);
    }
    return code;
}

static void run_done(struct run *run)
{
    for (size_t i = 0; i < run->known; i++)
        ef_topic_facts_done(&run->facts[i]);
    free(run->facts);
    ef_topic_names_done(&run->names);
    ef_kafka_admin_free(run->admin);
    ef_config_free(run->config);
    json_decref(run->list);
}

int ef_ctl_topics(struct ef_ctl *ctl, int argc, char **argv)
{
    struct topics_args given = {0};
    int code;
    const struct ef_arg options[] = {{"topic", EF_ARG_WORDS, &given.topics},
                                     {"setting", EF_ARG_WORDS, &given.settings},
                                     {"partitions", EF_ARG_NUMBER, &given.partitions},
                                     {"replication-factor", EF_ARG_NUMBER, &given.replicas},
                                     {"grow", EF_ARG_FLAG, &given.grow},
                                     {"dry-run", EF_ARG_FLAG, &given.dry_run},
                                     {"yes", EF_ARG_FLAG, &given.yes},
                                     {"brokers", EF_ARG_TEXT, &given.brokers},
                                     {"from-rows", EF_ARG_FLAG, &given.from_rows},
                                     {"json", EF_ARG_FLAG, &given.json},
                                     {.kind = EF_ARG_END}};
    struct ef_args args = {
        .verb = "topics", .usage = usage_text, .options = options, .words_max = 2};
    struct run run = {.given = &given};
    if (ef_args_read(ctl, &args, argc, argv, &code))
        code = run_topics(ctl, &run, &args);
    run_done(&run);
    ef_words_done(&given.topics);
    ef_words_done(&given.settings);
    return code;
}
