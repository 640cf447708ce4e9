// SPDX-License-Identifier: MIT
/*
 * A MySQL or MariaDB session: which host an attempt goes to, libmariadb's options, the settings
 * every session has, and what the server said of itself. Used by my_conn.c only.
 */
#pragma once

#include <mysql.h>

#include "base/error.h"
#include "base/str.h"
#include "config/config.h"
#include "store/my_url.h"

/* "who answers", as an SQL expression: server_uuid, which a restored or promoted server does not
 * share; MariaDB has none, but its server_id differs between the servers of a replication. */
#define EF_MY_SERVER_MYSQL   "@@server_uuid"
#define EF_MY_SERVER_MARIADB "CONCAT(@@server_id, '@', @@hostname, ':', @@port)"

#define EF_MY_CLIENT_FLAGS (CLIENT_MULTI_STATEMENTS | CLIENT_REMEMBER_OPTIONS | CLIENT_FOUND_ROWS)

/* Of several hosts in a URL each attempt takes the next one. */
struct ef_my_target {
    struct ef_my_url url; /* owned */
    const char *host;     /* of this attempt, in url; NULL: over the socket */
    int port, hosts;
    bool lookup;   /* host is a name */
    char *address; /* owned; of the host, once looked up */
};

struct ef_my_answer;

struct ef_my_session { /* what the session's set-up found */
    char server[120];
    char version[32]; /* "MariaDB 10.11.19" */
    bool mariadb;
    /* The server's default time zone: columns of type DATETIME that applications fill by NOW() hold
     * its local time. "" for UTC. */
    char zone[65];
};

bool ef_my_target_of(const struct ef_config_database *database, int turn, struct ef_my_target *ret,
                     struct ef_error *err) EF_MUST_CHECK;
void ef_my_target_done(struct ef_my_target *target);

/* A handle with every option set, or NULL. */
MYSQL *ef_my_session_new(const struct ef_config_database *database, const char *program_name,
                         struct ef_my_target *target, struct ef_error *err);
/* Then TLS is to be done, or to be tried: by my_dial.h. */
bool ef_my_session_asks_for_tls(const struct ef_config_database *database,
                                const struct ef_my_target *target);
/* mysql_real_connect_start with the target's words, without TLS. */
int ef_my_session_connect(MYSQL **ret, MYSQL *my, const struct ef_my_target *target,
                          const char *database);
/* libmariadb goes on without TLS where a server has none: what was asked for is looked at here. */
bool ef_my_session_encrypted_as_asked(const struct ef_config_database *database,
                                      const struct ef_my_target *target, MYSQL *my,
                                      struct ef_error *err) EF_MUST_CHECK;

/* Settings, then one row for ef_my_session_take, which refuses servers that cannot be worked with.
 */
void ef_my_session_setup_sql(const struct ef_config_database *database, MYSQL *my,
                             struct ef_buf *out);
bool ef_my_session_take(MYSQL *my, const struct ef_my_answer *answer, struct ef_my_session *ret,
                        struct ef_error *err) EF_MUST_CHECK;
