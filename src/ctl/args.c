// SPDX-License-Identifier: MIT
#include "ctl/args.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "config/value.h"

static const char common_usage[] =
    "  --socket PATH   the daemon's control socket (that of the configuration)\n";

enum { OPTIONS_MAX = 24, OWN_OPTIONS = 3, FIRST_OPTION = 256, SOCKET = 1 };

void ef_words_done(struct ef_words *words)
{
    free(words->items);
    *words = (struct ef_words){0};
}

static void add_word(struct ef_words *words, const char *word)
{
    words->items = ef_xrealloc(words->items, ((size_t)words->count + 1) * sizeof(*words->items));
    words->items[words->count++] = word;
}

static bool is_utf8(const char *text)
{
    json_t *json = json_string(text);
    bool good = json != NULL;
    json_decref(json);
    return good;
}

/* --- values --- */

static bool take_duration(const struct ef_arg *arg, const char *text)
{
    struct ef_error err;
    int64_t *to = arg->to;
    if (ef_value_parse_duration(text, to, &err) && *to > 0)
        return true;
    ef_ctl_complain("--%s '%s' is no duration such as 30s or 5m", arg->name, text);
    return false;
}

static bool take_number(const struct ef_arg *arg, const char *text)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || errno || number < 0) {
        ef_ctl_complain("--%s '%s' is no number", arg->name, text);
        return false;
    }
    *(int64_t *)arg->to = number;
    return true;
}

/* Digits between other characters; moves *text behind them. */
static bool digits(const char **text, int count, int *ret)
{
    *ret = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *ret = *ret * 10 + (**text - '0');
    }
    return true;
}

static bool fraction(const char **text, int64_t *ret_us)
{
    int64_t unit = EF_S_US / 10;
    *ret_us = 0;
    for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
        *ret_us += (**text - '0') * unit;
    return true;
}

/* "Z", "+02", "+02:00" or nothing, into seconds east. */
static bool offset(const char **text, int *ret_s)
{
    int hours, minutes = 0;
    *ret_s = 0;
    if (**text == 'Z') {
        (*text)++;
        return true;
    }
    if (**text != '+' && **text != '-')
        return true;
    int sign = *(*text)++ == '-' ? -1 : 1;
    if (!digits(text, 2, &hours))
        return false;
    if (**text == ':')
        (*text)++;
    if (**text && !digits(text, 2, &minutes))
        return false;
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

static bool time_of_day(const char **text, struct tm *tm, int64_t *us)
{
    if (**text != 'T' && **text != ' ')
        return **text == '\0';
    (*text)++;
    if (!digits(text, 2, &tm->tm_hour) || *(*text)++ != ':' || !digits(text, 2, &tm->tm_min))
        return false;
    if (**text == ':') {
        (*text)++;
        if (!digits(text, 2, &tm->tm_sec))
            return false;
        if (**text == '.')
            fraction(text, us);
    }
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 61;
}

static bool calendar(const char *text, int64_t *ret_us)
{
    struct tm tm = {0};
    int64_t us = 0;
    int year, month, east_s;
    if (!digits(&text, 4, &year) || *text++ != '-' || !digits(&text, 2, &month) || *text++ != '-' ||
        !digits(&text, 2, &tm.tm_mday) || !time_of_day(&text, &tm, &us) ||
        !offset(&text, &east_s) || *text)
        return false;
    if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *ret_us = ((int64_t)timegm(&tm) - east_s) * EF_S_US + us;
    return true;
}

bool ef_args_time(const char *text, int64_t now_us, int64_t *ret_us)
{
    struct ef_error err;
    int64_t ago_ms;
    if (ef_value_parse_duration(text, &ago_ms, &err)) {
        *ret_us = now_us - ago_ms * EF_MS_US;
        return ago_ms >= 0;
    }
    return calendar(text, ret_us);
}

static bool take_time(const struct ef_arg *arg, const char *text)
{
    if (ef_args_time(text, ef_clock_wall().us, arg->to))
        return true;
    ef_ctl_complain("--%s '%s' is neither a time such as 2026-11-24T06:14 (UTC) nor a duration "
                    "such as 2h (ago)",
                    arg->name, text);
    return false;
}

static bool take_value(const struct ef_arg *arg, const char *text)
{
    if (text && !is_utf8(text)) {
        ef_ctl_complain("arguments must be UTF-8");
        return false;
    }
    switch (arg->kind) {
    case EF_ARG_FLAG:
        *(bool *)arg->to = true;
        return true;
    case EF_ARG_TEXT:
        *(const char **)arg->to = text;
        return true;
    case EF_ARG_WORDS:
        add_word(arg->to, text);
        return true;
    case EF_ARG_DURATION:
        return take_duration(arg, text);
    case EF_ARG_NUMBER:
        return take_number(arg, text);
    case EF_ARG_TIME:
        return take_time(arg, text);
    case EF_ARG_END:
        break;
    }
    return false;
}

/* --- ids --- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* One of "17" and "20-23"; moves behind it. */
static bool id_range(const char **text, int64_t *ret_first, int64_t *ret_last)
{
    char *end;
    errno = 0;
    *ret_first = *ret_last = strtoll(*text, &end, 10);
    if (end == *text || errno)
        return false;
    if (*end == '-') {
        *text = end + 1;
        *ret_last = strtoll(*text, &end, 10);
        if (end == *text || errno)
            return false;
    }
    *text = end;
    return *ret_first <= *ret_last;
}

static bool add_ids(const char *text, int max, int64_t *ids, int *count)
{
    for (;;) {
        int64_t first, last;
        if (!id_range(&text, &first, &last))
            return false;
        if ((uint64_t)last - (uint64_t)first >= (uint64_t)(max - *count))
            return false;
        for (int64_t i = 0; i <= last - first; i++)
            ids[(*count)++] = first + i;
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}

bool ef_args_ids(const struct ef_words *words, int max, int64_t **ret, int *ret_count)
{
    int count = 0, kept = 0;
    int64_t *ids = ef_xcalloc((size_t)max, sizeof(*ids));
    for (int i = 0; i < words->count; i++) {
        if (!add_ids(words->items[i], max, ids, &count)) {
            free(ids);
            return false;
        }
    }
    qsort(ids, (size_t)count, sizeof(*ids), by_value);
    for (int i = 0; i < count; i++)
        if (i == 0 || ids[i] != ids[kept - 1])
            ids[kept++] = ids[i];
    *ret = ids;
    *ret_count = kept;
    return true;
}

/* --- the command line --- */

static int make_options(const struct ef_args *args, struct option *out)
{
    int count = 0;
    out[count++] = (struct option){"config", required_argument, NULL, 'c'};
    out[count++] = (struct option){"socket", required_argument, NULL, SOCKET};
    out[count++] = (struct option){"help", no_argument, NULL, 'h'};
    for (int i = 0; args->options && args->options[i].kind != EF_ARG_END; i++)
        out[count++] =
            (struct option){args->options[i].name,
                            args->options[i].kind == EF_ARG_FLAG ? no_argument : required_argument,
                            NULL, FIRST_OPTION + i};
    out[count] = (struct option){0};
    return count;
}

/* False ends the program with *ret_code. */
static bool take_option(struct ef_ctl *ctl, struct ef_args *args, int option, int *ret_code)
{
    *ret_code = EF_CTL_USAGE;
    switch (option) {
    case 'c':
        ctl->config_path = optarg;
        ctl->config_given = true;
        return true;
    case SOCKET:
        args->socket = optarg;
        return true;
    case 'h':
        printf("%s%s", args->usage, common_usage);
        *ret_code = EF_CTL_DONE;
        return false;
    case '?':
        fprintf(stderr, "see eventferryctl %s --help\n", args->verb); /* getopt has complained */
        return false;
    default:
        return take_value(&args->options[option - FIRST_OPTION], optarg);
    }
}

bool ef_args_read(struct ef_ctl *ctl, struct ef_args *args, int argc, char **argv, int *ret_code)
{
    struct option options[OPTIONS_MAX + OWN_OPTIONS + 1];
    int option;
    make_options(args, options);
    optind = 0; /* start again, with the words after the verb; options may follow the words */
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
        if (!take_option(ctl, args, option, ret_code))
            return false;
    *ret_code = EF_CTL_USAGE;
    for (; optind < argc && args->word_count < args->words_max; optind++) {
        if (!is_utf8(argv[optind])) {
            ef_ctl_complain("arguments must be UTF-8");
            return false;
        }
        args->words[args->word_count++] = argv[optind];
    }
    if (optind == argc)
        return true;
    ef_ctl_complain("unexpected argument '%s'", argv[optind]);
    return false;
}
