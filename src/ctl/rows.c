// SPDX-License-Identifier: MIT
#include "ctl/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ctl/asking.h"
#include "ctl/table.h"
#include "outbox/command.h"

enum { PAGE_ROWS = 1000, NAMED_TOPICS = 8 };

bool ef_row_choice_is_open(const struct ef_row_choice *choice)
{
    return !choice->ids.count && !choice->topic && !choice->aggregate && !choice->class &&
           !choice->since_us && !choice->until_us;
}

const char *ef_row_choice_words(struct ef_row_choice *choice, const struct ef_args *words,
                                int first)
{
    const char *outbox = NULL;
    struct ef_words *ids = &choice->ids;
    for (int i = first; i < words->word_count; i++) {
        const char *word = words->words[i];
        if (i == first && strspn(word, "0123456789,-") != strlen(word)) {
            outbox = word;
            continue;
        }
        ids->items = ef_xrealloc(ids->items, ((size_t)ids->count + 1) * sizeof(*ids->items));
        ids->items[ids->count++] = word;
    }
    return outbox;
}

void ef_row_choice_done(struct ef_row_choice *choice)
{
    ef_words_done(&choice->ids);
}

static bool put_ids(json_t *filter, const struct ef_words *words)
{
    int64_t *ids;
    int count;
    if (!ef_args_ids(words, EF_COMMAND_IDS_MAX, &ids, &count)) {
        ef_ctl_complain("ids must be numbers such as 1,2,10-20, at most %d of them",
                        EF_COMMAND_IDS_MAX);
        return false;
    }
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)ids[i]));
    json_object_set_new(filter, "ids", list);
    free(ids);
    return true;
}

json_t *ef_row_choice_filter(const struct ef_row_choice *choice, unsigned statuses)
{
    json_t *filter = json_object(), *list = json_array();
    for (int status = 0; status < 5; status++)
        if (statuses & (1u << status))
            json_array_append_new(list, json_integer(status));
    json_object_set_new(filter, "statuses", list);
    if (choice->ids.count && !put_ids(filter, &choice->ids)) {
        json_decref(filter);
        return NULL;
    }
    if (choice->topic)
        json_object_set_new(filter, "topic", json_string(choice->topic));
    if (choice->aggregate)
        json_object_set_new(filter, "aggregate", json_string(choice->aggregate));
    if (choice->class)
        json_object_set_new(filter, "error", json_string(choice->class));
    if (choice->since_us)
        json_object_set_new(filter, "created_from_us", json_integer(choice->since_us));
    if (choice->until_us)
        json_object_set_new(filter, "created_to_us", json_integer(choice->until_us));
    return filter;
}

/* False: the end, by row() or by limit. */
static bool take_page(const json_t *rows, int64_t *left, bool (*row)(void *arg, const json_t *row),
                      void *arg)
{
    size_t i;
    json_t *item;
    json_array_foreach(rows, i, item)
    {
        if (!row(arg, item))
            return false;
        (*left)--;
    }
    return *left > 0;
}

bool ef_rows_each(struct ef_operator *op, json_t *filter, int64_t limit,
                  bool (*row)(void *arg, const json_t *row), void *arg, bool *ret_more,
                  int *ret_code)
{
    int64_t left = limit ? limit : INT64_MAX;
    bool more = true, ok = true, go_on = true;
    while (more && go_on) {
        json_object_set_new(filter, "limit", json_integer(left < PAGE_ROWS ? left : PAGE_ROWS));
        json_t *answer = ef_operator_rows(op, json_deep_copy(filter), ret_code);
        const json_t *rows = json_object_get(answer, "rows");
        size_t count = json_array_size(rows);
        ok = answer != NULL;
        more = ok && ef_ctl_is(answer, "more") && count > 0;
        if (count)
            json_object_set_new(filter, "after_id",
                                json_integer(ef_ctl_number(json_array_get(rows, count - 1), "id")));
        go_on = ok && take_page(rows, &left, row, arg);
        json_decref(answer);
    }
    json_decref(filter);
    if (ret_more)
        *ret_more = more;
    return ok;
}

/* --- many rows --- */

static void count_successors(struct ef_selection *s, const json_t *row)
{
    const json_t *gone = json_object_get(row, "successors_gone");
    int64_t count = (int64_t)json_integer_value(gone);
    s->successors_waiting += ef_ctl_number(row, "successors_waiting");
    s->gone_unknown = s->gone_unknown || json_is_null(gone);
    s->successors_gone += count;
    s->with_gone += count > 0;
}

static bool select_row(void *arg, const json_t *row)
{
    struct ef_selection *s = arg;
    const char *topic = ef_ctl_text(row, "topic"), *aggregate = ef_ctl_text(row, "aggregate_id");
    if (s->count % PAGE_ROWS == 0)
        s->ids = ef_xrealloc(s->ids, (s->count + PAGE_ROWS) * sizeof(*s->ids));
    s->ids[s->count++] = ef_ctl_number(row, "id");
    json_object_set_new(s->topics, topic, json_integer(ef_ctl_number(s->topics, topic) + 1));
    if (aggregate[0])
        json_object_set_new(s->aggregates, aggregate, json_true());
    count_successors(s, row);
    return true;
}

bool ef_rows_select(struct ef_operator *op, json_t *filter, struct ef_selection *ret, int *ret_code)
{
    *ret = (struct ef_selection){.topics = json_object(), .aggregates = json_object()};
    return ef_rows_each(op, filter, 0, select_row, ret, NULL, ret_code);
}

void ef_selection_done(struct ef_selection *selection)
{
    free(selection->ids);
    json_decref(selection->topics);
    json_decref(selection->aggregates);
    *selection = (struct ef_selection){0};
}

static void print_order(const struct ef_selection *s)
{
    if (s->gone_unknown)
        printf("  later rows of their aggregates may have gone before them (delivered rows are not "
               "kept here)\n");
    if (s->with_gone)
        printf("  before %" PRId64 " of them, %" PRId64
               " later rows of their aggregates have gone already\n",
               s->with_gone, s->successors_gone);
    if (s->successors_waiting)
        printf("  %" PRId64 " later rows of their aggregates will wait for them\n",
               s->successors_waiting);
}

void ef_selection_print(const struct ef_selection *s, const char *verb, bool order)
{
    const char *name;
    json_t *count;
    int shown = 0;
    struct ef_buf line;
    size_t topics = json_object_size(s->topics), aggregates = json_object_size(s->aggregates);
    ef_buf_init(&line, 1 << 16);
    ef_buf_printf(&line, "%s %zu row%s of %zu topic%s and %zu aggregate%s: ", verb, s->count,
                  s->count == 1 ? "" : "s", topics, topics == 1 ? "" : "s", aggregates,
                  aggregates == 1 ? "" : "s");
    json_object_foreach(s->topics, name, count)
    {
        if (shown++ == NAMED_TOPICS) {
            ef_buf_puts(&line, ", ...");
            break;
        }
        ef_buf_puts(&line, shown > 1 ? ", " : "");
        ef_ctl_plain(name, &line);
        ef_buf_printf(&line, " %" PRId64, (int64_t)json_integer_value(count));
    }
    printf("%s\n", line.data);
    ef_buf_done(&line);
    if (order)
        print_order(s);
}

const char *ef_row_status_name(int64_t status)
{
    static const char *const names[] = {"pending", "processing", "done", "waiting", "dead"};
    return status >= 0 && status < 5 ? names[status] : "?";
}
