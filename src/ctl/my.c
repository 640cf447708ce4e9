// SPDX-License-Identifier: MIT
#include "ctl/my.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "store/my_url.h"

enum { MAX_COLUMNS = 16 };

struct my {
    struct ef_db db;
    MYSQL *conn;
    char where[96];
    char *user;
};

const char ef_my_session_script[] =
    "SET sql_mode = CONCAT('ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES,"
    "NO_ENGINE_SUBSTITUTION' /*M! , ',NO_AUTO_CREATE_USER' */);\n"
    "SET time_zone = '+00:00', lock_wait_timeout = 2, innodb_lock_wait_timeout = 2;\n";

/* Numbers below 2000 and from 3000 are the server's (mysqld_error.h), the others the client's. */
static enum ef_class class_of(unsigned number)
{
    static const unsigned busy[] = {1205, 1213, 1020, 3572};
    static const unsigned outage[] = {1040, 1053, 1077, 1079, 1152, 1158,
                                      1159, 1160, 1161, 1203, 1927, 4031};
    if (number >= 2000 && number < 3000)
        return EF_CLASS_OUTAGE;
    for (size_t i = 0; i < sizeof(busy) / sizeof(busy[0]); i++)
        if (number == busy[i])
            return EF_CLASS_BUSY;
    for (size_t i = 0; i < sizeof(outage) / sizeof(outage[0]); i++)
        if (number == outage[i])
            return EF_CLASS_OUTAGE;
    return EF_CLASS_CONFIG;
}

bool ef_my_is_denied(const struct ef_error *err)
{
    return err->code == 1142 || err->code == 1143 || err->code == 1044 || err->code == 1227;
}

bool ef_my_is_undefined(const struct ef_error *err)
{
    return err->code == 1146 || err->code == 1054 || err->code == 1049;
}

bool ef_my_is_unsupported(const struct ef_error *err)
{
    /* 4092: MySQL counts what was done instantly, and has done it too often */
    return err->code == 1845 || err->code == 1846 || err->code == 4092;
}

static bool statement_error(MYSQL *conn, struct ef_error *err)
{
    unsigned number = mysql_errno(conn);
    /* "not allowed to create a user with GRANT", "can't find any matching row in the user table" */
    if (number == 1410 || number == 1133)
        ef_error_set(err, EF_CLASS_CONFIG,
                     "that account does not exist: create it first (CREATE USER ...)");
    else
        ef_error_set(err, class_of(number), "%s%s",
                     number >= 2000 && number < 3000 ? "could not talk to the database: " : "",
                     mysql_error(conn));
    ef_error_code(err, (int)number, mysql_sqlstate(conn));
    return false;
}

/* The rows of one result; true with none. */
static bool take_result(MYSQL *conn, ef_db_row *row, void *arg, struct ef_error *err)
{
    MYSQL_RES *result = mysql_store_result(conn);
    MYSQL_ROW values;
    if (!result)
        return mysql_field_count(conn) == 0 || statement_error(conn, err);
    while (row && mysql_num_fields(result) <= MAX_COLUMNS && (values = mysql_fetch_row(result)))
        row(arg, values);
    mysql_free_result(result);
    return true;
}

static bool my_rows(struct ef_db *db, const char *sql, ef_db_row *row, void *arg,
                    struct ef_error *err)
{
    MYSQL *conn = ((struct my *)db)->conn;
    if (mysql_real_query(conn, sql, strlen(sql)) != 0)
        return statement_error(conn, err);
    for (;;) {
        if (!take_result(conn, row, arg, err))
            return false;
        int next = mysql_next_result(conn); /* 0: there is one, -1: none, else an error */
        if (next < 0)
            return true;
        if (next > 0)
            return statement_error(conn, err);
    }
}

static void my_close(struct ef_db *db)
{
    struct my *my = (struct my *)db;
    mysql_close(my->conn);
    free(my->user);
    free(my);
}

static const struct ef_db_driver driver = {.rows = my_rows, .close = my_close};

static void set_option(MYSQL *conn, enum mysql_option option, bool value)
{
    my_bool flag = value;
    mysql_options(conn, option, &flag);
}

/* As for the daemon (databases.*.tls.mode), and as libpq does it. */
enum tls { TLS_DISABLE, TLS_PREFER, TLS_REQUIRE, TLS_VERIFY };

static enum tls tls_of(const struct ef_db_options *options)
{
    const char *mode = options->tls_mode;
    if (!mode)
        return options->tls_ca ? TLS_VERIFY : TLS_PREFER;
    if (strcmp(mode, "disable") == 0 || strcmp(mode, "allow") == 0)
        return TLS_DISABLE;
    if (strncmp(mode, "verify", 6) == 0)
        return TLS_VERIFY;
    return strcmp(mode, "require") == 0 ? TLS_REQUIRE : TLS_PREFER;
}

static MYSQL *new_handle(const struct ef_db_options *options, bool local)
{
    enum tls tls = tls_of(options);
    unsigned timeout = (unsigned)options->connect_timeout_s, tcp = MYSQL_PROTOCOL_TCP, no = 0;
    MYSQL *conn = mysql_init(NULL);
    if (!conn)
        abort();
    mysql_options(conn, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
    mysql_options(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(conn, MYSQL_OPT_LOCAL_INFILE, &no); /* a server could ask for our files */
    if (local)
        return conn;
    mysql_options(conn, MYSQL_OPT_PROTOCOL, &tcp); /* to the library, localhost is a Unix socket */
    if (tls != TLS_DISABLE) {
        mysql_ssl_set(conn, options->tls_key, options->tls_cert, options->tls_ca, NULL, NULL);
        set_option(conn, MYSQL_OPT_SSL_ENFORCE, tls != TLS_PREFER);
        set_option(conn, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, tls == TLS_VERIFY);
    }
    return conn;
}

/* The library goes on without TLS where a server has none. */
static bool is_private_enough(MYSQL *conn, const struct ef_db_options *options, bool local,
                              struct ef_error *err)
{
    enum tls tls = tls_of(options);
    return local || tls == TLS_DISABLE || tls == TLS_PREFER || mysql_get_ssl_cipher(conn) ||
           ef_error_set(err, EF_CLASS_OUTAGE,
                        "could not connect to the database: the server has no TLS, and tls.mode "
                        "asks for it");
}

/* The first of the URL's hosts that answers; NULL after filling err with what the last said. */
static MYSQL *connect_to(const struct ef_my_url *url, const struct ef_db_options *options,
                         struct ef_error *err)
{
    const char *password = options->password ? options->password : url->password;
    if (!password)
        password = getenv("MYSQL_PWD");
    for (int i = 0; i == 0 || i < url->hosts; i++) {
        bool local = url->socket != NULL;
        MYSQL *conn = new_handle(options, local);
        if (mysql_real_connect(conn, local ? NULL : url->host[i], url->user, password,
                               url->database, local ? 0 : (unsigned)url->port[i], url->socket,
                               CLIENT_MULTI_STATEMENTS)) {
            if (is_private_enough(conn, options, local, err))
                return conn;
        } else {
            ef_error_set(err, EF_CLASS_OUTAGE, "could not connect to the database: %s",
                         mysql_error(conn));
            ef_error_code(err, (int)mysql_errno(conn), mysql_sqlstate(conn));
        }
        mysql_close(conn);
        if (local)
            break;
    }
    return NULL;
}

/* The settings took, whatever the server's own are: else '' and "" would mean something else. */
static bool set_session(struct my *my, struct ef_error *err)
{
    bool took;
    if (!ef_db_run(&my->db, ef_my_session_script, err) ||
        (my->db.mariadb && !ef_db_run(&my->db, "SET max_statement_time = 0", err)) ||
        !ef_db_true(&my->db,
                    "SELECT FIND_IN_SET('ANSI_QUOTES', @@sql_mode) > 0"
                    " AND FIND_IN_SET('NO_BACKSLASH_ESCAPES', @@sql_mode) > 0"
                    " AND @@time_zone = '+00:00'",
                    &took, err) ||
        !ef_db_text(&my->db, "SELECT CURRENT_USER()", &my->user, err))
        return false;
    my->db.user = my->user;
    return took || ef_error_set(err, EF_CLASS_CONFIG, "could not set the session's sql_mode");
}

struct ef_db *ef_ctl_my_open(const struct ef_db_options *options, struct ef_error *err)
{
    struct ef_my_url url;
    if (!ef_my_url_parse(options->url, &url, err))
        return NULL;
    MYSQL *conn = connect_to(&url, options, err);
    ef_my_url_done(&url);
    if (!conn)
        return NULL;
    struct my *my = ef_xcalloc(1, sizeof(*my));
    int version = (int)mysql_get_server_version(conn);
    my->conn = conn;
    my->db = (struct ef_db){.driver = &driver,
                            .where = my->where,
                            .version = version,
                            .mariadb = mariadb_connection(conn)};
    snprintf(my->where, sizeof(my->where), "%s %d.%d.%d", my->db.mariadb ? "MariaDB" : "MySQL",
             version / 10000, version / 100 % 100, version % 100);
    if (set_session(my, err))
        return &my->db;
    ef_db_close(&my->db);
    return NULL;
}
