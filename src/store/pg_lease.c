// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <stdlib.h>
#include <unistd.h>

#include "version.h"

enum { STANDBYS = 6, LEASE_COLUMNS = STANDBYS + 2, RENEWAL_COLUMNS = STANDBYS + 2 };

static void host_name(char *out, size_t size)
{
    if (gethostname(out, size) != 0)
        snprintf(out, size, "unknown");
    out[size - 1] = '\0';
}

static int64_t number(const PGresult *res, int col, int64_t otherwise)
{
    return PQgetisnull(res, 0, col) ? otherwise : strtoll(PQgetvalue(res, 0, col), NULL, 10);
}

/* The answer's last two columns, a row for each. */
static void take_standbys(const struct ef_pg_store *s, const PGresult *res, struct ef_standbys *ret)
{
    ret->known = s->layout.has_standbys;
    for (int i = 0; i < PQntuples(res); i++)
        if (!PQgetisnull(res, i, STANDBYS))
            ef_standbys_add(ret, PQgetvalue(res, i, STANDBYS), PQgetvalue(res, i, STANDBYS + 1));
}

static int64_t not_negative(int64_t v)
{
    return v > 0 ? v : 0;
}

static void got_lease(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (!err && !ef_pg_answer_fits(res, 1, LEASE_COLUMNS, &own))
        err = &own;
    if (err) {
        ef_store_did_acquire(&s->store, NULL, err);
        return;
    }
    struct ef_lease lease = {.outcome = EF_LEASE_HELD};
    if (PQgetvalue(res, 0, 0)[0] != 't') {
        ef_error_set(&own, EF_CLASS_CONFIG,
                     "the lease row of outbox %d is gone; run `eventferryctl migrate`",
                     s->layout.outbox_id);
        ef_store_did_acquire(&s->store, NULL, &own);
        return;
    }
    lease.epoch = number(res, 2, 0);
    snprintf(lease.owner, sizeof(lease.owner), "%s", PQgetvalue(res, 0, 3));
    if (lease.epoch) {
        lease.outcome = EF_LEASE_GRANTED;
    } else if (PQgetvalue(res, 0, 1)[0] == 't') {
        lease.wait_ms = 100; /* its row is locked: a settle or a takeover is just under way */
    } else if (!PQgetisnull(res, 0, 5)) {
        lease.outcome = EF_LEASE_QUIET;
        lease.wait_ms = not_negative(number(res, 5, 0));
    } else {
        lease.wait_ms = not_negative(number(res, 4, 0));
    }
    take_standbys(s, res, &lease.standbys);
    ef_store_did_acquire(&s->store, &lease, NULL);
}

void ef_pg_acquire(struct ef_store *store, const struct ef_acquire *acquire)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    char host[256];
    host_name(host, sizeof(host));
    struct ef_pg_request *req = ef_pg_request_new("ef_acquire", s->sql.acquire, got_lease, s);
    req->text = true;
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_param_text(req, s->lease.session.system);
    ef_pg_param_text(req, acquire->owner);
    snprintf(s->incarnation, sizeof(s->incarnation), "%s", acquire->incarnation);
    ef_pg_param_text(req, s->incarnation);
    ef_pg_param_text(req, acquire->token);
    ef_pg_param_text(req, acquire->old_token);
    ef_pg_param_int(req, acquire->ttl_ms);
    ef_pg_param_text(req, host);
    ef_pg_param_text(req, EF_VERSION);
    ef_pg_param_text(req, acquire->passing ? "t" : "f");
    ef_pg_conn_submit(&s->lease, req);
}

static void got_renewal(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (!err && !ef_pg_answer_fits(res, 0, RENEWAL_COLUMNS, &own)) {
        err = &own;
    } else if (!err && (PQntuples(res) == 0 || number(res, 0, 0) == 0)) {
        ef_error_set(&own, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &own;
    }
    if (err) {
        ef_store_did_renew(&s->store, NULL, err);
        return;
    }
    struct ef_renewal renewal = {.paused = PQgetvalue(res, 0, 1)[0] == 't',
                                 .commands = (int)number(res, 4, 0)};
    s->xid_ceiling = strtoull(PQgetvalue(res, 0, 5), NULL, 10);
    s->xid_ceiling_us = s->renew_sent_us;
    snprintf(renewal.paused_by, sizeof(renewal.paused_by), "%s", PQgetvalue(res, 0, 2));
    snprintf(renewal.pause_reason, sizeof(renewal.pause_reason), "%s", PQgetvalue(res, 0, 3));
    take_standbys(s, res, &renewal.standbys);
    ef_store_did_renew(&s->store, &renewal, NULL);
}

void ef_pg_renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    char host[256];
    host_name(host, sizeof(host));
    s->renew_sent_us = ef_clock_mono().us;
    struct ef_pg_request *req = ef_pg_request_new(NULL, s->sql.renew, got_renewal, s);
    req->text = true;
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_param_int(req, epoch);
    ef_pg_param_text(req, s->lease.session.system);
    ef_pg_param_int(req, ttl_ms);
    ef_pg_param_text(req, s->incarnation);
    ef_pg_param_text(req, s->config->instance);
    ef_pg_param_text(req, host);
    ef_pg_param_text(req, EF_VERSION);
    ef_pg_conn_submit(&s->lease, req);
}

static void got_release(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    (void)res;
    ef_store_did_release(&s->store, err);
}

void ef_pg_release(struct ef_store *store, int64_t epoch)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req = ef_pg_request_new(NULL, s->sql.release, got_release, s);
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_param_int(req, epoch);
    ef_pg_param_text(req, s->lease.session.system);
    ef_pg_param_text(req, s->incarnation);
    ef_pg_conn_submit(&s->lease, req);
}

static void got_pause(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    (void)res;
    ef_store_did_pause(&s->store, err);
}

void ef_pg_pause(struct ef_store *store, bool pause, const char *actor, const char *reason)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req =
        ef_pg_request_new(NULL, s->sql.pause ? s->sql.pause : "SELECT 1", got_pause, s);
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_param_text(req, pause ? "t" : "f");
    ef_pg_param_text(req, actor);
    ef_pg_param_text(req, reason);
    ef_pg_conn_submit(&s->lease, req);
}
