// SPDX-License-Identifier: MIT
/* eventferryctl status, pause, resume, drain, reload: what they take, say and end with. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/value.h"
#include "ctl/control_client.h"
#include "ctl/control_table.h"
#include "ctl/ctl.h"

/* A verb may wait for the database of an outbox, whose statements may take 30 s. */
enum { ANSWER_TIMEOUT_MS = 60 * 1000, DRAIN_TIMEOUT_MS = 30 * 1000 };

#define DEFAULT_SOCKET "/run/eventferryd/control.sock"

enum { TAKES_OUTBOX = 1, NEEDS_OUTBOX = 2, TAKES_REASON = 4, TAKES_TIMEOUT = 8, TAKES_JSON = 16 };

struct verb {
    const char *name;
    const char *usage;
    const char *past; /* what is said of an outbox when it is done */
    int takes;
};

static const struct verb status_verb = {
    "status",
    "usage: eventferryctl status [--json] [--socket PATH] [OUTBOX]\n\n"
    "Shows each outbox: its state and why, who owns its table, lag, what is in flight, rows a "
    "second.\n\n"
    "  --json          the whole picture as JSON\n",
    NULL, TAKES_OUTBOX | TAKES_JSON};
static const struct verb pause_verb = {
    "pause",
    "usage: eventferryctl pause [--reason TEXT] [--socket PATH] OUTBOX|--all\n\n"
    "Stops the relaying of an outbox's table, whichever relay owns it, until resume. What is in\n"
    "flight is finished.\n\n"
    "  --all           every outbox of this daemon\n"
    "  --reason TEXT   for whoever looks at the status\n",
    "paused", NEEDS_OUTBOX | TAKES_REASON};
static const struct verb resume_verb = {
    "resume",
    "usage: eventferryctl resume [--socket PATH] OUTBOX|--all\n\n"
    "Ends a pause or a drain.\n\n"
    "  --all           every outbox of this daemon\n",
    "resumed", NEEDS_OUTBOX};
static const struct verb drain_verb = {
    "drain",
    "usage: eventferryctl drain [--timeout DURATION] [--socket PATH] OUTBOX|--all\n\n"
    "Stops reading, and waits until nothing of the outbox is in flight. This daemon then leaves "
    "it\n"
    "alone until resume or its next start.\n\n"
    "  --all              every outbox of this daemon\n"
    "  --timeout DURATION how long to wait (30s); the drain itself goes on\n",
    "drained, nothing is in flight", NEEDS_OUTBOX | TAKES_TIMEOUT};
static const struct verb reload_verb = {
    "reload",
    "usage: eventferryctl reload [--socket PATH]\n\n"
    "Makes the daemon read its configuration again, all of it or nothing, and shows what changed.\n"
    "Exit status 1: some of it needs a restart, so nothing was applied. 78: it is wrong.\n\n",
    NULL, 0};

static const char common_usage[] =
    "  --socket PATH   the daemon's control socket (that of the configuration)\n";

struct arguments {
    const char *outbox; /* "*" for --all; NULL none */
    const char *reason, *socket;
    int64_t timeout_ms;
    bool json;
};

/* --- arguments --- */

enum { ALL = 256, REASON, SOCKET, TIMEOUT, JSON };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"all", no_argument, NULL, ALL},
    {"reason", required_argument, NULL, REASON},
    {"socket", required_argument, NULL, SOCKET},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int needed_for(int option)
{
    switch (option) {
    case ALL:
        return NEEDS_OUTBOX;
    case REASON:
        return TAKES_REASON;
    case TIMEOUT:
        return TAKES_TIMEOUT;
    case JSON:
        return TAKES_JSON;
    default:
        return 0;
    }
}

static bool take_timeout(const char *text, struct arguments *arguments)
{
    struct ef_error err;
    if (ef_value_parse_duration(text, &arguments->timeout_ms, &err) && arguments->timeout_ms > 0)
        return true;
    ef_ctl_complain("--timeout '%s' is no duration such as 30s or 5m", text);
    return false;
}

/* False ends the program with *ret_code. */
static bool take_option(struct ef_ctl *ctl, const struct verb *verb, int option,
                        struct arguments *arguments, int *ret_code)
{
    *ret_code = EF_CTL_USAGE;
    if (needed_for(option) && !(verb->takes & needed_for(option))) {
        ef_ctl_complain("%s does not take that option; see eventferryctl %s --help", verb->name,
                        verb->name);
        return false;
    }
    switch (option) {
    case 'c':
        ctl->config_path = optarg;
        ctl->config_given = true;
        return true;
    case ALL:
        arguments->outbox = "*";
        return true;
    case REASON:
        arguments->reason = optarg;
        return true;
    case SOCKET:
        arguments->socket = optarg;
        return true;
    case TIMEOUT:
        return take_timeout(optarg, arguments);
    case JSON:
        return arguments->json = true;
    case 'h':
        printf("%s%s", verb->usage, common_usage);
        *ret_code = EF_CTL_DONE;
        return false;
    default:
        return false; /* getopt has complained */
    }
}

static bool take_outbox(const struct verb *verb, int argc, char **argv, struct arguments *arguments)
{
    int takes = verb->takes & (TAKES_OUTBOX | NEEDS_OUTBOX);
    if (optind < argc && takes && !arguments->outbox)
        arguments->outbox = argv[optind++];
    if (optind < argc) {
        ef_ctl_complain("unexpected argument '%s'", argv[optind]);
        return false;
    }
    if ((verb->takes & NEEDS_OUTBOX) && !arguments->outbox) {
        ef_ctl_complain("%s wants the name of an outbox, or --all", verb->name);
        return false;
    }
    return true;
}

static bool parse(struct ef_ctl *ctl, const struct verb *verb, int argc, char **argv,
                  struct arguments *ret, int *ret_code)
{
    int option;
    *ret = (struct arguments){.timeout_ms = (verb->takes & TAKES_TIMEOUT) ? DRAIN_TIMEOUT_MS
                                                                          : ANSWER_TIMEOUT_MS};
    optind = 0; /* start again, with the words after the verb; options may follow the outbox */
    while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1)
        if (!take_option(ctl, verb, option, ret, ret_code))
            return false;
    *ret_code = EF_CTL_USAGE;
    return take_outbox(verb, argc, argv, ret);
}

/* --- the question --- */

/* The path to ask at (the caller frees it), or NULL with the exit code. */
static char *find_socket(const struct ef_ctl *ctl, const struct arguments *arguments, int *ret_code)
{
    if (arguments->socket)
        return ef_xstrdup(arguments->socket);
    /* who may use the socket need not be allowed to read the configuration */
    if (!ctl->config_given && access(ctl->config_path, R_OK) != 0)
        return ef_xstrdup(DEFAULT_SOCKET);
    struct ef_config *config = ef_ctl_load_config(ctl, false, ret_code);
    if (!config)
        return NULL;
    char *path = NULL;
    if (config->control.socket && config->control.socket[0]) {
        path = ef_xstrdup(config->control.socket);
    } else {
        ef_ctl_complain("%s switches the control socket off (control.socket)", ctl->config_path);
        *ret_code = EF_CTL_CONFIG;
    }
    ef_config_free(config);
    return path;
}

static void complain_plainly(const char *text)
{
    struct ef_buf plain;
    ef_buf_init(&plain, 1 << 20);
    ef_ctl_plain(text, &plain);
    ef_ctl_complain("%s", plain.len ? plain.data : "no reason was given");
    ef_buf_done(&plain);
}

static int explain(const struct verb *verb, const struct arguments *arguments,
                   const struct ef_error *err)
{
    if (err->class != EF_CLASS_UNCERTAIN) {
        ef_ctl_complain("%s", err->text);
        return err->class == EF_CLASS_CONFIG ? EF_CTL_USAGE : EF_CTL_UNREACHABLE;
    }
    if (verb->takes & TAKES_TIMEOUT) {
        ef_ctl_complain("not drained after %lld ms; it goes on, eventferryctl status shows how far "
                        "it is",
                        (long long)arguments->timeout_ms);
        return EF_CTL_REFUSED;
    }
    ef_ctl_complain(
        "eventferryd did not answer within %lld s; whether it did what was asked is not "
        "known, eventferryctl status shows it",
        (long long)arguments->timeout_ms / 1000);
    return EF_CTL_UNREACHABLE;
}

static json_t *question(const struct verb *verb, const struct arguments *arguments)
{
    json_t *request = json_pack("{s:s}", "verb", verb->name);
    if (arguments->outbox)
        json_object_set_new(request, "outbox", json_string(arguments->outbox));
    if (arguments->reason && arguments->reason[0])
        json_object_set_new(request, "reason", json_string(arguments->reason));
    return request;
}

static bool is_utf8(const char *text)
{
    json_t *json = text ? json_string(text) : json_null();
    bool good = json != NULL;
    json_decref(json);
    return good;
}

/* The answer (the caller's), or NULL with the exit code. */
static json_t *ask(struct ef_ctl *ctl, const struct verb *verb, const struct arguments *arguments,
                   int *ret_code)
{
    struct ef_error err;
    json_t *answer = NULL;
    if (!is_utf8(arguments->outbox) || !is_utf8(arguments->reason)) {
        ef_ctl_complain("arguments must be UTF-8");
        *ret_code = EF_CTL_USAGE;
        return NULL;
    }
    char *path = find_socket(ctl, arguments, ret_code);
    if (!path)
        return NULL;
    if (!ef_ctl_ask(path, question(verb, arguments), arguments->timeout_ms, &answer, &err)) {
        *ret_code = explain(verb, arguments, &err);
        answer = NULL;
    }
    free(path);
    return answer;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "";
}

static bool is_ok(const json_t *json)
{
    return json_is_true(json_object_get(json, "ok"));
}

/* --- the answers --- */

static bool wants_colors(void)
{
    const char *no_color = getenv("NO_COLOR"); /* https://no-color.org */
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no_color && no_color[0]) &&
           !(terminal && strcmp(terminal, "dumb") == 0);
}

static int show_status(const struct arguments *arguments, const json_t *answer)
{
    struct ef_buf out;
    const json_t *status = json_object_get(answer, "status");
    if (!is_ok(answer)) {
        complain_plainly(text_of(answer, "error"));
        return EF_CTL_REFUSED;
    }
    if (arguments->json) {
        json_dumpf(status, stdout, JSON_INDENT(2));
        putchar('\n');
        return EF_CTL_DONE;
    }
    ef_buf_init(&out, 64 * 1024 * 1024);
    ef_ctl_table(status, wants_colors(), &out);
    fputs(out.len ? out.data : "", stdout);
    ef_buf_done(&out);
    return EF_CTL_DONE;
}

static int show_outboxes(const struct verb *verb, const json_t *answer)
{
    size_t i;
    json_t *result;
    struct ef_buf line;
    const json_t *outboxes = json_object_get(answer, "outboxes");
    json_array_foreach(outboxes, i, result)
    {
        ef_buf_init(&line, 1 << 16);
        ef_ctl_plain(text_of(result, "outbox"), &line);
        ef_buf_puts(&line, ": ");
        ef_ctl_plain(is_ok(result) ? verb->past : text_of(result, "error"), &line);
        if (is_ok(result))
            printf("%s\n", line.data);
        else
            ef_ctl_complain("%s", line.data);
        ef_buf_done(&line);
    }
    if (is_ok(answer))
        return EF_CTL_DONE;
    if (json_array_size(outboxes) == 0)
        complain_plainly(text_of(answer, "error"));
    return EF_CTL_REFUSED;
}

static int show_reload(const json_t *answer)
{
    struct ef_buf text;
    ef_buf_init(&text, 32 * 1024 * 1024);
    ef_ctl_plain(text_of(answer, "text"), &text);
    fputs(text.len ? text.data : "", stdout);
    bool restart = text.len && strstr(text.data, "needs a restart:");
    ef_buf_done(&text);
    if (is_ok(answer))
        return EF_CTL_DONE;
    complain_plainly(text_of(answer, "error"));
    bool wrong = strcmp(text_of(answer, "class"), "config") == 0 && !restart;
    return wrong ? EF_CTL_CONFIG : EF_CTL_REFUSED;
}

static int run(struct ef_ctl *ctl, const struct verb *verb, int argc, char **argv)
{
    struct arguments arguments;
    int code;
    if (!parse(ctl, verb, argc, argv, &arguments, &code))
        return code;
    json_t *answer = ask(ctl, verb, &arguments, &code);
    if (!answer)
        return code;
    if (verb == &status_verb)
        code = show_status(&arguments, answer);
    else if (verb == &reload_verb)
        code = show_reload(answer);
    else
        code = show_outboxes(verb, answer);
    json_decref(answer);
    return code;
}

int ef_ctl_status(struct ef_ctl *ctl, int argc, char **argv)
{
    return run(ctl, &status_verb, argc, argv);
}

int ef_ctl_pause(struct ef_ctl *ctl, int argc, char **argv)
{
    return run(ctl, &pause_verb, argc, argv);
}

int ef_ctl_resume(struct ef_ctl *ctl, int argc, char **argv)
{
    return run(ctl, &resume_verb, argc, argv);
}

int ef_ctl_drain(struct ef_ctl *ctl, int argc, char **argv)
{
    return run(ctl, &drain_verb, argc, argv);
}

int ef_ctl_reload(struct ef_ctl *ctl, int argc, char **argv)
{
    return run(ctl, &reload_verb, argc, argv);
}
