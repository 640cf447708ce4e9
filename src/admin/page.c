// SPDX-License-Identifier: MIT
#include "admin/page.h"

#include <string.h>

#include "admin/words.h"
#include "base/utf8.h"
#include "version.h"

enum { REFRESH_S = 5, TEXT_MAX_BYTES = 4096 };

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--fg:#1c2330;--dim:#5d6778;"
    "--line:#dfe3ea;--ok:#137a3a;--warn:#8a5a00;--bad:#b3261e;--calm:#44536b}"
    "@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b212a;--fg:#e4e8ee;"
    "--dim:#98a3b3;--line:#2c3541;--ok:#5ccb86;--warn:#e3b341;--bad:#ff8a80;--calm:#a9b8cf}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:72rem;padding:1.5rem 1rem;background:var(--bg);color:var(--fg);"
    "font:15px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.3rem;margin:0}h2{font-size:1.1rem;margin:0;overflow-wrap:anywhere}"
    "p{margin:.25rem 0}.dim,dt{color:var(--dim)}"
    "header,.kafka{margin-bottom:1.25rem}"
    ".cards{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr))}"
    "article{background:var(--card);border:1px solid var(--line);border-left:4px solid;"
    "border-radius:6px;padding:.9rem 1rem}"
    "article>div{display:flex;justify-content:space-between;gap:1rem;align-items:baseline}"
    "article h2,article dl,article p{color:var(--fg)}"
    "article p.dim{color:var(--dim)}"
    ".ok{color:var(--ok)}.warn{color:var(--warn)}.bad{color:var(--bad)}.calm{color:var(--calm)}"
    "article.ok{border-left-color:var(--ok)}article.warn{border-left-color:var(--warn)}"
    "article.bad{border-left-color:var(--bad)}article.calm{border-left-color:var(--calm)}"
    "strong{font-weight:600}"
    "article p.why{overflow-wrap:anywhere;white-space:pre-line}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem;margin:.6rem 0 0}"
    "dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}"
    "progress{width:6rem;height:.6rem;margin-left:.5rem}"
    "ul{margin:.3rem 0 0;padding-left:1.1rem}footer{margin-top:1.5rem}a{color:inherit}";

/* Everything that comes from outside goes through here. */
static void add_text(struct ef_buf *out, const char *text)
{
    struct ef_buf clean;
    size_t len = strnlen(text, TEXT_MAX_BYTES);
    ef_buf_init(&clean, 3 * len); /* U+FFFD has three bytes */
    ef_utf8_add(&clean, text, len);
    for (size_t i = 0; i < clean.len; i++) {
        switch (clean.data[i]) {
        case '&':
            ef_buf_puts(out, "&amp;");
            break;
        case '<':
            ef_buf_puts(out, "&lt;");
            break;
        case '>':
            ef_buf_puts(out, "&gt;");
            break;
        case '"':
            ef_buf_puts(out, "&quot;");
            break;
        case '\'':
            ef_buf_puts(out, "&#39;");
            break;
        default:
            ef_buf_add(out, &clean.data[i], 1);
        }
    }
    ef_buf_done(&clean);
}

static const char *tone(const struct ef_relay_status *s)
{
    if (s->state == EF_RELAY_MISCONFIGURED || !s->ready)
        return "bad";
    if (s->state == EF_RELAY_RUNNING)
        return s->outage || s->topic_count > 0 ? "warn" : "ok";
    if (s->state == EF_RELAY_STANDBY || s->state == EF_RELAY_PAUSED || s->state == EF_RELAY_STOPPED)
        return "calm";
    return "warn";
}

static void add_lag(struct ef_buf *out, const struct ef_relay_status *s)
{
    char rows[32], age[32];
    const struct ef_lag *lag = &s->lag;
    if (!s->lag_known) {
        ef_buf_puts(out, "<dt>Lag</dt><dd class=dim>not known here</dd>");
        return;
    }
    ef_buf_printf(
        out, "<dt>Lag</dt><dd>%s%s rows, oldest %s</dd>", lag->backlog_saturated ? "over " : "",
        ef_words_count(lag->backlog_saturated ? lag->backlog_rows - 1 : lag->backlog_rows, rows,
                       sizeof(rows)),
        ef_words_duration((int64_t)(lag->oldest_unfinished_age_s * 1e3), age, sizeof(age)));
    if (lag->waiting_rows)
        ef_buf_printf(out, "<dt>Waiting for retry</dt><dd>%s rows</dd>",
                      ef_words_count(lag->waiting_rows, rows, sizeof(rows)));
    if (lag->blocked_aggregates)
        ef_buf_printf(out, "<dt>Blocked</dt><dd class=warn>%s aggregates</dd>",
                      ef_words_count(lag->blocked_aggregates, rows, sizeof(rows)));
    if (lag->dead_rows)
        ef_buf_printf(out, "<dt>Dead</dt><dd class=bad>%s rows</dd>",
                      ef_words_count(lag->dead_rows, rows, sizeof(rows)));
    if (lag->archive_partitions >= 0)
        ef_buf_printf(out, "<dt>Archive</dt><dd>%s in %s partitions</dd>",
                      ef_words_bytes(lag->archive_bytes, age, sizeof(age)),
                      ef_words_count(lag->archive_partitions, rows, sizeof(rows)));
}

static void add_flow(struct ef_buf *out, const struct ef_snapshot_outbox *outbox)
{
    char rows[32], bytes[32], rate[32];
    const struct ef_relay_status *s = &outbox->status;
    ef_buf_printf(out, "<dt>Delivered</dt><dd>%s%s%s</dd>",
                  ef_words_count((int64_t)s->delivered, rows, sizeof(rows)),
                  outbox->rate_known ? ", now " : "",
                  outbox->rate_known ? ef_words_rate(outbox->rate.delivered, rate, sizeof(rate))
                                     : "");
    ef_buf_printf(out, "<dt>In flight</dt><dd>%s rows, %s",
                  ef_words_count(s->in_flight_rows, rows, sizeof(rows)),
                  ef_words_bytes(s->in_flight_bytes, bytes, sizeof(bytes)));
    if (s->window_limit_bytes > 0)
        ef_buf_printf(out, "<progress max=%lld value=%lld></progress>",
                      (long long)s->window_limit_bytes, (long long)s->in_flight_bytes);
    ef_buf_puts(out, "</dd>");
    if (s->last_settle_ms >= 0)
        ef_buf_printf(out, "<dt>Last settled</dt><dd>%s ago</dd>",
                      ef_words_duration(s->last_settle_ms, rows, sizeof(rows)));
}

static void add_lease(struct ef_buf *out, const struct ef_relay_status *s)
{
    char left[32];
    ef_buf_puts(out, "<dt>Lease</dt><dd>");
    if (s->lease_held) {
        ef_buf_printf(out, "held here, epoch %lld, %s left", (long long)s->lease_epoch,
                      ef_words_duration(s->lease_expires_in_ms, left, sizeof(left)));
    } else if (s->lease_owner[0]) {
        ef_buf_puts(out, "held by ");
        add_text(out, s->lease_owner);
    } else {
        ef_buf_puts(out, "not held");
    }
    ef_buf_puts(out, "</dd>");
}

static void add_topics(struct ef_buf *out, const struct ef_relay_status *s)
{
    char since[32], probe[32];
    int shown = (int)(sizeof(s->topics) / sizeof(s->topics[0]));
    if (s->topic_count == 0)
        return;
    ef_buf_printf(out, "<p class=warn>%d topic%s on hold</p><ul>", s->topic_count,
                  s->topic_count == 1 ? "" : "s");
    for (int i = 0; i < s->topic_count && i < shown; i++) {
        const struct ef_relay_paused_topic *t = &s->topics[i];
        ef_buf_puts(out, "<li><strong>");
        add_text(out, t->topic);
        ef_buf_printf(out, "</strong> for %s, next probe in %s: ",
                      ef_words_duration(t->since_ms, since, sizeof(since)),
                      ef_words_duration(t->next_probe_ms, probe, sizeof(probe)));
        add_text(out, t->reason);
        ef_buf_puts(out, "</li>");
    }
    ef_buf_puts(out, "</ul>");
}

static void add_outbox(struct ef_buf *out, const struct ef_snapshot_outbox *outbox)
{
    const struct ef_relay_status *s = &outbox->status;
    char reason[1024];
    const char *color = tone(s);

    ef_buf_printf(out, "<article class=%s><div><h2>", color);
    add_text(out, s->name);
    ef_buf_printf(out, "</h2><strong class=%s>%s%s</strong></div><p class=dim>", color,
                  ef_relay_state_name(s->state), s->ready ? "" : ", not ready");
    add_text(out, s->table ? s->table : "");
    ef_buf_puts(out, " in ");
    add_text(out, s->database ? s->database : "");
    if (s->version[0]) {
        ef_buf_puts(out, " (");
        add_text(out, s->version);
        ef_buf_puts(out, ")");
    }
    ef_buf_puts(out, "</p>");
    ef_snapshot_reason(s, reason, sizeof(reason));
    if (reason[0]) {
        ef_buf_puts(out, "<p class=why>");
        add_text(out, reason);
        ef_buf_puts(out, "</p>");
    }
    ef_buf_puts(out, "<dl>");
    add_lag(out, s);
    add_flow(out, outbox);
    add_lease(out, s);
    ef_buf_puts(out, "</dl>");
    add_topics(out, s);
    ef_buf_puts(out, "</article>");
}

static void add_kafka(struct ef_buf *out, const struct ef_view_kafka *kafka)
{
    ef_buf_printf(out, "<p class=kafka><strong>Kafka</strong> <span class=%s>%s</span>, ",
                  kafka->up ? "ok" : "bad", kafka->up ? "up" : "down");
    if (kafka->brokers_up >= 0)
        ef_buf_printf(out, "%d broker%s connected, ", kafka->brokers_up,
                      kafka->brokers_up == 1 ? "" : "s");
    add_text(out, kafka->brokers);
    if (kafka->embedded)
        ef_buf_puts(out, " <span class=warn>embedded broker: nothing it takes is durable</span>");
    if (kafka->reason[0]) {
        ef_buf_puts(out, ": ");
        add_text(out, kafka->reason);
    }
    ef_buf_puts(out, "</p>");
}

static void add_head(struct ef_buf *out, const struct ef_snapshot *snapshot, const char *nonce)
{
    ef_buf_printf(out,
                  "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
                  "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
                  "<meta http-equiv=refresh content=%d><link rel=icon href=\"data:,\"><title>",
                  REFRESH_S);
    ef_buf_puts(out, ef_snapshot_ready(snapshot) ? "ready" : "NOT READY");
    ef_buf_puts(out, " - ");
    add_text(out, snapshot->instance);
    ef_buf_printf(out, " - eventferryd</title><style nonce=\"%s\">%s</style></head>\n", nonce,
                  style);
}

void ef_page_render(const struct ef_snapshot *snapshot, const char *nonce, struct ef_buf *out)
{
    char uptime[32], memory[32], now[32];

    add_head(out, snapshot, nonce);
    ef_buf_puts(out, "<body><header><h1>eventferryd ");
    add_text(out, snapshot->instance);
    ef_buf_printf(out, "</h1><p class=dim>version %s, pid %d, up %s, %s of memory</p></header>\n",
                  EF_VERSION, snapshot->process.pid,
                  ef_words_duration(snapshot->process.uptime_ms, uptime, sizeof(uptime)),
                  ef_words_bytes(snapshot->process.resident_bytes, memory, sizeof(memory)));
    add_kafka(out, &snapshot->kafka);
    ef_buf_puts(out, "<main class=cards>\n");
    for (int i = 0; i < snapshot->count; i++) {
        add_outbox(out, &snapshot->outboxes[i]);
        ef_buf_puts(out, "\n");
    }
    ef_wall_iso8601(snapshot->taken_at, now, sizeof(now));
    ef_buf_printf(out,
                  "</main>\n<footer class=dim>As of %s. The same for programs: "
                  "<a href=\"/status\">status</a>, <a href=\"/readyz\">readyz</a>, "
                  "<a href=\"/metrics\">metrics</a>.</footer></body></html>\n",
                  now);
}
