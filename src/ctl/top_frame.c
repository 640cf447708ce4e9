// SPDX-License-Identifier: MIT
#include "ctl/top_frame.h"

#include <stdlib.h>
#include <string.h>

#include "admin/words.h"
#include "base/clock.h"
#include "base/hash.h"
#include "ctl/asking.h"
#include "ctl/control_table.h"
#include "ctl/histogram.h"
#include "ctl/table.h"

enum { HISTORY = 24, STAGES = 3, COLUMNS = 9 };

static const struct {
    const char *metric, *name;
} stages[STAGES] = {
    {"eventferry_created_to_seen_seconds", "read"},
    {"eventferry_seen_to_acked_seconds", "acked"},
    {"eventferry_acked_to_settled_seconds", "settled"},
};

struct outbox {
    char *name;
    int64_t at_us;
    double delivered; /* total, of the last answer */
    double rates[HISTORY];
    int rate_count;
    struct ef_histogram now[STAGES], before[STAGES];
    bool seen;
    UT_hash_handle hh;
};

struct ef_top {
    struct outbox *outboxes;
};

struct ef_top *ef_top_new(void)
{
    return ef_xcalloc(1, sizeof(struct ef_top));
}

void ef_top_free(struct ef_top *top)
{
    struct outbox *o, *next;
    if (!top)
        return;
    HASH_ITER (hh, top->outboxes, o, next) {
        HASH_DEL(top->outboxes, o);
        free(o->name);
        free(o);
    }
    free(top);
}

static struct outbox *outbox_of(struct ef_top *top, const char *name)
{
    struct outbox *o;
    HASH_FIND_STR(top->outboxes, name, o);
    if (o)
        return o;
    o = ef_xcalloc(1, sizeof(*o));
    o->name = ef_xstrdup(name);
    HASH_ADD_KEYPTR(hh, top->outboxes, o->name, strlen(o->name), o);
    return o;
}

static void add_rate(struct outbox *o, double rate)
{
    if (o->rate_count == HISTORY)
        memmove(o->rates, o->rates + 1, (HISTORY - 1) * sizeof(o->rates[0]));
    else
        o->rate_count++;
    o->rates[o->rate_count - 1] = rate;
}

static void take_outbox(struct outbox *o, const json_t *json, const char *page, int64_t now_us)
{
    double delivered = ef_ctl_real(json_object_get(json, "totals"), "delivered");
    if (o->seen && now_us > o->at_us) {
        double more = delivered - o->delivered; /* below 0: the daemon began anew */
        add_rate(o, more > 0 ? more * 1e6 / (double)(now_us - o->at_us) : 0);
    } else if (!o->seen) { /* the daemon knows its last seconds already */
        add_rate(o, ef_ctl_real(json_object_get(json, "rows_per_second"), "delivered"));
    }
    o->delivered = delivered;
    o->at_us = now_us;
    for (int i = 0; i < STAGES; i++) {
        o->before[i] = o->now[i];
        ef_histogram_read(page, stages[i].metric, o->name, &o->now[i]);
    }
    o->seen = true;
}

void ef_top_take(struct ef_top *top, const json_t *status, const char *page, int64_t now_us)
{
    size_t i;
    json_t *json;
    json_array_foreach(json_object_get(status, "outboxes"), i, json)
    {
        take_outbox(outbox_of(top, ef_ctl_text(json, "name")), json, page, now_us);
    }
}

/* --- drawing --- */

void ef_top_sparkline(const double *values, int count, bool utf8, struct ef_buf *out)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[] = {"_", ".", "-", ":", "=", "+", "*", "#"};
    double most = 0;
    for (int i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    for (int i = 0; i < count; i++) {
        int level = most > 0 ? (int)(values[i] / most * 7 + 0.5) : 0;
        ef_buf_puts(out, utf8 ? blocks[level] : plain[level]);
    }
}

static void set_flow(struct ef_table *table, const struct outbox *o, const json_t *json, bool utf8)
{
    char text[64];
    struct ef_buf line;
    double rate = o && o->rate_count ? o->rates[o->rate_count - 1] : 0;
    ef_table_set(table, 2, ef_words_rate(rate, text, sizeof(text)));
    ef_buf_init(&line, 256);
    if (o)
        ef_top_sparkline(o->rates, o->rate_count, utf8, &line);
    ef_table_set(table, 3, line.len ? line.data : "");
    ef_buf_done(&line);
    ef_table_set(table, 6,
                 ef_words_count(ef_ctl_number(json_object_get(json, "window"), "in_flight_rows"),
                                text, sizeof(text)));
}

static void set_lag(struct ef_table *table, const json_t *json)
{
    char text[64];
    const json_t *lag = json_object_get(json, "lag");
    if (!json_is_object(lag) || !ef_ctl_is(json_object_get(json, "lease"), "held"))
        return;
    ef_table_setf(table, 4, "%s%s", ef_ctl_is(lag, "backlog_saturated") ? ">" : "",
                  ef_words_count(ef_ctl_number(lag, "backlog_rows"), text, sizeof(text)));
    double age_s = ef_ctl_real(lag, "oldest_unfinished_age_seconds");
    ef_table_set(table, 5, ef_words_duration((int64_t)(age_s * 1e3), text, sizeof(text)));
    ef_table_set(table, 7,
                 ef_words_count(ef_ctl_number(lag, "blocked_aggregates"), text, sizeof(text)));
    ef_table_set(table, 8, ef_words_count(ef_ctl_number(lag, "dead_rows"), text, sizeof(text)));
}

static void put_latency(double seconds, struct ef_buf *out)
{
    char text[32];
    if (seconds >= 0 && seconds < 0.01)
        ef_buf_printf(out, "%.1f ms", seconds * 1e3);
    else
        ef_buf_puts(out, ef_words_duration((int64_t)(seconds * 1e3), text, sizeof(text)));
}

/* Half of the rows, and all but one in a hundred, of the time between the two last answers. */
static void note_stages(struct ef_table *table, const struct outbox *o)
{
    struct ef_buf line;
    ef_buf_init(&line, 512);
    for (int i = 0; o && i < STAGES; i++) {
        const struct ef_histogram *before = o->before[i].count ? &o->before[i] : NULL;
        double half = ef_histogram_quantile(&o->now[i], before, 0.5);
        if (half < 0)
            continue;
        ef_buf_printf(&line, "%s%s ",
                      line.len ? ", " : "half and 99 % of the rows: ", stages[i].name);
        put_latency(half, &line);
        ef_buf_puts(&line, " / ");
        put_latency(ef_histogram_quantile(&o->now[i], before, 0.99), &line);
    }
    if (line.len)
        ef_table_note(table, line.data);
    ef_buf_done(&line);
}

static void note_oldest(struct ef_table *table, const json_t *json)
{
    char text[64], line[128];
    int64_t ms = ef_ctl_number(json_object_get(json, "window"), "oldest_in_flight_ms");
    if (ms < 1000)
        return;
    snprintf(line, sizeof(line), "oldest in flight for %s",
             ef_words_duration(ms, text, sizeof(text)));
    ef_table_note(table, line);
}

static const char *color_of(const json_t *json)
{
    if (!ef_ctl_is(json, "ready"))
        return "\033[31m";
    bool well = strcmp(ef_ctl_text(json, "state"), "running") == 0 && !ef_ctl_is(json, "outage");
    return well ? "\033[32m" : "\033[33m";
}

static void add_outbox(struct ef_table *table, const struct ef_top *top, const json_t *json,
                       bool utf8)
{
    struct outbox *o;
    const char *name = ef_ctl_text(json, "name"), *reason = ef_ctl_text(json, "reason");
    HASH_FIND_STR(top->outboxes, name, o);
    ef_table_row(table);
    ef_table_set(table, 0, name);
    ef_table_set(table, 1, ef_ctl_text(json, "state"));
    ef_table_color(table, color_of(json));
    set_flow(table, o, json, utf8);
    set_lag(table, json);
    note_stages(table, o);
    note_oldest(table, json);
    ef_ctl_note_standbys(table, json);
    if (reason[0])
        ef_table_note(table, reason);
}

static void add_head(const json_t *status, struct ef_buf *out)
{
    char uptime[32];
    const json_t *kafka = json_object_get(status, "kafka");
    ef_ctl_plain(ef_ctl_text(status, "instance"), out);
    ef_buf_printf(out, ", up %s, %s, Kafka %s, ",
                  ef_words_duration((int64_t)(ef_ctl_real(status, "uptime_seconds") * 1e3), uptime,
                                    sizeof(uptime)),
                  ef_ctl_is(status, "ready") ? "ready" : "NOT READY",
                  ef_ctl_is(kafka, "up") ? "up" : "DOWN");
    ef_ctl_plain(ef_ctl_text(status, "at"), out);
    ef_buf_puts(out, "\n\n");
}

void ef_top_frame(const struct ef_top *top, const json_t *status, bool colors, bool utf8,
                  struct ef_buf *out)
{
    static const char *const titles[COLUMNS] = {
        "OUTBOX", "STATE", "RATE", "LATELY", "LAG ROWS", "OLDEST", "IN FLIGHT", "BLOCKED", "DEAD"};
    size_t i;
    json_t *json;
    struct ef_table table;
    ef_table_init(&table, titles, COLUMNS, 1u << 2 | 0x1f0u);
    json_array_foreach(json_object_get(status, "outboxes"), i, json)
    {
        add_outbox(&table, top, json, utf8);
    }
    add_head(status, out);
    ef_table_render(&table, colors, out);
    ef_table_done(&table);
}
