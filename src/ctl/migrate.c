// SPDX-License-Identifier: MIT
/* eventferryctl migrate: which outboxes, where, and what is said about it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"
#include "ctl/apply.h"
#include "ctl/missing.h"
#include "ctl/open.h"
#include "ctl/targets.h"

enum { DEFAULT_WAIT_MS = 30000 };

static void usage(FILE *out)
{
    fputs(
        "usage: eventferryctl [--config FILE] migrate [OPTION]...\n\n"
        "Makes what an outbox needs in its database, or adds what is missing; run it as the role\n"
        "that owns the table. What is there already is never rewritten nor locked for long.\n\n"
        "  --outbox NAME        only this outbox of the configuration, not all of them\n"
        "  --table SCHEMA.TABLE this table, whatever the configuration says\n"
        "  --url URL            connect here as the owner, directly and not through a pooler; a\n"
        "                       password is better left to PGPASSFILE, PGPASSWORD, MYSQL_PWD\n"
        "  --print              show the SQL and run nothing: for a database with nothing in it,\n"
        "                       or with --url for what that database lacks\n"
        "  --driver NAME        postgres or mysql, where neither --url nor the configuration says\n"
        "                       it (postgres)\n"
        "  --grant-to ROLE      grant the role that eventferryd connects as what it needs; "
        "MySQL's\n"
        "                       are accounts, user or user@host\n"
        "  --app-role ROLE      grant the application's role INSERT\n"
        "  --existing WHAT      with layout: debezium, what becomes of the rows that are in the "
        "table\n"
        "                       before it has numbers: sent (the default: they were Debezium's to\n"
        "                       send and never go again) or pending (they are sent)\n"
        "  --doorbell           make the doorbell for wake: notify (the default; PostgreSQL only)\n"
        "  --no-doorbell        do not\n"
        "  --remove-doorbell    remove the doorbell and do nothing else\n"
        "  --wait DURATION      how long to wait for locks, in all (30s)\n",
        out);
}

/* Others can read a command line in the process list. */
static char *take_secret(char *argument)
{
    char *copy = ef_xstrdup(argument);
    memset(argument, '*', strlen(argument));
    return copy;
}

static bool parse_wait(const char *text, int64_t *ret_ms)
{
    struct ef_error err;
    if (ef_value_parse_duration(text, ret_ms, &err) && *ret_ms >= 0)
        return true;
    ef_ctl_complain("--wait '%s' is no duration such as 30s or 5m", text);
    return false;
}

/* The same words as databases.*.driver. */
static bool parse_driver(const char *text, bool *ret_mysql)
{
    static const char *const words[] = {"postgres", "postgresql", "mysql", "mariadb"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i]) == 0) {
            *ret_mysql = i >= 2;
            return true;
        }
    ef_ctl_complain("--driver '%s' is neither postgres nor mysql", text);
    return false;
}

static bool parse_existing(const char *text, bool *ret_pending)
{
    *ret_pending = strcmp(text, "pending") == 0;
    if (*ret_pending || strcmp(text, "sent") == 0)
        return true;
    ef_ctl_complain("--existing '%s' is neither sent nor pending", text);
    return false;
}

enum {
    OUTBOX = 256,
    TABLE,
    URL,
    PRINT,
    GRANT_TO,
    APP_ROLE,
    DOORBELL,
    NO_DOORBELL,
    REMOVE,
    WAIT,
    DRIVER,
    EXISTING
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"outbox", required_argument, NULL, OUTBOX},
    {"table", required_argument, NULL, TABLE},
    {"url", required_argument, NULL, URL},
    {"print", no_argument, NULL, PRINT},
    {"driver", required_argument, NULL, DRIVER},
    {"existing", required_argument, NULL, EXISTING},
    {"grant-to", required_argument, NULL, GRANT_TO},
    {"app-role", required_argument, NULL, APP_ROLE},
    {"doorbell", no_argument, NULL, DOORBELL},
    {"no-doorbell", no_argument, NULL, NO_DOORBELL},
    {"remove-doorbell", no_argument, NULL, REMOVE},
    {"wait", required_argument, NULL, WAIT},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* One option; false ends the program with *ret_code. */
static bool take_option(struct ef_ctl *ctl, struct ef_migrate_arguments *arguments, int option,
                        int *ret_code)
{
    *ret_code = EF_CTL_USAGE;
    switch (option) {
    case 'c':
        ctl->config_path = optarg;
        ctl->config_given = true;
        return true;
    case OUTBOX:
        arguments->outbox = optarg;
        return true;
    case TABLE:
        arguments->table = optarg;
        return true;
    case URL:
        free(arguments->url);
        arguments->url = take_secret(optarg);
        return true;
    case PRINT:
        return arguments->print = true;
    case GRANT_TO:
        arguments->grant_to = optarg;
        return true;
    case APP_ROLE:
        arguments->app_role = optarg;
        return true;
    case DOORBELL:
        return arguments->doorbell = true;
    case NO_DOORBELL:
        return arguments->no_doorbell = true;
    case REMOVE:
        return arguments->remove_doorbell = true;
    case WAIT:
        return parse_wait(optarg, &arguments->wait_ms);
    case DRIVER:
        return parse_driver(optarg, &arguments->mysql);
    case EXISTING:
        return parse_existing(optarg, &arguments->existing_pending);
    case 'h':
        usage(stdout);
        *ret_code = EF_CTL_DONE;
        return false;
    default:
        return false;
    }
}

static bool parse_arguments(struct ef_ctl *ctl, int argc, char **argv,
                            struct ef_migrate_arguments *arguments, int *ret_code)
{
    int option;
    optind = 0; /* start again, with the words after the verb */
    while ((option = getopt_long(argc, argv, "+c:h", long_options, NULL)) != -1)
        if (!take_option(ctl, arguments, option, ret_code))
            return false;
    *ret_code = EF_CTL_USAGE;
    if (optind < argc) {
        ef_ctl_complain("migrate does not take '%s'", argv[optind]);
        return false;
    }
    if (arguments->outbox && arguments->table) {
        ef_ctl_complain("--outbox and --table exclude each other");
        return false;
    }
    if (arguments->doorbell + arguments->no_doorbell + arguments->remove_doorbell > 1) {
        ef_ctl_complain("--doorbell, --no-doorbell and --remove-doorbell exclude each other");
        return false;
    }
    return true;
}

static void tell(const struct ef_findings *findings, FILE *out, const char *prefix)
{
    for (size_t i = 0; i < findings->warnings.count; i++)
        fprintf(out, "%swarning: %s\n", prefix, findings->warnings.items[i]);
    for (size_t i = 0; i < findings->notes.count; i++)
        fprintf(out, "%snote: %s\n", prefix, findings->notes.items[i]);
}

static void print_outcome(const struct ef_migration *migration,
                          const struct ef_apply_result *result, const char *table)
{
    if (migration->remove_doorbell)
        printf("%s\n", result->changes ? "the doorbell is gone: set wake: poll for this outbox"
                                       : "there was no doorbell: nothing was changed");
    else if (!result->changes)
        printf("%s: everything was there, nothing was changed\n", table);
    else if (migration->relay_role)
        printf("%s is ready: start eventferryd with a URL that connects as '%s'\n", table,
               migration->relay_role);
    else
        printf("%s is ready for its owner: run migrate --grant-to ROLE for the role that "
               "eventferryd connects as\n",
               table);
}

/* After an error. */
static const char *what_now(const struct ef_error *err, const struct ef_apply_result *result)
{
    if (result->partly)
        return "what is listed above is in place; run migrate again for the rest";
    if (result->indexes_missing)
        return "everything but that index is in place; run migrate again for it";
    if (err->class == EF_CLASS_OUTAGE)
        return "run migrate again: it makes what is not there yet";
    if (err->class == EF_CLASS_BUSY)
        return "nothing was changed; run migrate again, or with a longer --wait";
    return "nothing was changed";
}

static int apply(struct ef_db *db, const struct ef_script *script, const struct ef_target *target,
                 int64_t wait_ms)
{
    struct ef_apply_result result = {0};
    struct ef_error err = {0};
    char table[EF_PLAN_TABLE_SIZE];
    ef_plan_table_name(&target->migration, table);
    ef_buf_init(&result.report, 1 << 20);
    int code = EF_CTL_DONE;
    bool ok = ef_apply(db, script, &target->migration, wait_ms, &result, &err);
    if (ok || result.indexes_missing || result.partly) {
        printf("%s in %s, as '%s'\n%s", table, db->where, db->user,
               result.report.data ? result.report.data : "");
        tell(&result.findings, stdout, "  ");
    }
    if (ok) {
        print_outcome(&target->migration, &result, table);
        code = result.findings.warnings.count ? EF_CTL_WARNED : EF_CTL_DONE;
    } else {
        ef_ctl_complain("%s: %s", table, err.text);
        ef_ctl_complain("%s", what_now(&err, &result));
        code = ef_ctl_code(&err);
    }
    ef_findings_done(&result.findings);
    ef_buf_done(&result.report);
    return code;
}

static int show(struct ef_db *db, const struct ef_script *script, const struct ef_target *target,
                struct ef_show_memory *memory)
{
    struct ef_findings findings = {0};
    struct ef_error err = {0};
    struct ef_buf out;
    ef_buf_init(&out, 1 << 20);
    bool ok = ef_show(db, script, &target->migration, memory, &out, &findings, &err);
    if (ok) {
        tell(&findings, stdout, "-- ");
        fputs(out.data, stdout);
    } else {
        ef_ctl_complain("%s", err.text);
    }
    ef_findings_done(&findings);
    ef_buf_done(&out);
    return ok ? EF_CTL_DONE : ef_ctl_code(&err);
}

/* One connection for outboxes of the same database that follow each other. */
static int run_targets(const struct ef_targets *targets,
                       const struct ef_migrate_arguments *arguments)
{
    struct ef_script scripts[2] = {0}; /* by enum ef_dialect */
    struct ef_show_memory memory = {0};
    struct ef_db *db = NULL;
    struct ef_error err = {0};
    int code = EF_CTL_DONE;
    for (size_t i = 0; i < targets->count && (code == EF_CTL_DONE || code == EF_CTL_WARNED); i++) {
        const struct ef_target *target = &targets->items[i];
        struct ef_script *script = &scripts[target->migration.dialect];
        bool other = i == 0 || target->database != targets->items[i - 1].database;
        bool ok = ef_script_load(script, target->migration.dialect, &err);
        if (ok && other && (arguments->url || !arguments->print)) {
            ef_db_close(db);
            db = ef_ctl_open(target->database, arguments->url,
                             target->migration.dialect == EF_DIALECT_MYSQL, false, &err);
            ok = db != NULL;
        }
        if (!ok) {
            ef_ctl_complain("%s", err.text);
            code = ef_ctl_code(&err);
            break;
        }
        /* without --print there is a connection; the analyzer is told so */
        int each = arguments->print || !db ? show(db, script, target, &memory)
                                           : apply(db, script, target, arguments->wait_ms);
        code = each ? each : code;
    }
    ef_db_close(db);
    free(memory.hashes);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        ef_script_free(&scripts[i]);
    return code;
}

int ef_ctl_migrate(struct ef_ctl *ctl, int argc, char **argv)
{
    struct ef_migrate_arguments arguments = {.wait_ms = DEFAULT_WAIT_MS};
    struct ef_targets targets = {0};
    struct ef_config *config = NULL;
    int code;
    if (parse_arguments(ctl, argc, argv, &arguments, &code) &&
        ef_targets_choose(ctl, &arguments, &config, &targets, &code))
        code = run_targets(&targets, &arguments);
    free(targets.items);
    ef_config_free(config);
    if (arguments.url)
        explicit_bzero(arguments.url, strlen(arguments.url));
    free(arguments.url);
    return code;
}
