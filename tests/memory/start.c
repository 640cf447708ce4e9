// SPDX-License-Identifier: MIT
/* Memory is short while a configuration is read and printed, and while the daemon starts and stops.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "config/config.h"
#include "daemon.h"
#include "kafka/properties.h"
#include "loop/systemd.h"
#include "memory/failing.h"
#include "memory/scenarios.h"
#include "store/drivers.h"

static char good_path[160], wrong_path[160];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

void memory_prepare(const char *where)
{
    static const char good[] =
        "instance: relay-1\n"
        "state_dir: %s\n"
        "shutdown_timeout: 1s\n"
        "kafka: {brokers: embedded, client_id: \"relay-${env:EF_MEMORY_NAME}\"}\n"
        "http: {listen: \"127.0.0.1:0\", hosts: [metrics.example.org, other.example.org]}\n"
        "control: {socket: %s/control.sock}\n"
        "databases:\n"
        "  shop: {driver: postgres, url: \"postgres://relay:" MEMORY_SECRET "@127.0.0.1:1/shop\"}\n"
        "  mail: {driver: postgres, url: \"postgres://relay@127.0.0.1:1/mail\", password_file: "
        "%s/password}\n"
        "outboxes:\n"
        "  - {name: orders, database: shop, table: public.outbox, on_delivered: archive,\n"
        "     retention: 24h, headers: [message-id, trace-id], retry: {max_attempts: 7}}\n"
        "  - name: mails\n"
        "    database: mail\n"
        "    table: '\"Mail\".outbox'\n"
        "    topics: {allow: [\"mail.*\"], overrides: {\"mail.x*\": {dead_letter: {topic: "
        "mail.dead}}}}\n";
    static const char wrong[] =
        "kafka: {brokers: [k:9092], properties: {sasl.password: " MEMORY_SECRET ", nonsense: 1}}\n"
        "databases: {shop: {url: \"postgres://u:" MEMORY_SECRET "@h/s\", pooler: sometimes}}\n"
        "outboxes: [{name: a, databse: shop, table: 'x y', lease_ttl: 1h, window: {max_rows: "
        "-1}}]\n";
    char text[4096], path[192];
    snprintf(good_path, sizeof(good_path), "%s/good.yaml", where);
    snprintf(wrong_path, sizeof(wrong_path), "%s/wrong.yaml", where);
    snprintf(path, sizeof(path), "%s/password", where);
    write_file(path, MEMORY_SECRET "\n");
    if (chmod(path, 0600) != 0 || setenv("EF_MEMORY_NAME", "north", 1) != 0)
        abort();
    snprintf(text, sizeof(text), good, where, where, where);
    write_file(good_path, text);
    write_file(wrong_path, wrong);
    ef_config_use_kafka_checks(&ef_kafka_config_checks);
    ef_config_use_driver_checks(&ef_store_config_checks);
}

/* --- configuration: load it, print it with the secrets masked --- */

static int configuration(const char *path)
{
    struct ef_config_problems problems = {0};
    struct ef_error err;
    struct ef_buf text;
    failing_begin();
    struct ef_config *config = ef_config_load(path, &problems, &err);
    ef_buf_init(&text, 1 << 20);
    ef_config_problems_print(&problems, path, &text);
    if (config)
        ef_config_print(config, &text);
    failing_end();
    if (text.len)
        fputs(text.data, stdout);
    bool refused = !config && path == wrong_path && err.class == EF_CLASS_CONFIG &&
                   !(text.data && strstr(text.data, "out of memory"));
    ef_buf_done(&text);
    ef_config_problems_free(&problems);
    ef_config_free(config);
    return config || refused ? 0 : EX_CONFIG;
}

/* --- the daemon, until it is ready, and its stop --- */

void __real_ef_systemd_ready(struct ef_systemd *systemd);
void __wrap_ef_systemd_ready(struct ef_systemd *systemd);
void __wrap_ef_systemd_ready(struct ef_systemd *systemd)
{
    __real_ef_systemd_ready(systemd);
    raise(SIGTERM);
}

static int whole_daemon(const char *path)
{
    struct ef_daemon_options options = {.config_path = path};
    failing_begin();
    return ef_daemon_run(&options);
}

/* clang-format off */
const struct memory_scenario memory_scenarios[] = {
    {"configuration", configuration, good_path, true, {0, EX_SOFTWARE, EX_CONFIG, -1}, 1},
    {"wrong-configuration", configuration, wrong_path, true, {0, EX_SOFTWARE, EX_CONFIG, -1}, 1},
    {"daemon", whole_daemon, good_path, false,
     {0, EX_SOFTWARE, EX_OSERR, EX_CANTCREAT, EX_NOPERM, EX_CONFIG, -1}, 20},
};
/* clang-format on */
const int memory_scenario_count = sizeof(memory_scenarios) / sizeof(memory_scenarios[0]);
