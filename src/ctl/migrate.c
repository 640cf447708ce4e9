// SPDX-License-Identifier: MIT
/* eventferryctl migrate: which outboxes, where, and what is said about it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/value.h"
#include "ctl/apply.h"
#include "ctl/ctl.h"
#include "sql_files.h"

enum {
    DEFAULT_WAIT_MS = 30000,
    CONNECT_TIMEOUT_S = 10,
    OLDEST_VERSION = 130000,                 /* gen_random_uuid, pg_current_snapshot */
    DEFAULT_RETENTION_MS = 24 * 3600 * 1000, /* as outboxes.*.retention */
};

struct arguments {
    const char *outbox; /* name in the configuration */
    const char *table;  /* instead of that */
    char *url;          /* owned: the copy on the command line is wiped */
    bool print;
    bool no_doorbell, doorbell, remove_doorbell;
    const char *grant_to, *app_role;
    int64_t wait_ms;
};

/* One outbox to migrate and the database it is in. */
struct target {
    struct ef_migration migration;
    const struct ef_config_database *database; /* NULL without a configuration */
};

struct targets {
    struct target *items;
    size_t count;
};

static void usage(FILE *out)
{
    fputs(
        "usage: eventferryctl [--config FILE] migrate [OPTION]...\n\n"
        "Makes what an outbox needs in its database, or adds what is missing; run it as the role\n"
        "that owns the table. What is there already is never rewritten nor locked for long.\n\n"
        "  --outbox NAME        only this outbox of the configuration, not all of them\n"
        "  --table SCHEMA.TABLE this table, whatever the configuration says\n"
        "  --url URL            connect here as the owner, directly and not through a pooler; a\n"
        "                       password is better left to PGPASSFILE or PGPASSWORD\n"
        "  --print              show the SQL and run nothing: for a database with nothing in it,\n"
        "                       or with --url for what that database lacks\n"
        "  --grant-to ROLE      grant the role that eventferryd connects as what it needs\n"
        "  --app-role ROLE      grant the application's role INSERT\n"
        "  --doorbell           make the doorbell for wake: notify (the default)\n"
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

enum { OUTBOX = 256, TABLE, URL, PRINT, GRANT_TO, APP_ROLE, DOORBELL, NO_DOORBELL, REMOVE, WAIT };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"outbox", required_argument, NULL, OUTBOX},
    {"table", required_argument, NULL, TABLE},
    {"url", required_argument, NULL, URL},
    {"print", no_argument, NULL, PRINT},
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
static bool take_option(struct ef_ctl *ctl, struct arguments *arguments, int option, int *ret_code)
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
    case 'h':
        usage(stdout);
        *ret_code = EF_CTL_DONE;
        return false;
    default:
        return false;
    }
}

static bool parse_arguments(struct ef_ctl *ctl, int argc, char **argv, struct arguments *arguments,
                            int *ret_code)
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

static bool is_limit(const char *name)
{
    return name && (name[0] == '\0' || strlen(name) > EF_PG_NAME_MAX);
}

/* What the command line says about every outbox. */
static bool add_target(struct targets *targets, const struct arguments *arguments,
                       const char *table, const struct ef_config_database *database)
{
    struct ef_error err;
    struct target target = {.database = database};
    struct ef_migration *migration = &target.migration;
    if (!ef_pg_table_parse(table, &migration->table, &err)) {
        ef_ctl_complain("%s", err.text);
        return false;
    }
    migration->schema = database && database->schema ? database->schema : "eventferry";
    migration->archive = true;
    migration->retention_ms = DEFAULT_RETENTION_MS;
    migration->doorbell = !arguments->no_doorbell;
    migration->remove_doorbell = arguments->remove_doorbell;
    migration->relay_role = arguments->grant_to;
    migration->app_role = arguments->app_role;
    const char *names[] = {migration->schema, migration->relay_role, migration->app_role};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (is_limit(names[i])) {
            ef_ctl_complain("'%s' is no name: it has no or over %d bytes", names[i],
                            EF_PG_NAME_MAX);
            return false;
        }
    targets->items = ef_xrealloc(targets->items, (targets->count + 1) * sizeof(*targets->items));
    targets->items[targets->count++] = target;
    return true;
}

static bool add_outbox(struct targets *targets, const struct arguments *arguments,
                       const struct ef_config *config, const struct ef_config_outbox *outbox)
{
    const struct ef_config_database *database = ef_config_database(config, outbox->database);
    if (database->driver != EF_DRIVER_POSTGRES) {
        ef_ctl_complain(
            "outbox '%s' is in database '%s' of driver mysql: migrate is for PostgreSQL",
            outbox->name, database->name);
        return false;
    }
    if (!add_target(targets, arguments, outbox->table, database))
        return false;
    struct ef_migration *migration = &targets->items[targets->count - 1].migration;
    migration->custom = outbox->layout == EF_LAYOUT_CUSTOM;
    migration->columns = migration->custom ? outbox->columns : NULL;
    migration->order_column = outbox->order_column;
    migration->archive = outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE;
    migration->retention_ms = outbox->retention_ms;
    migration->archive_max_bytes = outbox->archive_max_bytes;
    migration->channel = outbox->channel;
    return true;
}

static bool choose_from_config(struct targets *targets, const struct arguments *arguments,
                               const struct ef_config *config)
{
    for (size_t i = 0; i < config->outbox_count; i++) {
        const struct ef_config_outbox *outbox = &config->outboxes[i];
        if (arguments->outbox && strcmp(arguments->outbox, outbox->name) != 0)
            continue;
        if (!add_outbox(targets, arguments, config, outbox))
            return false;
    }
    if (targets->count == 0) {
        ef_ctl_complain(arguments->outbox ? "'%s' has no outbox named '%s'"
                                          : "'%s' has no outboxes",
                        config->path, arguments->outbox);
        return false;
    }
    for (size_t i = 1; arguments->url && i < targets->count; i++)
        if (targets->items[i].database != targets->items[0].database) {
            ef_ctl_complain("--url is one database, the outboxes are in several: name one with "
                            "--outbox");
            return false;
        }
    return true;
}

/* --table: the configuration only says where, and only if --url does not. */
static bool choose_table(struct targets *targets, const struct arguments *arguments,
                         const struct ef_config *config)
{
    if (config && config->database_count != 1) {
        ef_ctl_complain("'%s' has %zu databases: say which one with --url", config->path,
                        config->database_count);
        return false;
    }
    return add_target(targets, arguments, arguments->table, config ? &config->databases[0] : NULL);
}

/* Loads the configuration if it is needed. */
static bool choose(struct ef_ctl *ctl, struct arguments *arguments, struct ef_config **ret_config,
                   struct targets *targets, int *ret_code)
{
    bool connects = !arguments->print && !arguments->url;
    *ret_code = EF_CTL_USAGE;
    if (arguments->print && !arguments->outbox && !arguments->table && !ctl->config_given &&
        access(ctl->config_path, R_OK) != 0)
        arguments->table = "public.outbox";
    if (arguments->table && !connects && !ctl->config_given)
        return choose_table(targets, arguments, NULL);
    *ret_config = ef_ctl_load_config(ctl, connects, ret_code);
    if (!*ret_config)
        return false;
    *ret_code = EF_CTL_USAGE;
    return arguments->table ? choose_table(targets, arguments, *ret_config)
                            : choose_from_config(targets, arguments, *ret_config);
}

static bool load_script(struct ef_script *script, struct ef_error *err)
{
    static const char folder[] = "sql/postgresql/";
    for (const struct ef_sql_file *file = ef_sql_files; file->path; file++)
        if (strncmp(file->path, folder, sizeof(folder) - 1) == 0 &&
            !ef_script_parse(script, file->path, file->text, err))
            return false;
    return true;
}

static struct ef_ctl_pg *connect_to(const struct target *target, const char *url,
                                    struct ef_error *err)
{
    const struct ef_config_database *database = target->database;
    struct ef_ctl_pg_options options = {.url = url, .connect_timeout_s = CONNECT_TIMEOUT_S};
    char *password = NULL;
    if (!url) {
        if (!ef_config_password(database, &password, err))
            return NULL;
        options.url = database->url;
        options.password = password;
        options.sslmode = database->tls.mode;
        options.sslrootcert = database->tls.ca;
        options.sslcert = database->tls.cert;
        options.sslkey = database->tls.key;
    }
    struct ef_ctl_pg *pg = ef_ctl_pg_open(&options, err);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    if (pg && ef_ctl_pg_version(pg) < OLDEST_VERSION) {
        ef_error_set(err, EF_CLASS_CONFIG, "cannot work with PostgreSQL %d: 13 or later is needed",
                     ef_ctl_pg_version(pg) / 10000);
        ef_ctl_pg_close(pg);
        return NULL;
    }
    return pg;
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
static const char *what_now(const struct ef_error *err, bool indexes_missing)
{
    if (indexes_missing)
        return "everything but that index is in place; run migrate again for it";
    if (err->class == EF_CLASS_OUTAGE)
        return "run migrate again: it makes what is not there yet";
    if (err->class == EF_CLASS_BUSY)
        return "nothing was changed; run migrate again, or with a longer --wait";
    return "nothing was changed";
}

static int apply(struct ef_ctl_pg *pg, const struct ef_script *script, const struct target *target,
                 int64_t wait_ms)
{
    struct ef_apply_result result = {0};
    struct ef_error err = {0};
    char table[EF_PLAN_TABLE_SIZE];
    ef_plan_table_name(&target->migration, table);
    ef_buf_init(&result.report, 1 << 20);
    int code = EF_CTL_DONE;
    bool ok = ef_apply(pg, script, &target->migration, wait_ms, &result, &err);
    if (ok || result.indexes_missing) {
        printf("%s in database '%s', as '%s'\n%s", table, ef_ctl_pg_database(pg),
               ef_ctl_pg_user(pg), result.report.data ? result.report.data : "");
        tell(&result.findings, stdout, "  ");
    }
    if (ok) {
        print_outcome(&target->migration, &result, table);
        code = result.findings.warnings.count ? EF_CTL_WARNED : EF_CTL_DONE;
    } else {
        ef_ctl_complain("%s: %s", table, err.text);
        ef_ctl_complain("%s", what_now(&err, result.indexes_missing));
        code = ef_ctl_code(&err);
    }
    ef_findings_done(&result.findings);
    ef_buf_done(&result.report);
    return code;
}

static int show(struct ef_ctl_pg *pg, const struct ef_script *script, const struct target *target,
                struct ef_show_memory *memory)
{
    struct ef_findings findings = {0};
    struct ef_error err = {0};
    struct ef_buf out;
    ef_buf_init(&out, 1 << 20);
    bool ok = ef_show(pg, script, &target->migration, memory, &out, &findings, &err);
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
static int run_targets(const struct targets *targets, const struct arguments *arguments,
                       const struct ef_script *script)
{
    struct ef_show_memory memory = {0};
    struct ef_ctl_pg *pg = NULL;
    struct ef_error err = {0};
    int code = EF_CTL_DONE;
    for (size_t i = 0; i < targets->count && (code == EF_CTL_DONE || code == EF_CTL_WARNED); i++) {
        const struct target *target = &targets->items[i];
        bool other = i == 0 || target->database != targets->items[i - 1].database;
        if (other && (arguments->url || !arguments->print)) {
            ef_ctl_pg_close(pg);
            pg = connect_to(target, arguments->url, &err);
            if (!pg) {
                ef_ctl_complain("%s", err.text);
                code = ef_ctl_code(&err);
                break;
            }
        }
        int each = arguments->print ? show(pg, script, target, &memory)
                                    : apply(pg, script, target, arguments->wait_ms);
        code = each ? each : code;
    }
    ef_ctl_pg_close(pg);
    free(memory.hashes);
    return code;
}

int ef_ctl_migrate(struct ef_ctl *ctl, int argc, char **argv)
{
    struct arguments arguments = {.wait_ms = DEFAULT_WAIT_MS};
    struct targets targets = {0};
    struct ef_script script = {0};
    struct ef_config *config = NULL;
    struct ef_error err;
    int code;
    if (parse_arguments(ctl, argc, argv, &arguments, &code) &&
        choose(ctl, &arguments, &config, &targets, &code)) {
        if (load_script(&script, &err)) {
            code = run_targets(&targets, &arguments, &script);
        } else {
            ef_ctl_complain("%s", err.text);
            code = ef_ctl_code(&err);
        }
    }
    ef_script_free(&script);
    free(targets.items);
    ef_config_free(config);
    if (arguments.url)
        explicit_bzero(arguments.url, strlen(arguments.url));
    free(arguments.url);
    return code;
}
