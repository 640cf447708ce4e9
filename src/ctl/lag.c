// SPDX-License-Identifier: MIT
/* eventferryctl lag: how far each outbox is behind, and how long it takes at this rate. */
#include <stdio.h>

#include "admin/words.h"
#include "ctl/asking.h"
#include "ctl/table.h"

enum { COLUMNS = 7 };

static const char usage_text[] =
    "usage: eventferryctl lag [--json] [--socket PATH] [OUTBOX]\n\n"
    "Shows one line an outbox: rows not delivered yet, the age of the oldest, rows delivered a "
    "second,\n"
    "and how long the rest takes at that rate. Only a table's owner knows its lag, at most 10 s "
    "old.\n\n"
    "  --json          the same as JSON\n";

/* Rows at this rate; -1: it never ends, or nobody knows. */
static double seconds_to_drain(int64_t rows, double per_second)
{
    if (rows == 0)
        return 0;
    return per_second > 0 ? (double)rows / per_second : -1;
}

static json_t *lag_of(const json_t *outbox)
{
    const json_t *lag = json_object_get(outbox, "lag");
    const json_t *lease = json_object_get(outbox, "lease");
    bool known = json_is_object(lag) && ef_ctl_is(lease, "held");
    double rate = ef_ctl_real(json_object_get(outbox, "rows_per_second"), "delivered");
    json_t *ret = json_pack("{s:s, s:s, s:b, s:f}", "outbox", ef_ctl_text(outbox, "name"), "state",
                            ef_ctl_text(outbox, "state"), "known", known, "rows_per_second", rate);
    if (!known) {
        json_object_set_new(ret, "owner", json_string(ef_ctl_text(lease, "owner")));
        return ret;
    }
    int64_t rows = ef_ctl_number(lag, "backlog_rows");
    double drain = seconds_to_drain(rows, rate);
    json_object_set_new(ret, "rows", json_integer((json_int_t)rows));
    json_object_set_new(ret, "saturated", json_boolean(ef_ctl_is(lag, "backlog_saturated")));
    json_object_set_new(ret, "oldest_seconds",
                        json_real(ef_ctl_real(lag, "oldest_unfinished_age_seconds")));
    json_object_set_new(ret, "waiting", json_integer(ef_ctl_number(lag, "waiting_rows")));
    json_object_set_new(ret, "dead", json_integer(ef_ctl_number(lag, "dead_rows")));
    json_object_set_new(ret, "seconds_to_drain", drain < 0 ? json_null() : json_real(drain));
    return ret;
}

static void add_row(struct ef_table *table, const json_t *lag)
{
    char text[64];
    int64_t rows = ef_ctl_number(lag, "rows");
    bool more = ef_ctl_is(lag, "saturated"); /* counting stopped */
    const json_t *drain = json_object_get(lag, "seconds_to_drain");
    ef_table_row(table);
    ef_table_set(table, 0, ef_ctl_text(lag, "outbox"));
    if (!ef_ctl_is(lag, "known")) {
        const char *owner = ef_ctl_text(lag, "owner");
        ef_table_setf(table, 1, "%s", ef_ctl_text(lag, "state"));
        if (owner[0])
            ef_table_setf(table, 1, "%s, ask %s", ef_ctl_text(lag, "state"), owner);
        return;
    }
    ef_table_setf(table, 1, "%s", ef_ctl_text(lag, "state"));
    ef_table_setf(table, 2, "%s%s", more ? ">" : "",
                  ef_words_count(more ? rows - 1 : rows, text, sizeof(text)));
    ef_table_set(
        table, 3,
        ef_words_duration((int64_t)(ef_ctl_real(lag, "oldest_seconds") * 1e3), text, sizeof(text)));
    ef_table_set(table, 4, ef_words_rate(ef_ctl_real(lag, "rows_per_second"), text, sizeof(text)));
    if (json_is_number(drain))
        ef_table_setf(
            table, 5, "%s%s", more ? ">" : "",
            ef_words_duration((int64_t)(json_number_value(drain) * 1e3), text, sizeof(text)));
    else
        ef_table_set(table, 5, "never, nothing moves");
    ef_table_set(table, 6, ef_words_count(ef_ctl_number(lag, "dead"), text, sizeof(text)));
}

static void print(const json_t *list)
{
    static const char *const titles[COLUMNS] = {"OUTBOX", "STATE",      "ROWS", "OLDEST",
                                                "RATE",   "DRAINED IN", "DEAD"};
    size_t i;
    json_t *lag;
    struct ef_table table;
    ef_table_init(&table, titles, COLUMNS, 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6);
    json_array_foreach(list, i, lag)
    {
        add_row(&table, lag);
    }
    ef_table_print(&table, false);
    ef_table_done(&table);
}

int ef_ctl_lag(struct ef_ctl *ctl, int argc, char **argv)
{
    bool json = false;
    int code;
    size_t i;
    json_t *outbox;
    const struct ef_arg options[] = {{"json", EF_ARG_FLAG, &json}, {.kind = EF_ARG_END}};
    struct ef_args args = {.verb = "lag", .usage = usage_text, .options = options, .words_max = 1};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    json_t *request = json_pack("{s:s}", "verb", "status");
    if (args.word_count)
        json_object_set_new(request, "outbox", json_string(args.words[0]));
    json_t *answer = ef_ctl_request_ok(ctl, args.socket, request, EF_CTL_ANSWER_TIMEOUT_MS, &code);
    if (!answer)
        return code;
    json_t *list = json_array();
    json_array_foreach(json_object_get(json_object_get(answer, "status"), "outboxes"), i, outbox)
    {
        json_array_append_new(list, lag_of(outbox));
    }
    if (json)
        ef_ctl_print_json(list);
    else
        print(list);
    json_decref(list);
    json_decref(answer);
    return EF_CTL_DONE;
}
