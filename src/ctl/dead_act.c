// SPDX-License-Identifier: MIT
/* eventferryctl dead retry, dead skip: acts on few rows or many. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/asking.h"
#include "ctl/confirm.h"
#include "ctl/dead.h"
#include "ctl/progress.h"

/* Of one command: small enough that the owner's other work and the progress go on. */
enum { COMMAND_IDS = 250 };

static json_t *args_of(const struct ef_selection *s, size_t first, size_t count, const char *reason)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(ids, json_integer((json_int_t)s->ids[first + i]));
    return json_pack("{s:o, s:s}", "ids", ids, "reason", reason ? reason : "");
}

bool ef_dead_command(struct ef_operator *op, const char *verb, const char *reason,
                     const struct ef_selection *s, int64_t *ret_rows, int *ret_code)
{
    struct ef_progress progress;
    bool ok = true;
    *ret_rows = 0;
    ef_progress_init(&progress, "rows", (int64_t)s->count);
    for (size_t first = 0; ok && first < s->count; first += COMMAND_IDS) {
        size_t left = s->count - first, count = left < COMMAND_IDS ? left : COMMAND_IDS;
        json_t *result = ef_operator_command(op, verb, args_of(s, first, count, reason), ret_code);
        ok = result != NULL;
        *ret_rows += ef_ctl_number(result, "rows");
        json_decref(result);
        ef_progress_show(&progress, (int64_t)(first + count));
    }
    ef_progress_done(&progress);
    return ok;
}

static void tell(const struct ef_dead_args *args, const char *verb, const struct ef_selection *s,
                 int64_t rows)
{
    const char *past = strcmp(verb, "retry") == 0 ? "will be sent again" : "skipped";
    if (args->json) {
        json_t *json =
            json_pack("{s:s, s:I, s:I, s:I}", "verb", verb, "chosen", (json_int_t)s->count, "rows",
                      (json_int_t)rows, "successors_gone", (json_int_t)s->successors_gone);
        ef_ctl_print_json(json);
        json_decref(json);
        return;
    }
    printf("%" PRId64 " row%s %s\n", rows, rows == 1 ? "" : "s", past);
    if (rows < (int64_t)s->count)
        printf("%" PRId64 " were no such rows any more\n", (int64_t)s->count - rows);
}

static int act_on(struct ef_operator *op, const struct ef_dead_args *args, const char *verb,
                  const struct ef_selection *s)
{
    bool many = s->count > 1;
    int code = EF_CTL_DONE;
    int64_t rows;
    if (!args->json || args->dry_run)
        ef_selection_print(s, verb, strcmp(verb, "retry") == 0);
    if ((many || args->dry_run) && !ef_ctl_confirm(args->dry_run, args->yes, &code))
        return code;
    if (!ef_dead_command(op, verb, args->reason, s, &rows, &code)) {
        if (rows)
            ef_ctl_complain("%" PRId64 " rows were done before that", rows);
        return code;
    }
    tell(args, verb, s, rows);
    return rows == (int64_t)s->count ? EF_CTL_DONE : EF_CTL_WARNED;
}

int ef_dead_act(struct ef_operator *op, const struct ef_dead_args *args, const char *verb)
{
    int code = EF_CTL_USAGE;
    struct ef_selection selection = {0};
    json_t *filter = ef_row_choice_filter(&args->choice, ef_dead_statuses(args));
    if (!filter)
        return code;
    if (strcmp(verb, "retry") == 0)
        json_object_set_new(filter, "successors", json_true());
    if (!ef_rows_select(op, filter, &selection, &code)) {
        ef_selection_done(&selection);
        return code;
    }
    if (selection.count == 0) {
        ef_ctl_complain("no %s row is meant by that%s", args->waiting ? "waiting" : "dead",
                        args->waiting ? "" : "; --waiting means those that wait for another try");
        code = EF_CTL_REFUSED;
    } else {
        code = act_on(op, args, verb, &selection);
    }
    ef_selection_done(&selection);
    return code;
}
