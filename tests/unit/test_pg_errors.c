// SPDX-License-Identifier: MIT
/* SQLSTATE to class: each class of appendix A has a row, and the codes the design names mean what
 * it says. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg_errors.h"
#include "unit/run_suite.h"

/* PostgreSQL manual, appendix A: the classes of 13 to 18. */
static const char *const appendix[] = {
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21",
    "22", "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D",
    "3F", "40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX"};

START_TEST(every_class_of_the_manual_has_a_row)
{
    /* no condition of any class ends like this, so the class itself decides */
    char code[6] = "??ZZ9";
    memcpy(code, appendix[_i], 2);
    const struct ef_pg_sqlstate_row *row = ef_pg_sqlstate_row(code);
    ck_assert_msg(row != NULL, "no row for class %s", appendix[_i]);
    ck_assert_str_eq(row->code, appendix[_i]);
    ck_assert_int_eq(row->class, ef_pg_sqlstate_class(code));
    bool is_error = strcmp(appendix[_i], "02") > 0;
    ck_assert_int_eq(row->class != EF_CLASS_NONE, is_error);
    /* never the policy's words for rows and topics, nor a lost lease: a database cannot say that */
    ck_assert(row->class != EF_CLASS_RECORD && row->class != EF_CLASS_DESTINATION &&
              row->class != EF_CLASS_FENCED && row->class != EF_CLASS_BUSY);
}
END_TEST

static const struct {
    const char *code;
    enum ef_class class;
    bool ends_session;
} decisions[] = {
    {"08000", EF_CLASS_OUTAGE, true},     {"08006", EF_CLASS_OUTAGE, true},
    {"08P01", EF_CLASS_OUTAGE, true},     {"08007", EF_CLASS_UNCERTAIN, true},
    {"57P01", EF_CLASS_OUTAGE, true},     {"57P02", EF_CLASS_OUTAGE, true},
    {"57P03", EF_CLASS_OUTAGE, true},     {"57P04", EF_CLASS_OUTAGE, true},
    {"57P05", EF_CLASS_OUTAGE, true},     {"57014", EF_CLASS_TRANSIENT, false},
    {"53100", EF_CLASS_OUTAGE, false},    {"53200", EF_CLASS_OUTAGE, false},
    {"53300", EF_CLASS_OUTAGE, false},    {"54000", EF_CLASS_OUTAGE, false},
    {"58030", EF_CLASS_OUTAGE, false},    {"25006", EF_CLASS_OUTAGE, true},
    {"25P02", EF_CLASS_TRANSIENT, true},  {"25P03", EF_CLASS_OUTAGE, true},
    {"55000", EF_CLASS_OUTAGE, true},     {"55P03", EF_CLASS_TRANSIENT, false},
    {"55006", EF_CLASS_TRANSIENT, false}, {"40001", EF_CLASS_TRANSIENT, false},
    {"40P01", EF_CLASS_TRANSIENT, false}, {"40003", EF_CLASS_UNCERTAIN, false},
    {"42P01", EF_CLASS_CONFIG, false},    {"42703", EF_CLASS_CONFIG, false},
    {"42501", EF_CLASS_CONFIG, false},    {"42883", EF_CLASS_CONFIG, false},
    {"3F000", EF_CLASS_CONFIG, false},    {"3D000", EF_CLASS_CONFIG, true},
    {"28000", EF_CLASS_CONFIG, true},     {"28P01", EF_CLASS_CONFIG, true},
    {"23505", EF_CLASS_CONFIG, false},    {"23514", EF_CLASS_CONFIG, false},
    {"22P02", EF_CLASS_CONFIG, false},    {"P0001", EF_CLASS_CONFIG, false},
    {"0A000", EF_CLASS_TRANSIENT, true},  {"26000", EF_CLASS_TRANSIENT, true},
    {"42P05", EF_CLASS_TRANSIENT, true},  {"XX000", EF_CLASS_FATAL, true},
    {"XX001", EF_CLASS_FATAL, true},      {"00000", EF_CLASS_NONE, false},
};

START_TEST(a_code_has_the_class_decided_for_it)
{
    const char *code = decisions[_i].code;
    ck_assert_msg(ef_pg_sqlstate_class(code) == decisions[_i].class, "%s is %s", code,
                  ef_class_name(ef_pg_sqlstate_class(code)));
    ck_assert_msg(ef_pg_sqlstate_ends_session(code) == decisions[_i].ends_session, "%s", code);
}
END_TEST

START_TEST(what_is_no_sqlstate_is_harmless)
{
    static const char *const odd[] = {"ZZ000", "9", "4200", "42P011", "?????", "42"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        ck_assert_ptr_null(ef_pg_sqlstate_row(odd[i]));
        ck_assert_int_eq(ef_pg_sqlstate_class(odd[i]), EF_CLASS_TRANSIENT);
        ck_assert(!ef_pg_sqlstate_ends_session(odd[i]));
    }
}
END_TEST

START_TEST(no_code_means_that_the_connection_is_lost)
{
    ck_assert_int_eq(ef_pg_sqlstate_class(NULL), EF_CLASS_OUTAGE);
    ck_assert_int_eq(ef_pg_sqlstate_class(""), EF_CLASS_OUTAGE);
    ck_assert(ef_pg_sqlstate_ends_session(NULL));
    ck_assert(ef_pg_sqlstate_ends_session(""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pg_errors");
    TCase *tcase = tcase_create("table");
    tcase_add_loop_test(tcase, every_class_of_the_manual_has_a_row, 0,
                        sizeof(appendix) / sizeof(appendix[0]));
    tcase_add_loop_test(tcase, a_code_has_the_class_decided_for_it, 0,
                        sizeof(decisions) / sizeof(decisions[0]));
    tcase_add_test(tcase, what_is_no_sqlstate_is_harmless);
    tcase_add_test(tcase, no_code_means_that_the_connection_is_lost);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
