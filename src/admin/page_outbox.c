// SPDX-License-Identifier: MIT
#include "admin/page_outbox.h"

#include <stdio.h>
#include <string.h>

#include "admin/chart.h"
#include "admin/html.h"
#include "admin/words.h"

const char *const ef_tone_names[EF_TONE_COUNT] = {"bad", "warn", "ok", "calm"};

enum ef_tone ef_page_tone(const struct ef_snapshot_outbox *outbox)
{
    const struct ef_relay_status *s = &outbox->status;
    bool stuck =
        s->lag_known && s->lease_held && (s->lag.dead_rows > 0 || s->lag.blocked_aggregates > 0);
    if (s->state == EF_RELAY_MISCONFIGURED || !s->ready)
        return EF_TONE_BAD;
    if (s->state == EF_RELAY_RUNNING)
        return s->outage || s->topic_count > 0 || s->hold_count > 0 || stuck ? EF_TONE_WARN
                                                                             : EF_TONE_OK;
    if (s->state == EF_RELAY_STANDBY || s->state == EF_RELAY_STOPPED)
        return EF_TONE_CALM;
    return EF_TONE_WARN;
}

static void add_count(char *out, size_t size, const char *what, int64_t count)
{
    char number[32];
    size_t used = strlen(out);
    if (count <= 0 || used >= size)
        return;
    snprintf(out + used, size - used, "%s%s %s%s", used ? "; " : "",
             ef_words_count(count, number, sizeof(number)), what, count == 1 ? "" : "s");
}

void ef_page_trouble(const struct ef_snapshot_outbox *outbox, char *out, size_t size)
{
    const struct ef_relay_status *s = &outbox->status;
    enum ef_tone tone = ef_page_tone(outbox);
    out[0] = '\0';
    if (tone != EF_TONE_BAD && tone != EF_TONE_WARN)
        return;
    ef_snapshot_reason(s, out, size);
    add_count(out, size, "hold", s->hold_count);
    if (!s->lag_known || !s->lease_held)
        return;
    add_count(out, size, "dead row", s->lag.dead_rows);
    add_count(out, size, "blocked aggregate", s->lag.blocked_aggregates);
}

void ef_page_outbox_head(struct ef_buf *out, const struct ef_snapshot_outbox *outbox)
{
    const struct ef_relay_status *s = &outbox->status;
    char reason[1024];

    ef_buf_puts(out, "<div class=title><h2>");
    ef_html_text(out, s->name);
    ef_buf_printf(out, "</h2><strong class=state>%s%s</strong></div><p class=dim>",
                  ef_relay_state_name(s->state), s->ready ? "" : ", not ready");
    ef_html_text(out, s->table ? s->table : "");
    ef_buf_puts(out, " in ");
    ef_html_text(out, s->database ? s->database : "");
    if (s->version[0]) {
        ef_buf_puts(out, " (");
        ef_html_text(out, s->version);
        ef_buf_puts(out, ")");
    }
    ef_buf_puts(out, "</p>");
    ef_snapshot_reason(s, reason, sizeof(reason));
    if (reason[0]) {
        ef_buf_puts(out, "<p class=why>");
        ef_html_text(out, reason);
        ef_buf_puts(out, "</p>");
    }
}

/* --- flow --- */

static void node(struct ef_buf *out, const char *class, const char *number, const char *name,
                 const char *note)
{
    ef_buf_printf(out, "<li class=\"node%s%s\"><b>%s</b><span>%s</span><small>%s</small>",
                  class[0] ? " " : "", class, number, name, note);
}

static const char arrow[] = "<li class=arrow aria-hidden=true><svg viewBox=\"0 0 16 16\">"
                            "<path d=\"M1 8H14M9 3L14 8L9 13\"/></svg></li>";
/* From the middle of the upper row to the three below. */
static const char branch[] =
    "<svg class=branch viewBox=\"0 0 300 20\" preserveAspectRatio=none aria-hidden=true>"
    "<path d=\"M150 0V20M50 20V10H250V20\"/></svg>";

static void add_main_flow(struct ef_buf *out, const struct ef_snapshot_outbox *outbox)
{
    char number[48], text[32], note[96];
    const struct ef_relay_status *s = &outbox->status;
    const struct ef_lag *lag = &s->lag;
    int64_t backlog = lag->backlog_rows - lag->backlog_saturated;

    ef_buf_puts(out, "<ol class=flow>");
    snprintf(note, sizeof(note), "oldest %s",
             ef_words_duration((int64_t)(lag->oldest_unfinished_age_s * 1e3), text, sizeof(text)));
    ef_words_count(backlog, text, sizeof(text));
    snprintf(number, sizeof(number), "%s%s", lag->backlog_saturated ? "over " : "", text);
    node(out, s->lag_known && backlog ? "" : "none", s->lag_known ? number : "?", "waiting",
         !s->lag_known ? "not known here"
         : backlog     ? note
                       : "nothing");
    ef_buf_puts(out, "</li>");
    ef_buf_puts(out, arrow);

    snprintf(note, sizeof(note), "%s", ef_words_bytes(s->in_flight_bytes, text, sizeof(text)));
    if (s->window_limit_bytes > 0)
        snprintf(note + strlen(note), sizeof(note) - strlen(note), " of %s",
                 ef_words_bytes(s->window_limit_bytes, text, sizeof(text)));
    node(out, s->in_flight_rows ? "" : "none",
         ef_words_count(s->in_flight_rows, number, sizeof(number)), "in flight", note);
    ef_chart_bar(out, (double)s->in_flight_bytes, (double)s->window_limit_bytes, "window in use");
    ef_buf_puts(out, "</li>");
    ef_buf_puts(out, arrow);

    note[0] = '\0';
    if (outbox->rate_known)
        snprintf(note, sizeof(note), "now %s",
                 ef_words_rate(outbox->rate.delivered, text, sizeof(text)));
    node(out, s->delivered ? "good" : "none",
         ef_words_count((int64_t)s->delivered, number, sizeof(number)), "delivered", note);
    ef_buf_puts(out, "</li></ol>");
}

void ef_page_outbox_flow(struct ef_buf *out, const struct ef_snapshot_outbox *outbox)
{
    char number[32];
    const struct ef_relay_status *s = &outbox->status;
    const struct ef_lag *lag = &s->lag;
    add_main_flow(out, outbox);
    if (!s->lag_known)
        return;
    ef_buf_puts(out, branch);
    ef_buf_puts(out, "<ol class=\"flow aside\">");
    node(out, lag->waiting_rows ? "warn" : "none",
         ef_words_count(lag->waiting_rows, number, sizeof(number)), "to be retried", "rows");
    ef_buf_puts(out, "</li>");
    node(out, lag->blocked_aggregates ? "warn" : "none",
         ef_words_count(lag->blocked_aggregates, number, sizeof(number)), "blocked", "aggregates");
    ef_buf_puts(out, "</li>");
    node(out, lag->dead_rows ? "bad" : "none",
         ef_words_count(lag->dead_rows, number, sizeof(number)), "dead", "rows");
    ef_buf_puts(out, "</li></ol>");
}

/* --- the last 15 minutes --- */

enum { BIN = 3, POINTS = EF_HISTORY_SAMPLES / BIN }; /* samples a point, and points a line */

static double of_delivered(const struct ef_sample *sample, int stage)
{
    (void)stage;
    return sample->delivered;
}

static double of_backlog(const struct ef_sample *sample, int stage)
{
    (void)stage;
    return sample->backlog;
}

static double of_p99(const struct ef_sample *sample, int stage)
{
    return sample->stages[stage].p99;
}

/* Points keep their samples while the line moves on: they begin at multiples of BIN. Returns the
 * highest value, or below 0. */
static double collect(const struct ef_history *history,
                      double (*value)(const struct ef_sample *, int), int stage,
                      double points[POINTS])
{
    double max = -1;
    int64_t last = history->total > 0 ? (history->total - 1) / BIN : 0;
    for (int i = 0; i < POINTS; i++) {
        points[i] = -1;
        for (int64_t n = (last - POINTS + 1 + i) * BIN, end = n + BIN; n < end; n++) {
            const struct ef_sample *sample = ef_history_at(history, n);
            double v = sample ? value(sample, stage) : -1;
            if (v > points[i])
                points[i] = v;
        }
        if (points[i] > max)
            max = points[i];
    }
    return max;
}

static void row(struct ef_buf *out, const char *name, const char *now, const char *most,
                const double points[POINTS])
{
    ef_buf_printf(out, "<tr><th scope=row>%s</th><td>%s</td><td>%s</td><td class=line>", name, now,
                  most);
    ef_chart_line(out, points, POINTS, name);
    ef_buf_puts(out, "</td></tr>");
}

static char *seconds(double s, char *out, size_t size)
{
    if (s < 0)
        snprintf(out, size, "&ndash;");
    else if (s < 0.00995)
        snprintf(out, size, "%.1f ms", s * 1e3);
    else
        ef_words_duration((int64_t)(s * 1e3 + 0.5), out, size);
    return out;
}

static void add_counts(struct ef_buf *out, const struct ef_snapshot_outbox *outbox)
{
    double points[POINTS];
    char now[32], most[32];
    const struct ef_history *history = outbox->history;
    const struct ef_sample *last = ef_history_at(history, history->total - 1);
    double max = collect(history, of_delivered, 0, points);
    row(out, "delivered", ef_words_rate(last->delivered, now, sizeof(now)),
        ef_words_rate(max, most, sizeof(most)), points);
    max = collect(history, of_backlog, 0, points);
    row(out, "waiting",
        last->backlog < 0 ? "&ndash;" : ef_words_count(last->backlog, now, sizeof(now)),
        max < 0 ? "&ndash;" : ef_words_count((int64_t)max, most, sizeof(most)), points);
}

/* A relay that stands by, or cannot work, has nothing to draw. */
static bool anything(const struct ef_history *history)
{
    const struct ef_sample *sample;
    for (int64_t n = history->total - 1; (sample = ef_history_at(history, n)); n--)
        if (sample->delivered > 0 || sample->backlog >= 0)
            return true;
    return false;
}

void ef_page_outbox_charts(struct ef_buf *out, const struct ef_snapshot_outbox *outbox)
{
    static const char *const names[EF_STAGE_COUNT] = {[EF_STAGE_SEEN] = "written &rarr; read",
                                                      [EF_STAGE_ACKED] = "read &rarr; acked",
                                                      [EF_STAGE_SETTLED] = "acked &rarr; settled",
                                                      [EF_STAGE_WHOLE] = "written &rarr; acked"};
    double points[POINTS];
    char now[96], median[32], p99[32], most[32];
    const struct ef_history *history = outbox->history;

    if (!history || !anything(history))
        return;
    ef_buf_puts(out, "<table><thead><tr><th scope=col>last 15 min</th><th scope=col>now</th>"
                     "<th scope=col>most</th><td></td></tr></thead><tbody>");
    add_counts(out, outbox);
    ef_buf_puts(out,
                "</tbody><thead><tr><th scope=col>latency</th><th scope=col>median, 99&nbsp;%</th>"
                "<th scope=col>worst 99&nbsp;%</th><td></td></tr></thead><tbody>");
    const struct ef_sample *last = ef_history_at(history, history->total - 1);
    for (int stage = 0; stage < EF_STAGE_COUNT; stage++) {
        const struct ef_latency *latency = &last->stages[stage];
        double max = collect(history, of_p99, stage, points);
        if (latency->p99 < 0)
            snprintf(now, sizeof(now), "&ndash;");
        else
            snprintf(now, sizeof(now), "%s, %s", seconds(latency->median, median, sizeof(median)),
                     seconds(latency->p99, p99, sizeof(p99)));
        row(out, names[stage], now, seconds(max, most, sizeof(most)), points);
    }
    ef_buf_puts(out, "</tbody></table>");
}

/* --- facts --- */

static void add_topics(struct ef_buf *out, const struct ef_relay_status *s)
{
    char since[32], probe[32];
    int shown = (int)(sizeof(s->topics) / sizeof(s->topics[0]));
    if (s->topic_count == 0)
        return;
    ef_buf_printf(out, "<h3 class=warn>%d topic%s on hold</h3><ul>", s->topic_count,
                  s->topic_count == 1 ? "" : "s");
    for (int i = 0; i < s->topic_count && i < shown; i++) {
        const struct ef_relay_paused_topic *t = &s->topics[i];
        ef_buf_puts(out, "<li><strong>");
        ef_html_text(out, t->topic);
        ef_buf_printf(out, "</strong> for %s, next probe in %s: ",
                      ef_words_duration(t->since_ms, since, sizeof(since)),
                      ef_words_duration(t->next_probe_ms, probe, sizeof(probe)));
        ef_html_text(out, t->reason);
        ef_buf_puts(out, "</li>");
    }
    if (s->topic_count > shown)
        ef_buf_printf(out, "<li>and %d more</li>", s->topic_count - shown);
    ef_buf_puts(out, "</ul>");
}

static void add_dead_rows(struct ef_buf *out, const struct ef_snapshot_outbox *outbox)
{
    const struct ef_dead_list *list = outbox->dead_rows;
    char number[32];
    int64_t more = list ? outbox->status.lag.dead_rows - list->count : 0;
    if (!list || !list->count || outbox->status.lag.dead_rows <= 0)
        return;
    ef_buf_puts(out, "<h3 class=warn>Latest dead rows</h3><ul>");
    for (int i = 0; i < list->count; i++) {
        const struct ef_dead_row *row = &list->rows[i];
        ef_buf_printf(out, "<li><strong>%lld</strong> for ", (long long)row->id);
        ef_html_text(out, row->topic);
        if (row->at[0]) {
            ef_buf_puts(out, ", ");
            ef_html_text(out, row->at);
        }
        ef_buf_puts(out, row->error[0] ? ": " : "");
        ef_html_text(out, row->error);
        ef_buf_puts(out, "</li>");
    }
    if (more > 0)
        ef_buf_printf(out, "<li>and %s more, shown by eventferryctl dead list</li>",
                      ef_words_count(more, number, sizeof(number)));
    ef_buf_puts(out, "</ul>");
}

/* What operators have paused. Aggregates are counted only: their ids may be personal data. */
static void add_holds(struct ef_buf *out, const struct ef_relay_status *s)
{
    int listed = 0, shown = (int)(sizeof(s->holds) / sizeof(s->holds[0]));
    if (s->hold_count == 0)
        return;
    ef_buf_printf(out, "<h3 class=warn>%d hold%s by operators</h3><ul>", s->hold_count,
                  s->hold_count == 1 ? "" : "s");
    for (int i = 0; i < s->hold_count && i < shown; i++) {
        const struct ef_relay_hold *hold = &s->holds[i];
        if (!hold->topic)
            continue;
        ef_buf_puts(out, "<li>topic <strong>");
        ef_html_text(out, hold->name);
        ef_buf_puts(out, "</strong> by ");
        ef_html_text(out, hold->by[0] ? hold->by : "?");
        ef_buf_puts(out, hold->reason[0] ? ": " : "");
        ef_html_text(out, hold->reason);
        ef_buf_puts(out, "</li>");
        listed++;
    }
    if (s->hold_count > listed)
        ef_buf_printf(out, "<li>%d%s, shown by eventferryctl status</li>", s->hold_count - listed,
                      s->hold_count > shown ? " more" : " of single aggregates");
    ef_buf_puts(out, "</ul>");
}

static const char *class_words(enum ef_class class)
{
    static const char *const words[EF_CLASS_COUNT] = {
        [EF_CLASS_TRANSIENT] = "may go if tried again",
        [EF_CLASS_BUSY] = "no room",
        [EF_CLASS_UNCERTAIN] = "not known whether it arrived",
        [EF_CLASS_RECORD] = "can never be sent as it is",
        [EF_CLASS_DESTINATION] = "its topic does not take it",
        [EF_CLASS_OUTAGE] = "Kafka or the database was away",
        [EF_CLASS_FENCED] = "the lease was lost",
        [EF_CLASS_CONFIG] = "needs an operator",
        [EF_CLASS_FATAL] = "the Kafka client broke"};
    return words[class] ? words[class] : "?";
}

static void add_classes(struct ef_buf *out, const char *name, const int64_t counts[EF_CLASS_COUNT])
{
    char number[32];
    bool any = false;
    for (int class = 0; class < EF_CLASS_COUNT; class ++) {
        if (counts[class] <= 0)
            continue;
        if (any)
            ef_buf_puts(out, "<br>");
        else
            ef_buf_printf(out, "<dt>%s</dt><dd>", name);
        ef_buf_printf(out, "%s %s: %s", ef_words_count(counts[class], number, sizeof(number)),
                      ef_class_name((enum ef_class) class), class_words((enum ef_class) class));
        any = true;
    }
    if (any)
        ef_buf_puts(out, "</dd>");
}

/* Instance, and the host where that is another name. */
static void add_standbys(struct ef_buf *out, const struct ef_standbys *standbys)
{
    if (!standbys->known)
        return;
    ef_buf_puts(out, "<dt>Standbys</dt><dd>");
    for (int i = 0; i < standbys->count; i++) {
        const struct ef_standby *relay = &standbys->relays[i];
        if (i)
            ef_buf_puts(out, ", ");
        ef_html_text(out, relay->instance);
        if (relay->host[0] && strcmp(relay->host, relay->instance) != 0) {
            ef_buf_puts(out, " on ");
            ef_html_text(out, relay->host);
        }
    }
    ef_buf_puts(out, standbys->count ? "</dd>" : "none</dd>");
}

static void add_lease(struct ef_buf *out, const struct ef_snapshot *snapshot,
                      const struct ef_relay_status *s)
{
    char left[32];
    ef_buf_puts(out, "<dt>Owner</dt><dd>");
    if (s->lease_held) {
        ef_html_text(out, snapshot->instance);
        ef_buf_printf(out, " (this relay), epoch %lld, lease runs %s", (long long)s->lease_epoch,
                      ef_words_duration(s->lease_expires_in_ms, left, sizeof(left)));
    } else if (s->lease_owner[0]) {
        ef_html_text(out, s->lease_owner);
        if (s->state == EF_RELAY_STANDBY)
            ef_buf_puts(out, "; this relay stands by");
    } else {
        ef_buf_puts(out, "none known");
    }
    ef_buf_puts(out, "</dd>");
    add_standbys(out, &s->standbys);
}

static void add_rest(struct ef_buf *out, const struct ef_relay_status *s)
{
    char text[32], number[32];
    if (s->last_settle_ms >= 0)
        ef_buf_printf(out, "<dt>Last settled</dt><dd>%s ago</dd>",
                      ef_words_duration(s->last_settle_ms, text, sizeof(text)));
    if (s->lag_known && s->lag.archive_partitions >= 0)
        ef_buf_printf(out, "<dt>Archive</dt><dd>%s in %s partition%s</dd>",
                      ef_words_bytes(s->lag.archive_bytes, text, sizeof(text)),
                      ef_words_count(s->lag.archive_partitions, number, sizeof(number)),
                      s->lag.archive_partitions == 1 ? "" : "s");
    if (s->wake && s->on_delivered)
        ef_buf_printf(out, "<dt>Rows</dt><dd>found by %s, then %s</dd>", s->wake,
                      strcmp(s->on_delivered, "archive") == 0  ? "archived"
                      : strcmp(s->on_delivered, "delete") == 0 ? "deleted"
                                                               : "marked as done");
}

/* The last words of the log about rows and topics of this outbox, each once. */
static void add_last_words(struct ef_buf *out, const struct ef_snapshot *snapshot,
                           const struct ef_relay_status *s)
{
    enum { SHOWN = 3 };
    int shown = 0;
    for (int i = 0; i < snapshot->happening_count && shown < SHOWN; i++) {
        const struct ef_happening *h = &snapshot->happenings[i];
        if (h->level < EF_LOG_WARN || strcmp(h->outbox, s->name) != 0)
            continue;
        ef_buf_puts(out, shown++ ? "<li>" : "<h3>Last warnings</h3><ul><li>");
        ef_html_text(out, h->text);
        ef_buf_puts(out, "</li>");
    }
    if (shown)
        ef_buf_puts(out, "</ul>");
}

void ef_page_outbox_facts(struct ef_buf *out, const struct ef_snapshot *snapshot,
                          const struct ef_snapshot_outbox *outbox)
{
    const struct ef_relay_status *s = &outbox->status;
    add_topics(out, s);
    add_holds(out, s);
    add_dead_rows(out, outbox);
    ef_buf_puts(out, "<dl>");
    add_lease(out, snapshot, s);
    add_classes(out, "Given up since start", outbox->dead);
    add_classes(out, "Retried since start", outbox->retried);
    add_rest(out, s);
    ef_buf_puts(out, "</dl>");
    if (ef_page_tone(outbox) == EF_TONE_BAD || ef_page_tone(outbox) == EF_TONE_WARN)
        add_last_words(out, snapshot, s);
}
