// SPDX-License-Identifier: MIT
/* URLs of MySQL databases, which host an attempt goes to, and what error numbers mean. */
#include "store/my_url.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/my_errors.h"
#include "store/my_session.h"
#include "unit/run_suite.h"

struct good {
    const char *text, *user, *password, *database, *socket;
    int hosts;
    const char *host;
    int port;
};

static const struct good urls[] = {
    {"mysql://relay@db/shop", "relay", NULL, "shop", NULL, 1, "db", 3306},
    {"mariadb://relay@db:3307/", "relay", NULL, NULL, NULL, 1, "db", 3307},
    {"MySQL://relay@db", "relay", NULL, NULL, NULL, 1, "db", 3306},
    {"mysql://r%40h:p%3a%2f%25@db/s%20t", "r@h", "p:/%", "s t", NULL, 1, "db", 3306},
    {"mysql://relay:@db/shop", "relay", "", "shop", NULL, 1, "db", 3306},
    {"mysql://relay:a:b@db/shop", "relay", "a:b", "shop", NULL, 1, "db", 3306},
    {"mysql://relay@[2001:db8::1]:1/shop", "relay", NULL, "shop", NULL, 1, "2001:db8::1", 1},
    {"mysql://relay@[::1]/shop", "relay", NULL, "shop", NULL, 1, "::1", 3306},
    {"mysql://relay@a:1,b,[::1]:65535/shop", "relay", NULL, "shop", NULL, 3, "a", 1},
    {"mysql://relay@localhost/shop?socket=/run/my%20sql.sock", "relay", NULL, "shop",
     "/run/my sql.sock", 1, "localhost", 3306},
    {"mysql://relay@localhost?socket=/s", "relay", NULL, NULL, "/s", 1, "localhost", 3306},
};

START_TEST(urls_are_read)
{
    const struct good *g = &urls[_i];
    struct ef_my_url url;
    struct ef_error err = {0};
    ck_assert_msg(ef_my_url_parse(g->text, &url, &err), "%s: %s", g->text, err.text);
    ck_assert_pstr_eq(url.user, g->user);
    ck_assert_pstr_eq(url.password, g->password);
    ck_assert_pstr_eq(url.database, g->database);
    ck_assert_pstr_eq(url.socket, g->socket);
    ck_assert_int_eq(url.hosts, g->hosts);
    ck_assert_str_eq(url.host[0], g->host);
    ck_assert_int_eq(url.port[0], g->port);
    ef_my_url_done(&url);
}
END_TEST

static const struct {
    const char *text, *why;
} refused[] = {
    {"", "mysql://"},
    {"relay@db", "mysql://"},
    {"postgresql://relay@db/shop", "mysql://"},
    {"mysql://db/shop", "no user"},
    {"mysql://@db/shop", "no user"},
    {"mysql://:hunter2@db/shop", "no user"},
    {"mysql://relay:hunter2@/shop", "no host"},
    {"mysql://relay:hunter2@a,,b/shop", "no host"},
    {"mysql://relay:hunter2@a:0/shop", "port"},
    {"mysql://relay:hunter2@a:65536/shop", "port"},
    {"mysql://relay:hunter2@a:/shop", "port"},
    {"mysql://relay:hunter2@a:33o6/shop", "port"},
    {"mysql://relay:hunter2@[::1/shop", "brackets"},
    {"mysql://relay:hunter2@[::1]x/shop", "brackets"},
    {"mysql://relay:hunter2%4@a/shop", "hexadecimal"},
    {"mysql://relay:hunter2%00@a/shop", "hexadecimal"},
    {"mysql://relay:hunter2@a/shop?ssl=1", "socket"},
    {"mysql://relay:hunter2@a/shop?socket=", "socket"},
    {"mysql://relay:hunter2@a/shop?socket=/a&socket=/b", "twice"},
    {"mysql://relay:hunter2@a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q/shop", "16 hosts"},
};

START_TEST(urls_are_refused_without_being_shown)
{
    struct ef_my_url url;
    struct ef_error err = {0};
    ck_assert_msg(!ef_my_url_parse(refused[_i].text, &url, &err), "%s", refused[_i].text);
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
    ck_assert_msg(strstr(err.text, refused[_i].why) != NULL, "%s: %s", refused[_i].text, err.text);
    ck_assert_ptr_null(strstr(err.text, "hunter2"));
    ck_assert_ptr_null(url.user);
}
END_TEST

START_TEST(each_host_in_turn)
{
    static const struct {
        const char *host;
        int port;
        bool lookup;
    } expected[] = {{"a", 1, true}, {"192.0.2.1", 3306, false}, {"::1", 7, false}};
    struct ef_config_database database = {
        .name = (char *)"db", .url = (char *)"mysql://relay@a:1,192.0.2.1,[::1]:7/shop"};
    struct ef_my_target target;
    struct ef_error err;
    ck_assert(ef_my_target_of(&database, _i, &target, &err));
    ck_assert_str_eq(target.host, expected[_i % 3].host);
    ck_assert_int_eq(target.port, expected[_i % 3].port);
    ck_assert_int_eq(target.lookup, expected[_i % 3].lookup);
    ck_assert_int_eq(target.hosts, 3);
    ef_my_target_done(&target);
}
END_TEST

START_TEST(a_socket_needs_no_lookup)
{
    struct ef_config_database database = {
        .name = (char *)"db", .url = (char *)"mysql://relay@localhost/shop?socket=/run/my.sock"};
    struct ef_my_target target;
    struct ef_error err;
    ck_assert(ef_my_target_of(&database, 1, &target, &err));
    ck_assert_ptr_null(target.host);
    ck_assert(!target.lookup);
    ef_my_target_done(&target);
}
END_TEST

START_TEST(error_numbers)
{
    static const struct {
        unsigned code;
        enum ef_class class;
        bool ends;
    } expected[] = {
        {1213, EF_CLASS_TRANSIENT, false}, {1205, EF_CLASS_TRANSIENT, false},
        {1020, EF_CLASS_TRANSIENT, false}, {1969, EF_CLASS_TRANSIENT, false},
        {3024, EF_CLASS_TRANSIENT, false}, {1142, EF_CLASS_CONFIG, false},
        {1146, EF_CLASS_CONFIG, false},    {1054, EF_CLASS_CONFIG, false},
        {1045, EF_CLASS_CONFIG, true},     {1290, EF_CLASS_OUTAGE, true},
        {1836, EF_CLASS_OUTAGE, true},     {1927, EF_CLASS_OUTAGE, true},
        {1053, EF_CLASS_OUTAGE, true},     {2013, EF_CLASS_OUTAGE, true},
        {2006, EF_CLASS_OUTAGE, true},     {5014, EF_CLASS_OUTAGE, true},
        {4031, EF_CLASS_OUTAGE, true},     {9999, EF_CLASS_TRANSIENT, false},
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        ck_assert_msg(ef_my_errno_class(expected[i].code) == expected[i].class, "%u",
                      expected[i].code);
        ck_assert_msg(ef_my_errno_ends_session(expected[i].code) == expected[i].ends, "%u",
                      expected[i].code);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mysql urls and errors");
    TCase *tc = tcase_create("urls");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, urls_are_read, 0, sizeof(urls) / sizeof(urls[0]));
    tcase_add_loop_test(tc, urls_are_refused_without_being_shown, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_loop_test(tc, each_host_in_turn, 0, 4);
    tcase_add_test(tc, a_socket_needs_no_lookup);
    tcase_add_test(tc, error_numbers);
    return run_suite(suite);
}
