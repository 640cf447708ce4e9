// SPDX-License-Identifier: MIT
/* The option table, walked: each row is coherent, and the reader takes what the row says. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"
#include "config/scalar.h"
#include "unit/config_text.h"
#include "unit/run_suite.h"

static bool is_number(const struct ef_option *option)
{
    return option->type == EF_OPT_INT || option->type == EF_OPT_DURATION ||
           option->type == EF_OPT_SIZE;
}

static bool is_nesting(const struct ef_option *option)
{
    return option->type == EF_OPT_MAP || option->type == EF_OPT_TABLE ||
           option->type == EF_OPT_LIST;
}

START_TEST(a_row_is_complete)
{
    const struct ef_option *option = &ef_options[_i];
    size_t len = strlen(option->help);
    ck_assert_msg(len > 10 && option->help[len - 1] == '.', "%s: help", option->path);
    ck_assert_msg(!strstr(option->help, "  ") && !strchr(option->help, '\n'), "%s: help",
                  option->path);
    ck_assert_msg(is_number(option) == (option->min < option->max), "%s: range", option->path);
    bool by_words =
        option->type == EF_OPT_ENUM || option->type == EF_OPT_WORD || option->type == EF_OPT_FLAGS;
    ck_assert_msg(by_words == (option->words != NULL), "%s: words", option->path);
    bool of_elements = option->type == EF_OPT_TABLE || option->type == EF_OPT_LIST;
    ck_assert_msg(of_elements == (option->collection != NULL), "%s: collection", option->path);
    ck_assert_msg(!(option->flags & EF_OPT_REQUIRED) || !option->def, "%s: a required default",
                  option->path);
    ck_assert_msg(!option->zero || is_number(option), "%s: zero", option->path);
    ck_assert_msg(option->type == EF_OPT_MAP || option->size > 0, "%s: no field", option->path);
    /* the sample shows something that can be uncommented */
    ck_assert_msg(is_nesting(option) || option->type == EF_OPT_COLUMN || option->example ||
                      option->def,
                  "%s: neither a default nor an example", option->path);
}
END_TEST

START_TEST(a_row_fits_its_field)
{
    static const size_t sizes[] = {
        [EF_OPT_STRING] = sizeof(char *),
        [EF_OPT_WORD] = sizeof(char *),
        [EF_OPT_BOOL] = sizeof(bool),
        [EF_OPT_DURATION] = sizeof(int64_t),
        [EF_OPT_SIZE] = sizeof(int64_t),
        [EF_OPT_ENUM] = sizeof(enum ef_wake),
        [EF_OPT_FLAGS] = sizeof(unsigned),
        [EF_OPT_STRINGS] = sizeof(struct ef_strings),
        [EF_OPT_BROKERS] = sizeof(struct ef_config_kafka),
        [EF_OPT_PROPERTIES] = sizeof(struct ef_properties),
        [EF_OPT_COLUMN] = sizeof(struct ef_column_map),
        [EF_OPT_TABLE] = sizeof(void *),
        [EF_OPT_LIST] = sizeof(void *),
    };
    const struct ef_option *option = &ef_options[_i];
    if (option->type == EF_OPT_INT)
        ck_assert(option->size == sizeof(int) || option->size == sizeof(int64_t));
    else if (option->type != EF_OPT_MAP)
        ck_assert_msg(option->size == sizes[option->type], "%s: %zu bytes", option->path,
                      option->size);
    ck_assert_msg(option->size != sizeof(int) || option->max <= INT32_MAX, "%s: range",
                  option->path);
}
END_TEST

START_TEST(a_row_has_its_place)
{
    const struct ef_option *option = &ef_options[_i];
    size_t scope = ef_option_scope_len(option->path);
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *other = &ef_options[i];
        if (other == option)
            continue;
        ck_assert_str_ne(option->path, other->path);
        bool same_scope = ef_option_scope_len(other->path) == scope &&
                          strncmp(other->path, option->path, scope) == 0;
        bool overlaps = option->offset < other->offset + other->size &&
                        other->offset < option->offset + option->size;
        /* brokers stands at the offset of its whole struct */
        bool counts = option->type != EF_OPT_MAP && other->type != EF_OPT_MAP &&
                      option->type != EF_OPT_BROKERS && other->type != EF_OPT_BROKERS;
        ck_assert_msg(!(counts && same_scope && overlaps), "%s and %s share a field", option->path,
                      other->path);
    }
    const char *dot = strrchr(option->path, '.');
    if (!dot)
        return;
    char *outer = ef_xstrndup(option->path, (size_t)(dot - option->path));
    size_t len = strlen(outer);
    if (len > 2 && (strcmp(outer + len - 2, ".*") == 0 || strcmp(outer + len - 2, "[]") == 0))
        outer[len - 2] = '\0';
    bool found = false;
    for (size_t i = 0; i < ef_option_count; i++)
        found = found || (strcmp(ef_options[i].path, outer) == 0 && is_nesting(&ef_options[i]));
    ck_assert_msg(found, "%s: %s has no row", option->path, outer);
    free(outer);
}
END_TEST

START_TEST(the_columns_are_all_there)
{
    for (int i = 0; i < EF_COL_COUNT; i++) {
        const struct ef_option *option = ef_option_find("outboxes[].columns.", ef_column_names[i]);
        ck_assert_msg(option != NULL, "%s", ef_column_names[i]);
        ck_assert_uint_eq(option->offset, offsetof(struct ef_config_outbox, columns) +
                                              (size_t)i * sizeof(struct ef_column_map));
    }
}
END_TEST

/* "batch.max_rows", "5" make "batch: {max_rows: 5}". Caller frees. */
static char *nest(const char *path, const char *value)
{
    size_t len = strcspn(path, ".");
    if (!path[len])
        return ef_xprintf("%s: %s", path, value);
    char *inner = nest(path + len + 1, value);
    char *text = ef_xprintf("%.*s: {%s}", (int)len, path[0] == '*' ? "a" : path, inner);
    free(inner);
    return text;
}

/* A configuration that is good but for the option's value. Caller frees. */
static char *file_with(const struct ef_option *option, const char *value)
{
    size_t scope = ef_option_scope_len(option->path);
    char *set, *text;
    if (strncmp(option->path, "kafka.", 6) == 0) {
        set = nest(option->path + 6, value);
        text = ef_xprintf("kafka: {brokers: embedded, %s}\n" TEST_DATABASES TEST_OUTBOXES, set);
    } else if (strncmp(option->path, "databases.*.", 12) == 0) {
        set = nest(option->path + scope, value);
        text = ef_xprintf(
            TEST_KAFKA "databases: {shop: {url: \"postgresql://db/s\", %s}}\n" TEST_OUTBOXES, set);
    } else if (strncmp(option->path, "outboxes[].", 11) == 0) {
        const char *layout = strstr(option->path, "header_columns") ? "layout: debezium, "
                             : strstr(option->path, "column")       ? "layout: custom, "
                                                                    : "";
        set = nest(option->path + 11, value);
        text = ef_xprintf(TEST_KAFKA TEST_DATABASES
                          "outboxes: [{name: orders, database: shop, table: t, %s%s}]\n",
                          layout, set);
    } else {
        set = nest(option->path, value);
        text = ef_xprintf(TEST_MINIMAL "%s\n", set);
    }
    free(set);
    return text;
}

/* The struct of the option's scope in a config that file_with made. */
static const void *base_of(const struct ef_config *config, const struct ef_option *option)
{
    if (ef_option_scope_len(option->path) == 0)
        return config;
    if (strncmp(option->path, "databases", 9) == 0)
        return &config->databases[0];
    return strstr(option->path, "overrides.") ? (const void *)config->outboxes[0].topic_overrides
                                              : &config->outboxes[0];
}

/* The option's path as messages show it for file_with's text. Caller frees. */
static char *shown(const struct ef_option *option)
{
    const char *rest = option->path + ef_option_scope_len(option->path);
    const char *outer = strstr(option->path, "overrides.*.") ? "outboxes[0].topics.overrides.a."
                        : strncmp(option->path, "databases.", 10) == 0 ? "databases.shop."
                        : strncmp(option->path, "outboxes[]", 10) == 0 ? "outboxes[0]."
                                                                       : "";
    return ef_xprintf("%s%s", outer, rest);
}

static char *formatted(const struct ef_option *option, int64_t value)
{
    struct ef_option bare = *option;
    struct ef_buf text;
    bare.zero = NULL;
    ef_buf_init(&text, 128);
    ef_scalar_format(&bare, value, &text);
    return text.data;
}

/* Both ends of a range; what another option forbids at that value is not this test's concern. */
static void assert_in_range(const struct ef_option *option, int64_t value)
{
    char *written = formatted(option, value), *text = file_with(option, written), *problems;
    struct ef_config *config = test_config_parse(text, &problems);
    ck_assert_msg(!strstr(problems, "out of range") && !strstr(problems, "not accepted"), "%s",
                  problems);
    if (config)
        ck_assert_int_eq(ef_option_get_int(option, base_of(config, option)), value);
    else
        ck_assert_msg(strstr(problems, " than ") != NULL, "%s", problems);
    ef_config_free(config);
    free(problems);
    free(text);
    free(written);
}

static void assert_out_of_range(const struct ef_option *option, int64_t value)
{
    char *written = formatted(option, value), *text = file_with(option, written), *problems;
    char *path = shown(option);
    struct ef_buf accepted;
    ef_buf_init(&accepted, 128);
    ef_scalar_accepted(option, &accepted);
    /* below zero the text is no duration to begin with */
    char *expected = value < 0 && option->type == EF_OPT_DURATION
                         ? ef_xprintf(": %s: \"%s\" is not accepted; durations need", path, written)
                         : ef_xprintf(": %s: \"%s\" is out of range; accepted: %s\n", path, written,
                                      accepted.data);
    ck_assert_ptr_null(test_config_parse(text, &problems));
    ck_assert_msg(strstr(problems, expected) != NULL, "%s lacks %s", problems, expected);
    ef_buf_done(&accepted);
    free(expected);
    free(path);
    free(problems);
    free(text);
    free(written);
}

START_TEST(ranges_hold_at_both_ends)
{
    const struct ef_option *option = &ef_options[_i];
    if (!is_number(option))
        return;
    assert_in_range(option, option->min);
    assert_in_range(option, option->max);
    assert_out_of_range(option, option->min - 1);
    assert_out_of_range(option, option->max + 1);
    if (option->zero) {
        char *text = file_with(option, option->zero);
        struct ef_config *config = test_config_good(text);
        ck_assert_int_eq(ef_option_get_int(option, base_of(config, option)), 0);
        ef_config_free(config);
        free(text);
    }
}
END_TEST

START_TEST(defaults_are_values)
{
    const struct ef_option *option = &ef_options[_i];
    struct ef_config *config = test_config_good(TEST_MINIMAL);
    struct ef_error err;
    int64_t number = 0;
    if (option->def && !strstr(option->path, "overrides.") && option->type != EF_OPT_STRING) {
        int64_t held = ef_option_get_int(option, base_of(config, option));
        if (is_number(option) && option->zero && strcmp(option->zero, option->def) == 0) {
            ck_assert_int_eq(held, 0);
        } else if (option->type == EF_OPT_FLAGS) {
            ck_assert_int_eq(held, EF_HEADER_ALL);
        } else {
            ck_assert(ef_scalar_parse(option, option->def, &number, &err));
            ck_assert_msg(held == number, "%s", option->path);
            if (is_number(option))
                ck_assert_msg(number >= option->min && number <= option->max, "%s", option->path);
        }
        /* written out, the default changes nothing; nor does it bring a warning */
        char *text = file_with(option, option->def);
        struct ef_config *again = test_config_good(text);
        ck_assert_int_eq(ef_option_get_int(option, base_of(again, option)), held);
        ef_config_free(again);
        free(text);
    } else if (option->def && option->check) {
        ck_assert_str_eq(*(char **)ef_option_at(option, base_of(config, option)), option->def);
        ck_assert(option->check(option->def, &err));
    }
    ef_config_free(config);
}
END_TEST

/* Where an example alone would be refused or warned about: what it depends on. */
static bool needs_company(const struct ef_option *option)
{
    static const char *const paths[] = {"tls.cert", "tls.key",       "listen_url",
                                        "channel",  "kafka.brokers", "_file"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (strstr(option->path, paths[i]))
            return true;
    return false;
}

START_TEST(examples_are_values)
{
    const struct ef_option *option = &ef_options[_i];
    if (!option->example || is_nesting(option) || (option->flags & EF_OPT_REQUIRED) ||
        needs_company(option))
        return;
    char *text = file_with(option, option->example);
    ef_config_free(test_config_good(text));
    free(text);
}
END_TEST

START_TEST(every_word_is_taken)
{
    const struct ef_option *option = &ef_options[_i];
    for (const struct ef_word *word = option->words; word && word->text; word++) {
        char *value =
            option->type == EF_OPT_FLAGS ? ef_xprintf("[%s]", word->text) : ef_xstrdup(word->text);
        char *text = file_with(option, value), *problems;
        struct ef_config *config = test_config_parse(text, &problems);
        if (config && option->type == EF_OPT_WORD)
            ck_assert_str_eq(*(char **)ef_option_at(option, base_of(config, option)), word->text);
        else if (config)
            ck_assert_int_eq(ef_option_get_int(option, base_of(config, option)), word->value);
        else
            ck_assert_msg(strstr(problems, "is not for the mysql driver") != NULL, "%s", problems);
        ef_config_free(config);
        free(problems);
        free(text);
        free(value);
    }
}
END_TEST

START_TEST(any_option_may_come_from_the_environment)
{
    const struct ef_option *option = &ef_options[_i];
    bool single = is_number(option) || option->type == EF_OPT_ENUM || option->type == EF_OPT_BOOL;
    if (!single || !option->def)
        return;
    setenv("EF_TEST_VALUE", option->def, 1);
    char *text = file_with(option, "\"${env:EF_TEST_VALUE}\"");
    ef_config_free(test_config_good(text));
    free(text);
    setenv("EF_TEST_VALUE", "hunter2", 1);
    char *problems;
    text = file_with(option, "\"${env:EF_TEST_VALUE}\"");
    ck_assert_ptr_null(test_config_parse(text, &problems));
    ck_assert_msg(!strstr(problems, "hunter2"), "%s", problems);
    ck_assert_msg(strstr(problems, "${env:EF_TEST_VALUE}") != NULL, "%s", problems);
    free(problems);
    free(text);
}
END_TEST

int main(void)
{
    int count = (int)ef_option_count;
    Suite *suite = suite_create("config options");
    TCase *rows = tcase_create("rows");
    tcase_add_loop_test(rows, a_row_is_complete, 0, count);
    tcase_add_loop_test(rows, a_row_fits_its_field, 0, count);
    tcase_add_loop_test(rows, a_row_has_its_place, 0, count);
    tcase_add_test(rows, the_columns_are_all_there);
    suite_add_tcase(suite, rows);
    TCase *values = tcase_create("values");
    tcase_add_loop_test(values, ranges_hold_at_both_ends, 0, count);
    tcase_add_loop_test(values, defaults_are_values, 0, count);
    tcase_add_loop_test(values, examples_are_values, 0, count);
    tcase_add_loop_test(values, every_word_is_taken, 0, count);
    tcase_add_loop_test(values, any_option_may_come_from_the_environment, 0, count);
    suite_add_tcase(suite, values);
    return run_suite(suite);
}
