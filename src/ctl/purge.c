// SPDX-License-Identifier: MIT
/* eventferryctl purge: done or dead rows go from the table, in batches. */
#include <inttypes.h>
#include <stdio.h>

#include "admin/words.h"
#include "ctl/args.h"
#include "ctl/asking.h"
#include "ctl/confirm.h"
#include "ctl/operate.h"
#include "ctl/progress.h"
#include "outbox/command.h"
#include "outbox/row.h"

enum { BATCH_ROWS = 1000 };

static const char usage_text[] =
    "usage: eventferryctl purge --done|--dead --older-than DURATION --dry-run|--yes [OUTBOX]\n\n"
    "Removes rows from the outbox table, a thousand at a time, by the table's owner. Delivered "
    "rows\n"
    "(--done, status 2) stay there only with on_delivered: mark, or when another relay left "
    "them.\n"
    "Dead rows (--dead) are lost with it: dead export keeps a copy.\n\n"
    "  --older-than DURATION  finished longer ago than that\n"
    "  --dry-run         count them and change nothing\n"
    "  --yes             do it without asking\n"
    "  --reason TEXT     for the audit\n";

struct purge_args {
    bool done, dead, dry_run, yes;
    int64_t older_ms;
    const char *reason;
};

/* By the owner's own condition, a part of the table at a time. -1: the exit code. */
static int64_t count_rows(struct ef_operator *op, const struct purge_args *args, int *ret_code)
{
    int64_t rows = 0, looked = EF_ROWS_COUNTED_MAX, last = INT64_MIN;
    while (looked == EF_ROWS_COUNTED_MAX) {
        json_t *filter =
            json_pack("{s:[i], s:I, s:I}", "statuses", args->dead ? EF_STATUS_DEAD : EF_STATUS_DONE,
                      "count_older_ms", (json_int_t)args->older_ms, "after_id", (json_int_t)last);
        json_t *answer = ef_operator_rows(op, filter, ret_code);
        if (!answer)
            return -1;
        const json_t *part = json_array_get(json_object_get(answer, "rows"), 0);
        rows += ef_ctl_number(part, "count");
        looked = ef_ctl_number(part, "looked");
        last = ef_ctl_number(part, "id");
        json_decref(answer);
    }
    return rows;
}

static int purge(struct ef_operator *op, const struct purge_args *args, int64_t total)
{
    struct ef_progress progress;
    int64_t rows = 0, last = BATCH_ROWS;
    int code = EF_CTL_DONE;
    ef_progress_init(&progress, "rows", total);
    while (code == EF_CTL_DONE && last == BATCH_ROWS) {
        json_t *command = json_pack("{s:s, s:I, s:i, s:s}", "what", args->dead ? "dead" : "done",
                                    "older_than_s", (json_int_t)(args->older_ms / 1000), "limit",
                                    BATCH_ROWS, "reason", args->reason ? args->reason : "");
        json_t *result = ef_operator_command(op, "purge", command, &code);
        last = ef_ctl_number(result, "rows");
        if (result)
            code = EF_CTL_DONE;
        rows += last;
        json_decref(result);
        ef_progress_show(&progress, rows);
    }
    ef_progress_done(&progress);
    printf("%" PRId64 " row%s removed\n", rows, rows == 1 ? "" : "s");
    return code;
}

static int run(struct ef_operator *op, const struct purge_args *args)
{
    char number[32], age[32];
    int code = EF_CTL_DONE;
    int64_t total = count_rows(op, args, &code);
    if (total < 0)
        return code;
    printf("%s: %s %s row%s older than %s\n", ef_operator_outbox(op),
           ef_words_count(total, number, sizeof(number)), args->dead ? "dead" : "done",
           total == 1 ? "" : "s", ef_words_duration(args->older_ms, age, sizeof(age)));
    if (!ef_ctl_confirm(args->dry_run, args->yes, &code))
        return code;
    return purge(op, args, total);
}

int ef_ctl_purge(struct ef_ctl *ctl, int argc, char **argv)
{
    struct purge_args given = {0};
    int code;
    const struct ef_arg options[] = {{"done", EF_ARG_FLAG, &given.done},
                                     {"dead", EF_ARG_FLAG, &given.dead},
                                     {"older-than", EF_ARG_DURATION, &given.older_ms},
                                     {"dry-run", EF_ARG_FLAG, &given.dry_run},
                                     {"yes", EF_ARG_FLAG, &given.yes},
                                     {"reason", EF_ARG_TEXT, &given.reason},
                                     {.kind = EF_ARG_END}};
    struct ef_args args = {
        .verb = "purge", .usage = usage_text, .options = options, .words_max = 1};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    if (given.done == given.dead || !given.older_ms) {
        ef_ctl_complain("purge wants --done or --dead, and --older-than");
        return EF_CTL_USAGE;
    }
    struct ef_operator *op =
        ef_operator_open(ctl, args.socket, args.word_count ? args.words[0] : NULL, &code);
    if (op)
        code = run(op, &given);
    ef_operator_close(op);
    return code;
}
