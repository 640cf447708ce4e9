// SPDX-License-Identifier: MIT
/* eventferryctl log-level: how much the daemon's log says, for a while. */
#include <stdio.h>
#include <string.h>

#include "admin/words.h"
#include "ctl/asking.h"
#include "ctl/table.h"

static const char usage_text[] =
    "usage: eventferryctl log-level [--for DURATION] [--json] [--socket PATH] [ROOM] [LEVEL]\n\n"
    "Sets how much the running daemon logs, for a while: debug, info, warn, error; reset goes "
    "back\n"
    "to the configuration at once. Without a LEVEL shows what is in force. Rooms are the parts "
    "of\n"
    "the program that log lines name (room=): admin, base, daemon, kafka, loop, main, relay, "
    "store;\n"
    "without one, all of them. A reload ends it, too.\n\n"
    "  --for DURATION  until then (15m), at most 24h\n"
    "  --json          what is in force, as JSON\n";

static void print(const json_t *log)
{
    size_t i;
    json_t *item;
    char left[32];
    const json_t *overrides = json_object_get(log, "overrides");
    printf("configured: %s\n", ef_ctl_text(log, "level"));
    json_array_foreach(overrides, i, item)
    {
        const char *room = ef_ctl_text(item, "room");
        printf("%s: %s for another %s\n", strcmp(room, "*") == 0 ? "all rooms" : room,
               ef_ctl_text(item, "level"),
               ef_words_duration(ef_ctl_number(item, "ends_in_ms"), left, sizeof(left)));
    }
}

static json_t *question(const struct ef_args *args, int64_t for_ms)
{
    if (args->word_count == 0)
        return json_pack("{s:s}", "verb", "status");
    json_t *request =
        json_pack("{s:s, s:s}", "verb", "log-level", "level", args->words[args->word_count - 1]);
    if (for_ms)
        json_object_set_new(request, "for_ms", json_integer((json_int_t)for_ms));
    if (args->word_count == 2 && strcmp(args->words[0], "all") != 0)
        json_object_set_new(request, "room", json_string(args->words[0]));
    return request;
}

int ef_ctl_log_level(struct ef_ctl *ctl, int argc, char **argv)
{
    int64_t for_ms = 0;
    bool json = false;
    int code;
    const struct ef_arg options[] = {
        {"for", EF_ARG_DURATION, &for_ms}, {"json", EF_ARG_FLAG, &json}, {.kind = EF_ARG_END}};
    struct ef_args args = {
        .verb = "log-level", .usage = usage_text, .options = options, .words_max = 2};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    json_t *answer = ef_ctl_request_ok(ctl, args.socket, question(&args, for_ms),
                                       EF_CTL_ANSWER_TIMEOUT_MS, &code);
    if (!answer)
        return code;
    const json_t *log =
        json_object_get(args.word_count ? answer : json_object_get(answer, "status"), "log");
    if (json)
        ef_ctl_print_json(log);
    else
        print(log);
    json_decref(answer);
    return EF_CTL_DONE;
}
