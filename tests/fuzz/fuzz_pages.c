// SPDX-License-Identifier: MIT
/*
 * Paths, and the texts that databases, brokers and people put into what is shown: names, reasons,
 * topics, owners. Pieces of the input, separated by NUL, are the path and then those texts. Beyond
 * "no crash": only the known paths exist, JSON is JSON and UTF-8, no text makes a tag of the HTML
 * page, and each line of the metrics is one.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "admin/http_routes.h"
#include "base/utf8.h"
#include "fuzz/require.h"
#include "unit/fake_view.h"

enum { PIECES = 10, PIECE_MAX_BYTES = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pieces {
    char text[PIECES][PIECE_MAX_BYTES];
};

static void cut(struct pieces *ret, const uint8_t *data, size_t size)
{
    memset(ret, 0, sizeof(*ret));
    for (int i = 0; i < PIECES && size > 0; i++) {
        const uint8_t *end = memchr(data, '\0', size);
        size_t len = end ? (size_t)(end - data) : size;
        memcpy(ret->text[i], data, len < PIECE_MAX_BYTES ? len : PIECE_MAX_BYTES - 1);
        size_t skip = end ? len + 1 : len;
        data += skip;
        size -= skip;
    }
}

static void fill(char *place, size_t size, const char *piece)
{
    size_t len = strnlen(piece, size - 1);
    memcpy(place, piece, len);
    place[len] = '\0';
}

#define FILL(place, piece) fill(place, sizeof(place), piece)

static void show(struct pieces *p)
{
    struct ef_relay_status *status = &fake.relays[0].status;
    fake.view.instance = p->text[1];
    status->name = p->text[2];
    status->table = p->text[3];
    FILL(status->reason, p->text[4]);
    FILL(status->paused_by, p->text[5]);
    FILL(status->pause_reason, p->text[6]);
    FILL(status->lease_owner, p->text[5]);
    FILL(status->server, p->text[7]);
    FILL(status->topics[0].topic, p->text[7]);
    FILL(status->topics[0].reason, p->text[8]);
    status->topic_count = 1;
    status->ready = p->text[9][0] == '\0';
    status->paused = p->text[9][0] == 'p';
    status->state = (enum ef_relay_state)((unsigned char)p->text[9][0] % EF_RELAY_STATE_COUNT);
    FILL(fake.kafka.brokers, p->text[8]);
    FILL(fake.kafka.reason, p->text[4]);
    fake.kafka.up = p->text[9][0] != 'k';
    ef_metric_set(ef_metrics_get(fake.metrics, EF_GAUGE, "topic_paused", "1 while it is paused.",
                                 "outbox", p->text[2], "topic", p->text[7], NULL),
                  1);
}

static void check_utf8(const struct ef_buf *body)
{
    for (size_t at = 0; at < body->len;) {
        size_t n = ef_utf8_length(body->data + at, body->len - at);
        require(n > 0);
        at += n;
    }
}

static void check_json(const struct ef_buf *body)
{
    json_error_t error;
    json_t *json = json_loadb(body->data, body->len, JSON_REJECT_DUPLICATES, &error);
    require(json_is_object(json));
    json_decref(json);
}

/* name{labels} value, or a comment; quotes and escapes of the labels are closed on their line. */
static void check_metrics(const struct ef_buf *body)
{
    require(body->len > 0 && body->data[body->len - 1] == '\n');
    bool quoted = false, fresh = true;
    for (size_t i = 0; i < body->len; i++) {
        char c = body->data[i];
        if (fresh)
            require(c == '#' || (c >= 'a' && c <= 'z'));
        fresh = c == '\n';
        if (fresh)
            require(!quoted);
        if (c == '#' && (i == 0 || body->data[i - 1] == '\n')) { /* help may hold a quote */
            i += strcspn(body->data + i, "\n") - 1;
            continue;
        }
        if (quoted && c == '\\') {
            i++;
            require(body->data[i] == 'n' || body->data[i] == '"' || body->data[i] == '\\');
        } else if (c == '"') {
            quoted = !quoted;
        }
    }
}

static size_t tags(const char *path, struct ef_admin *admin)
{
    struct ef_answer answer;
    size_t found = 0;
    ef_http_route(admin, path, &answer);
    require(answer.status == 200);
    check_utf8(&answer.body);
    for (size_t i = 0; i < answer.body.len; i++)
        found += answer.body.data[i] == '<' || answer.body.data[i] == '>';
    const char *script = strstr(answer.body.data, "<script");
    require(script != NULL && strstr(script + 1, "<script") == NULL); /* the page's own */
    ef_buf_done(&answer.body);
    return found;
}

/* The same texts without a byte that means anything: the page has to have the same tags. */
static void blacken(struct pieces *p)
{
    for (int i = 0; i < PIECES - 1; i++)
        memset(p->text[i], 'x', strlen(p->text[i]));
}

static void check_known(struct ef_admin *admin, const char *path)
{
    struct ef_answer answer;
    ef_http_route(admin, path, &answer);
    bool ready = strcmp(path, "/readyz") == 0;
    require(answer.status == 200 || (ready && answer.status == 503));
    if (ready || strcmp(path, "/status") == 0) {
        check_utf8(&answer.body);
        check_json(&answer.body);
    } else {
        check_metrics(&answer.body);
    }
    ef_buf_done(&answer.body);
}

static void check_path(struct ef_admin *admin, const char *path)
{
    static const char *const paths[] = {"/", "/livez", "/readyz", "/status", "/metrics", "/events"};
    struct ef_answer answer;
    bool exists = false;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        exists |= strcmp(path, paths[i]) == 0;
    ef_http_route(admin, path, &answer);
    require(exists ? answer.status == 200 || answer.status == 503 : answer.status == 404);
    require(answer.type != NULL && answer.policy != NULL);
    require(answer.stream || answer.body.len > 0);
    ef_buf_done(&answer.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pieces pieces;
    cut(&pieces, data, size);
    fake_setup();
    struct ef_admin *admin = ef_admin_new(&(struct ef_admin_options){
        .loop = fake.loop, .view = &fake.view, .librdkafka = "2.0.2", .libpq = "15.20"});
    show(&pieces);
    check_path(admin, pieces.text[0]);
    check_known(admin, "/status");
    check_known(admin, "/readyz");
    check_known(admin, "/metrics");
    size_t found = tags("/", admin);
    blacken(&pieces);
    show(&pieces);
    fake_answer(&fake.relays[0]); /* the outbox has another name now: its dead rows are asked for */
    require(tags("/", admin) == found);
    ef_admin_free(admin);
    for (int i = 0; i < fake.count; i++)
        fake_answer(&fake.relays[i]); /* nobody wants it any more */
    fake_teardown();
    return 0;
}
