// SPDX-License-Identifier: MIT
/*
 * Rows as operators choose them on a command line: the options that verbs share, reading them page
 * by page, and what a choice of many amounts to. Thread: the program's only one.
 */
#pragma once

#include "ctl/args.h"
#include "ctl/operate.h"

struct ef_row_choice {
    struct ef_words ids;
    const char *topic, *aggregate, *class;
    int64_t since_us, until_us; /* 0: no bound */
    bool all;                   /* no filter is wanted */
};

#define EF_ROW_CHOICE_ARGS(choice)                                                                 \
    {"id", EF_ARG_WORDS, &(choice)->ids}, {"topic", EF_ARG_TEXT, &(choice)->topic},                \
        {"aggregate", EF_ARG_TEXT, &(choice)->aggregate},                                          \
        {"class", EF_ARG_TEXT, &(choice)->class}, {"since", EF_ARG_TIME, &(choice)->since_us},     \
        {"until", EF_ARG_TIME, &(choice)->until_us},                                               \
    {                                                                                              \
        "all", EF_ARG_FLAG, &(choice)->all                                                         \
    }
#define EF_ROW_CHOICE_USAGE                                                                        \
    "  --topic NAME      rows of this topic\n"                                                     \
    "  --aggregate ID    rows of this aggregate\n"                                                 \
    "  --class CLASS     rows whose last error is of this class: record, transient, destination, " \
    "or\n"                                                                                         \
    "                    with a name: 'record MSG_SIZE_TOO_LARGE'\n"                               \
    "  --since, --until TIME   made then, 2026-11-24T06:14 in UTC, or so long ago: 2h\n"           \
    "  --id IDS          1,2,10-20; perhaps more than one\n"

/* True if nothing narrows it. */
bool ef_row_choice_is_open(const struct ef_row_choice *choice);
/*
 * The filter (admin/control_filter.h) with these statuses (bit n: status n); NULL: the ids make no
 * sense, which was said.
 */
json_t *ef_row_choice_filter(const struct ef_row_choice *choice, unsigned statuses);
/* Words from the first-th on: an outbox, unless that is a number, and ids, which the choice takes.
 * The outbox, or NULL. */
const char *ef_row_choice_words(struct ef_row_choice *choice, const struct ef_args *words,
                                int first);
void ef_row_choice_done(struct ef_row_choice *choice);

/*
 * Takes over filter and calls row for each until limit rows came (0: all), in the order of ids.
 * row returns false to stop. ret_more (may be NULL): there are more. False: the exit code.
 */
bool ef_rows_each(struct ef_operator *op, json_t *filter, int64_t limit,
                  bool (*row)(void *arg, const json_t *row), void *arg, bool *ret_more,
                  int *ret_code);

/* --- many rows --- */

struct ef_selection { /* ef_selection_done */
    int64_t *ids;     /* ascending */
    size_t count;
    json_t *topics;     /* name: how many rows */
    json_t *aggregates; /* name: true; of those that have one */
    int64_t successors_gone, successors_waiting, with_gone;
    bool gone_unknown; /* delivered rows are deleted here: nobody knows */
};

/* Takes over filter. False: the exit code. */
bool ef_rows_select(struct ef_operator *op, json_t *filter, struct ef_selection *ret,
                    int *ret_code);
void ef_selection_done(struct ef_selection *selection);
/* "3 rows of 1 topic and 2 aggregates: orders 3" and, with order, what went before them. */
void ef_selection_print(const struct ef_selection *selection, const char *verb, bool order);

/* --- a row --- */

/* "waiting", "dead", ... */
const char *ef_row_status_name(int64_t status);
