// SPDX-License-Identifier: MIT
#include "admin/page.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/html.h"
#include "admin/page_outbox.h"
#include "admin/words.h"
#include "page_files.h"
#include "version.h"

enum { PART_MAX_BYTES = 256 * 1024 };

/* --- parts that are there once --- */

static void title(struct ef_buf *out, const struct ef_snapshot *snapshot)
{
    ef_buf_puts(out, ef_snapshot_ready(snapshot) ? "ready" : "NOT READY");
    ef_buf_puts(out, " - ");
    ef_html_text(out, snapshot->instance);
    ef_buf_puts(out, " - eventferryd");
}

static bool troubled(const struct ef_snapshot_outbox *outbox)
{
    enum ef_tone tone = ef_page_tone(outbox);
    return tone == EF_TONE_BAD || tone == EF_TONE_WARN;
}

static void add_verdict(struct ef_buf *out, const struct ef_snapshot *snapshot, int troubles)
{
    int count = snapshot->count;
    if (troubles)
        ef_buf_printf(out, "<h2 class=%s>%d of %d outbox%s need%s a look</h2>",
                      ef_snapshot_ready(snapshot) ? "warn" : "bad", troubles, count,
                      count == 1 ? "" : "es", troubles == 1 ? "s" : "");
    else if (count == 0)
        ef_buf_puts(out, "<h2 class=calm>No outbox is configured</h2>");
    else
        ef_buf_printf(out, "<h2 class=ok>All is well with %s</h2>",
                      count == 1 ? "the outbox" : "all outboxes");
}

/* The first thing to read at night: what is wrong, in words. */
static void summary(struct ef_buf *out, const struct ef_snapshot *snapshot)
{
    enum { SHOWN = 8 };
    char reason[1024];
    int troubles = 0, shown = 0;
    for (int i = 0; i < snapshot->count; i++)
        troubles += troubled(&snapshot->outboxes[i]);
    add_verdict(out, snapshot, troubles);
    if (!troubles)
        return;
    ef_buf_puts(out, "<ul>");
    for (int tone = EF_TONE_BAD; tone <= EF_TONE_WARN; tone++)
        for (int i = 0; i < snapshot->count && shown < SHOWN; i++) {
            const struct ef_snapshot_outbox *outbox = &snapshot->outboxes[i];
            if (ef_page_tone(outbox) != (enum ef_tone)tone)
                continue;
            ef_page_trouble(outbox, reason, sizeof(reason));
            ef_buf_printf(out, "<li><a href=\"#o%d\">", i);
            ef_html_text(out, outbox->status.name);
            ef_buf_printf(out, "</a> <span class=%s>%s</span>%s", ef_tone_names[tone],
                          ef_relay_state_name(outbox->status.state), reason[0] ? ": " : "");
            ef_html_text(out, reason);
            ef_buf_puts(out, "</li>");
            shown++;
        }
    if (troubles > shown)
        ef_buf_printf(out, "<li>and %d more</li>", troubles - shown);
    ef_buf_puts(out, "</ul>");
}

static void kafka_line(struct ef_buf *out, const struct ef_snapshot *snapshot)
{
    const struct ef_view_kafka *kafka = &snapshot->kafka;
    ef_buf_printf(out, "<strong>Kafka</strong> <span class=%s>%s</span>, ",
                  kafka->up ? "ok" : "bad", kafka->up ? "up" : "down");
    if (kafka->brokers_up >= 0)
        ef_buf_printf(out, "%d broker%s connected, ", kafka->brokers_up,
                      kafka->brokers_up == 1 ? "" : "s");
    ef_html_text(out, kafka->brokers);
    if (kafka->embedded)
        ef_buf_puts(out, " <span class=warn>embedded broker: nothing it takes is durable</span>");
    if (kafka->reason[0]) {
        ef_buf_puts(out, ": ");
        ef_html_text(out, kafka->reason);
    }
}

static void happenings(struct ef_buf *out, const struct ef_snapshot *snapshot)
{
    static const char *const tones[] = {"calm", "calm", "warn", "bad"};
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char at[32];
    if (snapshot->happening_count == 0)
        ef_buf_puts(out, "<li class=dim>nothing so far</li>");
    for (int i = 0; i < snapshot->happening_count; i++) {
        const struct ef_happening *h = &snapshot->happenings[i];
        ef_wall_iso8601(h->at, at, sizeof(at));
        ef_buf_printf(out, "<li><time datetime=\"%s\">%.10s %.8s</time><span class=%s>%s</span><p>",
                      at, at, at + 11, tones[h->level], names[h->level]);
        if (h->outbox[0]) {
            ef_buf_puts(out, "<strong>");
            ef_html_text(out, h->outbox);
            ef_buf_puts(out, "</strong> ");
        }
        ef_html_text(out, h->text);
        if (h->count > 1)
            ef_buf_printf(out, " <em>%u times</em>", h->count);
        ef_buf_puts(out, "</p></li>");
    }
}

static void warnings(struct ef_buf *out, const struct ef_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->warning_count; i++) {
        const struct ef_finding *finding = &snapshot->warnings[i].finding;
        ef_buf_printf(out, "<li class=%s><strong>",
                      finding->level == EF_LEVEL_FAIL ? "bad" : "warn");
        ef_html_text(out, finding->subject);
        ef_buf_puts(out, "</strong> ");
        ef_html_text(out, finding->text);
        ef_buf_puts(out, "</li>");
    }
}

static void as_of(struct ef_buf *out, const struct ef_snapshot *snapshot)
{
    char now[32], uptime[32], memory[32];
    ef_wall_iso8601(snapshot->taken_at, now, sizeof(now));
    ef_buf_printf(out, "%.10s %.8s UTC, version %s, pid %d, up %s, %s of memory", now, now + 11,
                  EF_VERSION, snapshot->process.pid,
                  ef_words_duration(snapshot->process.uptime_ms, uptime, sizeof(uptime)),
                  ef_words_bytes(snapshot->process.resident_bytes, memory, sizeof(memory)));
}

static const struct {
    const char *id;
    void (*add)(struct ef_buf *out, const struct ef_snapshot *snapshot);
} singles[] = {{"title", title},       {"summary", summary},       {"kafka", kafka_line},
               {"warnings", warnings}, {"happenings", happenings}, {"asof", as_of}};
enum { SINGLES = sizeof(singles) / sizeof(singles[0]), PER_OUTBOX = 4 };

/* --- all parts --- */

static struct ef_buf *add_part(struct ef_page_parts *parts, const char *id)
{
    struct ef_page_part *part = &parts->items[parts->count++];
    snprintf(part->id, sizeof(part->id), "%s", id);
    ef_buf_init(&part->html, PART_MAX_BYTES);
    ef_buf_puts(&part->html, "");
    return &part->html;
}

void ef_page_parts_make(const struct ef_snapshot *snapshot, struct ef_page_parts *ret)
{
    static const char *const names[PER_OUTBOX] = {"head", "flow", "charts", "facts"};
    char id[24];
    *ret = (struct ef_page_parts){
        .items = ef_xcalloc(SINGLES + (size_t)snapshot->count * PER_OUTBOX, sizeof(*ret->items)),
    };
    for (int i = 0; i < SINGLES; i++)
        singles[i].add(add_part(ret, singles[i].id), snapshot);
    for (int i = 0; i < snapshot->count; i++)
        for (int j = 0; j < PER_OUTBOX; j++) {
            const struct ef_snapshot_outbox *outbox = &snapshot->outboxes[i];
            snprintf(id, sizeof(id), "o%d-%s", i, names[j]);
            struct ef_buf *out = add_part(ret, id);
            if (j == 0)
                ef_page_outbox_head(out, outbox);
            else if (j == 1)
                ef_page_outbox_flow(out, outbox);
            else if (j == 2)
                ef_page_outbox_charts(out, outbox);
            else
                ef_page_outbox_facts(out, snapshot, outbox);
        }
}

void ef_page_parts_done(struct ef_page_parts *parts)
{
    for (int i = 0; i < parts->count; i++)
        ef_buf_done(&parts->items[i].html);
    free(parts->items);
    *parts = (struct ef_page_parts){0};
}

/* --- the document --- */

void ef_page_layout(const struct ef_snapshot *snapshot, struct ef_buf *out)
{
    for (int tone = 0; tone < EF_TONE_COUNT; tone++)
        for (int i = 0; i < snapshot->count; i++)
            if (ef_page_tone(&snapshot->outboxes[i]) == (enum ef_tone)tone)
                ef_buf_printf(out, "%so%d %s", out->len ? "," : "", i, ef_tone_names[tone]);
}

static void add_outboxes(struct ef_buf *out, const struct ef_snapshot *snapshot,
                         const struct ef_page_parts *parts)
{
    for (int tone = 0; tone < EF_TONE_COUNT; tone++)
        for (int i = 0; i < snapshot->count; i++) {
            if (ef_page_tone(&snapshot->outboxes[i]) != (enum ef_tone)tone)
                continue;
            ef_buf_printf(out, "<article id=o%d class=\"card %s\">", i, ef_tone_names[tone]);
            for (int j = 0; j < PER_OUTBOX; j++) {
                const struct ef_page_part *part = &parts->items[SINGLES + i * PER_OUTBOX + j];
                ef_buf_printf(out, "<div id=%s>%s</div>", part->id, part->html.data);
            }
            ef_buf_puts(out, "</article>\n");
        }
}

static const char *file(const char *name)
{
    static const char folder[] = "src/admin/page/";
    for (const struct ef_page_file *f = ef_page_files; f->path; f++)
        if (strcmp(f->path + sizeof(folder) - 1, name) == 0)
            return f->text;
    assert(!"embedded");
    return "";
}

/* What stands in the frame as {{name}}. */
static void add_slot(struct ef_buf *out, const char *name, size_t len,
                     const struct ef_snapshot *snapshot, const char *nonce,
                     const struct ef_page_parts *parts)
{
    struct ef_slice slot = {name, len};
    for (int i = 0; i < SINGLES; i++)
        if (ef_slice_eq(slot, ef_slice_of(parts->items[i].id)))
            ef_buf_puts(out, parts->items[i].html.data);
    if (ef_slice_eq(slot, ef_slice_of("nonce")))
        ef_buf_puts(out, nonce);
    else if (ef_slice_eq(slot, ef_slice_of("style")))
        ef_buf_puts(out, file("page.css"));
    else if (ef_slice_eq(slot, ef_slice_of("script")))
        ef_buf_puts(out, file("page.js"));
    else if (ef_slice_eq(slot, ef_slice_of("run")))
        ef_html_text(out, snapshot->run ? snapshot->run : "");
    else if (ef_slice_eq(slot, ef_slice_of("instance")))
        ef_html_text(out, snapshot->instance);
    else if (ef_slice_eq(slot, ef_slice_of("outboxes")))
        add_outboxes(out, snapshot, parts);
}

void ef_page_render(const struct ef_snapshot *snapshot, const char *nonce, struct ef_buf *out)
{
    struct ef_page_parts parts;
    const char *at = strchr(file("page.html"), '\n') + 1; /* behind its licence line */
    ef_page_parts_make(snapshot, &parts);
    for (const char *slot; (slot = strstr(at, "{{"));) {
        const char *end = strstr(slot, "}}");
        ef_buf_add(out, at, (size_t)(slot - at));
        add_slot(out, slot + 2, (size_t)(end - slot - 2), snapshot, nonce, &parts);
        at = end + 2;
    }
    ef_buf_puts(out, at);
    ef_page_parts_done(&parts);
}
