// SPDX-License-Identifier: MIT
/* Steps and names in the SQL files: what is parsed from a text, how values are quoted, and that
 * every file that the program carries can be filled in for each kind of migration. */
#include "ctl/script.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/account.h"
#include "ctl/facts.h"
#include "sql_files.h"
#include "unit/run_suite.h"

static struct ef_script script;
static struct ef_vars vars;
static struct ef_buf out;
static struct ef_error err;

static void setup(void)
{
    script = (struct ef_script){0};
    ef_vars_init(&vars, EF_DIALECT_POSTGRES);
    ef_buf_init(&out, 65536);
    ef_error_clear(&err);
}

static void teardown(void)
{
    ef_script_free(&script);
    ef_vars_done(&vars);
    ef_buf_done(&out);
}

static void parse(const char *text)
{
    ck_assert_msg(ef_script_parse(&script, "x.sql", text, &err), "%s", err.text);
}

static const char *expand(const char *text)
{
    ef_buf_clear(&out);
    ck_assert_msg(ef_vars_expand(&vars, text, &out, &err), "%s", err.text);
    return out.data;
}

START_TEST(steps)
{
    parse("-- SPDX-License-Identifier: MIT\n"
          "-- About the file.\n"
          "\n"
          "-- Why the first.\n"
          "-- More of it.\n"
          "--@ step: schema :\"schema\"\n"
          "--@ if: a b\n"
          "--@ unless: SELECT 1\n"
          "--@           WHERE true\n"
          "CREATE SCHEMA x;\n"
          "-- inside\n"
          "SELECT 2;\n"
          "\n"
          "-- Why the second.\n"
          "--@ step: second\n"
          "--@ verb: granted\n"
          "--@ index: :'i'\n"
          "--@ quiet\n"
          "GRANT y;\n"
          "--@ step: third\n"
          "SELECT 3;\n");
    ck_assert_uint_eq(script.count, 3);
    const struct ef_step *step = script.steps;
    ck_assert_str_eq(step[0].what, "schema :\"schema\"");
    ck_assert_str_eq(step[0].comment, "-- Why the first.\n-- More of it.");
    ck_assert_str_eq(step[0].conditions, "a b");
    ck_assert_str_eq(step[0].unless, "SELECT 1\n          WHERE true");
    ck_assert_str_eq(step[0].verb, "created");
    ck_assert_ptr_null(step[0].index);
    ck_assert(!step[0].quiet);
    ck_assert_str_eq(step[0].sql, "CREATE SCHEMA x;\n-- inside\nSELECT 2;");
    ck_assert_str_eq(step[1].comment, "-- Why the second.");
    ck_assert_str_eq(step[1].verb, "granted");
    ck_assert_str_eq(step[1].index, ":'i'");
    ck_assert(step[1].quiet);
    ck_assert_str_eq(step[1].sql, "GRANT y;");
    ck_assert_str_eq(step[2].comment, "");
    ck_assert_ptr_null(step[2].unless);
    ck_assert_str_eq(step[2].conditions, "");
}
END_TEST

START_TEST(malformed_steps)
{
    static const char *const bad[] = {
        "--@ step: nothing follows\n",
        "--@ step: a\n--@ step: b\nSELECT 1;\n",
        "--@ step: a\n--@ unknown: b\nSELECT 1;\n",
        "--@ step: a\n--@ if: b\n--@ if: c\nSELECT 1;\n",
        "--@ step:\nSELECT 1;\n",
        "--@ step\nSELECT 1;\n",
        "--@ step: a\n--@ unless SELECT 1\nSELECT 1;\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!ef_script_parse(&script, "x.sql", bad[i], &err), "%s", bad[i]);
        ck_assert_int_eq(err.class, EF_CLASS_FATAL);
        ck_assert_ptr_nonnull(strstr(err.text, "x.sql"));
        ef_script_free(&script);
    }
}
END_TEST

START_TEST(names_and_literals)
{
    ef_vars_set(&vars, "t", "Out\"box");
    ef_vars_set(&vars, "v", "it's");
    ef_vars_set(&vars, "b", "a\\b'");
    ef_vars_set(&vars, "n", NULL);
    ef_vars_set(&vars, "l", "\"a\", \"b\"");
    ck_assert_str_eq(expand("x.:\"t\" = :'v'"), "x.\"Out\"\"box\" = 'it''s'");
    ck_assert_str_eq(expand(":'b'"), "E'a\\\\b'''");
    ck_assert_str_eq(expand("(:{l}) IS :'n'"), "(\"a\", \"b\") IS NULL");
    /* a cast is no name, nor is a colon that nothing follows */
    ck_assert_str_eq(expand("x::\"char\" y::'z' a[1:2] :"), "x::\"char\" y::'z' a[1:2] :");
    ef_vars_set(&vars, "v", "again");
    ck_assert_str_eq(expand(":'v'::text"), "'again'::text");
    /* what was put in is not looked at again */
    ef_vars_set(&vars, "v", ":\"t\"");
    ck_assert_str_eq(expand(":'v'"), "':\"t\"'");
    ef_buf_clear(&out);
    ck_assert(ef_vars_describe(&vars, ":\"t\".:'b' :\"n\"", &out, &err));
    ck_assert_str_eq(out.data, "\"Out\"\"box\".a\\b' \"\"");
}
END_TEST

START_TEST(unknown_names)
{
    static const char *const bad[] = {":'x'", ":\"x\"", ":{x}", ":'v\"", ":'v", ":'v\n'"};
    ef_vars_set(&vars, "v", "1");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!ef_vars_expand(&vars, bad[i], &out, &err), "%s", bad[i]);
}
END_TEST

START_TEST(conditions)
{
    ef_vars_set(&vars, "a", "");
    ef_vars_set(&vars, "b", "yes");
    ef_vars_set(&vars, "n", NULL);
    ck_assert(ef_vars_hold(&vars, ""));
    ck_assert(ef_vars_hold(&vars, "a b"));
    ck_assert(!ef_vars_hold(&vars, "a n"));
    ck_assert(!ef_vars_hold(&vars, "b c"));
    ck_assert(!ef_vars_hold(&vars, "bb"));
}
END_TEST

START_TEST(text_id)
{
    char first[9], second[9];
    parse("-- comment\n--@ step: a\nSELECT 1;\n--@ step: b\nSELECT 1;\n--@ step: c\nSELECT 2;\n");
    ef_step_text_id(&script.steps[0], first);
    ef_step_text_id(&script.steps[1], second);
    ck_assert_uint_eq(strlen(first), 8);
    ck_assert_str_eq(first, second);
    ef_step_text_id(&script.steps[2], second);
    ck_assert_str_ne(first, second);
}
END_TEST

static void parse_files(const char *folder)
{
    for (const struct ef_sql_file *file = ef_sql_files; file->path; file++)
        if (strncmp(file->path, folder, strlen(folder)) == 0)
            ck_assert_msg(ef_script_parse(&script, file->path, file->text, &err), "%s", err.text);
    ck_assert_uint_gt(script.count, 20);
}

static void fill(const struct ef_migration *migration, const struct ef_facts *facts)
{
    struct ef_findings findings = {0};
    ck_assert_msg(ef_plan_make(migration, facts, &vars, &findings, &err), "%s", err.text);
    ef_findings_done(&findings);
    ef_vars_set(&vars, "text_id", "00000000");
    for (size_t i = 0; i < script.count; i++) {
        const struct ef_step *step = &script.steps[i];
        const char *texts[] = {step->what, step->sql, step->unless ? step->unless : "",
                               step->index ? step->index : ""};
        if (!ef_vars_hold(&vars, step->conditions))
            continue;
        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
            ef_buf_clear(&out);
            ck_assert_msg(ef_vars_expand(&vars, texts[j], &out, &err), "%s: %s", step->what,
                          err.text);
            ck_assert_msg(!out.len || !strstr(out.data, "\"\"."), "%s: empty name", step->what);
        }
    }
}

static const struct ef_migration complete = {
    .table = {"public", "outbox"},
    .schema = "eventferry",
    .archive = true,
    .retention_ms = 86400000,
    .doorbell = true,
    .relay_role = "relay",
    .app_role = "app",
};

START_TEST(files_for_a_new_table)
{
    parse_files("sql/postgresql/");
    fill(&complete, NULL);
    ck_assert(ef_vars_hold(&vars, "new_table archive doorbell settle_columns"));
    ck_assert(!ef_vars_hold(&vars, "old_table"));
    const char *value;
    ck_assert(ef_vars_get(&vars, "settle_columns", &value));
    ck_assert_str_eq(value, "\"status\", \"attempts\", \"next_retry_at\", \"claimed_at\", "
                            "\"processed_at\", \"last_error\"");
    ck_assert(ef_vars_get(&vars, "retention", &value));
    ck_assert_str_eq(value, "24 hours");
}
END_TEST

START_TEST(files_for_a_bare_migration)
{
    struct ef_migration bare = {.table = {"public", "outbox"}, .schema = "eventferry"};
    parse_files("sql/postgresql/");
    fill(&bare, NULL);
    ck_assert(!ef_vars_hold(&vars, "archive"));
    ck_assert(!ef_vars_hold(&vars, "relay_role"));
}
END_TEST

START_TEST(files_for_an_old_table)
{
    static char *const names[] = {"id",      "message_id", "aggregate_id",  "topic",
                                  "payload", "status",     "next_retry_at", "attempts"};
    struct ef_fact_column columns[8];
    struct ef_facts facts = {.exists = true,
                             .schema_exists = true,
                             .kind = 'r',
                             .may_alter = true,
                             .columns = columns,
                             .column_count = 8,
                             .sequences = "\"public\".\"s\"",
                             .sequence_literals = "'public.s'",
                             .archive_exists = true};
    for (int i = 0; i < 8; i++)
        columns[i] = (struct ef_fact_column){names[i], "text", false};
    parse_files("sql/postgresql/");
    fill(&complete, &facts);
    ck_assert(ef_vars_hold(&vars, "old_table can_index archive_additions app_sequences"));
    const char *value;
    ck_assert(ef_vars_get(&vars, "archive_columns", &value));
    ck_assert_ptr_nonnull(strstr(value, "\"kafka_partition\" integer"));
    ck_assert_ptr_nonnull(strstr(value, "\"last_error\" text"));
    ck_assert_ptr_null(strstr(value, "trace_id"));
}
END_TEST

static const struct ef_migration complete_on_mysql = {
    .dialect = EF_DIALECT_MYSQL,
    .table = {"shop", "outbox"},
    .archive = true,
    .retention_ms = 86400000,
    .relay_role = "relay@10.0.0.%",
    .app_role = "app",
};

START_TEST(names_and_literals_of_mysql)
{
    vars.dialect = EF_DIALECT_MYSQL;
    ef_vars_set(&vars, "t", "Out\"box");
    ef_vars_set(&vars, "b", "a\\b'");
    ck_assert_str_eq(expand(":\"t\" = :'b'"), "\"Out\"\"box\" = 'a\\b'''");
}
END_TEST

static void has(const char *name, const char *expected)
{
    const char *value;
    ck_assert(ef_vars_get(&vars, name, &value));
    if (expected)
        ck_assert_str_eq(value, expected);
    else
        ck_assert_ptr_null(value);
}

START_TEST(files_for_a_new_table_on_mysql)
{
    vars.dialect = EF_DIALECT_MYSQL;
    parse_files("sql/mysql/");
    fill(&complete_on_mysql, NULL);
    ck_assert(ef_vars_hold(&vars, "new_table archive settle_columns relay_account app_account"));
    has("archive", "outbox_archive");
    has("retention_ms", "86400000");
    has("max_bytes", NULL);
    has("relay_account", "'relay'@'10.0.0.%'");
    has("relay_host", "10.0.0.%");
    has("app_account", "'app'@'%'");
    has("index_message_id", "uq_outbox_message_id");
    const char *value;
    ck_assert(ef_vars_get(&vars, "archive_columns", &value));
    ck_assert_ptr_eq(strstr(value, "\"id\" BIGINT NOT NULL,"), value);
    ck_assert_ptr_nonnull(strstr(value, "\"created_at\" DATETIME(3) NULL"));
}
END_TEST

START_TEST(files_for_an_old_table_on_mysql)
{
    static char *const names[] = {"ID",      "message_id", "aggregate_id",  "topic",
                                  "payload", "status",     "next_retry_at", "attempts"};
    struct ef_fact_column columns[8];
    struct ef_facts facts = {.exists = true,
                             .schema_exists = true,
                             .kind = 'r',
                             .engine = "InnoDB",
                             .fold_columns = true,
                             .columns = columns,
                             .column_count = 8,
                             .archive_exists = true};
    struct ef_findings findings = {0};
    for (int i = 0; i < 8; i++)
        columns[i] = (struct ef_fact_column){names[i], "text", false};
    vars.dialect = EF_DIALECT_MYSQL;
    parse_files("sql/mysql/");
    fill(&complete_on_mysql, &facts);
    ck_assert(ef_vars_hold(&vars, "old_table archive_additions"));
    has("id", "ID");
    facts.engine = "MyISAM";
    ck_assert(!ef_plan_make(&complete_on_mysql, &facts, &vars, &findings, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "its engine is MyISAM"));
}
END_TEST

START_TEST(accounts)
{
    static const struct {
        const char *text, *user, *host;
    } good[] = {
        {"relay", "relay", "%"},       {"relay@10.0.0.%", "relay", "10.0.0.%"},
        {"'relay'@'%'", "relay", "%"}, {"`a@b`@localhost", "a@b", "localhost"},
        {"\"relay\"", "relay", "%"},
    };
    static const char *const bad[] = {"",       "@",    "relay@", "'relay", "'relay'x",
                                      "re'lay", "a@'b", "a@b\\c", "a@'b'c"};
    struct ef_account account;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(ef_account_parse(good[i].text, &account, &err), "%s", err.text);
        ck_assert_str_eq(account.user, good[i].user);
        ck_assert_str_eq(account.host, good[i].host);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!ef_account_parse(bad[i], &account, &err), "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_script");
    TCase *tc = tcase_create("ctl_script");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, steps);
    tcase_add_test(tc, malformed_steps);
    tcase_add_test(tc, names_and_literals);
    tcase_add_test(tc, names_and_literals_of_mysql);
    tcase_add_test(tc, unknown_names);
    tcase_add_test(tc, conditions);
    tcase_add_test(tc, text_id);
    tcase_add_test(tc, files_for_a_new_table);
    tcase_add_test(tc, files_for_a_bare_migration);
    tcase_add_test(tc, files_for_an_old_table);
    tcase_add_test(tc, files_for_a_new_table_on_mysql);
    tcase_add_test(tc, files_for_an_old_table_on_mysql);
    tcase_add_test(tc, accounts);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
