// SPDX-License-Identifier: MIT
#include "admin/status_json.h"

#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "version.h"

json_t *ef_json_text(const char *s)
{
    if (!s)
        return json_null();
    json_t *json = json_string(s);
    if (json)
        return json;
    size_t len = strlen(s);
    struct ef_buf clean;
    ef_buf_init(&clean, 3 * len); /* U+FFFD has three bytes */
    ef_utf8_add(&clean, s, len);
    json = json_stringn(clean.data, clean.len);
    ef_buf_done(&clean);
    return json;
}

static int append(const char *data, size_t len, void *arg)
{
    return ef_buf_add(arg, data, len) ? 0 : -1;
}

bool ef_json_write(const json_t *json, size_t flags, struct ef_buf *out)
{
    return json_dump_callback(json, append, out, flags) == 0 && !out->overflow;
}

/* null: the database does not tell. */
static json_t *standbys_json(const struct ef_standbys *standbys)
{
    if (!standbys->known)
        return json_null();
    json_t *list = json_array();
    for (int i = 0; i < standbys->count; i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "instance",
                                              ef_json_text(standbys->relays[i].instance), "host",
                                              ef_json_text(standbys->relays[i].host)));
    return list;
}

static json_t *lease_json(const struct ef_relay_status *s)
{
    return json_pack("{s:b, s:o, s:I, s:I, s:I, s:o}", "held", s->lease_held, "owner",
                     ef_json_text(s->lease_owner), "epoch", (json_int_t)s->lease_epoch,
                     "expires_in_ms", (json_int_t)s->lease_expires_in_ms, "renewal_age_ms",
                     (json_int_t)s->lease_renewal_age_ms, "standbys", standbys_json(&s->standbys));
}

static json_t *window_json(const struct ef_relay_status *s)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}", "in_flight_rows", (json_int_t)s->in_flight_rows,
        "in_flight_bytes", (json_int_t)s->in_flight_bytes, "oldest_in_flight_ms",
        (json_int_t)s->oldest_in_flight_ms, "rows", (json_int_t)s->window_rows, "bytes",
        (json_int_t)s->window_bytes, "limit_bytes", (json_int_t)s->window_limit_bytes);
}

static json_t *totals_json(const struct ef_relay_status *s)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "fetched", (json_int_t)s->fetched,
                     "delivered", (json_int_t)s->delivered, "settled", (json_int_t)s->settled,
                     "retried", (json_int_t)s->retried, "dead", (json_int_t)s->dead,
                     "id_regressions", (json_int_t)s->id_regressions, "sweeps",
                     (json_int_t)s->sweeps, "fate_barriers", (json_int_t)s->fate_barriers);
}

static json_t *lag_json(const struct ef_relay_status *s)
{
    const struct ef_lag *lag = &s->lag;
    if (!s->lag_known)
        return json_null();
    json_t *json =
        json_pack("{s:I, s:b, s:I, s:I, s:I, s:f}", "backlog_rows", (json_int_t)lag->backlog_rows,
                  "backlog_saturated", lag->backlog_saturated, "waiting_rows",
                  (json_int_t)lag->waiting_rows, "dead_rows", (json_int_t)lag->dead_rows,
                  "blocked_aggregates", (json_int_t)lag->blocked_aggregates,
                  "oldest_unfinished_age_seconds", lag->oldest_unfinished_age_s);
    if (lag->archive_partitions >= 0)
        json_object_set_new(json, "archive",
                            json_pack("{s:I, s:I, s:I}", "partitions",
                                      (json_int_t)lag->archive_partitions, "bytes",
                                      (json_int_t)lag->archive_bytes, "default_rows",
                                      (json_int_t)lag->archive_default_rows));
    return json;
}

static json_t *topics_json(const struct ef_relay_status *s)
{
    json_t *list = json_array();
    int shown = (int)(sizeof(s->topics) / sizeof(s->topics[0]));
    if (s->topic_count < shown)
        shown = s->topic_count;
    for (int i = 0; i < shown; i++) {
        const struct ef_relay_paused_topic *t = &s->topics[i];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:I, s:I}", "topic", ef_json_text(t->topic), "reason",
                            ef_json_text(t->reason), "since_ms", (json_int_t)t->since_ms,
                            "next_probe_ms", (json_int_t)t->next_probe_ms));
    }
    return list;
}

/* What operators hold back; the owner knows. */
static json_t *holds_json(const struct ef_relay_status *s)
{
    char since[32];
    json_t *list = json_array();
    int shown = (int)(sizeof(s->holds) / sizeof(s->holds[0]));
    if (s->hold_count < shown)
        shown = s->hold_count;
    for (int i = 0; i < shown; i++) {
        const struct ef_relay_hold *hold = &s->holds[i];
        ef_wall_iso8601((ef_wall){hold->at_us}, since, sizeof(since));
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:s}", hold->topic ? "topic" : "aggregate",
                                        ef_json_text(hold->name), "by", ef_json_text(hold->by),
                                        "reason", ef_json_text(hold->reason), "since", since));
    }
    return list;
}

static json_t *rate_json(const struct ef_snapshot_outbox *outbox)
{
    if (!outbox->rate_known)
        return json_null();
    return json_pack("{s:f, s:f, s:f}", "fetched", outbox->rate.fetched, "delivered",
                     outbox->rate.delivered, "settled", outbox->rate.settled);
}

static json_t *outbox_json(const struct ef_snapshot_outbox *outbox)
{
    const struct ef_relay_status *s = &outbox->status;
    char reason[1024];
    ef_snapshot_reason(s, reason, sizeof(reason));
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:s, s:o, s:b, s:b, s:b}", "name", ef_json_text(s->name),
                  "database", ef_json_text(s->database), "table", ef_json_text(s->table), "state",
                  ef_relay_state_name(s->state), "reason", ef_json_text(reason), "ready", s->ready,
                  "outage", s->outage, "paused", s->paused);
    if (s->paused) {
        json_object_set_new(json, "paused_by", ef_json_text(s->paused_by));
        json_object_set_new(json, "pause_reason", ef_json_text(s->pause_reason));
    }
    json_object_set_new(json, "on_delivered", ef_json_text(s->on_delivered));
    json_object_set_new(json, "wake", ef_json_text(s->wake));
    json_object_set_new(json, "server", ef_json_text(s->server));
    json_object_set_new(json, "server_version", ef_json_text(s->version));
    json_object_set_new(json, "lease", lease_json(s));
    json_object_set_new(json, "window", window_json(s));
    json_object_set_new(json, "cursor_id", json_integer((json_int_t)s->cursor_id));
    json_object_set_new(json, "gap_runs", json_integer((json_int_t)s->gap_runs));
    json_object_set_new(json, "totals", totals_json(s));
    json_object_set_new(json, "rows_per_second", rate_json(outbox));
    json_object_set_new(json, "lag", lag_json(s));
    json_object_set_new(json, "last_settle_ms",
                        s->last_settle_ms < 0 ? json_null()
                                              : json_integer((json_int_t)s->last_settle_ms));
    json_object_set_new(json, "paused_topic_count", json_integer(s->topic_count));
    json_object_set_new(json, "paused_topics", topics_json(s));
    json_object_set_new(json, "hold_count", json_integer(s->hold_count));
    json_object_set_new(json, "holds", holds_json(s));
    json_object_set_new(json, "commands_waiting", json_integer(s->commands_waiting));
    return json;
}

static json_t *kafka_json(const struct ef_view_kafka *kafka)
{
    json_t *brokers_up = kafka->brokers_up < 0 ? json_null() : json_integer(kafka->brokers_up);
    return json_pack("{s:o, s:b, s:b, s:o, s:o}", "brokers", ef_json_text(kafka->brokers),
                     "embedded", kafka->embedded, "up", kafka->up, "brokers_up", brokers_up,
                     "reason", ef_json_text(kafka->reason));
}

/* As eventferryctl doctor --json has them, and since when. */
static json_t *warnings_json(const struct ef_snapshot *snapshot)
{
    json_t *list = json_array();
    char since[32];
    for (size_t i = 0; i < snapshot->warning_count; i++) {
        const struct ef_finding *finding = &snapshot->warnings[i].finding;
        json_t *mends = json_array();
        for (size_t j = 0; j < finding->mends.count; j++)
            json_array_append_new(mends, ef_json_text(finding->mends.items[j]));
        ef_wall_iso8601(snapshot->warnings[i].since, since, sizeof(since));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:s}", "id", finding->id,
                                              "level", ef_level_name(finding->level), "subject",
                                              ef_json_text(finding->subject), "text",
                                              ef_json_text(finding->text), "mend", mends, "since",
                                              since));
    }
    return list;
}

json_t *ef_log_json(void)
{
    struct ef_log_override overrides[EF_LOG_OVERRIDES_MAX];
    int count = ef_log_overrides(overrides);
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I}", "room",
                                        overrides[i].room[0] ? overrides[i].room : "*", "level",
                                        ef_log_level_name(overrides[i].level), "ends_in_ms",
                                        (json_int_t)(overrides[i].left_us / EF_MS_US)));
    return json_pack("{s:s, s:o}", "level", ef_log_level_name(ef_log_configured()), "overrides",
                     list);
}

json_t *ef_status_json(const struct ef_snapshot *snapshot, const char *outbox)
{
    char taken_at[32], started_at[32];
    const struct ef_process *process = &snapshot->process;
    json_t *list = json_array();

    ef_wall_iso8601(snapshot->taken_at, taken_at, sizeof(taken_at));
    ef_wall_iso8601((ef_wall){(int64_t)(process->started_at * 1e6)}, started_at,
                    sizeof(started_at));
    for (int i = 0; i < snapshot->count; i++)
        if (!outbox || strcmp(outbox, "*") == 0 ||
            strcmp(outbox, snapshot->outboxes[i].status.name) == 0)
            json_array_append_new(list, outbox_json(&snapshot->outboxes[i]));
    return json_pack("{s:s, s:s, s:o, s:i, s:s, s:s, s:f, s:I, s:b, s:o, s:o, s:o, s:o}", "version",
                     EF_VERSION, "build", EF_BUILD_ID, "instance", ef_json_text(snapshot->instance),
                     "pid", process->pid, "at", taken_at, "started_at", started_at,
                     "uptime_seconds", (double)process->uptime_ms / 1e3, "resident_bytes",
                     (json_int_t)process->resident_bytes, "ready", ef_snapshot_ready(snapshot),
                     "kafka", kafka_json(&snapshot->kafka), "log", ef_log_json(), "warnings",
                     warnings_json(snapshot), "outboxes", list);
}

json_t *ef_readyz_json(const struct ef_snapshot *snapshot)
{
    json_t *reasons = json_array();
    char reason[1024];
    for (int i = 0; i < snapshot->count; i++) {
        const struct ef_relay_status *s = &snapshot->outboxes[i].status;
        if (s->ready)
            continue;
        ef_snapshot_reason(s, reason, sizeof(reason));
        json_array_append_new(reasons, json_pack("{s:o, s:s, s:o}", "outbox", ef_json_text(s->name),
                                                 "state", ef_relay_state_name(s->state), "reason",
                                                 ef_json_text(reason)));
    }
    return json_pack("{s:b, s:o, s:o}", "ready", ef_snapshot_ready(snapshot), "reasons", reasons,
                     "warnings", warnings_json(snapshot));
}
