// SPDX-License-Identifier: MIT
/* eventferryctl: the operator's tool. The verbs are the table below. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/versions.h"
#include "config/versions.h"
#include "ctl/ctl.h"
#include "kafka/version.h"
#include "loop/versions.h"
#include "store/drivers.h"
#include "store/versions.h"

static const struct ef_ctl_verb verbs[] = {
    {"migrate", "[OPTION]...", "make or complete what an outbox needs in its database",
     ef_ctl_migrate},
    {"doctor", "[OUTBOX]...", "look at everything the daemon needs, and say what mends it",
     ef_ctl_doctor},
    {"status", "[OUTBOX]", "show how the outboxes of a running daemon are", ef_ctl_status},
    {"pause", "OUTBOX|--all", "stop relaying a table, whichever relay owns it", ef_ctl_pause},
    {"resume", "OUTBOX|--all", "end a pause or a drain", ef_ctl_resume},
    {"drain", "OUTBOX|--all", "stop reading and wait until nothing is in flight", ef_ctl_drain},
    {"reload", "", "make the daemon read its configuration again", ef_ctl_reload},
    {"lag", "[OUTBOX]", "show how far the outboxes are behind", ef_ctl_lag},
    {"top", "[OUTBOX]", "watch the outboxes at work", ef_ctl_top},
    {"topics", "VERB [OUTBOX]", "describe, validate or make topics in Kafka", ef_ctl_topics},
    {"dead", "VERB [OUTBOX] [ID]...", "look at rows that were given up, and act on them",
     ef_ctl_dead},
    {"purge", "--done|--dead [OUTBOX]", "remove finished rows from a table", ef_ctl_purge},
    {"explain", "[OUTBOX] [ID]...", "show a row's message, and why it has not gone",
     ef_ctl_explain},
    {"log-level", "[ROOM] [LEVEL]", "log more or less for a while", ef_ctl_log_level},
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

static void usage(FILE *out)
{
    fputs("usage: eventferryctl [--config FILE] VERB [ARGUMENT]...\n\n", out);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        char line[80];
        snprintf(line, sizeof(line), "%s %s", verbs[i].name, verbs[i].arguments);
        fprintf(out, "  %-28s %s\n", line, verbs[i].help);
    }
    fputs("\n  -c, --config FILE        default " EF_CTL_DEFAULT_CONFIG "\n"
          "  -h, --help               this text; after a verb, the verb's\n"
          "  -V, --version            what this program is\n",
          out);
}

static const struct ef_ctl_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static const char *nearest_verb(const char *name)
{
    const char *nearest = NULL;
    unsigned least = 3; /* further away is no typing error */
    for (size_t i = 0; i < VERB_COUNT; i++) {
        unsigned distance = ef_edit_distance(verbs[i].name, name);
        if (distance < least) {
            least = distance;
            nearest = verbs[i].name;
        }
    }
    return nearest;
}

static int run_verb(struct ef_ctl *ctl, int argc, char **argv)
{
    const struct ef_ctl_verb *verb = find_verb(argv[0]);
    if (!verb) {
        const char *nearest = nearest_verb(argv[0]);
        ef_ctl_complain("unknown verb '%s'%s%s%s", argv[0], nearest ? ", did you mean '" : "",
                        nearest ? nearest : "", nearest ? "'?" : "");
        return EF_CTL_USAGE;
    }
    return verb->run(ctl, argc, argv);
}

static void print_version(void)
{
    const struct ef_library libraries[] = {
        {"librdkafka", ef_kafka_version()},
        {"libpq", ef_store_libpq_version()},
        {"libmariadb", ef_store_libmariadb_version()},
        {"libev", ef_loop_libev_version()},
        {"c-ares", ef_loop_cares_version()},
        {"libyaml", ef_config_libyaml_version()},
        {"jansson", ef_jansson_version()},
        {0},
    };
    ef_versions_print(stdout, "eventferryctl", libraries);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    struct ef_ctl ctl = {.config_path = EF_CTL_DEFAULT_CONFIG};
    int option;
    json_set_alloc_funcs(ef_xmalloc, free);
    while ((option = getopt_long(argc, argv, "+c:hV", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            ctl.config_path = optarg;
            ctl.config_given = true;
            break;
        case 'h':
            usage(stdout);
            return EF_CTL_DONE;
        case 'V':
            print_version();
            return EF_CTL_DONE;
        default:
            return EF_CTL_USAGE;
        }
    }
    if (optind == argc) {
        usage(stderr);
        return EF_CTL_USAGE;
    }
    int code = run_verb(&ctl, argc - optind, argv + optind);
    fflush(NULL);
    if (ef_store_lingers())
        _exit(code);
    return code;
}
