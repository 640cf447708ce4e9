// SPDX-License-Identifier: MIT
/* What the doctor looks at on this host: files that the configuration names, and the unit. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/secret.h"
#include "ctl/certificate.h"
#include "ctl/doctor.h"

enum { SOON_DAYS = 30, DAY_S = 24 * 3600, PEM_MAX = 4 << 20, PRIVATE_KEY_MODE = 0037 };

/* --- certificates --- */

static void add_certificate(struct ef_doctor *doctor, const char *what, const char *path,
                            int64_t ends_at_s)
{
    struct ef_report *report = &doctor->report;
    int64_t left_s = ends_at_s - ef_clock_wall().us / EF_S_US;
    time_t at = (time_t)ends_at_s;
    struct tm tm;
    char date[32];
    strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&at, &tm));
    enum ef_level level = left_s < 0                            ? EF_LEVEL_FAIL
                          : left_s < (int64_t)SOON_DAYS * DAY_S ? EF_LEVEL_WARN
                                                                : EF_LEVEL_OK;
    if (left_s < 0)
        ef_report_add(report, "host.certificate", level, "%s %s ended on %s", what, path, date);
    else
        ef_report_add(report, "host.certificate", level, "%s %s ends on %s, in %" PRId64 " days",
                      what, path, date, left_s / DAY_S);
    if (level != EF_LEVEL_OK)
        ef_report_mend(report,
                       "openssl x509 -noout -subject -issuer -enddate -in '%s' # renew it, "
                       "then eventferryctl reload",
                       path);
}

static bool read_file(const char *path, struct ef_buf *out)
{
    char block[16384];
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    for (size_t got; (got = fread(block, 1, sizeof(block), file)) > 0;)
        ef_buf_add(out, block, got);
    bool ok = !ferror(file) && !out->overflow;
    fclose(file);
    return ok;
}

static void add_unreadable(struct ef_doctor *doctor, const char *id, const char *path)
{
    ef_report_add(&doctor->report, id, EF_LEVEL_FAIL, "could not read %s: %s", path,
                  strerror(errno));
    ef_report_mend(&doctor->report, "ls -l '%s'", path);
}

/* The one that ends first of a file's certificates. A directory or another format is not looked
 * into: a file of certification authorities has many. */
static void look_at_certificates(struct ef_doctor *doctor, const char *what, const char *path)
{
    struct stat st;
    struct ef_buf text;
    int64_t first = INT64_MAX, each;
    if (!path || !path[0] || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
        return;
    ef_buf_init(&text, PEM_MAX);
    if (!read_file(path, &text)) {
        add_unreadable(doctor, "host.certificate", path);
        ef_buf_done(&text);
        return;
    }
    struct ef_slice pem = {text.data, text.len};
    while (ef_certificate_next(&pem, &each))
        first = each < first ? each : first;
    if (first == INT64_MIN) {
        ef_report_add(&doctor->report, "host.certificate", EF_LEVEL_WARN,
                      "%s %s has a certificate that cannot be read", what, path);
        ef_report_mend(&doctor->report, "openssl x509 -noout -text -in '%s'", path);
    } else if (first != INT64_MAX) {
        add_certificate(doctor, what, path, first);
    }
    ef_buf_done(&text);
}

/* --- secrets --- */

static void look_at_secret(struct ef_doctor *doctor, const char *what, const char *path)
{
    struct ef_report *report = &doctor->report;
    struct ef_error err;
    struct stat st;
    /* a folder's name alone is left of a path that a credential would complete */
    if (!path || !path[0] || path[strlen(path) - 1] == '/')
        return;
    if (ef_secret_check(path, &err)) {
        ef_report_add(report, "host.secret", EF_LEVEL_OK, "%s %s is private", what, path);
        return;
    }
    ef_report_add(report, "host.secret", EF_LEVEL_FAIL, "%s %s: %s", what, path, err.text);
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & PRIVATE_KEY_MODE))
        ef_report_mend(report, "chmod %04o '%s'",
                       (unsigned)(st.st_mode & 0777 & ~(mode_t)PRIVATE_KEY_MODE), path);
    else
        ef_report_mend(report, "ls -l '%s'", path);
}

/* A password that stands in the configuration makes that file a secret. */
static void look_at_configuration(struct ef_doctor *doctor)
{
    const struct ef_config *config = doctor->config;
    struct stat st;
    if (!config->secret_line || stat(config->path, &st) != 0)
        return;
    if (st.st_mode & PRIVATE_KEY_MODE) {
        ef_report_add(&doctor->report, "host.secret", EF_LEVEL_FAIL,
                      "%s has a secret in line %d, and others may read or its group change it",
                      config->path, config->secret_line);
        ef_report_mend(&doctor->report, "chmod %04o '%s'",
                       (unsigned)(st.st_mode & 0777 & ~(mode_t)PRIVATE_KEY_MODE), config->path);
    } else {
        ef_report_add(&doctor->report, "host.secret", EF_LEVEL_OK, "%s is private", config->path);
    }
}

/* --- the unit --- */

struct unit {
    char name[256], load[32], active[32], result[64];
    int restarts;
};

static void take_property(struct unit *unit, const char *line)
{
    sscanf(line, "LoadState=%31s", unit->load);
    sscanf(line, "ActiveState=%31s", unit->active);
    sscanf(line, "Result=%63s", unit->result);
    sscanf(line, "NRestarts=%d", &unit->restarts);
}

/* /etc/eventferry/NAME.yaml is the configuration of the instance NAME. Any other file may be the
 * plain unit's, by a drop-in. The name goes to a shell. */
static void name_unit(struct unit *unit, const char *path)
{
    static const char *const letters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    char name[128];
    int end = 0;
    snprintf(unit->name, sizeof(unit->name), "eventferryd.service");
    if (sscanf(path, "/etc/eventferry/%127[^/]%n", name, &end) != 1 || path[end])
        return;
    char *suffix = strrchr(name, '.');
    if (!suffix || strcmp(suffix, ".yaml") != 0)
        return;
    *suffix = '\0';
    if (name[0] && !name[strspn(name, letters)] && strcmp(name, "eventferry") != 0)
        snprintf(unit->name, sizeof(unit->name), "eventferryd@%s.service", name);
}

static bool ask_unit(struct unit *unit)
{
    char line[512];
    snprintf(line, sizeof(line),
             "systemctl show %s --property=LoadState,ActiveState,Result,NRestarts 2>/dev/null",
             unit->name);
    FILE *pipe = popen(line, "re");
    if (!pipe)
        return false;
    while (fgets(line, sizeof(line), pipe))
        take_property(unit, line);
    return pclose(pipe) == 0 && strcmp(unit->load, "loaded") == 0;
}

static void look_at_unit(struct ef_doctor *doctor)
{
    struct ef_report *report = &doctor->report;
    struct unit unit = {0};
    name_unit(&unit, doctor->config->path);
    if (access("/run/systemd/system", F_OK) != 0 || !ask_unit(&unit))
        return; /* no systemd here, or the daemon is not its business */
    if (strcmp(unit.active, "failed") == 0) {
        ef_report_add(report, "host.unit", EF_LEVEL_FAIL, "%s has failed: %s", unit.name,
                      unit.result);
        ef_report_mend(report, "journalctl -u %s -n 50", unit.name);
        ef_report_mend(report, "systemctl restart %s", unit.name);
    } else if (strcmp(unit.active, "active") != 0) {
        ef_report_add(report, "host.unit", EF_LEVEL_WARN, "%s is %s", unit.name, unit.active);
        ef_report_mend(report, "systemctl enable --now %s", unit.name);
    } else if (unit.restarts > 0) {
        ef_report_add(report, "host.unit", EF_LEVEL_WARN,
                      "%s was restarted %d time%s after it had failed", unit.name, unit.restarts,
                      unit.restarts > 1 ? "s" : "");
        ef_report_mend(report, "journalctl -u %s -p warning", unit.name);
    } else {
        ef_report_add(report, "host.unit", EF_LEVEL_OK, "%s is active", unit.name);
    }
}

void ef_doctor_host(struct ef_doctor *doctor)
{
    const struct ef_config *config = doctor->config;
    ef_report_subject(&doctor->report, "host");
    look_at_unit(doctor);
    look_at_configuration(doctor);
    for (size_t i = 0; i < config->database_count; i++) {
        const struct ef_config_database *database = &config->databases[i];
        look_at_secret(doctor, "password file", database->password_file);
        look_at_secret(doctor, "key", database->tls.key);
        look_at_certificates(doctor, "certificate", database->tls.cert);
        look_at_certificates(doctor, "authority", database->tls.ca);
    }
    look_at_secret(doctor, "key", ef_config_property(&config->kafka, "ssl.key.location"));
    look_at_secret(doctor, "key store",
                   ef_config_property(&config->kafka, "ssl.keystore.location"));
    look_at_certificates(doctor, "certificate",
                         ef_config_property(&config->kafka, "ssl.certificate.location"));
    look_at_certificates(doctor, "authority",
                         ef_config_property(&config->kafka, "ssl.ca.location"));
}
