// SPDX-License-Identifier: MIT
#include "admin/events.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "admin/page.h"
#include "admin/status_json.h"
#include "base/str.h"

enum {
    /* An outbox at work costs 2 kB and 0.15 ms of the loop each time: the pause grows with their
     * number, up to well below what the page takes for silence (STALE_MS of page.js). */
    TELL_EVERY_US = 1000 * 1000,
    TELL_OUTBOX_US = 15 * 1000,
    TELL_SELDOM_US = 3000 * 1000,
    PATIENCE_US = 10 * 1000 * 1000, /* with one that does not read */
    EVENT_MAX_BYTES = 16 * 1024 * 1024,
    BEHIND_MAX_BYTES = 256 * 1024, /* beyond twice the first event */
};

struct ef_listener {
    struct ef_events *events;
    void *arg;
    struct ef_buf pending;
    size_t read;       /* of pending */
    int64_t behind_us; /* when it was first found with something unread; 0: it is not */
    bool ended;
    struct ef_listener *prev, *next;
};

struct ef_events {
    struct ef_admin *admin;
    struct ef_events_calls calls;
    struct ef_timer timer;
    struct ef_listener *listeners;
    int count;
    uint64_t *told; /* hash of each part as it was last told; the layout's comes last */
    int told_count;
    bool ended;
};

/* --- events --- */

struct picture {
    struct ef_snapshot snapshot;
    struct ef_page_parts parts;
    struct ef_buf layout;
};

static void look(struct ef_events *events, struct picture *ret)
{
    ef_admin_watched(events->admin);
    ef_admin_snapshot(events->admin, &ret->snapshot);
    ef_page_parts_make(&ret->snapshot, &ret->parts);
    ef_buf_init(&ret->layout, EVENT_MAX_BYTES);
    ef_buf_puts(&ret->layout, "");
    ef_page_layout(&ret->snapshot, &ret->layout);
    int count = ret->parts.count + 1;
    if (count != events->told_count) {
        free(events->told);
        events->told = ef_xcalloc((size_t)count, sizeof(*events->told));
        events->told_count = count;
    }
}

static void forget(struct picture *picture)
{
    ef_buf_done(&picture->layout);
    ef_page_parts_done(&picture->parts);
    ef_snapshot_done(&picture->snapshot);
}

static const struct ef_buf *part(const struct picture *picture, int i)
{
    return i < picture->parts.count ? &picture->parts.items[i].html : &picture->layout;
}

/* Those parts that differ from what was told, or all. */
static void write_event(const struct ef_events *events, const struct picture *picture, bool all,
                        struct ef_buf *out)
{
    json_t *parts = json_object();
    json_t *json =
        json_pack("{s:o, s:o}", "run", ef_json_text(picture->snapshot.run), "parts", parts);
    for (int i = 0; i < events->told_count; i++) {
        const struct ef_buf *text = part(picture, i);
        if (!all && events->told[i] == ef_hash64(text->data, text->len))
            continue;
        if (i < picture->parts.count)
            json_object_set_new(parts, picture->parts.items[i].id, ef_json_text(text->data));
        else
            json_object_set_new(json, "layout", ef_json_text(text->data));
    }
    ef_buf_puts(out, "data: ");
    ef_json_write(json, JSON_COMPACT, out);
    ef_buf_puts(out, "\n\n");
    json_decref(json);
}

static void drop(struct ef_listener *listener)
{
    listener->ended = true;
    listener->events->calls.drop(listener->arg);
}

static void tell(struct ef_listener *listener, const struct ef_buf *event, int64_t now_us)
{
    if (listener->ended)
        return;
    if (listener->read < listener->pending.len && listener->behind_us == 0)
        listener->behind_us = now_us;
    if (listener->behind_us && now_us - listener->behind_us >= PATIENCE_US) {
        drop(listener);
        return;
    }
    /* an event that is there in part only would be none: it cannot be left out either, because the
     * next one builds on it */
    if (event->overflow || !ef_buf_add(&listener->pending, event->data, event->len)) {
        drop(listener);
        return;
    }
    listener->events->calls.ready(listener->arg);
}

int64_t ef_events_every_us(int outboxes)
{
    int64_t us = (int64_t)outboxes * TELL_OUTBOX_US;
    if (us < TELL_EVERY_US)
        return TELL_EVERY_US;
    return us < TELL_SELDOM_US ? us : TELL_SELDOM_US;
}

static void tell_soon(struct ef_events *events)
{
    const struct ef_view *view = ef_admin_view(events->admin);
    ef_timer_start(&events->timer, ef_events_every_us(view->relay_count(view->arg)));
}

static void on_timer(void *arg)
{
    struct ef_events *events = arg;
    struct picture picture;
    struct ef_buf event;
    struct ef_listener *listener, *next;
    int64_t now_us = ef_clock_mono().us;

    look(events, &picture);
    ef_buf_init(&event, EVENT_MAX_BYTES);
    write_event(events, &picture, false, &event);
    for (int i = 0; i < events->told_count; i++)
        events->told[i] = ef_hash64(part(&picture, i)->data, part(&picture, i)->len);
    DL_FOREACH_SAFE (events->listeners, listener, next)
        tell(listener, &event, now_us);
    ef_buf_done(&event);
    forget(&picture);
    if (events->listeners)
        tell_soon(events);
}

/* --- listeners --- */

struct ef_listener *ef_events_join(struct ef_events *events, void *arg)
{
    struct picture picture;
    if (events->ended || events->count == EF_EVENTS_LISTENERS_MAX)
        return NULL;
    struct ef_listener *listener = ef_xcalloc(1, sizeof(*listener));
    listener->events = events;
    listener->arg = arg;
    ef_buf_init(&listener->pending, 2 * EVENT_MAX_BYTES + BEHIND_MAX_BYTES);
    ef_buf_puts(&listener->pending, "retry: 2000\n");
    look(events, &picture);
    write_event(events, &picture, true, &listener->pending);
    listener->pending.max = 2 * listener->pending.len + BEHIND_MAX_BYTES;
    /* what it saw in between has to be told again, even if it is then as it was told before */
    for (int i = 0; i < events->told_count; i++)
        if (events->told[i] != ef_hash64(part(&picture, i)->data, part(&picture, i)->len))
            events->told[i] = 0;
    forget(&picture);
    DL_APPEND(events->listeners, listener);
    events->count++;
    if (!ef_timer_active(&events->timer))
        tell_soon(events);
    return listener;
}

void ef_events_leave(struct ef_listener *listener)
{
    struct ef_events *events = listener->events;
    DL_DELETE(events->listeners, listener);
    events->count--;
    ef_buf_done(&listener->pending);
    free(listener);
}

int ef_events_count(const struct ef_events *events)
{
    return events->count;
}

ssize_t ef_listener_read(struct ef_listener *listener, char *out, size_t size)
{
    size_t left = listener->pending.len - listener->read;
    if (listener->ended)
        return -1;
    if (left == 0)
        return 0;
    if (size > left)
        size = left;
    memcpy(out, listener->pending.data + listener->read, size);
    listener->read += size;
    if (size == left) {
        ef_buf_clear(&listener->pending);
        listener->read = 0;
        listener->behind_us = 0;
    }
    return (ssize_t)size;
}

/* --- life --- */

struct ef_events *ef_events_new(struct ef_loop *loop, struct ef_admin *admin,
                                const struct ef_events_calls *calls)
{
    struct ef_events *events = ef_xcalloc(1, sizeof(*events));
    events->admin = admin;
    events->calls = *calls;
    ef_timer_init(&events->timer, loop, "admin", on_timer, events);
    return events;
}

void ef_events_end(struct ef_events *events)
{
    struct ef_listener *listener, *next;
    events->ended = true;
    ef_timer_stop(&events->timer);
    DL_FOREACH_SAFE (events->listeners, listener, next) {
        listener->ended = true;
        events->calls.ready(listener->arg);
    }
}

void ef_events_free(struct ef_events *events)
{
    if (!events)
        return;
    ef_timer_stop(&events->timer);
    free(events->told);
    free(events);
}
