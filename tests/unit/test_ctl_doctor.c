// SPDX-License-Identifier: MIT
/* What the doctor works out by itself: when certificates end, what a report looks like, which
 * librdkafka has which fault. Its looking is tested against real servers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/certificate.h"
#include "ctl/findings.h"
#include "kafka/version.h"
#include "unit/run_suite.h"

/* Made by openssl req -x509 for this test; it ends in 2036, written with two digits of the year. */
static const char one[] = "-----BEGIN CERTIFICATE-----\n"
                          "MIIBdDCCARmgAwIBAgIUdjLzgsz+Z6xqYjQ8pR4e2iED8AcwCgYIKoZIzj0EAwIw\n"
                          "DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjQxODM2MjRaFw0zNjExMjExODM2MjRa\n"
                          "MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ3iVw/\n"
                          "XUMb3mpQyaTFz26MjXTR+31YFpcrohDx0BxzShbevVc3YFBdZTVQCJ1DCMK+ko6v\n"
                          "Hunf3xviQ5v4AwXSo1MwUTAdBgNVHQ4EFgQU0MEX77Typ/g3de2v5Qyw/5TyHsow\n"
                          "HwYDVR0jBBgwFoAU0MEX77Typ/g3de2v5Qyw/5TyHsowDwYDVR0TAQH/BAUwAwEB\n"
                          "/zAKBggqhkjOPQQDAgNJADBGAiEA2NSw3VaBmkn7Q4m6/uoyPCRl5iVnxM0HTdVY\n"
                          "R+wrioICIQDS4Jgd2+JcaOkRfGN9eYet0SxnMayF90bnGDQGEd2qYw==\n"
                          "-----END CERTIFICATE-----\n";
/* Ends in 2081, written with four. */
static const char late[] = "-----BEGIN CERTIFICATE-----\n"
                           "MIIBNDCB56ADAgECAhRyFfX+wSaP45TPP2tFn7w+wpqrdDAFBgMrZXAwDzENMAsG\n"
                           "A1UEAwwEdGVzdDAgFw0yNjExMjQxODM2MjRaGA8yMDgxMDgyNzE4MzYyNFowDzEN\n"
                           "MAsGA1UEAwwEdGVzdDAqMAUGAytlcAMhAOdeX+U+Vse4C7yDyHNXLW1QLed2859Y\n"
                           "aY4HC7hqpQkwo1MwUTAdBgNVHQ4EFgQU7BpaybzH0S0mZZZXxWBgn9wD+YowHwYD\n"
                           "VR0jBBgwFoAU7BpaybzH0S0mZZZXxWBgn9wD+YowDwYDVR0TAQH/BAUwAwEB/zAF\n"
                           "BgMrZXADQQDc7KtTm5ZCQkZAMfta9dX3Nf3FXqAy0GR4knFgSaFVKj5saSqW11sT\n"
                           "GY/74FVJKuTtDp4WgmPHldYsIZNtVIgP\n"
                           "-----END CERTIFICATE-----\n";

START_TEST(ends)
{
    struct ef_slice pem = ef_slice_of(one);
    int64_t at;
    ck_assert(ef_certificate_next(&pem, &at));
    ck_assert_int_eq(at, 2110905384);
    ck_assert(!ef_certificate_next(&pem, &at));
    pem = ef_slice_of(late);
    ck_assert(ef_certificate_next(&pem, &at));
    ck_assert_int_eq(at, 3523545384);
}
END_TEST

START_TEST(several)
{
    char text[sizeof(one) + sizeof(late) + 64];
    int64_t first, second;
    snprintf(text, sizeof(text), "subject: somebody\n%s\n%s", late, one);
    struct ef_slice pem = ef_slice_of(text);
    ck_assert(ef_certificate_next(&pem, &first) && ef_certificate_next(&pem, &second));
    ck_assert_int_eq(first, 3523545384);
    ck_assert_int_eq(second, 2110905384);
    ck_assert(!ef_certificate_next(&pem, &first));
}
END_TEST

/* Cut anywhere it is no certificate, or still one whose end was before the cut; never a crash. */
START_TEST(cut)
{
    for (size_t len = 0; len < strlen(one); len++) {
        struct ef_slice pem = {one, len};
        int64_t at = 0;
        if (ef_certificate_next(&pem, &at))
            ck_assert(at == INT64_MIN || at == 2110905384);
    }
}
END_TEST

START_TEST(none)
{
    struct ef_slice pem = ef_slice_of("no certificate"), empty = {NULL, 0};
    int64_t at;
    ck_assert(!ef_certificate_next(&pem, &at));
    ck_assert(!ef_certificate_next(&empty, &at));
}
END_TEST

START_TEST(traps)
{
    ck_assert_ptr_null(ef_kafka_version_trap(0x020002ff, ""));
    ck_assert_ptr_null(ef_kafka_version_trap(0x020002ff, "PLAIN"));
    ck_assert_ptr_nonnull(ef_kafka_version_trap(0x020002ff, "SCRAM-SHA-512"));
    ck_assert_ptr_null(ef_kafka_version_trap(0x020800ff, "SCRAM-SHA-512"));
    ck_assert_ptr_nonnull(ef_kafka_version_trap(0x020400ff, ""));
    ck_assert_ptr_nonnull(ef_kafka_version_trap(0x020a00ff, ""));
    ck_assert_ptr_nonnull(ef_kafka_version_trap(0x020a01ff, ""));
    ck_assert_ptr_null(ef_kafka_version_trap(0x020b01ff, "SCRAM-SHA-256"));
    ck_assert_int_gt(ef_kafka_version_number(), 0x01000000);
}
END_TEST

static void take(struct ef_report *report, const char *sentence, const char *mend)
{
    ef_report_add(report, "table.privileges", EF_LEVEL_FAIL, "%s", sentence);
    ck_assert_int_eq(ef_report_mend_from(report, sentence), mend != NULL);
    const struct ef_finding *finding = &report->items[report->count - 1];
    if (mend)
        ck_assert_str_eq(finding->mends.items[0], mend);
    else
        ck_assert_uint_eq(finding->mends.count, 0);
}

START_TEST(sentences)
{
    struct ef_report report;
    ef_report_init(&report);
    take(&report, "it is missing; run GRANT DELETE ON t TO r, or `eventferryctl migrate`",
         "GRANT DELETE ON t TO r");
    take(&report, "unlogged; run ALTER TABLE t SET LOGGED", "ALTER TABLE t SET LOGGED");
    take(&report, "no schema; run `eventferryctl migrate` as the owner", NULL);
    take(&report, "it is not a table; name a table", NULL);
    ef_report_done(&report);
}
END_TEST

START_TEST(printed)
{
    struct ef_report report;
    char *text = NULL;
    size_t size;
    ef_report_init(&report);
    ck_assert_int_eq(ef_report_worst(&report), EF_LEVEL_OK);
    ef_report_subject(&report, "outbox %s", "orders");
    ef_report_add(&report, "lease.owner", EF_LEVEL_OK, "relay \"%s\" owns it", "r-1");
    ef_report_add(&report, "pg.autovacuum", EF_LEVEL_WARN, "it is off");
    ef_report_mend(&report, "ALTER SYSTEM SET autovacuum = on");
    ef_report_mend(&report, "SELECT pg_reload_conf()");
    ck_assert_int_eq(ef_report_worst(&report), EF_LEVEL_WARN);
    FILE *out = open_memstream(&text, &size);
    ef_report_print(&report, false, out);
    fclose(out);
    ck_assert_str_eq(text, "outbox orders\n"
                           "  WARN  pg.autovacuum          it is off\n"
                           "        -> ALTER SYSTEM SET autovacuum = on\n"
                           "           SELECT pg_reload_conf()\n"
                           "0 failed, 1 warned, 1 fine\n");
    free(text);
    ef_report_done(&report);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_doctor");
    TCase *all = tcase_create("all");
    tcase_add_test(all, ends);
    tcase_add_test(all, several);
    tcase_add_test(all, cut);
    tcase_add_test(all, none);
    tcase_add_test(all, traps);
    tcase_add_test(all, sentences);
    tcase_add_test(all, printed);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
