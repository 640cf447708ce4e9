// SPDX-License-Identifier: MIT
/*
 * What stands behind a verb on the command line: each verb has a table of the options it takes, and
 * all verbs take --config, --socket and --help. Complaints go to stderr, here and nowhere else.
 *
 * Owns: the words of an EF_ARG_WORDS option. Borrows: argv. Thread: the program's only one. Life:
 * ef_args_read, at most once at a time (getopt keeps a place of its own).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/ctl.h"

enum ef_arg_kind {
    EF_ARG_END,
    EF_ARG_FLAG,     /* bool */
    EF_ARG_TEXT,     /* const char *: UTF-8 */
    EF_ARG_WORDS,    /* struct ef_words: the option may be given again */
    EF_ARG_DURATION, /* int64_t, milliseconds, above 0 */
    EF_ARG_NUMBER,   /* int64_t, from 0 */
    EF_ARG_TIME,     /* int64_t, microseconds since 1970 UTC */
};

struct ef_words { /* of one option; ef_words_done */
    const char **items;
    int count;
};
void ef_words_done(struct ef_words *words);

struct ef_arg {
    const char *name; /* without dashes */
    enum ef_arg_kind kind;
    void *to; /* of the type above */
};

enum { EF_ARGS_WORDS_MAX = 64 };

struct ef_args {
    const char *verb;
    const char *usage; /* without what all verbs take */
    const struct ef_arg *options;
    int words_max;
    const char *words[EF_ARGS_WORDS_MAX]; /* result: what is no option */
    int word_count;
    const char *socket; /* result; NULL: the configuration's */
};

/* False: the program ends with *ret_code (0 after --help). */
bool ef_args_read(struct ef_ctl *ctl, struct ef_args *args, int argc, char **argv, int *ret_code);

/*
 * A time: ISO 8601 ("2026-11-24", "2026-11-24T06:14", "2026-11-24 06:14:06.5Z"; UTC where no offset
 * stands there), or a duration, which is that long before now. Pure.
 */
EF_MUST_CHECK bool ef_args_time(const char *text, int64_t now_us, int64_t *ret_us);
/* "1,2,17" and "20-23" into ids, ascending and each once; the caller's (free). False: it is not
 * that, or more than max. */
EF_MUST_CHECK bool ef_args_ids(const struct ef_words *words, int max, int64_t **ret,
                               int *ret_count);
