// SPDX-License-Identifier: MIT
#include "ctl/control_table.h"

#include <stdlib.h>
#include <string.h>

#include "admin/words.h"

enum { COLUMNS = 7, CELL_BYTES = 160, STATE = 1, LAST = COLUMNS - 1 };

static const char *const titles[COLUMNS] = {"OUTBOX", "STATE",     "OWNER", "LAG ROWS",
                                            "OLDEST", "IN FLIGHT", "RATE"};
/* Numbers stand at the right. */
static const bool right[COLUMNS] = {[3] = true, [4] = true, [5] = true, [6] = true};

struct line {
    char cells[COLUMNS][CELL_BYTES];
    const char *color; /* of the state; "" none */
    struct ef_buf why;
};

/* --- JSON that may lack anything --- */

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "";
}

static bool is_true(const json_t *json, const char *name)
{
    return json_is_true(json_object_get(json, name));
}

static int64_t number_of(const json_t *json, const char *name)
{
    return (int64_t)json_number_value(json_object_get(json, name));
}

/* --- text --- */

void ef_ctl_plain(const char *text, struct ef_buf *out)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        /* C0, DEL, and C1 in UTF-8 (C2 80 to C2 9F) make terminals do things */
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;
        if (c1 || (*p < 0x20 && *p != '\n') || *p == 0x7f)
            ef_buf_puts(out, "?");
        else
            ef_buf_add(out, p, 1);
        if (c1)
            p++;
    }
}

static void set_cell(struct line *line, int column, const char *text)
{
    struct ef_buf plain;
    ef_buf_init(&plain, CELL_BYTES * 4);
    ef_ctl_plain(text, &plain);
    for (size_t i = 0; i < plain.len; i++)
        if (plain.data[i] == '\n')
            plain.data[i] = ' ';
    snprintf(line->cells[column], CELL_BYTES, "%s", plain.len ? plain.data : "-");
    ef_buf_done(&plain);
}

/* Characters, which is good enough for names: continuation bytes of UTF-8 take no place. */
static int width(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* --- one outbox --- */

static void fill_owner(struct line *line, const json_t *outbox)
{
    const json_t *lease = json_object_get(outbox, "lease");
    const char *owner = text_of(lease, "owner");
    set_cell(line, 2, is_true(lease, "held") ? "this" : owner);
}

static void fill_lag(struct line *line, const json_t *outbox)
{
    char text[64], number[48];
    const json_t *lag = json_object_get(outbox, "lag");
    const json_t *lease = json_object_get(outbox, "lease");
    if (!json_is_object(lag) || !is_true(lease, "held")) {
        set_cell(line, 3, "-");
        set_cell(line, 4, "-");
        return;
    }
    int64_t rows = number_of(lag, "backlog_rows");
    bool saturated = is_true(lag, "backlog_saturated");
    snprintf(text, sizeof(text), "%s%s", saturated ? ">" : "",
             ef_words_count(saturated ? rows - 1 : rows, number, sizeof(number)));
    set_cell(line, 3, text);
    double age_s = json_number_value(json_object_get(lag, "oldest_unfinished_age_seconds"));
    set_cell(line, 4, ef_words_duration((int64_t)(age_s * 1e3), text, sizeof(text)));
}

static void fill_flow(struct line *line, const json_t *outbox)
{
    char text[64];
    const json_t *window = json_object_get(outbox, "window");
    const json_t *rate = json_object_get(outbox, "rows_per_second");
    set_cell(line, 5, ef_words_count(number_of(window, "in_flight_rows"), text, sizeof(text)));
    set_cell(line, 6,
             json_is_object(rate)
                 ? ef_words_rate(json_number_value(json_object_get(rate, "delivered")), text,
                                 sizeof(text))
                 : "-");
}

static const char *color_of(const json_t *outbox)
{
    const char *state = text_of(outbox, "state");
    if (!is_true(outbox, "ready"))
        return "\033[31m";
    if (strcmp(state, "running") != 0)
        return "\033[33m";
    return number_of(outbox, "paused_topic_count") || is_true(outbox, "outage") ? "\033[33m"
                                                                                : "\033[32m";
}

static void add_why(struct ef_buf *out, const char *text)
{
    if (out->len)
        ef_buf_puts(out, "\n");
    ef_ctl_plain(text, out);
}

static void fill_why(struct line *line, const json_t *outbox)
{
    char text[1024], since[32];
    size_t i;
    json_t *topic;
    const json_t *topics = json_object_get(outbox, "paused_topics");
    const char *reason = text_of(outbox, "reason");
    int64_t more = number_of(outbox, "paused_topic_count") - (int64_t)json_array_size(topics);

    if (reason[0])
        add_why(&line->why, reason);
    else if (!is_true(outbox, "ready"))
        add_why(&line->why, "not ready");
    json_array_foreach(topics, i, topic)
    {
        snprintf(text, sizeof(text), "topic %s on hold for %s: %s", text_of(topic, "topic"),
                 ef_words_duration(number_of(topic, "since_ms"), since, sizeof(since)),
                 text_of(topic, "reason"));
        add_why(&line->why, text);
    }
    if (more > 0) {
        snprintf(text, sizeof(text), "%lld more topics on hold", (long long)more);
        add_why(&line->why, text);
    }
}

static void fill(struct line *line, const json_t *outbox)
{
    set_cell(line, 0, text_of(outbox, "name"));
    set_cell(line, STATE, text_of(outbox, "state"));
    fill_owner(line, outbox);
    fill_lag(line, outbox);
    fill_flow(line, outbox);
    line->color = color_of(outbox);
    ef_buf_init(&line->why, 64 * 1024);
    fill_why(line, outbox);
}

/* --- the whole --- */

static void add_cell(struct ef_buf *out, const char *text, const char *color, int column, int wide)
{
    int pad = wide - width(text);
    if (right[column])
        ef_buf_printf(out, "%*s", pad, "");
    ef_buf_printf(out, "%s%s%s", color, text, color[0] ? "\033[0m" : "");
    if (column == LAST)
        ef_buf_puts(out, "\n");
    else
        ef_buf_printf(out, "%*s  ", right[column] ? 0 : pad, "");
}

static void add_line(struct ef_buf *out, const struct line *line, const int *wide, bool colors)
{
    for (int c = 0; c < COLUMNS; c++)
        add_cell(out, line->cells[c], colors && c == STATE ? line->color : "", c, wide[c]);
    if (line->why.len == 0)
        return;
    ef_buf_puts(out, "    ");
    for (size_t i = 0; i < line->why.len; i++) {
        ef_buf_add(out, &line->why.data[i], 1);
        if (line->why.data[i] == '\n')
            ef_buf_puts(out, "    ");
    }
    ef_buf_puts(out, "\n");
}

static void add_outboxes(struct ef_buf *out, const json_t *outboxes, bool colors)
{
    size_t count = json_array_size(outboxes);
    int wide[COLUMNS];
    struct line head = {.color = ""};
    struct line *lines = ef_xcalloc(count, sizeof(*lines));

    for (int c = 0; c < COLUMNS; c++) {
        set_cell(&head, c, titles[c]);
        wide[c] = width(titles[c]);
    }
    for (size_t i = 0; i < count; i++) {
        fill(&lines[i], json_array_get(outboxes, i));
        for (int c = 0; c < COLUMNS; c++)
            if (width(lines[i].cells[c]) > wide[c])
                wide[c] = width(lines[i].cells[c]);
    }
    add_line(out, &head, wide, false);
    for (size_t i = 0; i < count; i++) {
        add_line(out, &lines[i], wide, colors);
        ef_buf_done(&lines[i].why);
    }
    free(lines);
}

static void add_summary(struct ef_buf *out, const json_t *status)
{
    char uptime[32];
    const json_t *kafka = json_object_get(status, "kafka");
    double up_s = json_number_value(json_object_get(status, "uptime_seconds"));
    const json_t *brokers_up = json_object_get(kafka, "brokers_up");

    ef_ctl_plain(text_of(status, "instance"), out);
    ef_buf_puts(out, ": eventferryd ");
    ef_ctl_plain(text_of(status, "version"), out);
    ef_buf_printf(out, ", pid %lld, up %s, %s\n", (long long)number_of(status, "pid"),
                  ef_words_duration((int64_t)(up_s * 1e3), uptime, sizeof(uptime)),
                  is_true(status, "ready") ? "ready" : "NOT READY");
    ef_buf_printf(out, "Kafka %s, ", is_true(kafka, "up") ? "up" : "DOWN");
    long long brokers = json_integer_value(brokers_up);
    if (json_is_integer(brokers_up))
        ef_buf_printf(out, "%lld broker%s connected, ", brokers, brokers == 1 ? "" : "s");
    ef_ctl_plain(text_of(kafka, "brokers"), out);
    if (is_true(kafka, "embedded"))
        ef_buf_puts(out, " (embedded: nothing it takes is durable)");
    if (text_of(kafka, "reason")[0]) {
        ef_buf_puts(out, ": ");
        ef_ctl_plain(text_of(kafka, "reason"), out);
    }
    ef_buf_puts(out, "\n\n");
}

void ef_ctl_table(const json_t *status, bool colors, struct ef_buf *out)
{
    const json_t *outboxes = json_object_get(status, "outboxes");
    add_summary(out, status);
    if (json_array_size(outboxes) == 0)
        ef_buf_puts(out, "no outboxes\n");
    else
        add_outboxes(out, outboxes, colors);
}
