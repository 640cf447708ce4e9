// SPDX-License-Identifier: MIT
/* What the doctor looks at on this host: files that the configuration names, and the unit. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/certificates.h"
#include "config/secret.h"
#include "ctl/doctor.h"

enum { PRIVATE_KEY_MODE = 0037 };

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
    }
    look_at_secret(doctor, "key", ef_config_property(&config->kafka, "ssl.key.location"));
    look_at_secret(doctor, "key store",
                   ef_config_property(&config->kafka, "ssl.keystore.location"));
    ef_certificates_judge(config, &doctor->report);
}
