// SPDX-License-Identifier: MIT
/* eventferryctl status, pause, resume, drain, reload: what they take, say and end with. */
#include <stdio.h>
#include <string.h>

#include "ctl/asking.h"
#include "ctl/control_table.h"
#include "ctl/ctl.h"
#include "ctl/hold.h"
#include "ctl/table.h"

enum { DRAIN_TIMEOUT_MS = 30 * 1000, TEXT_MAX_BYTES = 32 * 1024 * 1024 };

static const char status_usage[] =
    "usage: eventferryctl status [--json] [--socket PATH] [OUTBOX]\n\n"
    "Shows each outbox: its state and why, who owns its table, lag, what is in flight, rows a "
    "second.\n\n"
    "  --json          the whole picture as JSON\n";
static const char pause_usage[] =
    "usage: eventferryctl pause [--topic NAME|--aggregate ID] [--reason TEXT] OUTBOX|--all\n\n"
    "Stops the relaying of an outbox's table, whichever relay owns it, until resume. What is in\n"
    "flight is finished. With --topic or --aggregate only its rows wait, and the others go on.\n\n"
    "  --all           every outbox of this daemon\n"
    "  --topic NAME    rows of this topic alone\n"
    "  --aggregate ID  rows of this aggregate alone\n"
    "  --reason TEXT   for whoever looks at the status\n";
static const char resume_usage[] = "usage: eventferryctl resume [--socket PATH] OUTBOX|--all\n\n"
                                   "Ends a pause or a drain.\n\n"
                                   "  --all           every outbox of this daemon\n";
static const char drain_usage[] =
    "usage: eventferryctl drain [--timeout DURATION] [--socket PATH] OUTBOX|--all\n\n"
    "Stops reading, and waits until nothing of the outbox is in flight. This daemon then leaves "
    "it\n"
    "alone until resume or its next start.\n\n"
    "  --all              every outbox of this daemon\n"
    "  --timeout DURATION how long to wait (30s); the drain itself goes on\n";
static const char reload_usage[] =
    "usage: eventferryctl reload [--socket PATH]\n\n"
    "Makes the daemon read its configuration again, all of it or nothing, and shows what changed.\n"
    "Exit status 1: some of it needs a restart, so nothing was applied. 78: it is wrong.\n\n";

static int show_status(bool json, const json_t *answer)
{
    struct ef_buf out;
    const json_t *status = json_object_get(answer, "status");
    if (!ef_ctl_is_ok(answer)) {
        ef_ctl_complain_plainly(ef_ctl_text(answer, "error"));
        return EF_CTL_REFUSED;
    }
    if (json) {
        ef_ctl_print_json(status);
        return EF_CTL_DONE;
    }
    ef_buf_init(&out, 64 * 1024 * 1024);
    ef_ctl_table(status, ef_ctl_wants_colors(), &out);
    fputs(out.len ? out.data : "", stdout);
    ef_buf_done(&out);
    return EF_CTL_DONE;
}

static int show_outboxes(const char *past, const json_t *answer)
{
    size_t i;
    json_t *result;
    struct ef_buf line;
    const json_t *outboxes = json_object_get(answer, "outboxes");
    json_array_foreach(outboxes, i, result)
    {
        ef_buf_init(&line, 1 << 16);
        ef_ctl_plain(ef_ctl_text(result, "outbox"), &line);
        ef_buf_puts(&line, ": ");
        ef_ctl_plain(ef_ctl_is_ok(result) ? past : ef_ctl_text(result, "error"), &line);
        if (ef_ctl_is_ok(result))
            printf("%s\n", line.data);
        else
            ef_ctl_complain("%s", line.data);
        ef_buf_done(&line);
    }
    if (ef_ctl_is_ok(answer))
        return EF_CTL_DONE;
    if (json_array_size(outboxes) == 0)
        ef_ctl_complain_plainly(ef_ctl_text(answer, "error"));
    return EF_CTL_REFUSED;
}

static int show_reload(const json_t *answer)
{
    struct ef_buf text;
    ef_buf_init(&text, TEXT_MAX_BYTES);
    ef_ctl_plain(ef_ctl_text(answer, "text"), &text);
    fputs(text.len ? text.data : "", stdout);
    bool restart = text.len && strstr(text.data, "needs a restart:");
    ef_buf_done(&text);
    if (ef_ctl_is_ok(answer))
        return EF_CTL_DONE;
    ef_ctl_complain_plainly(ef_ctl_text(answer, "error"));
    bool wrong = strcmp(ef_ctl_text(answer, "class"), "config") == 0 && !restart;
    return wrong ? EF_CTL_CONFIG : EF_CTL_REFUSED;
}

/* One of the verbs that act on outboxes; --all stands in `all`. */
static int act_on_outboxes(struct ef_ctl *ctl, const struct ef_args *args, bool all,
                           json_t *request, int64_t timeout_ms, const char *past)
{
    int code = EF_CTL_USAGE;
    if (args->word_count + all != 1) {
        ef_ctl_complain("%s wants the name of an outbox, or --all", args->verb);
        json_decref(request);
        return code;
    }
    json_object_set_new(request, "verb", json_string(args->verb));
    json_object_set_new(request, "outbox", json_string(all ? "*" : args->words[0]));
    json_t *answer = ef_ctl_request(ctl, args->socket, request, timeout_ms, &code);
    if (!answer)
        return code;
    code = show_outboxes(past, answer);
    json_decref(answer);
    return code;
}

int ef_ctl_status(struct ef_ctl *ctl, int argc, char **argv)
{
    bool json = false;
    int code;
    const struct ef_arg options[] = {{"json", EF_ARG_FLAG, &json}, {.kind = EF_ARG_END}};
    struct ef_args args = {
        .verb = "status", .usage = status_usage, .options = options, .words_max = 1};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    json_t *request = json_pack("{s:s}", "verb", "status");
    if (args.word_count)
        json_object_set_new(request, "outbox", json_string(args.words[0]));
    json_t *answer = ef_ctl_request(ctl, args.socket, request, EF_CTL_ANSWER_TIMEOUT_MS, &code);
    if (!answer)
        return code;
    code = show_status(json, answer);
    json_decref(answer);
    return code;
}

/* One topic or one aggregate of one outbox, not all of it. */
static int hold_or_release(struct ef_ctl *ctl, const struct ef_args *args, bool all,
                           const struct ef_hold_args *hold, bool release)
{
    if (all || (hold->topic && hold->aggregate)) {
        ef_ctl_complain("%s takes one topic or one aggregate of one outbox", args->verb);
        return EF_CTL_USAGE;
    }
    return ef_ctl_hold(ctl, args->socket, args->word_count ? args->words[0] : NULL, hold, release);
}

int ef_ctl_pause(struct ef_ctl *ctl, int argc, char **argv)
{
    bool all = false;
    struct ef_hold_args hold = {0};
    int code;
    const struct ef_arg options[] = {{"all", EF_ARG_FLAG, &all},
                                     {"reason", EF_ARG_TEXT, &hold.reason},
                                     {"topic", EF_ARG_TEXT, &hold.topic},
                                     {"aggregate", EF_ARG_TEXT, &hold.aggregate},
                                     {.kind = EF_ARG_END}};
    struct ef_args args = {
        .verb = "pause", .usage = pause_usage, .options = options, .words_max = 1};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    if (hold.topic || hold.aggregate)
        return hold_or_release(ctl, &args, all, &hold, false);
    json_t *request = json_object();
    if (hold.reason && hold.reason[0])
        json_object_set_new(request, "reason", json_string(hold.reason));
    return act_on_outboxes(ctl, &args, all, request, EF_CTL_ANSWER_TIMEOUT_MS, "paused");
}

int ef_ctl_resume(struct ef_ctl *ctl, int argc, char **argv)
{
    bool all = false;
    struct ef_hold_args hold = {0};
    int code;
    const struct ef_arg options[] = {{"all", EF_ARG_FLAG, &all},
                                     {"topic", EF_ARG_TEXT, &hold.topic},
                                     {"aggregate", EF_ARG_TEXT, &hold.aggregate},
                                     {.kind = EF_ARG_END}};
    struct ef_args args = {
        .verb = "resume", .usage = resume_usage, .options = options, .words_max = 1};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    if (hold.topic || hold.aggregate)
        return hold_or_release(ctl, &args, all, &hold, true);
    return act_on_outboxes(ctl, &args, all, json_object(), EF_CTL_ANSWER_TIMEOUT_MS, "resumed");
}

int ef_ctl_drain(struct ef_ctl *ctl, int argc, char **argv)
{
    bool all = false;
    int64_t timeout_ms = DRAIN_TIMEOUT_MS;
    int code;
    const struct ef_arg options[] = {{"all", EF_ARG_FLAG, &all},
                                     {"timeout", EF_ARG_DURATION, &timeout_ms},
                                     {.kind = EF_ARG_END}};
    struct ef_args args = {
        .verb = "drain", .usage = drain_usage, .options = options, .words_max = 1};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    return act_on_outboxes(ctl, &args, all, json_object(), timeout_ms,
                           "drained, nothing is in flight");
}

int ef_ctl_reload(struct ef_ctl *ctl, int argc, char **argv)
{
    int code;
    struct ef_args args = {.verb = "reload", .usage = reload_usage};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    json_t *answer = ef_ctl_request(ctl, args.socket, json_pack("{s:s}", "verb", "reload"),
                                    EF_CTL_ANSWER_TIMEOUT_MS, &code);
    if (!answer)
        return code;
    code = show_reload(answer);
    json_decref(answer);
    return code;
}
