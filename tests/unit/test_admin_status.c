// SPDX-License-Identifier: MIT
/* What is shown, apart from sockets: words, reasons, JSON, the page, gauges and rates. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "admin/admin.h"
#include "admin/page.h"
#include "admin/process.h"
#include "admin/rates.h"
#include "admin/status_json.h"
#include "admin/words.h"
#include "admin_fake.h"
#include "unit/run_suite.h"

static struct ef_buf out;
static struct ef_snapshot snapshot;

static void setup(void)
{
    fake_setup();
    ef_buf_init(&out, 1 << 20);
}

static void teardown(void)
{
    ef_snapshot_done(&snapshot);
    ef_buf_done(&out);
    fake_teardown();
}

static void take(void)
{
    ef_snapshot_done(&snapshot);
    ef_snapshot_take(&snapshot, &fake.view, NULL);
}

/* --- words --- */

START_TEST(words)
{
    char text[32];
    ck_assert_str_eq(ef_words_duration(0, text, sizeof(text)), "0 ms");
    ck_assert_str_eq(ef_words_duration(999, text, sizeof(text)), "999 ms");
    ck_assert_str_eq(ef_words_duration(3249, text, sizeof(text)), "3.2 s");
    ck_assert_str_eq(ef_words_duration(250000, text, sizeof(text)), "4 min 10 s");
    ck_assert_str_eq(ef_words_duration(7500000, text, sizeof(text)), "2 h 5 min");
    ck_assert_str_eq(ef_words_duration(273600000, text, sizeof(text)), "3 d 4 h");
    ck_assert_str_eq(ef_words_bytes(1023, text, sizeof(text)), "1023 B");
    ck_assert_str_eq(ef_words_bytes(4096, text, sizeof(text)), "4.0 KiB");
    ck_assert_str_eq(ef_words_bytes(1048575, text, sizeof(text)), "1.0 MiB");
    ck_assert_str_eq(ef_words_bytes(INT64_MAX, text, sizeof(text)), "8.0 EiB");
    ck_assert_str_eq(ef_words_count(0, text, sizeof(text)), "0");
    ck_assert_str_eq(ef_words_count(999, text, sizeof(text)), "999");
    ck_assert_str_eq(ef_words_count(1000, text, sizeof(text)), "1 000");
    ck_assert_str_eq(ef_words_count(-123456, text, sizeof(text)), "-123 456");
    ck_assert_str_eq(ef_words_count(INT64_MAX, text, sizeof(text)), "9 223 372 036 854 775 807");
    ck_assert_str_eq(ef_words_rate(0, text, sizeof(text)), "0/s");
    ck_assert_str_eq(ef_words_rate(0.42, text, sizeof(text)), "0.4/s");
    ck_assert_str_eq(ef_words_rate(12345.6, text, sizeof(text)), "12 346/s");
}
END_TEST

START_TEST(reasons)
{
    struct ef_relay_status s = {.ready = true, .last_settle_ms = -1};
    char text[1024];
    ef_snapshot_reason(&s, text, sizeof(text));
    ck_assert_str_eq(text, "");
    s.ready = false;
    ef_snapshot_reason(&s, text, sizeof(text));
    ck_assert_str_eq(text, "nothing was settled so far");
    s.last_settle_ms = 45000;
    ef_snapshot_reason(&s, text, sizeof(text));
    ck_assert_str_eq(text, "nothing was settled for 45.0 s");
    s.outage = true;
    ef_snapshot_reason(&s, text, sizeof(text));
    ck_assert_str_eq(text, "Kafka cannot be reached");
    s.paused = true;
    snprintf(s.paused_by, sizeof(s.paused_by), "ann");
    ef_snapshot_reason(&s, text, sizeof(text));
    ck_assert_str_eq(text, "paused by ann");
    snprintf(s.pause_reason, sizeof(s.pause_reason), "index build");
    ef_snapshot_reason(&s, text, sizeof(text));
    ck_assert_str_eq(text, "paused by ann: index build");
    snprintf(s.reason, sizeof(s.reason), "waits for the database");
    ef_snapshot_reason(&s, text, sizeof(text));
    ck_assert_str_eq(text, "waits for the database");
}
END_TEST

/* --- JSON --- */

static json_t *at(json_t *json, const char *path)
{
    char copy[128], *rest = NULL;
    snprintf(copy, sizeof(copy), "%s", path);
    for (char *name = strtok_r(copy, ".", &rest); name; name = strtok_r(NULL, ".", &rest)) {
        if (json_is_array(json))
            json = json_array_get(json, (size_t)atoi(name));
        else
            json = json_object_get(json, name);
        ck_assert_msg(json != NULL, "no %s in %s", name, path);
    }
    return json;
}

START_TEST(status_names_everything)
{
    struct ef_relay_status *s = &fake.relays[0].status;
    s->topic_count = 20; /* more than are listed */
    for (int i = 0; i < 16; i++)
        snprintf(s->topics[i].topic, sizeof(s->topics[i].topic), "t%d", i);
    snprintf(s->topics[0].reason, sizeof(s->topics[0].reason), "no such topic");
    s->topics[0].since_ms = 5000;
    s->topics[0].next_probe_ms = 1000;
    s->paused = true;
    snprintf(s->paused_by, sizeof(s->paused_by), "ann");
    take();
    json_t *json = ef_status_json(&snapshot, NULL);
    ck_assert_ptr_nonnull(json);
    static const struct {
        const char *path;
        json_int_t value;
    } numbers[] = {
        {"outboxes.0.lease.epoch", 7},
        {"outboxes.0.lease.expires_in_ms", 8000},
        {"outboxes.0.lease.renewal_age_ms", 1500},
        {"outboxes.0.window.in_flight_rows", 12},
        {"outboxes.0.window.in_flight_bytes", 4096},
        {"outboxes.0.window.rows", 20000},
        {"outboxes.0.window.bytes", 16777216},
        {"outboxes.0.window.limit_bytes", 16777216},
        {"outboxes.0.window.oldest_in_flight_ms", 0},
        {"outboxes.0.cursor_id", 4711},
        {"outboxes.0.gap_runs", 2},
        {"outboxes.0.totals.fetched", 120},
        {"outboxes.0.totals.delivered", 110},
        {"outboxes.0.totals.settled", 100},
        {"outboxes.0.totals.retried", 0},
        {"outboxes.0.totals.dead", 0},
        {"outboxes.0.totals.id_regressions", 0},
        {"outboxes.0.totals.sweeps", 0},
        {"outboxes.0.totals.fate_barriers", 0},
        {"outboxes.0.lag.backlog_rows", 20},
        {"outboxes.0.lag.waiting_rows", 3},
        {"outboxes.0.lag.dead_rows", 1},
        {"outboxes.0.lag.blocked_aggregates", 2},
        {"outboxes.0.lag.archive.partitions", 26},
        {"outboxes.0.lag.archive.bytes", 8192},
        {"outboxes.0.lag.archive.default_rows", 0},
        {"outboxes.0.last_settle_ms", 40},
        {"outboxes.0.paused_topic_count", 20},
        {"outboxes.0.paused_topics.0.since_ms", 5000},
        {"outboxes.0.paused_topics.0.next_probe_ms", 1000},
        {"kafka.brokers_up", 3},
    };
    static const struct {
        const char *path, *value;
    } texts[] = {
        {"outboxes.0.name", "orders"},
        {"outboxes.0.database", "shop"},
        {"outboxes.0.table", "public.outbox"},
        {"outboxes.0.state", "running"},
        {"outboxes.0.reason", "paused by ann"},
        {"outboxes.0.paused_by", "ann"},
        {"outboxes.0.pause_reason", ""},
        {"outboxes.0.server", "7301/16384"},
        {"outboxes.0.server_version", "PostgreSQL 15.20"},
        {"outboxes.0.lease.owner", "relay-1"},
        {"outboxes.0.on_delivered", "archive"},
        {"outboxes.0.wake", "notify"},
        {"outboxes.0.paused_topics.0.topic", "t0"},
        {"outboxes.0.paused_topics.0.reason", "no such topic"},
        {"outboxes.1.name", "mails"},
        {"kafka.brokers", "kafka-1:9092"},
        {"kafka.reason", ""},
        {"instance", "relay-1"},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        json_t *number = at(json, numbers[i].path);
        ck_assert_msg(json_is_integer(number) && json_integer_value(number) == numbers[i].value,
                      "%s", numbers[i].path);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_str_eq(json_string_value(at(json, texts[i].path)), texts[i].value);
    ck_assert(json_is_true(at(json, "outboxes.0.ready")));
    ck_assert(json_is_true(at(json, "outboxes.0.paused")));
    ck_assert(json_is_false(at(json, "outboxes.1.paused")));
    ck_assert(json_is_true(at(json, "outboxes.0.lease.held")));
    ck_assert(json_is_false(at(json, "outboxes.0.outage")));
    ck_assert(json_is_false(at(json, "outboxes.0.lag.backlog_saturated")));
    ck_assert(json_is_true(at(json, "kafka.up")));
    ck_assert(json_is_false(at(json, "kafka.embedded")));
    ck_assert(json_is_null(at(json, "outboxes.0.rows_per_second")));
    ck_assert_uint_eq(json_array_size(at(json, "outboxes.0.paused_topics")), 16);
    ck_assert_double_eq(json_real_value(at(json, "outboxes.0.lag.oldest_unfinished_age_seconds")),
                        1.5);
    json_decref(json);
}
END_TEST

START_TEST(status_of_the_unknown_is_null)
{
    struct ef_relay_status *s = &fake.relays[0].status;
    s->lag_known = false;
    s->last_settle_ms = -1;
    fake.relays[1].status.lag.archive_partitions = -1;
    take();
    json_t *json = ef_status_json(&snapshot, "*");
    ck_assert(json_is_null(at(json, "outboxes.0.lag")));
    ck_assert(json_is_null(at(json, "outboxes.0.last_settle_ms")));
    ck_assert_ptr_null(json_object_get(at(json, "outboxes.1.lag"), "archive"));
    json_decref(json);
}
END_TEST

START_TEST(json_respects_the_maximum)
{
    struct ef_buf small;
    take();
    json_t *json = ef_status_json(&snapshot, NULL);
    ef_buf_init(&small, 100);
    ck_assert(!ef_json_write(json, JSON_COMPACT, &small));
    ef_buf_done(&small);
    json_decref(json);
}
END_TEST

/* A text cut in the middle of a character must not lose the whole document. */
START_TEST(json_of_any_bytes)
{
    json_t *json = ef_json_text("caf\xc3");
    ck_assert_str_eq(json_string_value(json), "caf\xef\xbf\xbd");
    json_decref(json);
    json = ef_json_text(NULL);
    ck_assert(json_is_null(json));
    json_decref(json);
}
END_TEST

/* --- the page --- */

static const char *render(void)
{
    take();
    ef_buf_clear(&out);
    ef_page_render(&snapshot, "nonce", &out);
    ck_assert(!out.overflow);
    return out.data;
}

START_TEST(page_shows_state_lag_and_lease)
{
    const char *page = render();
    ck_assert_ptr_nonnull(strstr(page, "<title id=\"title\">ready - relay-1"));
    ck_assert_ptr_nonnull(strstr(page, "<article id=o0 class=\"card warn\">"));
    ck_assert_ptr_nonnull(strstr(page, "<b>20</b><span>waiting</span><small>oldest 1.5 s<"));
    ck_assert_ptr_nonnull(strstr(page, "<b>12</b><span>in flight</span>"));
    ck_assert_ptr_nonnull(strstr(page, "<b>110</b><span>delivered</span>"));
    ck_assert_ptr_nonnull(strstr(page, "<b>1</b><span>dead</span>"));
    ck_assert_ptr_nonnull(strstr(page, "relay-1 (this relay), epoch 7, lease runs 8.0 s"));
    ck_assert_ptr_nonnull(strstr(page, "kafka-1:9092"));
    ck_assert_ptr_null(strstr(page, "embedded broker"));
}
END_TEST

START_TEST(page_shows_trouble)
{
    struct ef_relay_status *s = &fake.relays[0].status;
    s->ready = false;
    s->lease_held = false;
    s->lag = (struct ef_lag){.backlog_rows = 100001, .backlog_saturated = true};
    s->topic_count = 1;
    snprintf(s->topics[0].topic, sizeof(s->topics[0].topic), "<orders>");
    snprintf(s->lease_owner, sizeof(s->lease_owner), "relay-2");
    fake.relays[1].status.state = EF_RELAY_STANDBY;
    fake.kafka.embedded = true;
    fake.kafka.up = false;
    const char *page = render();
    ck_assert_ptr_nonnull(strstr(page, "<title id=\"title\">NOT READY - relay-1"));
    ck_assert_ptr_nonnull(strstr(page, "<article id=o0 class=\"card bad\">"));
    ck_assert_ptr_nonnull(strstr(page, "<article id=o1 class=\"card calm\">"));
    ck_assert_ptr_nonnull(strstr(page, "<b>over 100 000</b>"));
    ck_assert_ptr_nonnull(strstr(page, "<dt>Owner</dt><dd>relay-2"));
    ck_assert_ptr_nonnull(strstr(page, "<dt>Standbys</dt><dd>relay-2 on host-b, host-c</dd>"));
    ck_assert_ptr_nonnull(strstr(page, "1 of 2 outboxes needs a look"));
    ck_assert_ptr_nonnull(strstr(page, "&lt;orders&gt;"));
    ck_assert_ptr_nonnull(strstr(page, "embedded broker"));
}
END_TEST

/* --- gauges --- */

static struct ef_admin *admin;

static void setup_admin(void)
{
    setup();
    admin = ef_admin_new(&(struct ef_admin_options){.loop = fake.loop,
                                                    .view = &fake.view,
                                                    .librdkafka = "2.0.2",
                                                    .libpq = "15.20",
                                                    .libmariadb = "3.3.14"});
}

static void teardown_admin(void)
{
    ef_admin_free(admin);
    teardown();
}

/* --- dead rows, for the page --- */

static void stop_loop(void *arg)
{
    ef_loop_stop(arg);
}

static void turn(void)
{
    struct ef_deferred last;
    ef_deferred_init(&last, fake.loop, "test", stop_loop, fake.loop);
    ef_defer(&last);
    ef_loop_run(fake.loop);
}

static const char *watch(void)
{
    struct ef_snapshot seen;
    ef_admin_watched(admin);
    turn();
    ef_admin_snapshot(admin, &seen);
    ef_buf_clear(&out);
    ef_page_render(&seen, "n", &out);
    ef_snapshot_done(&seen);
    return out.data;
}

START_TEST(the_latest_dead_rows_are_listed)
{
    struct ef_relay *relay = &fake.relays[0];
    fake.relays[1].status.lag.dead_rows = 0;
    relay->status.lag.dead_rows = 1234;
    relay->listed = "{\"rows\":[{\"id\":7,\"topic\":\"old\"},{\"id\":9,\"topic\":\"<t>\","
                    "\"aggregate_id\":\"secret\",\"key\":\"secret\","
                    "\"processed_at\":\"2026-11-24T06:14:03.123456Z\","
                    "\"last_error\":\"record TOPIC_INVALID: no <such> topic\"}],\"more\":true}";
    const char *page = watch();
    ck_assert_msg(strstr(page,
                         "<h3 class=warn>Latest dead rows</h3><ul>"
                         "<li><strong>9</strong> for &lt;t&gt;, 2026-11-24 06:14:03: record "
                         "TOPIC_INVALID: no &lt;such&gt; topic</li>"
                         "<li><strong>7</strong> for old</li><li>and 1 232 more, shown by") != NULL,
                  "%s", page);
    ck_assert_ptr_null(strstr(page, "secret"));
    ck_assert_str_eq(relay->operation, "rows  16 0 5");
    ck_assert_str_eq(fake.relays[1].operation, "");
}
END_TEST

START_TEST(dead_rows_are_not_asked_for_again_and_again)
{
    struct ef_relay *relay = &fake.relays[0];
    relay->listed = "{\"rows\":[{\"id\":7}],\"more\":false}";
    watch();
    relay->status.lag.dead_rows++;
    ck_assert_ptr_nonnull(strstr(watch(), "Latest dead rows"));
    ck_assert_int_eq(relay->operations, 1);
    relay->status.lag.dead_rows = 0;
    ck_assert_ptr_null(strstr(watch(), "Latest dead rows"));
    relay->status.lag.dead_rows = 1; /* others */
    watch();
    ck_assert_int_eq(relay->operations, 2);
}
END_TEST

START_TEST(dead_rows_that_cannot_be_listed_are_left_out)
{
    struct ef_relay *relay = &fake.relays[0];
    relay->listed = "{\"rows\":[{\"id\":true,\"topic\":[],\"processed_at\":\"1\"}]}";
    ck_assert_ptr_nonnull(strstr(watch(), "<li><strong>0</strong> for </li>"));
    relay->status.lag.dead_rows = 0;
    watch();
    relay->status.lag.dead_rows = 1;
    ef_error_set(&relay->fail, EF_CLASS_OUTAGE, "no database");
    ck_assert_ptr_null(strstr(watch(), "Latest dead rows"));
}
END_TEST

START_TEST(an_answer_about_dead_rows_may_come_too_late)
{
    fake.relays[0].listed = "{\"rows\":[{\"id\":7}]}";
    ef_admin_watched(admin);
    ck_assert_ptr_nonnull(fake.relays[0].operated);
    ef_admin_free(admin);
    admin = NULL;
    turn();
    ck_assert_ptr_null(fake.relays[0].operated);
}
END_TEST

static const char *scrape(void)
{
    ef_buf_clear(&out);
    ef_admin_metrics(admin, &out);
    ck_assert(!out.overflow);
    return out.data;
}

static void assert_sample(const char *page, const char *line)
{
    char want[256];
    snprintf(want, sizeof(want), "\n%s\n", line);
    ck_assert_msg(strstr(page, want) != NULL, "no %s in %s", line, page);
}

START_TEST(gauges_of_an_outbox)
{
    static const char *const lines[] = {
        "eventferry_outbox_state{outbox=\"orders\",state=\"running\"} 1",
        "eventferry_outbox_state{outbox=\"orders\",state=\"standby\"} 0",
        "eventferry_outbox_ready{outbox=\"orders\"} 1",
        "eventferry_lease_held{outbox=\"orders\"} 1",
        "eventferry_lease_epoch{outbox=\"orders\"} 7",
        "eventferry_lease_renewal_age_seconds{outbox=\"orders\"} 1.5",
        "eventferry_in_flight_rows{outbox=\"orders\"} 12",
        "eventferry_in_flight_bytes{outbox=\"orders\"} 4096",
        "eventferry_window_limit_bytes{outbox=\"orders\"} 16777216",
        "eventferry_gap_runs{outbox=\"orders\"} 2",
        "eventferry_cursor_id{outbox=\"orders\"} 4711",
        "eventferry_backlog_rows{outbox=\"orders\"} 20",
        "eventferry_backlog_saturated{outbox=\"orders\"} 0",
        "eventferry_waiting_rows{outbox=\"orders\"} 3",
        "eventferry_dead_rows{outbox=\"orders\"} 1",
        "eventferry_blocked_aggregates{outbox=\"orders\"} 2",
        "eventferry_oldest_unfinished_age_seconds{outbox=\"orders\"} 1.5",
        "eventferry_archive_partitions{outbox=\"orders\"} 26",
        "eventferry_archive_bytes{outbox=\"orders\"} 8192",
        "eventferry_archive_default_rows{outbox=\"orders\"} 0",
        "eventferry_backlog_rows{outbox=\"mails\"} 20",
        "eventferry_kafka_up{cluster=\"default\"} 1",
        "eventferry_kafka_brokers_up{cluster=\"default\"} 3",
        "eventferry_log_dropped_total 0",
    };
    const char *page = scrape();
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_sample(page, lines[i]);
    ck_assert_int_eq(fake.refreshes, 1);
}
END_TEST

/* A standby does not know the lag: two relays of a table must not both be summed up. */
START_TEST(only_the_owner_shows_lag)
{
    struct ef_relay_status *s = &fake.relays[0].status;
    scrape();
    s->lease_held = false;
    s->state = EF_RELAY_STANDBY;
    const char *page = scrape();
    assert_sample(page, "eventferry_lease_held{outbox=\"orders\"} 0");
    assert_sample(page, "eventferry_backlog_rows{outbox=\"mails\"} 20");
    ck_assert_ptr_null(strstr(page, "eventferry_backlog_rows{outbox=\"orders\"}"));
    ck_assert_ptr_null(strstr(page, "eventferry_lease_epoch{outbox=\"orders\"}"));
    ck_assert_ptr_null(strstr(page, "eventferry_archive_bytes{outbox=\"orders\"}"));
    s->lease_held = true;
    assert_sample(scrape(), "eventferry_backlog_rows{outbox=\"orders\"} 20");
}
END_TEST

START_TEST(paused_topics_go_back_to_zero)
{
    struct ef_relay_status *s = &fake.relays[0].status;
    const char *paused = "eventferry_topic_paused{outbox=\"orders\",topic=\"payments\"}";
    ck_assert_ptr_null(strstr(scrape(), "topic_paused"));
    s->topic_count = 1;
    snprintf(s->topics[0].topic, sizeof(s->topics[0].topic), "payments");
    assert_sample(scrape(), "eventferry_topic_paused{outbox=\"orders\",topic=\"payments\"} 1");
    s->topic_count = 0;
    assert_sample(scrape(), "eventferry_topic_paused{outbox=\"orders\",topic=\"payments\"} 0");
    fake_outbox(&fake.relays[0], "renamed"); /* a reload took the outbox away */
    ck_assert_ptr_null(strstr(scrape(), paused));
}
END_TEST

static void nothing(void *arg)
{
    (void)arg;
    ef_loop_stop(fake.loop);
}

static double value_of(const char *page, const char *name)
{
    char want[128];
    snprintf(want, sizeof(want), "\n%s ", name);
    const char *line = strstr(page, want);
    ck_assert_msg(line != NULL, "no %s", name);
    return strtod(line + strlen(want), NULL);
}

START_TEST(loop_and_process_metrics)
{
    struct ef_timer timer;
    ef_timer_init(&timer, fake.loop, "test", nothing, NULL);
    ef_timer_start(&timer, 0);
    ef_loop_run(fake.loop);
    const char *page = scrape();
    ck_assert_double_ge(value_of(page, "eventferry_loop_callback_seconds_count"), 1);
    ck_assert_double_gt(value_of(page, "process_resident_memory_bytes"), 1e6);
    ck_assert_double_gt(value_of(page, "process_open_fds"), 2);
    ck_assert_double_ge(value_of(page, "process_max_fds"), value_of(page, "process_open_fds"));
    ck_assert_double_ge(value_of(page, "process_cpu_seconds_total"), 0);
    double age = (double)ef_clock_wall().us / 1e6 - value_of(page, "process_start_time_seconds");
    ck_assert_double_gt(age, -2);
    ck_assert_double_lt(age, 3600);
    ck_assert_ptr_nonnull(strstr(page, "eventferry_build_info{version=\""));
}
END_TEST

/* --- rates --- */

static int64_t clock_us;

static ef_mono fake_mono(void *ctx)
{
    (void)ctx;
    return (ef_mono){clock_us};
}

/* Runs the loop until the rates' timer has looked once more: each look asks for every relay. */
static int looks;

static struct ef_relay *counting_at(void *arg, int i)
{
    struct ef_relay *relay = fake_at(arg, i);
    if (i == fake.count - 1) {
        looks++;
        ef_loop_stop(fake.loop);
    }
    return relay;
}

START_TEST(rates_need_two_looks)
{
    struct ef_clock_source source = {.mono = fake_mono};
    struct ef_rate rate;
    clock_us = 1000000;
    ef_clock_use(&source);
    fake.view.relay_at = counting_at;
    struct ef_rates *rates = ef_rates_new(fake.loop, &fake.view);
    ck_assert(!ef_rates_get(rates, "orders", &rate));
    ef_loop_run(fake.loop);
    ck_assert(!ef_rates_get(rates, "orders", &rate));
    clock_us += 5000000;
    fake.relays[0].status.fetched += 100;
    fake.relays[0].status.delivered += 50;
    fake.relays[0].status.settled += 5;
    fake.relays[1].status.fetched = 0; /* a new relay of the same name */
    ef_loop_run(fake.loop);
    ck_assert_int_eq(looks, 2);
    ck_assert(ef_rates_get(rates, "orders", &rate));
    ck_assert_double_eq(rate.fetched, 20);
    ck_assert_double_eq(rate.delivered, 10);
    ck_assert_double_eq(rate.settled, 1);
    ck_assert(ef_rates_get(rates, "mails", &rate));
    ck_assert_double_eq(rate.fetched, 0);
    ck_assert(!ef_rates_get(rates, "late", &rate));
    ef_rates_free(rates);
    ef_clock_use(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_status");
    TCase *tc = tcase_create("shown");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, words);
    tcase_add_test(tc, reasons);
    tcase_add_test(tc, status_names_everything);
    tcase_add_test(tc, status_of_the_unknown_is_null);
    tcase_add_test(tc, json_respects_the_maximum);
    tcase_add_test(tc, json_of_any_bytes);
    tcase_add_test(tc, page_shows_state_lag_and_lease);
    tcase_add_test(tc, page_shows_trouble);
    suite_add_tcase(suite, tc);
    TCase *gauges = tcase_create("gauges");
    tcase_add_checked_fixture(gauges, setup_admin, teardown_admin);
    tcase_add_test(gauges, the_latest_dead_rows_are_listed);
    tcase_add_test(gauges, dead_rows_are_not_asked_for_again_and_again);
    tcase_add_test(gauges, dead_rows_that_cannot_be_listed_are_left_out);
    tcase_add_test(gauges, an_answer_about_dead_rows_may_come_too_late);
    tcase_add_test(gauges, gauges_of_an_outbox);
    tcase_add_test(gauges, only_the_owner_shows_lag);
    tcase_add_test(gauges, paused_topics_go_back_to_zero);
    tcase_add_test(gauges, loop_and_process_metrics);
    suite_add_tcase(suite, gauges);
    TCase *over_time = tcase_create("rates");
    tcase_set_timeout(over_time, 60);
    tcase_add_checked_fixture(over_time, setup, teardown);
    tcase_add_test(over_time, rates_need_two_looks);
    suite_add_tcase(suite, over_time);
    return run_suite(suite);
}
