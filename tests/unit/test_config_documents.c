// SPDX-License-Identifier: MIT
/* What the option table prints about itself, and that the committed files carry exactly that. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"
#include "unit/config_text.h"
#include "unit/run_suite.h"

/* One form of the option list; caller frees. */
static char *printed(const char *form)
{
    struct ef_buf out;
    struct ef_error err = {0};
    ef_buf_init(&out, 1 << 20);
    ck_assert_msg(ef_config_print_options(form, &out, &err), "%s", err.text);
    ck_assert_uint_gt(out.len, 1000);
    ck_assert_int_eq(out.data[out.len - 1], '\n');
    return out.data;
}

/* A file of the source tree, where the tests are started; caller frees. */
static char *committed(const char *path)
{
    struct ef_buf text;
    char chunk[4096];
    size_t n;
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s is not below the current directory", path);
    ef_buf_init(&text, 1 << 20);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        ck_assert(ef_buf_add(&text, chunk, n));
    fclose(file);
    return text.data;
}

static const struct {
    const char *path, *form, *mark;
} pages[] = {
    {"conf/eventferry.yaml", "yaml", "# options begin yaml\n"},
    {"man/eventferry.yaml.5", "man", ".\\\" options begin man\n"},
    {"docs/configuration.md", "markdown", "<!-- options begin markdown -->\n"},
    {"conf/eventferry.schema.json", "schema", ""},
};

START_TEST(committed_files_agree_with_the_table)
{
    char *text = committed(pages[_i].path), *part = printed(pages[_i].form);
    const char *at = strstr(text, pages[_i].mark);
    ck_assert_msg(at != NULL, "%s has no mark", pages[_i].path);
    at += strlen(pages[_i].mark);
    size_t len = strlen(part);
    ck_assert_msg(strncmp(at, part, len) == 0, "%s differs from the table: scripts/update-options",
                  pages[_i].path);
    if (pages[_i].mark[0])
        ck_assert_ptr_nonnull(strstr(at + len, "options end"));
    else
        ck_assert_uint_eq(strlen(text), len);
    free(text);
    free(part);
}
END_TEST

START_TEST(every_form_has_every_option)
{
    static const char *const forms[] = {"text", "man", "markdown"};
    for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        char *text = printed(forms[f]);
        for (size_t i = 0; i < ef_option_count; i++)
            ck_assert_msg(strstr(text, ef_options[i].path) != NULL, "%s lacks %s", forms[f],
                          ef_options[i].path);
        free(text);
    }
}
END_TEST

START_TEST(text_is_the_usual_form)
{
    char *text = printed("text"), *usual = printed(NULL), *empty = printed("");
    ck_assert_str_eq(text, usual);
    ck_assert_str_eq(text, empty);
    ck_assert_ptr_nonnull(strstr(text, "outboxes[].retention\n"
                                       "    duration, 1m to 3650d or never; default 24h with "
                                       "archive, never with mark; restart\n"));
    free(text);
    free(usual);
    free(empty);
}
END_TEST

START_TEST(an_unknown_form_is_refused)
{
    struct ef_buf out;
    struct ef_error err = {0};
    ef_buf_init(&out, 1 << 20);
    ck_assert(!ef_config_print_options("html", &out, &err));
    ck_assert_str_eq(err.text, "\"html\" is no form of the option list; use text, yaml, man, "
                               "markdown or schema");
    ck_assert_uint_eq(out.len, 0);
    ef_buf_done(&out);
}
END_TEST

START_TEST(the_sample_is_a_config_of_defaults)
{
    char *sample = printed("yaml");
    struct ef_config *config = test_config_good(sample);
    struct ef_config *bare = test_config_good(
        "kafka: {brokers: [localhost:9092]}\n"
        "databases: {shop: {url: \"postgresql://eventferry_relay@localhost/shop\"}}\n"
        "outboxes: [{name: orders, database: shop, table: public.outbox}]\n");
    struct ef_strings changed, restart;
    ef_config_diff(config, bare, &changed, &restart);
    ck_assert_uint_eq(changed.count, 0);
    ef_strings_free(&changed);
    ef_strings_free(&restart);
    ef_config_free(bare);
    ef_config_free(config);
    free(sample);
}
END_TEST

/* Lines of the sample that begin with # and hold an option, not a sentence, made active. */
START_TEST(every_line_of_the_sample_can_be_uncommented)
{
    char *sample = printed("yaml"), *line = sample;
    struct ef_buf text;
    ef_buf_init(&text, 1 << 20);
    while (*line) {
        size_t len = strcspn(line, "\n") + 1, indent = strspn(line, " ");
        bool option = line[indent] == '#' && line[indent + 1] != ' ';
        if (option)
            ef_buf_add(&text, line, indent);
        ef_buf_add(&text, line + (option ? indent + 1 : 0), len - (option ? indent + 1 : 0));
        line += len;
    }
    char *problems;
    /* files that are not there, and options that only go with others: nothing else */
    ef_config_free(test_config_parse(text.data, &problems));
    for (char *p = problems, *end; (end = strchr(p, '\n')); p = end + 1) {
        *end = '\0';
        ck_assert_msg(strstr(p, "could not open \"/etc/eventferry/") ||
                          strstr(p, "has no effect") || strstr(p, "is only for layout: custom"),
                      "%s", p);
    }
    free(problems);
    ef_buf_done(&text);
    free(sample);
}
END_TEST

/* The schema's node for an option: down through items and additionalProperties. */
static json_t *schema_of(json_t *schema, const char *path)
{
    char name[64];
    while (schema && *path) {
        size_t len = strcspn(path, ".[");
        memcpy(name, path, len);
        name[len] = '\0';
        path += len;
        schema = strcmp(name, "*") == 0
                     ? json_object_get(schema, "additionalProperties")
                     : json_object_get(json_object_get(schema, "properties"), name);
        if (strncmp(path, "[]", 2) == 0) {
            schema = json_object_get(schema, "items");
            path += 2;
        }
        path += *path == '.';
    }
    return schema;
}

START_TEST(the_schema_has_every_option)
{
    char *text = printed("schema");
    json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(schema);
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        json_t *node = schema_of(schema, option->path);
        ck_assert_msg(node != NULL, "%s", option->path);
        ck_assert_str_eq(json_string_value(json_object_get(node, "description")), option->help);
        if (option->type == EF_OPT_MAP)
            ck_assert(json_is_false(json_object_get(node, "additionalProperties")));
    }
    json_t *rows = schema_of(schema, "outboxes[].batch.max_rows");
    json_t *number = json_array_get(json_object_get(rows, "anyOf"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(number, "minimum")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(number, "maximum")), 100000);
    json_t *required = json_object_get(schema_of(schema, "outboxes[]"), "required");
    ck_assert_uint_eq(json_array_size(required), 3);
    json_decref(schema);
    free(text);
}
END_TEST

START_TEST(examples_are_configs)
{
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    setenv("EVENTFERRY_INSTANCE", "relay-1", 1);
    static const char *const paths[] = {"conf/eventferry.yaml", "conf/development.yaml",
                                        "conf/production.yaml", "conf/mixed.yaml"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        /* their secrets are on other machines */
        struct ef_config *config = ef_config_load_without_secrets(paths[i], &problems, &err);
        ck_assert_msg(config != NULL, "%s", err.text);
        ck_assert_uint_eq(problems.count, 0);
        ef_config_free(config);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config documents");
    TCase *documents = tcase_create("documents");
    tcase_add_loop_test(documents, committed_files_agree_with_the_table, 0,
                        sizeof(pages) / sizeof(pages[0]));
    tcase_add_test(documents, every_form_has_every_option);
    tcase_add_test(documents, text_is_the_usual_form);
    tcase_add_test(documents, an_unknown_form_is_refused);
    tcase_add_test(documents, the_sample_is_a_config_of_defaults);
    tcase_add_test(documents, every_line_of_the_sample_can_be_uncommented);
    tcase_add_test(documents, the_schema_has_every_option);
    tcase_add_test(documents, examples_are_configs);
    suite_add_tcase(suite, documents);
    return run_suite(suite);
}
