// SPDX-License-Identifier: MIT
/* Which host a connection attempt goes to: of several in a URL each in turn. */
#include "store/pg_session.h"

#include <check.h>
#include <stdlib.h>

#include "unit/run_suite.h"

struct expected {
    const char *url;
    int turn;
    const char *host, *port;
    bool lookup;
};

static const struct expected targets[] = {
    {"postgresql://relay@db/shop", 0, "db", NULL, true},
    {"postgresql://relay@db:5433/shop", 7, "db", "5433", true},
    {"postgresql://relay@192.0.2.1/shop", 0, "192.0.2.1", NULL, false},
    {"postgresql://relay@[2001:db8::1]:1/shop", 0, "2001:db8::1", "1", false},
    {"postgresql://relay@a:1,b:2,c/shop", 0, "a", "1", true},
    {"postgresql://relay@a:1,b:2,c/shop", 1, "b", "2", true},
    {"postgresql://relay@a:1,b:2,c/shop", 2, "c", NULL, true},
    {"postgresql://relay@a:1,b:2,c/shop", 3, "a", "1", true},
    {"host=a,/run/postgresql,192.0.2.1 port=6000", 0, "a", "6000", true},
    {"host=a,/run/postgresql,192.0.2.1 port=6000", 1, "/run/postgresql", "6000", false},
    {"host=a,/run/postgresql,192.0.2.1 port=6000", 2, "192.0.2.1", "6000", false},
    {"host=@abstract", 0, "@abstract", NULL, false},
    {"host=a,b hostaddr=192.0.2.1,192.0.2.2", 1, NULL, NULL, false}, /* nothing to look up */
    {"dbname=shop", 0, NULL, NULL, false},
};

START_TEST(each_host_in_turn)
{
    const struct expected *e = &targets[_i];
    struct ef_pg_target target;
    struct ef_error err;
    ck_assert(ef_pg_target_of(e->url, e->turn, &target, &err));
    ck_assert_pstr_eq(target.host, e->host);
    ck_assert_pstr_eq(target.port, e->port);
    ck_assert_int_eq(target.lookup, e->lookup);
    ck_assert(!target.lookup || target.hosts > 0);
    ck_assert_ptr_null(target.hostaddr);
    ef_pg_target_done(&target);
}
END_TEST

/* libpq refuses one host with a list of ports: what is left out of the lists must be so too. */
START_TEST(libpq_gets_one_host_and_its_port)
{
    static const char *const urls[] = {"postgresql://u@a,b/db",      "postgresql://u@a:5432,b/db",
                                       "postgresql://u@a,b:5433/db", "host=/tmp,b port=,5433",
                                       "postgresql://u@a:1,b:2/db",  "host=a,b port=1"};
    struct ef_config_database database = {.name = "db", .url = (char *)urls[_i / 2]};
    struct ef_pg_target target;
    struct ef_error err;
    ck_assert(ef_pg_target_of(database.url, _i % 2, &target, &err));
    if (target.lookup)
        target.hostaddr = strdup("127.0.0.1");
    PGconn *pg = ef_pg_session_connect(&database, database.url, "test", &target, &err);
    ck_assert_ptr_nonnull(pg);
    ck_assert_msg(!strstr(PQerrorMessage(pg), "could not match"), "%s turn %d: %s", database.url,
                  _i % 2, PQerrorMessage(pg));
    PQfinish(pg);
    ef_pg_target_done(&target);
}
END_TEST

START_TEST(a_url_that_cannot_be_read_is_not_shown)
{
    struct ef_pg_target target;
    struct ef_error err;
    ck_assert(!ef_pg_target_of("postgresql://u:se%cret@h/", 0, &target, &err));
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
    ck_assert_ptr_null(strstr(err.text, "se%"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("connection targets");
    TCase *tc = tcase_create("connection targets");
    tcase_add_loop_test(tc, each_host_in_turn, 0, (int)(sizeof(targets) / sizeof(targets[0])));
    tcase_add_loop_test(tc, libpq_gets_one_host_and_its_port, 0, 12);
    tcase_add_test(tc, a_url_that_cannot_be_read_is_not_shown);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
