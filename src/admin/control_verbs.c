// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "admin"
#include "admin/control_verbs.h"

#include <stdlib.h>
#include <string.h>

#include "admin/status_json.h"
#include "base/log.h"

enum { TEXT_MAX_BYTES = 8 * 1024 * 1024 };

/* A verb that waits for relays. */
struct job {
    void (*done)(void *arg, json_t *answer);
    void *arg;
    json_t *outboxes; /* results, in the order they came */
    struct ef_error first_error;
    char first_outbox[256]; /* that failed */
    int waiting;            /* relays, and the function that asks them */
};

struct part { /* one relay of a job */
    struct job *job;
    char *outbox; /* owned: a reload may free the config's */
};

json_t *ef_control_refusal(const struct ef_error *err)
{
    return json_pack("{s:b, s:s, s:o}", "ok", 0, "class", ef_class_name(err->class), "error",
                     ef_json_text(err->text));
}

static void part_done(struct job *job)
{
    struct ef_error *err = &job->first_error;
    if (--job->waiting)
        return;
    json_t *answer;
    if (err->class) {
        ef_error_prefix(err, "outbox \"%s\"", job->first_outbox);
        answer = ef_control_refusal(err);
    } else {
        answer = json_pack("{s:b}", "ok", 1);
    }
    json_object_set_new(answer, "outboxes", job->outboxes);
    job->done(job->arg, answer);
    free(job);
}

static void on_relay_done(void *arg, const struct ef_error *err)
{
    struct part *part = arg;
    struct job *job = part->job;
    json_t *result = json_pack("{s:o, s:b}", "outbox", ef_json_text(part->outbox), "ok", !err);
    if (err) {
        json_object_set_new(result, "class", json_string(ef_class_name(err->class)));
        json_object_set_new(result, "error", ef_json_text(err->text));
        if (!job->first_error.class) {
            job->first_error = *err;
            snprintf(job->first_outbox, sizeof(job->first_outbox), "%s", part->outbox);
        }
    }
    json_array_append_new(job->outboxes, result);
    free(part->outbox);
    free(part);
    part_done(job);
}

static void ask_relay(struct job *job, struct ef_relay *relay, const char *outbox,
                      const struct ef_control_request *request, const char *actor)
{
    struct part *part = ef_xmalloc(sizeof(*part));
    *part = (struct part){job, ef_xstrdup(outbox)};
    job->waiting++;
    if (request->verb == EF_CONTROL_DRAIN)
        ef_relay_drain(relay, on_relay_done, part);
    else
        ef_relay_pause(relay, request->verb == EF_CONTROL_PAUSE, actor, request->reason,
                       on_relay_done, part);
}

static bool meant(const struct ef_control_request *request, const char *outbox)
{
    return strcmp(request->outbox, "*") == 0 || strcmp(request->outbox, outbox) == 0;
}

/* "no outbox is named ...; there are: a, b" */
static json_t *unknown_outbox(const struct ef_view *view, const char *outbox)
{
    struct ef_buf names;
    struct ef_error err;
    struct ef_relay_status status;
    ef_buf_init(&names, sizeof(err.text) / 2);
    for (int i = 0; i < view->relay_count(view->arg); i++) {
        ef_relay_status(view->relay_at(view->arg, i), &status);
        ef_buf_printf(&names, "%s%s", i ? ", " : "", status.name);
    }
    ef_error_set(&err, EF_CLASS_CONFIG, "no outbox is named \"%s\"; there are: %s%s", outbox,
                 names.len ? names.data : "none", names.overflow ? ", ..." : "");
    ef_buf_done(&names);
    return ef_control_refusal(&err);
}

static bool known_outbox(const struct ef_view *view, const struct ef_control_request *request)
{
    struct ef_relay_status status;
    for (int i = 0; i < view->relay_count(view->arg); i++) {
        ef_relay_status(view->relay_at(view->arg, i), &status);
        if (meant(request, status.name))
            return true;
    }
    return strcmp(request->outbox, "*") == 0;
}

static void do_relays(struct ef_admin *admin, const struct ef_control_request *request,
                      const char *actor, void (*done)(void *arg, json_t *answer), void *arg)
{
    const struct ef_view *view = ef_admin_view(admin);
    struct ef_relay_status status;
    struct job *job = ef_xcalloc(1, sizeof(*job));

    *job = (struct job){.done = done, .arg = arg, .outboxes = json_array(), .waiting = 1};
    ef_info("operator's verb", EF_STR("verb", ef_control_verb_name(request->verb)),
            EF_STR("outbox", request->outbox), EF_STR("actor", actor),
            EF_STR("reason", request->reason[0] ? request->reason : NULL));
    for (int i = 0; i < view->relay_count(view->arg); i++) {
        struct ef_relay *relay = view->relay_at(view->arg, i);
        ef_relay_status(relay, &status);
        if (meant(request, status.name))
            ask_relay(job, relay, status.name, request, actor);
    }
    part_done(job);
}

/* --- rows, and commands on them --- */

struct operation {
    void (*done)(void *arg, json_t *answer);
    void *arg;
    bool rows; /* a listing is the answer itself, with "ok" */
};

static void on_operated(void *arg, const char *json, const struct ef_error *err)
{
    struct operation *operation = arg;
    json_error_t error;
    json_t *answer = NULL, *result = err ? NULL : json_loads(json, 0, &error);
    if (err) {
        answer = ef_control_refusal(err);
    } else if (operation->rows && json_is_object(result)) {
        answer = json_incref(result);
        json_object_set_new(answer, "ok", json_true());
    } else {
        answer = json_pack("{s:b, s:O?}", "ok", 1, "result", result);
    }
    json_decref(result);
    operation->done(operation->arg, answer);
    free(operation);
}

static struct ef_relay *relay_named(const struct ef_view *view, const char *outbox)
{
    struct ef_relay_status status;
    for (int i = 0; i < view->relay_count(view->arg); i++) {
        struct ef_relay *relay = view->relay_at(view->arg, i);
        ef_relay_status(relay, &status);
        if (strcmp(outbox, status.name) == 0)
            return relay;
    }
    return NULL; /* known_outbox() has looked before */
}

static void do_operate(struct ef_admin *admin, const struct ef_control_request *request,
                       const char *actor, void (*done)(void *arg, json_t *answer), void *arg)
{
    bool rows = request->verb == EF_CONTROL_ROWS;
    struct operation *operation = ef_xmalloc(sizeof(*operation));
    *operation = (struct operation){done, arg, rows};
    char *args = rows ? NULL : json_dumps(request->args, JSON_COMPACT);
    struct ef_operation question = {.kind = rows ? EF_OPERATION_ROWS : EF_OPERATION_COMMAND,
                                    .filter = request->filter,
                                    .verb = request->command,
                                    .args = args,
                                    .actor = actor};
    if (!rows)
        ef_info("operator's verb", EF_STR("verb", request->command),
                EF_STR("outbox", request->outbox), EF_STR("actor", actor));
    ef_relay_operate(relay_named(ef_admin_view(admin), request->outbox), &question, on_operated,
                     operation);
    free(args);
}

static json_t *do_reload(const struct ef_view *view, const char *actor)
{
    struct ef_buf text;
    struct ef_error err = {0};
    json_t *answer;
    ef_info("operator's verb", EF_STR("verb", "reload"), EF_STR("actor", actor));
    ef_buf_init(&text, TEXT_MAX_BYTES);
    if (view->reload(view->arg, &text, &err))
        answer = json_pack("{s:b, s:o}", "ok", 1, "text", ef_json_text(text.len ? text.data : ""));
    else
        answer = ef_control_refusal(&err);
    if (text.len && !json_object_get(answer, "text")) /* what stands in the way */
        json_object_set_new(answer, "text", ef_json_text(text.data));
    ef_buf_done(&text);
    return answer;
}

static json_t *do_metrics(struct ef_admin *admin)
{
    struct ef_buf page;
    json_t *answer;
    ef_buf_init(&page, TEXT_MAX_BYTES);
    ef_admin_metrics(admin, &page);
    if (page.overflow) {
        struct ef_error err;
        ef_error_set(&err, EF_CLASS_BUSY, "the metrics are larger than %d bytes", TEXT_MAX_BYTES);
        answer = ef_control_refusal(&err);
    } else {
        answer = json_pack("{s:b, s:o}", "ok", 1, "text", ef_json_text(page.len ? page.data : ""));
    }
    ef_buf_done(&page);
    return answer;
}

static json_t *do_status(struct ef_admin *admin, const struct ef_control_request *request)
{
    struct ef_snapshot snapshot;
    ef_admin_snapshot(admin, &snapshot);
    json_t *answer =
        json_pack("{s:b, s:o}", "ok", 1, "status", ef_status_json(&snapshot, request->outbox));
    ef_snapshot_done(&snapshot);
    return answer;
}

static json_t *do_readyz(struct ef_admin *admin)
{
    struct ef_snapshot snapshot;
    ef_admin_snapshot(admin, &snapshot);
    json_t *answer = ef_readyz_json(&snapshot);
    json_object_set_new(answer, "ok", json_true());
    ef_snapshot_done(&snapshot);
    return answer;
}

/* The level of the log for a while; it goes back by itself, and with a reload. */
static json_t *do_log_level(const struct ef_control_request *request, const char *actor)
{
    const char *room = request->room[0] ? request->room : NULL;
    if (request->restore)
        ef_log_restore(room);
    else
        ef_log_override(room, request->level, request->for_ms * EF_MS_US);
    ef_info("operator's verb", EF_STR("verb", "log-level"), EF_STR("room", room ? room : "*"),
            EF_STR("level", request->restore ? "reset" : ef_log_level_name(request->level)),
            EF_INT("for_ms", request->restore ? 0 : request->for_ms), EF_STR("actor", actor));
    return json_pack("{s:b, s:o}", "ok", 1, "log", ef_log_json());
}

void ef_control_do(struct ef_admin *admin, const struct ef_control_request *request,
                   const char *actor, void (*done)(void *arg, json_t *answer), void *arg)
{
    const struct ef_view *view = ef_admin_view(admin);
    if (request->outbox[0] && !known_outbox(view, request)) {
        done(arg, unknown_outbox(view, request->outbox));
        return;
    }
    switch (request->verb) {
    case EF_CONTROL_STATUS:
        done(arg, do_status(admin, request));
        break;
    case EF_CONTROL_RELOAD:
        done(arg, do_reload(view, actor));
        break;
    case EF_CONTROL_READYZ:
        done(arg, do_readyz(admin));
        break;
    case EF_CONTROL_METRICS:
        done(arg, do_metrics(admin));
        break;
    case EF_CONTROL_LOG_LEVEL:
        done(arg, do_log_level(request, actor));
        break;
    case EF_CONTROL_ROWS:
    case EF_CONTROL_COMMAND:
        do_operate(admin, request, actor, done, arg);
        break;
    case EF_CONTROL_PAUSE:
    case EF_CONTROL_RESUME:
    case EF_CONTROL_DRAIN:
        do_relays(admin, request, actor, done, arg);
        break;
    case EF_CONTROL_LIVEZ:
    default:
        done(arg, json_pack("{s:b}", "ok", 1));
    }
}
