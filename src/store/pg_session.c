// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "store"
#include "store/pg_session.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "store/pg_answer.h"

/* libpq prints notices (and the last words of a server that ends an idle session) to stderr, in the
 * middle of our log. */
static void take_notice(void *arg, const char *text)
{
    (void)arg;
    char line[256];
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
    ef_debug("notice of the server", EF_STR("text", line));
}

static bool parse_url(const char *url, PQconninfoOption **ret, struct ef_error *err)
{
    char *reason = NULL;
    *ret = PQconninfoParse(url, &reason);
    if (*ret)
        return true;
    /* libpq's text may quote the URL, and with it a password */
    PQfreemem(reason);
    return ef_error_set(
        err, EF_CLASS_CONFIG,
        "cannot read the database url; accepted: postgresql://user@host:port/dbname?option=value");
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val && o->val[0] ? o->val : NULL;
    return NULL;
}

static bool is_address(const char *host)
{
    unsigned char buffer[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, buffer) == 1 || inet_pton(AF_INET6, host, buffer) == 1;
}

/* The n-th piece of a comma list; where it has only one that counts for all (libpq, 34.1.1). */
static char *piece(const char *list, int n)
{
    while (list && n > 0 && strchr(list, ',')) {
        list = strchr(list, ',') + 1;
        n--;
    }
    size_t len = list ? strcspn(list, ",") : 0;
    return len ? ef_xstrndup(list, len) : NULL;
}

static int pieces(const char *list)
{
    int count = 1;
    for (; *list; list++)
        count += *list == ',';
    return count;
}

bool ef_pg_target_of(const char *url, int turn, struct ef_pg_target *ret, struct ef_error *err)
{
    PQconninfoOption *options;
    *ret = (struct ef_pg_target){0};
    if (!parse_url(url, &options, err))
        return false;
    const char *host = option(options, "host");
    if (host && !option(options, "hostaddr")) {
        ret->hosts = pieces(host);
        int n = turn % ret->hosts;
        ret->host = piece(host, n);
        ret->port = piece(option(options, "port"), n);
    }
    if (ret->host)
        ret->lookup = ret->host[0] != '/' && ret->host[0] != '@' && !is_address(ret->host);
    PQconninfoFree(options);
    return true;
}

void ef_pg_target_done(struct ef_pg_target *target)
{
    free(target->host);
    free(target->port);
    free(target->hostaddr);
    *target = (struct ef_pg_target){0};
}

enum { PARAMS_MAX = 64 };

struct params {
    const char *keys[PARAMS_MAX + 1], *values[PARAMS_MAX + 1];
    int count;
};

/* A later value replaces an earlier one; NULL values are left out. */
static void put(struct params *p, const char *key, const char *value)
{
    if (!value)
        return;
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->keys[i], key) == 0) {
            p->values[i] = value;
            return;
        }
    if (p->count == PARAMS_MAX)
        return;
    p->keys[p->count] = key;
    p->values[p->count++] = value;
}

/* Lists of which the target holds this attempt's pieces; an empty piece means libpq's default. */
static bool is_list(const char *keyword)
{
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "port") == 0;
}

PGconn *ef_pg_session_connect(const struct ef_config_database *database, const char *url,
                              const char *application_name, const struct ef_pg_target *target,
                              struct ef_error *err)
{
    PQconninfoOption *options;
    char *password = NULL;
    if (!parse_url(url, &options, err))
        return NULL;
    if (!ef_config_password(database, &password, err)) {
        PQconninfoFree(options);
        return NULL;
    }
    struct params p = {0};
    /* a peer that vanished is noticed within about 30 s (engineering notes on libpq: keepalives) */
    put(&p, "keepalives_idle", "10");
    put(&p, "keepalives_interval", "5");
    put(&p, "keepalives_count", "3");
    put(&p, "tcp_user_timeout", "15000");
    put(&p, "target_session_attrs", "read-write");
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && o->val[0] && !(target->hosts > 0 && is_list(o->keyword)))
            put(&p, o->keyword, o->val);
    put(&p, "application_name", application_name);
    put(&p, "client_encoding", "UTF8");
    put(&p, "host", target->host);
    put(&p, "port", target->port);
    put(&p, "hostaddr", target->hostaddr);
    put(&p, "password", password);
    put(&p, "sslmode", database->tls.mode);
    put(&p, "sslrootcert", database->tls.ca);
    put(&p, "sslcert", database->tls.cert);
    put(&p, "sslkey", database->tls.key);
    PGconn *pg = PQconnectStartParams(p.keys, p.values, 0);
    if (password) {
        explicit_bzero(password, strlen(password));
        free(password);
    }
    PQconninfoFree(options);
    if (pg)
        PQsetNoticeProcessor(pg, take_notice, NULL);
    else
        ef_error_set(err, EF_CLASS_OUTAGE, "could not connect: out of memory");
    return pg;
}

void ef_pg_session_set_sql(const struct ef_config_database *database, bool local, char *out,
                           size_t size)
{
    const char *l = local ? "true" : "false";
    /*
     * Index scans only: statistics taken while the table was empty would make the range DELETE a
     * sequential scan of a table that has grown since.
     */
    snprintf(
        out, size,
        "SELECT set_config('search_path','pg_catalog',%s), set_config('row_security','off',%s),"
        " set_config('TimeZone','UTC',%s), set_config('DateStyle','ISO',%s),"
        " set_config('bytea_output','hex',%s), set_config('enable_seqscan','off',%s),"
        " set_config('plan_cache_mode','force_generic_plan',%s),"
        " set_config('enable_bitmapscan','off',%s), set_config('jit','off',%s),"
        " set_config('max_parallel_workers_per_gather','0',%s),"
        " set_config('statement_timeout','%lld',%s), set_config('lock_timeout','%lld',%s),"
        " set_config('idle_in_transaction_session_timeout','%lld',%s)",
        l, l, l, l, l, l, l, l, l, l, (long long)database->statement_timeout_ms, l,
        (long long)database->statement_timeout_ms / 2, l, (long long)database->statement_timeout_ms,
        l);
}

void ef_pg_session_setup_sql(const struct ef_config_database *database, char *out, size_t size)
{
    char set[1024];
    ef_pg_session_set_sql(database, database->pooler == EF_POOLER_TRANSACTION, set, sizeof(set));
    snprintf(
        out, size,
        "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('server_version_num'),"
        " (SELECT system_identifier FROM pg_catalog.pg_control_system()),"
        " CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN"
        " pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()),8) END,"
        " pg_catalog.pg_backend_pid() FROM (%s) AS s",
        set);
}

bool ef_pg_session_take(const PGresult *res, struct ef_pg_session *ret, struct ef_error *err)
{
    if (!ef_pg_answer_fits(res, 1, 5, err))
        return false;
    if (PQgetvalue(res, 0, 0)[0] == 't')
        return ef_error_set(err, EF_CLASS_OUTAGE,
                            "server is read-only: it is a standby in recovery");
    ret->version = atoi(PQgetvalue(res, 0, 1));
    if (ret->version < 130000)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot work with PostgreSQL %d: version 13 or later is needed",
                            ret->version / 10000);
    snprintf(ret->system, sizeof(ret->system), "%s", PQgetvalue(res, 0, 2));
    snprintf(ret->server, sizeof(ret->server), "%s/%s", ret->system, PQgetvalue(res, 0, 3));
    ret->backend_pid = atoi(PQgetvalue(res, 0, 4));
    return true;
}
