// SPDX-License-Identifier: MIT
#include "admin/http_routes.h"

#include <string.h>

#include "admin/page.h"
#include "admin/status_json.h"
#include "base/rng.h"

enum { BODY_MAX_BYTES = 32 * 1024 * 1024 };

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_JSON "application/json"

/* Nothing but the page itself needs more than this. */
static const char nothing_allowed[] = "default-src 'none'; frame-ancestors 'none'";

static void begin(struct ef_answer *ret, unsigned status, const char *type)
{
    *ret = (struct ef_answer){.status = status, .type = type, .policy = nothing_allowed};
    ef_buf_init(&ret->body, BODY_MAX_BYTES);
}

void ef_http_refuse(unsigned status, const char *text, struct ef_answer *ret)
{
    begin(ret, status, TYPE_TEXT);
    ef_buf_puts(&ret->body, text);
    ef_buf_puts(&ret->body, "\n");
}

/* That this is answered at all shows that the loop turns. */
static void livez(struct ef_admin *admin, struct ef_answer *ret)
{
    (void)admin;
    begin(ret, 200, TYPE_TEXT);
    ef_buf_puts(&ret->body, "ok\n");
}

static void json_body(json_t *json, struct ef_answer *ret)
{
    ef_json_write(json, JSON_INDENT(2), &ret->body);
    ef_buf_puts(&ret->body, "\n");
    json_decref(json);
}

static void readyz(struct ef_admin *admin, struct ef_answer *ret)
{
    struct ef_snapshot snapshot;
    ef_admin_snapshot(admin, &snapshot);
    begin(ret, ef_snapshot_ready(&snapshot) ? 200 : 503, TYPE_JSON);
    json_body(ef_readyz_json(&snapshot), ret);
    ef_snapshot_done(&snapshot);
}

static void status(struct ef_admin *admin, struct ef_answer *ret)
{
    struct ef_snapshot snapshot;
    ef_admin_snapshot(admin, &snapshot);
    begin(ret, 200, TYPE_JSON);
    json_body(ef_status_json(&snapshot, NULL), ret);
    ef_snapshot_done(&snapshot);
}

static void metrics(struct ef_admin *admin, struct ef_answer *ret)
{
    begin(ret, 200, "text/plain; version=0.0.4; charset=utf-8");
    ef_admin_metrics(admin, &ret->body);
}

/* Style and script are in the page; a nonce that nobody can guess lets them in and nothing else. */
static void page(struct ef_admin *admin, struct ef_answer *ret)
{
    struct ef_snapshot snapshot;
    char nonce[37];
    ef_uuid_v4(nonce);
    begin(ret, 200, "text/html; charset=utf-8");
    snprintf(ret->policy_text, sizeof(ret->policy_text),
             "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; "
             "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'",
             nonce, nonce);
    ret->policy = ret->policy_text;
    ef_admin_watched(admin);
    ef_admin_snapshot(admin, &snapshot);
    ef_page_render(&snapshot, nonce, &ret->body);
    ef_snapshot_done(&snapshot);
}

static void events(struct ef_admin *admin, struct ef_answer *ret)
{
    (void)admin;
    begin(ret, 200, "text/event-stream");
    ret->stream = true;
}

static const struct {
    const char *path;
    bool guarded;
    void (*fill)(struct ef_admin *admin, struct ef_answer *ret);
} routes[] = {
    {"/", true, page},          {"/livez", false, livez},
    {"/readyz", false, readyz}, {"/metrics", false, metrics},
    {"/status", true, status},  {"/events", true, events},
};

bool ef_http_route_guarded(const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(path, routes[i].path) == 0)
            return routes[i].guarded;
    return false;
}

void ef_http_route(struct ef_admin *admin, const char *path, struct ef_answer *ret)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(path, routes[i].path) != 0)
            continue;
        routes[i].fill(admin, ret);
        if (!ret->body.overflow)
            return;
        ef_buf_done(&ret->body);
        ef_http_refuse(500, "the answer would be larger than 32 MiB", ret);
        return;
    }
    ef_http_refuse(404, "not found; there are /, /livez, /readyz, /metrics, /status and /events",
                   ret);
}
