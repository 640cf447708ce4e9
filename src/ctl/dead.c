// SPDX-License-Identifier: MIT
/* eventferryctl dead: rows that were given up, or wait for another try: list and show. */
#include "ctl/dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/words.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "ctl/asking.h"
#include "ctl/table.h"

enum { DEFAULT_LIMIT = 50 };

static const char usage_text[] =
    "usage: eventferryctl dead list|show|retry|skip|edit|export [OPTION]... [OUTBOX] [ID]...\n\n"
    "Rows that were given up (status 4), or with --waiting those that wait for another try (3).\n"
    "Without a daemon eventferryctl asks the database itself. What changes rows is carried out by\n"
    "the table's owner, in order, and written into eventferry.audit.\n\n"
    "  list       one line a row\n"
    "  show       everything about rows, with headers and payload\n"
    "  retry      send them again: each aggregate's in the order of ids, before later ones of it\n"
    "             that have not gone yet; says which have\n"
    "  skip       give them up for good: they leave the table as delivered ones do\n"
    "  edit       change one row: --set-topic, --key, --headers, --partition, --payload-file; on "
    "a\n"
    "             terminal without these, in $EDITOR; then retry it, or --retry\n"
    "  export     JSON lines, to standard output or --output\n\n"
    "Which rows:\n" EF_ROW_CHOICE_USAGE
    "  --all             all of them, for retry and skip without a filter\n"
    "  --waiting         those of status 3\n"
    "  --limit N         list: at most so many (50)\n"
    "  --after ID        list: those above it\n"
    "How:\n"
    "  --dry-run         show what would be done\n"
    "  --yes             do it to many rows without asking\n"
    "  --reason TEXT     for the audit\n"
    "  --json            JSON\n"
    "  --output FILE     export: write there\n"
    "  --payload-file FILE   edit: the new payload (-: standard input)\n"
    "  --tombstone       edit: no payload\n"
    "  --set-topic NAME, --key TEXT, --headers JSON, --partition N   edit: '' is SQL's NULL for "
    "key,\n"
    "                    headers and partition\n"
    "  --retry           edit: and send it again\n";

unsigned ef_dead_statuses(const struct ef_dead_args *args)
{
    return args->waiting ? EF_WAITING_STATUSES : EF_DEAD_STATUSES;
}

/* --- list --- */

struct listing {
    struct ef_table table;
    json_t *rows; /* with --json */
    bool waiting;
};

static void list_times(struct listing *l, const json_t *row)
{
    char text[64];
    if (l->waiting)
        ef_table_set(&l->table, 4,
                     ef_words_duration(ef_ctl_number(row, "next_retry_in_ms"), text, sizeof(text)));
    else
        ef_table_setf(&l->table, 4, "%.19s", ef_ctl_text(row, "processed_at"));
}

static bool list_row(void *arg, const json_t *row)
{
    struct listing *l = arg;
    if (l->rows) {
        json_array_append(l->rows, (json_t *)row);
        return true;
    }
    ef_table_row(&l->table);
    ef_table_setf(&l->table, 0, "%" PRId64, ef_ctl_number(row, "id"));
    ef_table_set(&l->table, 1, ef_ctl_text(row, "topic"));
    ef_table_set(&l->table, 2, ef_ctl_text(row, "aggregate_id"));
    ef_table_setf(&l->table, 3, "%" PRId64, ef_ctl_number(row, "attempts"));
    list_times(l, row);
    ef_table_setf(&l->table, 5, "%.100s", ef_ctl_text(row, "last_error"));
    return true;
}

static int list(struct ef_operator *op, const struct ef_dead_args *args)
{
    const char *titles[] = {
        "ID", "TOPIC", "AGGREGATE", "ATTEMPTS", args->waiting ? "RETRY IN" : "DEAD SINCE", "ERROR"};
    struct listing l = {.rows = args->json ? json_array() : NULL, .waiting = args->waiting};
    int code = EF_CTL_USAGE;
    bool more = false;
    json_t *filter = ef_row_choice_filter(&args->choice, ef_dead_statuses(args));
    ef_table_init(&l.table, titles, 6, 1u << 0 | 1u << 3);
    if (filter) {
        json_object_set_new(filter, "after_id",
                            json_integer(args->after >= 0 ? args->after : INT64_MIN));
        code = EF_CTL_DONE;
        ef_rows_each(op, filter, args->limit ? args->limit : DEFAULT_LIMIT, list_row, &l, &more,
                     &code);
    }
    if (code == EF_CTL_DONE && l.rows)
        ef_ctl_print_json(l.rows);
    else if (code == EF_CTL_DONE && l.table.row_count == 1)
        puts(args->waiting ? "no waiting rows" : "no dead rows");
    else if (code == EF_CTL_DONE)
        ef_table_print(&l.table, false);
    if (more)
        fprintf(stderr, "there are more: --limit, --after\n");
    ef_table_done(&l.table);
    json_decref(l.rows);
    return code;
}

/* --- show --- */

char *ef_dead_payload(const json_t *row, size_t *ret_len, bool *ret_text)
{
    char *bytes;
    const char *text = json_string_value(json_object_get(row, "payload_base64"));
    if (!text || !ef_base64_decode(text, &bytes, ret_len))
        return NULL;
    *ret_text = memchr(bytes, 0, *ret_len) == NULL;
    for (size_t i = 0, n; *ret_text && i < *ret_len; i += n) {
        n = ef_utf8_length(bytes + i, *ret_len - i);
        *ret_text = n > 0;
    }
    return bytes;
}

static void show_field(const char *name, const json_t *value)
{
    struct ef_buf out;
    const char *text = json_string_value(value);
    if (!value || json_is_null(value))
        return;
    char *dumped = text ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    ef_buf_init(&out, 1 << 20);
    ef_ctl_plain(text ? text : dumped, &out);
    printf("%-20s %s\n", name, out.len ? out.data : "");
    ef_buf_done(&out);
    free(dumped);
}

static void show_payload(const json_t *row)
{
    size_t len;
    bool is_text;
    struct ef_buf out;
    char *payload = ef_dead_payload(row, &len, &is_text);
    if (!payload) {
        bool large = ef_ctl_number(row, "payload_bytes") > 0;
        printf("%-20s %s\n", "payload", large ? "too large to show" : "none (a tombstone)");
    } else if (!is_text) {
        printf("%-20s %zu bytes that are no text; dead export has them\n", "payload", len);
    } else {
        ef_buf_init(&out, 64 * 1024 * 1024);
        ef_ctl_plain(payload, &out);
        printf("payload\n%s\n", out.len ? out.data : "");
        ef_buf_done(&out);
    }
    free(payload);
}

static bool show_row(void *arg, const json_t *row)
{
    static const char *const names[] = {"id",
                                        "message_id",
                                        "aggregate_type",
                                        "aggregate_id",
                                        "topic",
                                        "key",
                                        "trace_id",
                                        "partition",
                                        "attempts",
                                        "created_at",
                                        "processed_at",
                                        "next_retry_at",
                                        "last_error",
                                        "held_by",
                                        "successors_waiting",
                                        "successors_gone",
                                        "payload_type",
                                        "payload_bytes",
                                        "headers"};
    struct listing *l = arg;
    if (l->rows) {
        json_array_append(l->rows, (json_t *)row);
        return true;
    }
    if (l->table.row_count++) /* counts what was shown */
        puts("");
    printf("%-20s %s\n", "status", ef_row_status_name(ef_ctl_number(row, "status")));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        show_field(names[i], json_object_get(row, names[i]));
    show_payload(row);
    return true;
}

static int show(struct ef_operator *op, const struct ef_dead_args *args)
{
    struct listing l = {.rows = args->json ? json_array() : NULL};
    int code = EF_CTL_USAGE;
    json_t *filter = ef_row_choice_filter(&args->choice, EF_DEAD_STATUSES | EF_WAITING_STATUSES);
    if (!filter)
        return code;
    json_object_set_new(filter, "payload", json_true());
    json_object_set_new(filter, "successors", json_true());
    if (ef_rows_each(op, filter, args->limit ? args->limit : DEFAULT_LIMIT, show_row, &l, NULL,
                     &code)) {
        code = l.table.row_count || json_array_size(l.rows) ? EF_CTL_DONE : EF_CTL_REFUSED;
        if (code == EF_CTL_REFUSED)
            ef_ctl_complain("no dead or waiting row is meant by that");
        else if (l.rows)
            ef_ctl_print_json(l.rows);
    }
    json_decref(l.rows);
    return code;
}

/* --- the verb --- */

static int run_verb(struct ef_operator *op, const struct ef_dead_args *args, const char *verb)
{
    if (strcmp(verb, "list") == 0)
        return list(op, args);
    if (strcmp(verb, "show") == 0)
        return show(op, args);
    if (strcmp(verb, "edit") == 0)
        return ef_dead_edit(op, args);
    if (strcmp(verb, "export") == 0)
        return ef_dead_export(op, args);
    return ef_dead_act(op, args, verb);
}

static bool known_verb(const char *verb)
{
    static const char *const verbs[] = {"list", "show", "retry", "skip", "edit", "export"};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i], verb) == 0)
            return true;
    ef_ctl_complain("dead wants list, show, retry, skip, edit or export");
    return false;
}

static int run(struct ef_ctl *ctl, struct ef_args *words, struct ef_dead_args *args)
{
    const char *verb = words->word_count ? words->words[0] : "",
               *outbox = ef_row_choice_words(&args->choice, words, 1);
    int code = EF_CTL_USAGE;
    if (!known_verb(verb))
        return code;
    bool act = strcmp(verb, "retry") == 0 || strcmp(verb, "skip") == 0;
    if (act && ef_row_choice_is_open(&args->choice) && !args->choice.all) {
        ef_ctl_complain("%s wants ids, a filter, or --all", verb);
        return code;
    }
    struct ef_operator *op = ef_operator_open(ctl, words->socket, outbox, &code);
    if (op)
        code = run_verb(op, args, verb);
    ef_operator_close(op);
    return code;
}

int ef_ctl_dead(struct ef_ctl *ctl, int argc, char **argv)
{
    struct ef_dead_args a = {.after = -1};
    int code;
    const struct ef_arg options[] = {EF_ROW_CHOICE_ARGS(&a.choice),
                                     {"waiting", EF_ARG_FLAG, &a.waiting},
                                     {"dry-run", EF_ARG_FLAG, &a.dry_run},
                                     {"yes", EF_ARG_FLAG, &a.yes},
                                     {"json", EF_ARG_FLAG, &a.json},
                                     {"retry", EF_ARG_FLAG, &a.retry},
                                     {"tombstone", EF_ARG_FLAG, &a.tombstone},
                                     {"limit", EF_ARG_NUMBER, &a.limit},
                                     {"after", EF_ARG_NUMBER, &a.after},
                                     {"reason", EF_ARG_TEXT, &a.reason},
                                     {"output", EF_ARG_TEXT, &a.output},
                                     {"payload-file", EF_ARG_TEXT, &a.payload_file},
                                     {"headers", EF_ARG_TEXT, &a.headers},
                                     {"set-topic", EF_ARG_TEXT, &a.new_topic},
                                     {"key", EF_ARG_TEXT, &a.key},
                                     {"partition", EF_ARG_TEXT, &a.partition},
                                     {.kind = EF_ARG_END}};
    struct ef_args words = {
        .verb = "dead", .usage = usage_text, .options = options, .words_max = EF_ARGS_WORDS_MAX};
    if (ef_args_read(ctl, &words, argc, argv, &code))
        code = run(ctl, &words, &a);
    ef_row_choice_done(&a.choice);
    return code;
}
