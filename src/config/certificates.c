// SPDX-License-Identifier: MIT
#include "config/certificates.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/certificate.h"
#include "base/clock.h"

enum { SOON_DAYS = 30, DAY_S = 24 * 3600, PEM_MAX = 4 << 20 };

static void add_certificate(struct ef_report *report, const char *what, const char *path,
                            int64_t ends_at_s)
{
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
    ef_report_key(report, "%s", path);
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

static void add_unreadable(struct ef_report *report, const char *path)
{
    ef_report_add(report, "host.certificate", EF_LEVEL_FAIL, "could not read %s: %s", path,
                  strerror(errno));
    ef_report_key(report, "%s", path);
    ef_report_mend(report, "ls -l '%s'", path);
}

/*
 * The one that ends first of a file's certificates; of several authorities the one that ends last,
 * since a system's bundle always has some that have ended and no one misses. A directory or another
 * format is not looked into.
 */
static void look_at_certificates(struct ef_report *report, const char *what, const char *path)
{
    struct stat st;
    struct ef_buf text;
    bool authority = strcmp(what, "authority") == 0;
    int64_t ends = INT64_MAX, each;
    if (!path || !path[0] || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
        return;
    ef_buf_init(&text, PEM_MAX);
    if (!read_file(path, &text)) {
        add_unreadable(report, path);
        ef_buf_done(&text);
        return;
    }
    struct ef_slice pem = {text.data, text.len};
    while (ef_certificate_next(&pem, &each))
        if (ends == INT64_MAX || (authority ? each > ends : each < ends))
            ends = each;
    if (ends == INT64_MIN) {
        ef_report_add(report, "host.certificate", EF_LEVEL_WARN,
                      "%s %s has a certificate that cannot be read", what, path);
        ef_report_key(report, "%s", path);
        ef_report_mend(report, "openssl x509 -noout -text -in '%s'", path);
    } else if (ends != INT64_MAX) {
        add_certificate(report, what, path, ends);
    }
    ef_buf_done(&text);
}

void ef_certificates_judge(const struct ef_config *config, struct ef_report *report)
{
    static const struct {
        const char *what, *property;
    } kafka[] = {
        {"certificate", "ssl.certificate.location"},
        {"authority", "ssl.ca.location"},
    };
    for (size_t i = 0; i < config->database_count; i++) {
        look_at_certificates(report, "certificate", config->databases[i].tls.cert);
        look_at_certificates(report, "authority", config->databases[i].tls.ca);
    }
    for (size_t i = 0; i < sizeof(kafka) / sizeof(kafka[0]); i++)
        look_at_certificates(report, kafka[i].what,
                             ef_config_property(&config->kafka, kafka[i].property));
}
