// SPDX-License-Identifier: MIT
/* Arguments and exit codes of eventferryd; everything else is the daemon's. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/versions.h"
#include "base/str.h"
#include "base/versions.h"
#include "config/versions.h"
#include "daemon.h"
#include "kafka/properties.h"
#include "kafka/version.h"
#include "loop/versions.h"
#include "store/drivers.h"
#include "store/versions.h"

#define DEFAULT_CONFIG "/etc/eventferry/eventferry.yaml"

enum { OPT_CHECK = 256, OPT_PRINT, OPT_OPTIONS, OPT_PORT_FILE, OPT_CORE };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check-config", no_argument, NULL, OPT_CHECK},
    {"print-config", no_argument, NULL, OPT_PRINT},
    {"print-options", optional_argument, NULL, OPT_OPTIONS},
    {"port-file", required_argument, NULL, OPT_PORT_FILE},
    {"core-dumps", no_argument, NULL, OPT_CORE},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void usage(FILE *out)
{
    fputs("usage: eventferryd [--config FILE]\n"
          "\n"
          "  -c, --config FILE       configuration (default " DEFAULT_CONFIG ")\n"
          "      --check-config      check the configuration and end; opens nothing else\n"
          "      --print-config      print the effective configuration, secrets masked\n"
          "      --print-options[=F] print every option as text, yaml, man, schema or markdown\n"
          "      --port-file FILE    write the addresses chosen at start to FILE\n"
          "      --core-dumps        allow core dumps (they may hold payloads and secrets)\n"
          "  -V, --version           print the versions and end\n"
          "  -h, --help              print this and end\n",
          out);
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
        {"libmicrohttpd", ef_admin_microhttpd_version()},
#if EF_HAVE_SYSTEMD
        {"libsystemd", NULL},
#endif
        {0},
    };
    ef_versions_print(stdout, "eventferryd", libraries);
}

/* Loads, prints the problems, and perhaps the configuration. */
static int check_config(const char *path, bool print)
{
    struct ef_config_problems problems = {0};
    struct ef_error err;
    struct ef_buf text;
    ef_config_use_kafka_checks(&ef_kafka_config_checks);
    ef_config_use_driver_checks(&ef_store_config_checks);
    struct ef_config *config = ef_config_load(path, &problems, &err);
    int code = 0;
    ef_buf_init(&text, 1 << 20);
    ef_config_problems_print(&problems, path, &text);
    if (text.len)
        fputs(text.data, stderr);
    ef_buf_clear(&text);
    if (config && !ef_kafka_config_try(&config->kafka, &err)) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        code = EX_CONFIG;
    } else if (!config) {
        code = err.class == EF_CLASS_CONFIG ? EX_CONFIG : EX_NOPERM;
    } else if (print) {
        ef_config_print(config, &text);
        fputs(text.data, stdout);
    } else {
        printf("%s: good\n", path);
    }
    ef_buf_done(&text);
    ef_config_problems_free(&problems);
    ef_config_free(config);
    return code;
}

static int print_options(const char *form)
{
    struct ef_buf text;
    struct ef_error err;
    ef_buf_init(&text, 1 << 20);
    bool ok = ef_config_print_options(form, &text, &err);
    if (ok)
        fputs(text.data, stdout);
    else
        fprintf(stderr, "eventferryd: %s\n", err.text);
    ef_buf_done(&text);
    return ok ? 0 : EX_USAGE;
}

int main(int argc, char **argv)
{
    struct ef_daemon_options options = {.config_path = DEFAULT_CONFIG};
    bool check = false, print = false;
    int opt;
    while ((opt = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            options.config_path = optarg;
            break;
        case OPT_CHECK:
            check = true;
            break;
        case OPT_PRINT:
            print = true;
            break;
        case OPT_OPTIONS:
            return print_options(optarg);
        case OPT_PORT_FILE:
            options.port_file = optarg;
            break;
        case OPT_CORE:
            options.core_dumps = true;
            break;
        case 'V':
            print_version();
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return EX_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "eventferryd: unexpected argument \"%s\"\n", argv[optind]);
        usage(stderr);
        return EX_USAGE;
    }
    if (check || print)
        return check_config(options.config_path, print);
    return ef_daemon_run(&options);
}
