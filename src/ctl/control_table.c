// SPDX-License-Identifier: MIT
#include "ctl/control_table.h"

#include <string.h>

#include "admin/words.h"
#include "ctl/asking.h"
#include "ctl/table.h"

enum { COLUMNS = 7, STATE = 1 };

static const char *const titles[COLUMNS] = {"OUTBOX", "STATE",     "OWNER", "LAG ROWS",
                                            "OLDEST", "IN FLIGHT", "RATE"};
/* Numbers stand at the right. */
static const unsigned right = 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6;

/* --- one outbox --- */

static void fill_owner(struct ef_table *table, const json_t *outbox)
{
    const json_t *lease = json_object_get(outbox, "lease");
    const char *owner = ef_ctl_text(lease, "owner");
    ef_table_set(table, 2, ef_ctl_is(lease, "held") ? "this" : owner);
}

static void fill_lag(struct ef_table *table, const json_t *outbox)
{
    char text[64], number[48];
    const json_t *lag = json_object_get(outbox, "lag");
    const json_t *lease = json_object_get(outbox, "lease");
    if (!json_is_object(lag) || !ef_ctl_is(lease, "held")) {
        ef_table_set(table, 3, "-");
        ef_table_set(table, 4, "-");
        return;
    }
    int64_t rows = ef_ctl_number(lag, "backlog_rows");
    bool saturated = ef_ctl_is(lag, "backlog_saturated");
    snprintf(text, sizeof(text), "%s%s", saturated ? ">" : "",
             ef_words_count(saturated ? rows - 1 : rows, number, sizeof(number)));
    ef_table_set(table, 3, text);
    double age_s = json_number_value(json_object_get(lag, "oldest_unfinished_age_seconds"));
    ef_table_set(table, 4, ef_words_duration((int64_t)(age_s * 1e3), text, sizeof(text)));
}

static void fill_flow(struct ef_table *table, const json_t *outbox)
{
    char text[64];
    const json_t *window = json_object_get(outbox, "window");
    const json_t *rate = json_object_get(outbox, "rows_per_second");
    ef_table_set(table, 5,
                 ef_words_count(ef_ctl_number(window, "in_flight_rows"), text, sizeof(text)));
    ef_table_set(table, 6,
                 json_is_object(rate)
                     ? ef_words_rate(json_number_value(json_object_get(rate, "delivered")), text,
                                     sizeof(text))
                     : "-");
}

static const char *color_of(const json_t *outbox)
{
    const char *state = ef_ctl_text(outbox, "state");
    if (!ef_ctl_is(outbox, "ready"))
        return "\033[31m";
    if (strcmp(state, "running") != 0)
        return "\033[33m";
    return ef_ctl_number(outbox, "paused_topic_count") || ef_ctl_is(outbox, "outage") ? "\033[33m"
                                                                                      : "\033[32m";
}

void ef_ctl_note_standbys(struct ef_table *table, const json_t *outbox)
{
    size_t i;
    json_t *relay;
    struct ef_buf line;
    ef_buf_init(&line, 4096);
    json_array_foreach(json_object_get(json_object_get(outbox, "lease"), "standbys"), i, relay)
    {
        const char *instance = ef_ctl_text(relay, "instance"), *host = ef_ctl_text(relay, "host");
        ef_buf_printf(&line, "%s%s", i ? ", " : "standing by: ", instance);
        if (host[0] && strcmp(host, instance) != 0)
            ef_buf_printf(&line, " on %s", host);
    }
    if (line.len)
        ef_table_note(table, line.data);
    ef_buf_done(&line);
}

static void note_holds(struct ef_table *table, const json_t *outbox)
{
    char text[1024];
    size_t i;
    json_t *hold;
    const json_t *holds = json_object_get(outbox, "holds");
    int64_t more = ef_ctl_number(outbox, "hold_count") - (int64_t)json_array_size(holds),
            commands = ef_ctl_number(outbox, "commands_waiting");
    json_array_foreach(holds, i, hold)
    {
        bool topic = json_object_get(hold, "topic") != NULL;
        const char *why = ef_ctl_text(hold, "reason");
        snprintf(text, sizeof(text), "%s %s held by %s since %s%s%s", topic ? "topic" : "aggregate",
                 ef_ctl_text(hold, topic ? "topic" : "aggregate"), ef_ctl_text(hold, "by"),
                 ef_ctl_text(hold, "since"), why[0] ? ": " : "", why);
        ef_table_note(table, text);
    }
    if (more > 0) {
        snprintf(text, sizeof(text), "%lld more held", (long long)more);
        ef_table_note(table, text);
    }
    if (commands > 0) {
        snprintf(text, sizeof(text), "%lld operators' commands wait", (long long)commands);
        ef_table_note(table, text);
    }
}

static void fill_why(struct ef_table *table, const json_t *outbox)
{
    char text[1024], since[32];
    size_t i;
    json_t *topic;
    const json_t *topics = json_object_get(outbox, "paused_topics");
    const char *reason = ef_ctl_text(outbox, "reason");
    int64_t more = ef_ctl_number(outbox, "paused_topic_count") - (int64_t)json_array_size(topics);

    if (reason[0])
        ef_table_note(table, reason);
    else if (!ef_ctl_is(outbox, "ready"))
        ef_table_note(table, "not ready");
    json_array_foreach(topics, i, topic)
    {
        snprintf(text, sizeof(text), "topic %s on hold for %s: %s", ef_ctl_text(topic, "topic"),
                 ef_words_duration(ef_ctl_number(topic, "since_ms"), since, sizeof(since)),
                 ef_ctl_text(topic, "reason"));
        ef_table_note(table, text);
    }
    if (more > 0) {
        snprintf(text, sizeof(text), "%lld more topics on hold", (long long)more);
        ef_table_note(table, text);
    }
    note_holds(table, outbox);
}

static void fill(struct ef_table *table, const json_t *outbox)
{
    ef_table_row(table);
    ef_table_set(table, 0, ef_ctl_text(outbox, "name"));
    ef_table_set(table, STATE, ef_ctl_text(outbox, "state"));
    fill_owner(table, outbox);
    fill_lag(table, outbox);
    fill_flow(table, outbox);
    ef_table_color(table, color_of(outbox));
    ef_ctl_note_standbys(table, outbox);
    fill_why(table, outbox);
}

/* --- the whole --- */

static void add_outboxes(struct ef_buf *out, const json_t *outboxes, bool colors)
{
    size_t i;
    json_t *outbox;
    struct ef_table table;
    ef_table_init(&table, titles, COLUMNS, right);
    json_array_foreach(outboxes, i, outbox)
    {
        fill(&table, outbox);
    }
    ef_table_render(&table, colors, out);
    ef_table_done(&table);
}

/* Rooms whose log is at another level for a while. */
static void add_log(struct ef_buf *out, const json_t *log)
{
    size_t i;
    json_t *item;
    char left[32];
    json_array_foreach(json_object_get(log, "overrides"), i, item)
    {
        bool all = strcmp(ef_ctl_text(item, "room"), "*") == 0;
        ef_buf_puts(out, "log of ");
        ef_ctl_plain(all ? "all rooms" : ef_ctl_text(item, "room"), out);
        ef_buf_puts(out, " at ");
        ef_ctl_plain(ef_ctl_text(item, "level"), out);
        ef_buf_printf(out, " for another %s\n",
                      ef_words_duration(ef_ctl_number(item, "ends_in_ms"), left, sizeof(left)));
    }
}

static void add_warnings(struct ef_buf *out, const json_t *warnings)
{
    size_t i, j;
    json_t *warning, *mend;
    json_array_foreach(warnings, i, warning)
    {
        ef_ctl_plain(ef_ctl_text(warning, "level"), out);
        ef_buf_puts(out, ": ");
        ef_ctl_plain(ef_ctl_text(warning, "subject"), out);
        ef_buf_puts(out, ": ");
        ef_ctl_plain(ef_ctl_text(warning, "text"), out);
        ef_buf_puts(out, "\n");
        json_array_foreach(json_object_get(warning, "mend"), j, mend)
        {
            ef_buf_puts(out, j ? "         " : "      -> ");
            ef_ctl_plain(json_string_value(mend), out);
            ef_buf_puts(out, "\n");
        }
    }
}

static void add_summary(struct ef_buf *out, const json_t *status)
{
    char uptime[32];
    const json_t *kafka = json_object_get(status, "kafka");
    double up_s = json_number_value(json_object_get(status, "uptime_seconds"));
    const json_t *brokers_up = json_object_get(kafka, "brokers_up");

    ef_ctl_plain(ef_ctl_text(status, "instance"), out);
    ef_buf_puts(out, ": eventferryd ");
    ef_ctl_plain(ef_ctl_text(status, "version"), out);
    ef_buf_printf(out, ", pid %lld, up %s, %s\n", (long long)ef_ctl_number(status, "pid"),
                  ef_words_duration((int64_t)(up_s * 1e3), uptime, sizeof(uptime)),
                  ef_ctl_is(status, "ready") ? "ready" : "NOT READY");
    ef_buf_printf(out, "Kafka %s, ", ef_ctl_is(kafka, "up") ? "up" : "DOWN");
    long long brokers = json_integer_value(brokers_up);
    if (json_is_integer(brokers_up))
        ef_buf_printf(out, "%lld broker%s connected, ", brokers, brokers == 1 ? "" : "s");
    ef_ctl_plain(ef_ctl_text(kafka, "brokers"), out);
    if (ef_ctl_is(kafka, "embedded"))
        ef_buf_puts(out, " (embedded: nothing it takes is durable)");
    if (ef_ctl_text(kafka, "reason")[0]) {
        ef_buf_puts(out, ": ");
        ef_ctl_plain(ef_ctl_text(kafka, "reason"), out);
    }
    ef_buf_puts(out, "\n");
    add_log(out, json_object_get(status, "log"));
    add_warnings(out, json_object_get(status, "warnings"));
    ef_buf_puts(out, "\n");
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
