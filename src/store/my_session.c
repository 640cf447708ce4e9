// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "store"
#include "store/my_session.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "loop/known_host.h"
#include "store/my_conn.h"

enum {
    MYSQL_LEAST = 80013,
    MARIADB_LEAST = 100600,
    PACKET_LEAST = 4 << 20 /* 10 000 gaps, written three times in a read, take less than half */
};

/* What the texts in my_sql.c are written for. */
#define SQL_MODE "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"

static bool is_address(const char *host)
{
    unsigned char buffer[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, buffer) == 1 || inet_pton(AF_INET6, host, buffer) == 1;
}

bool ef_my_target_of(const struct ef_config_database *database, int turn, struct ef_my_target *ret,
                     struct ef_error *err)
{
    *ret = (struct ef_my_target){.hosts = 1};
    if (!ef_my_url_parse(database->url, &ret->url, err))
        return false;
    if (ret->url.socket)
        return true;
    ret->hosts = ret->url.hosts;
    ret->host = ret->url.host[turn % ret->hosts];
    ret->port = ret->url.port[turn % ret->hosts];
    ret->lookup = !is_address(ret->host);
    return true;
}

void ef_my_target_done(struct ef_my_target *target)
{
    ef_my_url_done(&target->url);
    free(target->address);
    *target = (struct ef_my_target){0};
}

/* --- encryption --- */

enum tls { TLS_DISABLE, TLS_PREFER, TLS_REQUIRE, TLS_VERIFY };

/* As libpq does: a certificate authority without a word means that it is to be used. */
static enum tls tls_of(const struct ef_config_database *database)
{
    const char *mode = database->tls.mode;
    if (!mode)
        return database->tls.ca ? TLS_VERIFY : TLS_PREFER;
    if (strcmp(mode, "disable") == 0 || strcmp(mode, "allow") == 0)
        return TLS_DISABLE;
    if (strncmp(mode, "verify", 6) == 0)
        return TLS_VERIFY;
    return strcmp(mode, "require") == 0 ? TLS_REQUIRE : TLS_PREFER;
}

bool ef_my_session_asks_for_tls(const struct ef_config_database *database,
                                const struct ef_my_target *target)
{
    return tls_of(database) != TLS_DISABLE && !target->url.socket;
}

static void set_tls(const struct ef_config_database *database, const struct ef_my_target *target,
                    MYSQL *my)
{
    enum tls tls = tls_of(database);
    if (!ef_my_session_asks_for_tls(database, target))
        return;
    my_bool yes = 1;
    /* asks for TLS, and goes on without where the server has none; telling it not to enforce TLS
     * would take even that back */
    mysql_ssl_set(my, database->tls.key, database->tls.cert, database->tls.ca, NULL, NULL);
    if (tls != TLS_PREFER)
        mysql_optionsv(my, MYSQL_OPT_SSL_ENFORCE, &yes);
    if (tls == TLS_VERIFY)
        mysql_optionsv(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
}

bool ef_my_session_encrypted_as_asked(const struct ef_config_database *database,
                                      const struct ef_my_target *target, MYSQL *my,
                                      struct ef_error *err)
{
    enum tls tls = tls_of(database);
    if (tls == TLS_DISABLE || tls == TLS_PREFER || target->url.socket || mysql_get_ssl_cipher(my))
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "server has no TLS, and tls.mode asks for it; set ssl_cert and ssl_key on "
                        "the server");
}

/* --- connecting --- */

MYSQL *ef_my_session_new(const struct ef_config_database *database, const char *program_name,
                         struct ef_my_target *target, struct ef_error *err)
{
    char *password = NULL;
    if (!ef_config_password(database, &password, err))
        return NULL;
    if (password) {
        if (target->url.password)
            explicit_bzero(target->url.password, strlen(target->url.password));
        free(target->url.password);
        target->url.password = password;
    }
    MYSQL *my = mysql_init(NULL);
    if (!my) {
        ef_error_set(err, EF_CLASS_OUTAGE, "could not connect: out of memory");
        return NULL;
    }
    unsigned no = 0, protocol = target->url.socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_optionsv(my, MYSQL_OPT_NONBLOCK, 0);
    mysql_optionsv(my, MYSQL_OPT_PROTOCOL, &protocol); /* else "localhost" is a socket's name */
    mysql_optionsv(my, MYSQL_OPT_LOCAL_INFILE, &no);   /* a server could ask for our files */
    mysql_optionsv(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", program_name);
    set_tls(database, target, my);
    return my;
}

int ef_my_session_connect(MYSQL **ret, MYSQL *my, const struct ef_my_target *target,
                          const char *database)
{
    const struct ef_my_url *url = &target->url;
    /* the library compares the certificate with the name, so it gets the name; its own look-up,
     * which would block, is answered from what we know */
    if (target->lookup)
        ef_known_host_set(target->host, target->address);
    int wait = mysql_real_connect_start(ret, my, url->socket ? NULL : target->host, url->user,
                                        url->password, database, (unsigned)target->port,
                                        url->socket, EF_MY_CLIENT_FLAGS);
    ef_known_host_set(NULL, NULL);
    return wait;
}

/* --- set-up --- */

void ef_my_session_setup_sql(const struct ef_config_database *database, MYSQL *my,
                             struct ef_buf *out)
{
    bool mariadb = mariadb_connection(my);
    long long limit_ms = (long long)database->statement_timeout_ms;
    long long lock_s = limit_ms / 2000 > 0 ? limit_ms / 2000 : 1;
    ef_buf_puts(out, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;");
    /* a time that is rounded up lies in the future: MariaDB cuts it by default */
    ef_buf_printf(out,
                  "SET SESSION time_zone = '+00:00', sql_mode = '" SQL_MODE "%s', autocommit = 1,"
                  " innodb_lock_wait_timeout = %lld, lock_wait_timeout = %lld, foreign_key_checks "
                  "= 1, unique_checks = 1",
                  mariadb ? "" : ",TIME_TRUNCATE_FRACTIONAL", lock_s, lock_s);
    if (mariadb)
        /* a join buffer would bring rows out of their order, and sort them through a file */
        ef_buf_printf(out, ", max_statement_time = %lld.%03lld, join_cache_level = 0",
                      limit_ms / 1000, limit_ms % 1000);
    else
        ef_buf_printf(out,
                      ", max_execution_time = %lld, range_optimizer_max_mem_size = 0,"
                      " information_schema_stats_expiry = 0",
                      limit_ms);
    ef_buf_printf(
        out,
        ";SELECT %s, @@global.read_only OR @@global.innodb_read_only, @@session.%s,"
        " @@session.time_zone, @@session.sql_mode, @@session.character_set_results,"
        " CASE WHEN @@global.time_zone IN ('+00:00', 'UTC') OR @@global.time_zone = 'SYSTEM' AND"
        " @@system_time_zone = 'UTC' THEN '' ELSE @@global.time_zone END,"
        " @@session.autocommit, @@global.max_allowed_packet",
        mariadb ? EF_MY_SERVER_MARIADB : EF_MY_SERVER_MYSQL,
        mariadb ? "tx_isolation" : "transaction_isolation");
}

static bool took(const struct ef_my_answer *a, int col, const char *wanted, const char *what,
                 struct ef_error *err)
{
    if (strstr(ef_my_text(a, 0, col), wanted))
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "session setting %s is \"%s\" although it was set to %s: a proxy in "
                        "between does not keep it; connect to the server itself",
                        what, ef_my_text(a, 0, col), wanted);
}

bool ef_my_session_take(MYSQL *my, const struct ef_my_answer *a, struct ef_my_session *ret,
                        struct ef_error *err)
{
    unsigned long version = mysql_get_server_version(my);
    *ret = (struct ef_my_session){.mariadb = mariadb_connection(my)};
    snprintf(ret->version, sizeof(ret->version), "%s %lu.%lu.%lu",
             ret->mariadb ? "MariaDB" : "MySQL", version / 10000, version / 100 % 100,
             version % 100);
    if (version < (ret->mariadb ? MARIADB_LEAST : MYSQL_LEAST))
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot work with %s: MySQL 8.0.13, MariaDB 10.6 or later is needed",
                            ret->version);
    if (ef_my_int(a, 0, 1, 0))
        return ef_error_set(err, EF_CLASS_OUTAGE, "server is read-only (a replica, or read_only)");
    if (ef_my_int(a, 0, 8, 0) < PACKET_LEAST)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "max_allowed_packet is %s: a statement may have up to %d bytes; run SET "
            "GLOBAL max_allowed_packet = 16777216, and put it into the server's "
            "configuration",
            ef_my_text(a, 0, 8), PACKET_LEAST);
    snprintf(ret->server, sizeof(ret->server), "%s", ef_my_text(a, 0, 0));
    snprintf(ret->zone, sizeof(ret->zone), "%s", ef_my_text(a, 0, 6));
    return took(a, 2, "READ-COMMITTED", "transaction_isolation", err) &&
           took(a, 3, "+00:00", "time_zone", err) &&
           took(a, 4, "NO_BACKSLASH_ESCAPES", "sql_mode", err) &&
           took(a, 4, "ANSI_QUOTES", "sql_mode", err) &&
           took(a, 5, "utf8mb4", "character_set_results", err) &&
           took(a, 7, "1", "autocommit", err);
}
