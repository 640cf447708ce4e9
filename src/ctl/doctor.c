// SPDX-License-Identifier: MIT
/* eventferryctl doctor: what is looked at, in which order, and the exit code. */
#include "ctl/doctor.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/value.h"
#include "ctl/ctl.h"

enum { DEFAULT_OLD_MS = 5 * 60 * 1000 };

struct arguments {
    bool json, quiet, list, no_kafka, no_database;
    int64_t old_ms;
};

static void usage(FILE *out)
{
    fputs("usage: eventferryctl [--config FILE] doctor [OPTION]... [OUTBOX]...\n\n"
          "Looks at everything the daemon needs, as the daemon's role and with the daemon's own\n"
          "checks, changes nothing, and says what is wrong and which SQL or command mends it. Run\n"
          "it on the daemon's host. The exit code is 0 when all is well, 2 with a warning, 1 with\n"
          "a failure, 69 when neither a database nor a broker can be reached.\n\n"
          "  --json                      all findings as JSON\n"
          "  -q, --quiet                 only what is not well\n"
          "  --list                      what is looked at, and end\n"
          "  --no-kafka                  leave the brokers alone\n"
          "  --no-database               leave the databases alone\n"
          "  --old-transaction DURATION  a transaction open for longer is a warning (5m)\n",
          out);
}

enum { JSON = 256, LIST, NO_KAFKA, NO_DATABASE, OLD };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, JSON},
    {"quiet", no_argument, NULL, 'q'},
    {"list", no_argument, NULL, LIST},
    {"no-kafka", no_argument, NULL, NO_KAFKA},
    {"no-database", no_argument, NULL, NO_DATABASE},
    {"old-transaction", required_argument, NULL, OLD},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* One option; false ends the program with *ret_code. */
static bool take_option(struct ef_ctl *ctl, struct arguments *arguments, int option, int *ret_code)
{
    struct ef_error err;
    *ret_code = EF_CTL_USAGE;
    switch (option) {
    case 'c':
        ctl->config_path = optarg;
        ctl->config_given = true;
        return true;
    case JSON:
        return arguments->json = true;
    case 'q':
        return arguments->quiet = true;
    case LIST:
        return arguments->list = true;
    case NO_KAFKA:
        return arguments->no_kafka = true;
    case NO_DATABASE:
        return arguments->no_database = true;
    case OLD:
        if (ef_value_parse_duration(optarg, &arguments->old_ms, &err) && arguments->old_ms > 0)
            return true;
        ef_ctl_complain("--old-transaction '%s' is no duration such as 30s or 5m", optarg);
        return false;
    case 'h':
        usage(stdout);
        *ret_code = EF_CTL_DONE;
        return false;
    default:
        return false;
    }
}

static bool parse_arguments(struct ef_ctl *ctl, int argc, char **argv, struct arguments *arguments,
                            int *ret_code)
{
    int option;
    optind = 0; /* start again, with the words after the verb */
    while ((option = getopt_long(argc, argv, "c:qh", long_options, NULL)) != -1)
        if (!take_option(ctl, arguments, option, ret_code))
            return false;
    return true;
}

static void print_list(void)
{
    for (const struct ef_finding_kind *kind = ef_finding_kinds; kind->id; kind++)
        printf("%-22s %s\n", kind->id, kind->about);
}

/* The named ones, or all. */
static bool choose(struct ef_doctor *doctor, int count, char **names)
{
    const struct ef_config *config = doctor->config;
    size_t wanted = count ? (size_t)count : config->outbox_count;
    doctor->outboxes = ef_xcalloc(wanted ? wanted : 1, sizeof(const struct ef_config_outbox *));
    for (size_t i = 0; i < wanted; i++) {
        const struct ef_config_outbox *outbox =
            count ? ef_config_outbox(config, names[i]) : &config->outboxes[i];
        if (!outbox) {
            ef_ctl_complain("'%s' has no outbox named '%s'", config->path, names[i]);
            return false;
        }
        doctor->outboxes[doctor->outbox_count++] = outbox;
    }
    return true;
}

static bool is_used(const struct ef_doctor *doctor, const struct ef_config_database *database)
{
    for (size_t i = 0; i < doctor->outbox_count; i++)
        if (strcmp(doctor->outboxes[i]->database, database->name) == 0)
            return true;
    return false;
}

static void look_outside(struct ef_doctor *doctor, const struct arguments *arguments)
{
    const struct ef_config *config = doctor->config;
    for (size_t i = 0; i < config->database_count && !arguments->no_database; i++)
        if (is_used(doctor, &config->databases[i]))
            ef_doctor_database(doctor, &config->databases[i]);
    if (!arguments->no_kafka && !config->kafka.embedded)
        ef_doctor_kafka(doctor);
}

static int code_of(const struct ef_doctor *doctor)
{
    if (doctor->tried && !doctor->reached)
        return EF_CTL_UNREACHABLE;
    switch (ef_report_worst(&doctor->report)) {
    case EF_LEVEL_FAIL:
        return EF_CTL_REFUSED;
    case EF_LEVEL_WARN:
        return EF_CTL_WARNED;
    default:
        return EF_CTL_DONE;
    }
}

/* What the daemon would say of its secrets; a file's mode may have been told already. */
static void add_problems(struct ef_doctor *doctor, const struct ef_config_problems *problems)
{
    struct ef_report *report = &doctor->report;
    if (ef_report_worst(report) == EF_LEVEL_FAIL)
        return;
    for (size_t i = 0; i < problems->count; i++) {
        const struct ef_config_problem *problem = &problems->items[i];
        const char *chmod = strstr(problem->text, "chmod ");
        if (problem->warning)
            continue;
        ef_report_add(report, "host.secret", EF_LEVEL_FAIL, "line %d: %s", problem->line,
                      problem->text);
        if (chmod)
            ef_report_mend(report, "%s", chmod);
        else if (strstr(problem->text, "CREDENTIALS_DIRECTORY"))
            ef_report_mend(report,
                           "CREDENTIALS_DIRECTORY=/run/credentials/eventferryd.service "
                           "eventferryctl --config %s doctor # as root, while the unit runs",
                           doctor->config->path);
    }
}

/* Without its secrets the daemon would not start, so there is nothing more to look at. */
static int examine(struct ef_doctor *doctor, const struct arguments *arguments, int count,
                   char **names)
{
    struct ef_config_problems problems = {0};
    struct ef_error err;
    /* the store's own lines would be mixed into the report, which says the same in full */
    ef_log_setup(EF_LOG_ERROR, EF_LOG_LOGFMT, false);
    ef_doctor_host(doctor);
    struct ef_config *whole = ef_config_load(doctor->config->path, &problems, &err);
    if (whole) {
        doctor->config = whole;
        doctor->outbox_count = 0;
        free(doctor->outboxes);
        if (choose(doctor, count, names))
            look_outside(doctor, arguments);
    } else {
        add_problems(doctor, &problems);
    }
    ef_config_problems_free(&problems);
    if (arguments->json)
        ef_report_print_json(&doctor->report, stdout);
    else
        ef_report_print(&doctor->report, !arguments->quiet, stdout);
    ef_config_free(whole);
    return code_of(doctor);
}

static void done(struct ef_doctor *doctor)
{
    ef_topic_names_done(&doctor->topics);
    free(doctor->outboxes);
    ef_report_done(&doctor->report);
}

int ef_ctl_doctor(struct ef_ctl *ctl, int argc, char **argv)
{
    struct arguments arguments = {.old_ms = DEFAULT_OLD_MS};
    int code;
    if (!parse_arguments(ctl, argc, argv, &arguments, &code))
        return code;
    if (arguments.list) {
        print_list();
        return EF_CTL_DONE;
    }
    struct ef_config *config = ef_ctl_load_config(ctl, false, &code);
    if (!config)
        return code;
    struct ef_doctor doctor = {.config = config, .old_ms = arguments.old_ms};
    ef_report_init(&doctor.report);
    int count = argc - optind; /* the names behind the options */
    char **names = argv + optind;
    code =
        choose(&doctor, count, names) ? examine(&doctor, &arguments, count, names) : EF_CTL_USAGE;
    done(&doctor);
    ef_config_free(config);
    return code;
}
