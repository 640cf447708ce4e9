// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "daemon"
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/control.h"
#include "admin/http.h"
#include "admin/http_access.h"
#include "admin/warnings.h"
#include "base/log.h"
#include "base/str.h"
#include "config/certificates.h"
#include "kafka/embedded.h"
#include "kafka/producer.h"
#include "kafka/properties.h"
#include "kafka/version.h"
#include "loop/resolver.h"
#include "loop/systemd.h"
#include "store/drivers.h"
#include "store/postgres.h"
#include "store/versions.h"
#include "version.h"

/* Exit codes of interfaces.md that sysexits.h has under other names. */
enum { EXIT_DEADLINE = 75, EXIT_SOCKET = 73 };

struct daemon {
    const struct ef_daemon_options *options;
    struct ef_config *config, *former; /* relays may still borrow from the one before a reload */
    struct ef_loop *loop;
    struct ef_metrics *metrics;
    struct ef_resolver *resolver;
    struct ef_embedded *embedded;
    struct ef_producer *producer;
    struct ef_relay **relays;
    int relay_count, running;
    struct ef_view view;
    struct ef_admin *admin;
    struct ef_http *http;
    struct ef_http_access access; /* until d->http takes it */
    struct ef_control *control;
    struct ef_systemd *systemd;
    struct ef_signal on_term, on_int, on_hup;
    struct ef_warnings *warnings;
    struct ef_timer deadline, tell_status, checks;
    struct ef_metric *reload_ok, *reload_bad, *reload_time, *reload_good;
    bool stopping, gave_up;
    int exit_code;
};

/* --- what the endpoints see --- */

static int relay_count(void *arg)
{
    struct daemon *d = arg;
    return d->relay_count;
}

static struct ef_relay *relay_at(void *arg, int i)
{
    struct daemon *d = arg;
    return d->relays[i];
}

static void view_kafka(void *arg, struct ef_view_kafka *ret)
{
    struct daemon *d = arg;
    struct ef_producer_view view;
    *ret = (struct ef_view_kafka){.embedded = d->config->kafka.embedded};
    ef_producer_view(d->producer, &view);
    ret->up = view.up;
    ret->brokers_up = view.brokers_up;
    snprintf(ret->reason, sizeof(ret->reason), "%s", view.reason);
    snprintf(ret->brokers, sizeof(ret->brokers), "%s",
             d->embedded ? ef_embedded_bootstrap(d->embedded) : d->config->kafka.brokers);
}

static void refresh(void *arg)
{
    (void)arg; /* everything else is kept current where it happens */
}

/* --- what goes wrong slowly --- */

static void on_found(void *arg, struct ef_relay *relay, const struct ef_report *report)
{
    struct daemon *d = arg;
    if (d->stopping) /* then nothing is well again: nobody looks any more */
        return;
    ef_warnings_take(d->warnings, relay, report);
    if (!report)
        ef_producer_examine(d->producer); /* another relay sends to its topics now, or none */
}

static void on_topics_found(void *arg, const struct ef_report *report)
{
    struct daemon *d = arg;
    if (!d->stopping)
        ef_warnings_take(d->warnings, d->producer, report);
}

static int64_t max_payload(void *arg, const char *outbox)
{
    const struct daemon *d = arg;
    for (int i = 0; i < d->relay_count; i++) {
        const struct ef_config_outbox *owned = ef_relay_owned(d->relays[i]);
        if (owned && strcmp(owned->name, outbox) == 0)
            return owned->max_payload_bytes;
    }
    return 0;
}

/* The relays examine their databases themselves; this is what has no outbox. */
static void check_host(void *arg)
{
    struct daemon *d = arg;
    struct ef_report report;
    ef_report_init(&report);
    ef_report_subject(&report, "host");
    ef_certificates_judge(d->config, &report);
    ef_warnings_take(d->warnings, d, &report);
    ef_report_done(&report);
    ef_producer_examine(d->producer);
    ef_timer_start(&d->checks, d->config->checks.interval_ms * EF_MS_US);
}

/* --- reload: all or nothing --- */

/* Before there is a log they go out as they are. */
static void print_problems(const struct ef_config_problems *problems, const char *path)
{
    struct ef_buf text;
    ef_buf_init(&text, 64 * 1024);
    ef_config_problems_print(problems, path, &text);
    if (text.len)
        fputs(text.data, stderr);
    ef_buf_done(&text);
}

static void log_problems(const struct ef_config_problems *problems, const char *path,
                         struct ef_buf *text)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct ef_config_problem *problem = &problems->items[i];
        ef_warn(problem->warning ? "option looks unusual" : "option is wrong",
                EF_INT("line", problem->line), EF_INT("column", problem->column),
                EF_STR("what", problem->text));
    }
    if (text)
        ef_config_problems_print(problems, path, text);
}

static bool load_config(struct daemon *d, struct ef_config **ret, struct ef_buf *text,
                        struct ef_error *err)
{
    struct ef_config_problems problems = {0};
    const char *path = d->options->config_path;
    *ret = ef_config_load(path, &problems, err);
    if (d->loop)
        log_problems(&problems, path, text);
    else
        print_problems(&problems, path);
    ef_config_problems_free(&problems);
    return *ret != NULL;
}

static void log_changes(const struct ef_strings *changed, struct ef_buf *text)
{
    ef_info("configuration reloaded", EF_INT("changed", changed->count));
    for (size_t i = 0; i < changed->count; i++) {
        ef_info("option changed", EF_STR("option", changed->items[i]));
        if (text)
            ef_buf_printf(text, "changed: %s\n", changed->items[i]);
    }
    if (text && changed->count == 0)
        ef_buf_puts(text, "nothing changed\n");
}

/* Half of a file is no configuration: with options that need a restart nothing is applied. */
static bool refuse_restart(const struct ef_strings *restart, struct ef_buf *text,
                           struct ef_error *err)
{
    struct ef_buf names;
    ef_buf_init(&names, sizeof(err->text) - 128); /* leaves room for the sentence around them */
    for (size_t i = 0; i < restart->count; i++) {
        ef_buf_printf(&names, "%s%s", i ? ", " : "", restart->items[i]);
        if (text)
            ef_buf_printf(text, "needs a restart: %s\n", restart->items[i]);
    }
    ef_error_set(err, EF_CLASS_CONFIG, "nothing was applied, a restart is needed for: %s%s",
                 names.data, names.overflow ? ", ..." : "");
    ef_buf_done(&names);
    return false;
}

static bool load_access(const struct ef_config *config, struct ef_http_access *ret,
                        struct ef_error *err)
{
    return ef_http_access_load(config->http.token_file, config->http.basic_file, ret, err);
}

static void apply(struct daemon *d, struct ef_config *fresh)
{
    ef_log_setup(fresh->log.level, fresh->log.format, fresh->log.identifiers);
    for (int i = 0; i < d->relay_count; i++) {
        struct ef_relay_status status;
        ef_relay_status(d->relays[i], &status);
        const struct ef_config_outbox *outbox = ef_config_outbox(fresh, status.name);
        if (outbox)
            ef_relay_reload(d->relays[i], fresh, outbox);
    }
    if (d->http)
        ef_http_set_hosts(d->http, &fresh->http.hosts);
}

/* Takes fresh if it is applied. */
static bool take_over(struct daemon *d, struct ef_config **fresh, struct ef_buf *text,
                      struct ef_error *err)
{
    struct ef_strings changed = {0}, restart = {0};
    struct ef_http_access access = {0};
    ef_config_diff(d->config, *fresh, &changed, &restart);
    bool ok = restart.count == 0;
    if (!ok)
        refuse_restart(&restart, text, err);
    ok = ok && load_access(*fresh, &access, err);
    if (ok && d->http)
        ef_http_take_access(d->http, &access); /* the files may have changed, not their names */
    ef_http_access_done(&access);
    if (ok && changed.count > 0) {
        apply(d, *fresh);
        /* stores and producer borrow from the first configuration for their whole life */
        if (d->former)
            ef_config_free(d->config);
        else
            d->former = d->config;
        d->config = *fresh;
        *fresh = NULL;
    }
    if (ok) {
        ef_log_restore(NULL); /* what the file says goes, also where it has not changed */
        log_changes(&changed, text);
        ef_producer_forget_changes(d->producer);
        ef_timer_start(&d->checks, 0); /* a certificate may have been renewed */
    }
    ef_strings_free(&changed);
    ef_strings_free(&restart);
    return ok;
}

static double whole_seconds(int64_t us)
{
    int64_t seconds = us / EF_S_US;
    return (double)seconds;
}

static bool reload(void *arg, struct ef_buf *text, struct ef_error *err)
{
    struct daemon *d = arg;
    struct ef_config *fresh;
    ef_systemd_reloading(d->systemd);
    bool ok = load_config(d, &fresh, text, err) && take_over(d, &fresh, text, err);
    ef_config_free(fresh);
    if (ok)
        ef_metric_set(d->reload_time, whole_seconds(ef_clock_wall().us));
    else
        ef_err("reload refused, the former configuration stays", EF_ERR(err));
    ef_metric_add(ok ? d->reload_ok : d->reload_bad, 1);
    ef_metric_set(d->reload_good, ok);
    ef_systemd_ready(d->systemd);
    return ok;
}

static void on_hup(void *arg, int signum)
{
    struct daemon *d = arg;
    struct ef_error err;
    (void)signum;
    if (!d->stopping && !reload(d, NULL, &err))
        return; /* it has been logged */
}

/* --- stop --- */

static void on_stopped(void *arg, struct ef_relay *relay)
{
    struct daemon *d = arg;
    (void)relay;
    if (--d->running == 0 && d->stopping)
        ef_loop_stop(d->loop);
}

static void give_up(struct daemon *d, const char *why)
{
    if (d->gave_up)
        return;
    d->gave_up = true;
    int64_t unsettled = 0;
    for (int i = 0; i < d->relay_count; i++)
        unsettled += ef_relay_unsettled(d->relays[i]);
    ef_warn("stopping without waiting any longer", EF_STR("why", why),
            EF_INT("unsettled_rows", unsettled));
    if (unsettled > 0)
        d->exit_code = EXIT_DEADLINE;
    for (int i = 0; i < d->relay_count; i++)
        ef_relay_stop_now(d->relays[i]);
    ef_timer_start(&d->deadline, 2 * EF_S_US);
}

static void on_deadline(void *arg)
{
    struct daemon *d = arg;
    if (d->gave_up)
        ef_loop_stop(d->loop);
    else
        give_up(d, "shutdown_timeout passed");
}

static void on_stop_signal(void *arg, int signum)
{
    struct daemon *d = arg;
    if (d->stopping) {
        give_up(d, "second signal");
        return;
    }
    d->stopping = true;
    ef_info("stopping", EF_STR("signal", signum == SIGTERM ? "TERM" : "INT"));
    ef_systemd_stopping(d->systemd, d->config->shutdown_timeout_ms);
    ef_timer_start(&d->deadline, d->config->shutdown_timeout_ms * EF_MS_US);
    if (d->running == 0)
        ef_loop_stop(d->loop);
    for (int i = 0; i < d->relay_count; i++)
        ef_relay_stop(d->relays[i]);
}

/* --- start --- */

static void limit_core_dumps(const struct ef_daemon_options *options)
{
    struct rlimit none = {0, 0};
    if (!options->core_dumps && setrlimit(RLIMIT_CORE, &none) != 0)
        ef_warn("could not switch core dumps off, ignoring", EF_STR("why", strerror(errno)));
}

static struct ef_store *make_store(void *arg, const struct ef_config_outbox *outbox,
                                   const struct ef_store_user *user, void *user_arg)
{
    struct daemon *d = arg;
    return ef_store_new(d->loop, d->resolver, d->config, outbox, user, user_arg);
}

static bool start_kafka(struct daemon *d, struct ef_error *err)
{
    struct ef_producer_params params = {.loop = d->loop,
                                        .metrics = d->metrics,
                                        .config = &d->config->kafka,
                                        .cluster = "default",
                                        .examiner = {.max_payload = max_payload,
                                                     .found = on_topics_found,
                                                     .arg = d,
                                                     .config_path = d->config->path}};
    for (size_t i = 0; i < d->config->outbox_count; i++) {
        const struct ef_config_outbox *o = &d->config->outboxes[i];
        params.queue_messages += o->window_max_rows * 2;
        params.queue_bytes += o->window_max_bytes * 2;
        if (o->max_payload_bytes + 256 * 1024 > params.message_max_bytes)
            params.message_max_bytes = o->max_payload_bytes + 256 * 1024;
    }
    if (d->config->kafka.embedded) {
        d->embedded = ef_embedded_new((int)d->config->kafka.embedded_partitions, err);
        if (!d->embedded)
            return false;
        ef_warn("embedded Kafka broker in use", EF_STR("notice", EF_EMBEDDED_NOTICE),
                EF_STR("brokers", ef_embedded_bootstrap(d->embedded)));
        params.embedded = d->embedded;
    }
    d->producer = ef_producer_new(&params, err);
    return d->producer != NULL;
}

static bool start_endpoints(struct daemon *d, struct ef_error *err)
{
    d->view = (struct ef_view){.arg = d,
                               .instance = d->config->instance,
                               .metrics = d->metrics,
                               .warnings = d->warnings,
                               .relay_count = relay_count,
                               .relay_at = relay_at,
                               .kafka = view_kafka,
                               .refresh = refresh,
                               .reload = reload};
    d->admin =
        ef_admin_new(&(struct ef_admin_options){.loop = d->loop,
                                                .view = &d->view,
                                                .librdkafka = ef_kafka_version(),
                                                .libpq = ef_store_libpq_version(),
                                                .libmariadb = ef_store_libmariadb_version()});
    if (d->config->http.listen) {
        d->http =
            ef_http_start(d->loop, d->admin, d->config->http.listen, &d->config->http.hosts, err);
        if (!d->http)
            return false;
        ef_http_take_access(d->http, &d->access);
        ef_info("listening for HTTP", EF_STR("address", ef_http_listening(d->http)));
    }
    if (d->config->control.socket && d->config->control.socket[0]) {
        d->control = ef_control_start(d->loop, d->admin, d->config->control.socket, err);
        if (!d->control)
            return false;
    }
    return true;
}

static void start_relays(struct daemon *d)
{
    d->relays = ef_xcalloc(d->config->outbox_count, sizeof(struct ef_relay *));
    for (size_t i = 0; i < d->config->outbox_count; i++) {
        struct ef_relay_deps deps = {.loop = d->loop,
                                     .metrics = d->metrics,
                                     .publisher = ef_producer_publisher(d->producer),
                                     .config = d->config,
                                     .outbox = &d->config->outboxes[i],
                                     .make_store = make_store,
                                     .make_store_arg = d,
                                     .stopped = on_stopped,
                                     .stopped_arg = d,
                                     .found = on_found,
                                     .found_arg = d};
        d->relays[d->relay_count++] = ef_relay_new(&deps);
        d->running++;
    }
    for (int i = 0; i < d->relay_count; i++)
        ef_relay_start(d->relays[i]);
}

/* Addresses that were chosen at start, for scripts: "kafka=127.0.0.1:40123". Renamed into place. */
static void write_ports(const struct daemon *d)
{
    char part[4096];
    if (!d->options->port_file)
        return;
    snprintf(part, sizeof(part), "%s.part", d->options->port_file);
    FILE *f = fopen(part, "we");
    if (f) {
        if (d->embedded)
            fprintf(f, "kafka=%s\n", ef_embedded_bootstrap(d->embedded));
        if (d->http)
            fprintf(f, "http=%s\n", ef_http_listening(d->http));
    }
    if (!f || fclose(f) != 0 || rename(part, d->options->port_file) != 0)
        ef_warn("could not write the port file, ignoring", EF_STR("path", d->options->port_file),
                EF_STR("why", strerror(errno)));
}

static void tell_status(void *arg)
{
    struct daemon *d = arg;
    int counts[EF_RELAY_STATE_COUNT] = {0};
    struct ef_relay_status status;
    struct ef_buf text;
    ef_buf_init(&text, 512);
    for (int i = 0; i < d->relay_count; i++) {
        ef_relay_status(d->relays[i], &status);
        counts[status.state]++;
    }
    for (int state = 0; state < EF_RELAY_STATE_COUNT; state++)
        if (counts[state])
            ef_buf_printf(&text, "%s%d %s", text.len ? ", " : "", counts[state],
                          ef_relay_state_name((enum ef_relay_state)state));
    ef_systemd_status(d->systemd, text.len ? text.data : "no outboxes");
    ef_buf_done(&text);
    ef_timer_start(&d->tell_status, 5 * EF_S_US);
}

static void make_metrics(struct daemon *d)
{
    static const char help[] = "Reloads of the configuration, by how they ended.";
    d->metrics = ef_metrics_new();
    d->reload_ok = ef_metrics_get(d->metrics, EF_COUNTER, "config_reloads_total", help, "result",
                                  "success", NULL);
    d->reload_bad = ef_metrics_get(d->metrics, EF_COUNTER, "config_reloads_total", help, "result",
                                   "failure", NULL);
    d->reload_time =
        ef_metrics_get(d->metrics, EF_GAUGE, "config_last_reload_success_timestamp_seconds",
                       "When the configuration was last taken over.", NULL);
    ef_metric_set(d->reload_time, whole_seconds(ef_clock_wall().us));
    d->reload_good =
        ef_metrics_get(d->metrics, EF_GAUGE, "config_last_reload_successful",
                       "1 if the last attempt to take the configuration over worked.", NULL);
    ef_metric_set(d->reload_good, 1);
}

static int start(struct daemon *d)
{
    struct ef_error err;
    d->loop = ef_loop_new();
    make_metrics(d);
    d->warnings = ef_warnings_new(d->metrics);
    d->resolver = ef_resolver_new(d->loop);
    d->systemd = ef_systemd_new(d->loop);
    ef_timer_init(&d->deadline, d->loop, "daemon", on_deadline, d);
    ef_timer_init(&d->tell_status, d->loop, "daemon", tell_status, d);
    ef_timer_init(&d->checks, d->loop, "daemon", check_host, d);
    ef_signal_start(&d->on_term, d->loop, SIGTERM, on_stop_signal, d);
    ef_signal_start(&d->on_int, d->loop, SIGINT, on_stop_signal, d);
    ef_signal_start(&d->on_hup, d->loop, SIGHUP, on_hup, d);
    if (!start_kafka(d, &err)) {
        ef_err("could not start the Kafka producer", EF_ERR(&err));
        return err.class == EF_CLASS_CONFIG ? EX_CONFIG : EX_OSERR;
    }
    if (!load_access(d->config, &d->access, &err)) {
        ef_err("could not learn who may see the status page", EF_ERR(&err));
        return err.class == EF_CLASS_CONFIG ? EX_CONFIG : EX_NOPERM;
    }
    if (!start_endpoints(d, &err)) {
        ef_err("could not open a socket", EF_ERR(&err));
        return EXIT_SOCKET;
    }
    start_relays(d);
    write_ports(d);
    ef_systemd_ready(d->systemd);
    tell_status(d);
    check_host(d);
    return 0;
}

static void finish(struct daemon *d)
{
    if (d->control)
        ef_control_stop(d->control);
    if (d->http)
        ef_http_stop(d->http);
    if (d->admin)
        ef_admin_free(d->admin);
    ef_http_access_done(&d->access);
    ef_timer_stop(&d->deadline);
    ef_timer_stop(&d->tell_status);
    ef_timer_stop(&d->checks);
    /* reports of messages that nobody waits for any more come while the producer ends */
    ef_producer_free(d->producer);
    for (int i = 0; i < d->relay_count; i++)
        ef_relay_free(d->relays[i]);
    free(d->relays);
    ef_warnings_free(d->warnings);
    ef_embedded_free(d->embedded);
    ef_signal_stop(&d->on_term);
    ef_signal_stop(&d->on_int);
    ef_signal_stop(&d->on_hup);
    ef_systemd_free(d->systemd);
    ef_resolver_free(d->resolver);
    ef_loop_free(d->loop);
    ef_metrics_free(d->metrics);
    ef_config_free(d->config);
    ef_config_free(d->former);
}

int ef_daemon_run(const struct ef_daemon_options *options)
{
    struct daemon d = {.options = options};
    struct ef_error err;
    ef_config_use_kafka_checks(&ef_kafka_config_checks);
    ef_config_use_driver_checks(&ef_store_config_checks);
    if (!load_config(&d, &d.config, NULL, &err))
        return err.class == EF_CLASS_CONFIG ? EX_CONFIG : EX_NOPERM;
    ef_log_setup(d.config->log.level, d.config->log.format, d.config->log.identifiers);
    signal(SIGPIPE, SIG_IGN);
    limit_core_dumps(options);
    ef_info("starting", EF_STR("version", EF_VERSION), EF_STR("instance", d.config->instance),
            EF_INT("outboxes", d.config->outbox_count), EF_STR("librdkafka", ef_kafka_version()));
    int code = start(&d);
    if (code == 0) {
        ef_loop_run(d.loop);
        code = d.exit_code;
    }
    finish(&d);
    ef_info("stopped", EF_INT("exit_code", code));
    ef_log_flush();
    if (ef_store_lingers() || ef_producer_lingers()) /* exit() takes away what their threads use */
        _exit(code);
    return code;
}
