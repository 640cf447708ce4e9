// SPDX-License-Identifier: MIT
#include "ctl/open.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/my.h"
#include "ctl/pg.h"

enum {
    CONNECT_TIMEOUT_S = 10,
    OLDEST_POSTGRES = 130000, /* gen_random_uuid, pg_current_snapshot */
    OLDEST_MARIADB = 100600,  /* SKIP LOCKED */
    OLDEST_MYSQL = 80013,     /* SKIP LOCKED, expressions as defaults */
};

/* The oldest server of each kind that has what the SQL needs. */
static bool check_version(const struct ef_db *db, bool mysql, struct ef_error *err)
{
    if (!mysql)
        return db->version >= OLDEST_POSTGRES ||
               ef_error_set(err, EF_CLASS_CONFIG,
                            "cannot work with PostgreSQL %d: 13 or later is needed",
                            db->version / 10000);
    return db->version >= (db->mariadb ? OLDEST_MARIADB : OLDEST_MYSQL) ||
           ef_error_set(err, EF_CLASS_CONFIG, "cannot work with %s: %s or later is needed",
                        db->where, db->mariadb ? "10.6" : "8.0.13");
}

struct ef_db *ef_ctl_open(const struct ef_config_database *database, const char *url, bool mysql,
                          bool plain, struct ef_error *err)
{
    struct ef_db_options options = {
        .url = url, .connect_timeout_s = CONNECT_TIMEOUT_S, .plain = plain};
    char *password = NULL;
    if (!url) {
        if (!ef_config_password(database, &password, err))
            return NULL;
        options.url = database->url;
        options.password = password;
        options.tls_mode = database->tls.mode;
        options.tls_ca = database->tls.ca;
        options.tls_cert = database->tls.cert;
        options.tls_key = database->tls.key;
    }
    struct ef_db *db = mysql ? ef_ctl_my_open(&options, err) : ef_ctl_pg_open(&options, err);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    if (db && !check_version(db, mysql, err)) {
        ef_db_close(db);
        return NULL;
    }
    return db;
}
