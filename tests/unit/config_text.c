// SPDX-License-Identifier: MIT
#include "unit/config_text.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ef_config *test_config_parse(const char *text, char **ret_problems)
{
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    struct ef_buf out;
    ef_buf_init(&out, 1 << 20);
    ef_buf_puts(&out, "");
    struct ef_config *config = ef_config_parse("f", text, strlen(text), false, &problems, &err);
    ef_config_problems_print(&problems, "f", &out);
    if (config)
        ck_assert_int_eq(err.class, EF_CLASS_NONE);
    else
        ck_assert(err.class == EF_CLASS_CONFIG || err.class == EF_CLASS_OUTAGE);
    ef_config_problems_free(&problems);
    *ret_problems = out.data;
    return config;
}

struct ef_config *test_config_good(const char *text)
{
    char *problems;
    struct ef_config *config = test_config_parse(text, &problems);
    ck_assert_str_eq(problems, "");
    ck_assert_ptr_nonnull(config);
    free(problems);
    return config;
}

void test_config_problems(const char *text, const char *expected)
{
    char *problems;
    ef_config_free(test_config_parse(text, &problems));
    ck_assert_str_eq(problems, expected);
    free(problems);
}

char *test_config_printed(const struct ef_config *config)
{
    struct ef_buf out;
    ef_buf_init(&out, 1 << 20);
    ef_config_print(config, &out);
    return out.data;
}

static char directory[64];
static char *files[64];
static size_t file_count;

static void remove_files(void)
{
    while (file_count > 0) {
        unlink(files[--file_count]);
        free(files[file_count]);
    }
    rmdir(directory);
    directory[0] = '\0';
}

char *test_config_file(const char *name, const char *content, unsigned mode)
{
    if (!directory[0]) {
        snprintf(directory, sizeof(directory), "%s", "/tmp/eventferry-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        atexit(remove_files);
    }
    char *path = ef_xprintf("%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
    ck_assert_uint_lt(file_count, sizeof(files) / sizeof(files[0]));
    files[file_count++] = ef_xstrdup(path);
    return path;
}
