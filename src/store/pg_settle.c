// SPDX-License-Identifier: MIT
/* Statements that change a row's fate: all fenced, all idempotent. */
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <stdlib.h>
#include <time.h>

#include "base/str.h"
#include "base/utf8.h"

enum { ARRAY_MAX_BYTES = 64 << 20 };

struct second { /* the text of a time down to its second */
    int64_t s;
    size_t len;
    bool before_christ;
    char text[40];
};

/* Array literals grow side by side, one parameter each. */
struct arrays {
    struct ef_buf b[7];
    int count;
    struct second low, high;
};

static void arrays_init(struct arrays *a, int count)
{
    a->count = count;
    a->low.len = a->high.len = 0;
    for (int i = 0; i < count; i++) {
        ef_buf_init(&a->b[i], ARRAY_MAX_BYTES);
        ef_buf_puts(&a->b[i], "{");
    }
}

static void separate(struct arrays *a)
{
    for (int i = 0; i < a->count; i++)
        if (a->b[i].len > 1)
            ef_buf_puts(&a->b[i], ",");
}

static void arrays_give(struct arrays *a, struct ef_pg_request *req)
{
    for (int i = 0; i < a->count; i++) {
        ef_buf_puts(&a->b[i], "}");
        ef_pg_param_owned(req, a->b[i].data);
    }
}

static void put_int(struct ef_buf *b, int64_t v)
{
    char text[24], *p = text + sizeof(text);
    uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    if (v < 0)
        *--p = '-';
    ef_buf_add(b, p, (size_t)(text + sizeof(text) - p));
}

static void make_second(struct second *second, int64_t s)
{
    struct tm tm;
    gmtime_r(&(time_t){s}, &tm);
    int year = tm.tm_year + 1900;
    second->s = s;
    second->before_christ = year <= 0; /* there was no year 0 */
    second->len = (size_t)snprintf(second->text, sizeof(second->text),
                                   "\"%04d-%02d-%02d %02d:%02d:%02d.", year > 0 ? year : 1 - year,
                                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Exact to the microsecond; through a floating-point number it would not be. Rows of a run share
 * their second, so that part is made once. */
static void put_time(struct ef_buf *b, struct second *second, int64_t us)
{
    int64_t s = us / EF_S_US, rest = us % EF_S_US;
    if (us == INT64_MAX || us == INT64_MIN) {
        ef_buf_puts(b, us > 0 ? "infinity" : "-infinity");
        return;
    }
    if (rest < 0) {
        rest += EF_S_US;
        s--;
    }
    if (!second->len || second->s != s)
        make_second(second, s);
    char tail[] = "000000+00";
    for (int i = 5; i >= 0; i--, rest /= 10)
        tail[i] = (char)('0' + rest % 10);
    ef_buf_add(b, second->text, second->len);
    ef_buf_add(b, tail, sizeof(tail) - 1);
    ef_buf_puts(b, second->before_christ ? " BC\"" : "\"");
}

static void put_string(struct ef_buf *b, const char *s)
{
    if (!s) {
        ef_buf_puts(b, "NULL");
        return;
    }
    /* an error's text may have been cut within a character, which the server would refuse */
    struct ef_buf valid;
    ef_buf_init(&valid, 8192);
    ef_utf8_add(&valid, s, strlen(s));
    ef_buf_puts(b, "\"");
    for (const char *c = valid.data; c && *c; c++) {
        if (*c == '"' || *c == '\\')
            ef_buf_puts(b, "\\");
        ef_buf_add(b, c, 1);
    }
    ef_buf_puts(b, "\"");
    ef_buf_done(&valid);
}

void ef_pg_param_fence(struct ef_pg_store *s, struct ef_pg_request *req, int64_t epoch)
{
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_param_int(req, epoch);
    ef_pg_param_text(req, s->settle.session.system);
}

static int64_t affected(PGresult *res)
{
    return strtoll(PQcmdTuples(res), NULL, 10);
}

static void got_settled(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    ef_store_did_settle(&s->store, err ? 0 : affected(res), err);
}

void ef_pg_settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                  int count)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req = ef_pg_request_new("ef_settle", s->sql.settle, got_settled, s);
    struct arrays a;
    arrays_init(&a, 4);
    for (int i = 0; i < count; i++) {
        separate(&a);
        put_int(&a.b[0], runs[i].first);
        put_int(&a.b[1], runs[i].last);
        put_time(&a.b[2], &a.low, runs[i].created_min_us);
        put_time(&a.b[3], &a.high, runs[i].created_max_us);
    }
    ef_pg_param_fence(s, req, epoch);
    arrays_give(&a, req);
    ef_pg_conn_submit(&s->settle, req);
}

/* --- decide: an UPDATE for failed and dead rows, a durable settle for delivered ones --- */

static void got_decided(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    if (err && !s->decide_failed) {
        s->decide_failed = true;
        s->decide_error = *err;
    }
    if (!err)
        s->decide_rows += affected(res);
    if (--s->decide_pending > 0)
        return;
    ef_store_did_decide(&s->store, s->decide_rows, s->decide_failed ? &s->decide_error : NULL);
}

static void submit_marks(struct ef_pg_store *s, int64_t epoch, const struct ef_decision *d,
                         int count)
{
    struct ef_pg_request *req = ef_pg_request_new("ef_decide", s->sql.decide, got_decided, s);
    struct arrays a;
    arrays_init(&a, 7);
    for (int i = 0; i < count; i++) {
        if (d[i].kind == EF_DECIDE_DELIVERED)
            continue;
        separate(&a);
        put_int(&a.b[0], d[i].id);
        put_time(&a.b[1], &a.low, d[i].created_us);
        put_int(&a.b[2], d[i].kind == EF_DECIDE_RETRY ? EF_STATUS_FAILED : EF_STATUS_DEAD);
        put_int(&a.b[3], d[i].attempts);
        put_int(&a.b[4], d[i].delay_ms);
        put_string(&a.b[5], d[i].error);
        ef_buf_puts(&a.b[6], d[i].pending && d[i].kind == EF_DECIDE_DEAD ? "t" : "f");
    }
    ef_pg_param_fence(s, req, epoch);
    arrays_give(&a, req);
    ef_pg_conn_submit(&s->settle, req);
}

static void submit_delivered(struct ef_pg_store *s, int64_t epoch, const struct ef_decision *d,
                             int count)
{
    struct ef_pg_request *req =
        ef_pg_request_new("ef_settle_durably", s->sql.settle_durably, got_decided, s);
    struct arrays a;
    arrays_init(&a, 4);
    for (int i = 0; i < count; i++) {
        if (d[i].kind != EF_DECIDE_DELIVERED)
            continue;
        separate(&a);
        put_int(&a.b[0], d[i].id);
        put_int(&a.b[1], d[i].id);
        put_time(&a.b[2], &a.low, d[i].created_us);
        put_time(&a.b[3], &a.high, d[i].created_us);
    }
    ef_pg_param_fence(s, req, epoch);
    arrays_give(&a, req);
    ef_pg_conn_submit(&s->settle, req);
}

void ef_pg_decide(struct ef_store *store, int64_t epoch, const struct ef_decision *decisions,
                  int count)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    int delivered = 0;
    for (int i = 0; i < count; i++)
        delivered += decisions[i].kind == EF_DECIDE_DELIVERED;
    s->decide_rows = 0;
    s->decide_failed = false;
    s->decide_pending = (delivered > 0) + (delivered < count);
    if (delivered < count)
        submit_marks(s, epoch, decisions, count);
    if (delivered > 0)
        submit_delivered(s, epoch, decisions, count);
}

static void got_released(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    ef_store_did_release_topic(&s->store, err ? 0 : affected(res), err);
}

void ef_pg_release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic, int limit)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req =
        ef_pg_request_new("ef_release_topic", s->sql.release_topic, got_released, s);
    ef_pg_param_fence(s, req, epoch);
    ef_pg_param_owned(req, topic.p ? ef_xstrndup(topic.p, topic.len) : NULL);
    ef_pg_param_int(req, limit);
    ef_pg_conn_submit(&s->settle, req);
}
