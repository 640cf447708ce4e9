// SPDX-License-Identifier: MIT
/* The control socket on a real loop: verbs, answers, limits, the socket's file; and the request
 * parser. */
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "admin/control.h"
#include "admin/control_request.h"
#include "admin_fake.h"
#include "unit/run_suite.h"

static struct ef_admin *admin;
static struct ef_control *control;
static char directory[64], path[100];
static json_t *got; /* the answer read last */

static void setup(void)
{
    struct ef_error err;
    fake_setup();
    admin = ef_admin_new(&(struct ef_admin_options){.loop = fake.loop, .view = &fake.view});
    snprintf(directory, sizeof(directory), "/tmp/ef-control-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/control.sock", directory);
    control = ef_control_start(fake.loop, admin, path, &err);
    ck_assert_msg(control != NULL, "%s", err.text);
}

static void teardown(void)
{
    json_decref(got);
    got = NULL;
    ef_control_stop(control);
    unlink(path);
    rmdir(directory);
    ef_admin_free(admin);
    fake_teardown();
}

static int dial(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 20 * fake_scale()};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);
    ck_assert_int_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* One line as JSON; NULL at the end. */
static json_t *hear(int fd)
{
    static char line[1 << 20];
    size_t len = 0;
    json_error_t error;
    while (len + 1 < sizeof(line) && recv(fd, line + len, 1, 0) == 1)
        if (line[len++] == '\n')
            break;
    if (len == 0)
        return NULL;
    ck_assert_int_eq(line[len - 1], '\n');
    json_t *json = json_loadb(line, len, 0, &error);
    ck_assert_msg(json != NULL, "%s in %.*s", error.text, (int)len, line);
    return json;
}

static const char *request_text;

static void talk(void)
{
    int fd = dial();
    say(fd, request_text);
    say(fd, "\n");
    got = hear(fd);
    close(fd);
}

static json_t *ask(const char *request)
{
    request_text = request;
    json_decref(got);
    got = NULL;
    fake_run(talk);
    ck_assert_ptr_nonnull(got);
    return got;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "";
}

static bool ok(const json_t *json)
{
    return json_is_true(json_object_get(json, "ok"));
}

static void assert_refused(const json_t *json, const char *class, const char *words)
{
    ck_assert(json_is_false(json_object_get(json, "ok")));
    ck_assert_str_eq(text_of(json, "class"), class);
    ck_assert_msg(strstr(text_of(json, "error"), words) != NULL, "%s", text_of(json, "error"));
}

START_TEST(status_of_all_and_of_one)
{
    json_t *json = ask("{\"verb\":\"status\"}");
    ck_assert(ok(json));
    json_t *outboxes = json_object_get(json_object_get(json, "status"), "outboxes");
    ck_assert_uint_eq(json_array_size(outboxes), 2);
    json = ask("{\"verb\":\"status\",\"outbox\":\"mails\"}");
    outboxes = json_object_get(json_object_get(json, "status"), "outboxes");
    ck_assert_uint_eq(json_array_size(outboxes), 1);
    ck_assert_str_eq(text_of(json_array_get(outboxes, 0), "name"), "mails");
    json = ask("{\"verb\":\"status\",\"outbox\":\"mail\"}");
    assert_refused(json, "config", "no outbox is named \"mail\"; there are: orders, mails");
}
END_TEST

START_TEST(rows_and_commands_reach_their_relay)
{
    json_t *json = ask("{\"verb\":\"rows\",\"outbox\":\"orders\",\"filter\":{\"statuses\":[3,4],"
                       "\"topic\":\"t\",\"ids\":[7],\"limit\":5}}");
    ck_assert(ok(json));
    ck_assert(json_is_false(json_object_get(json, "more")));
    ck_assert_str_eq(fake.relays[0].operation, "rows t 24 1 5");
    json = ask("{\"verb\":\"command\",\"outbox\":\"orders\",\"command\":\"retry\","
               "\"args\":{\"ids\":[7]}}");
    ck_assert(ok(json));
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json, "result"), "rows")),
                     1);
    ck_assert_str_eq(fake.relays[0].operation, "retry {\"ids\":[7]}");
    ck_assert_str_ne(fake.relays[0].actor, "");
    ef_error_set(&fake.relays[0].fail, EF_CLASS_UNCERTAIN, "nobody owns it");
    assert_refused(ask("{\"verb\":\"command\",\"outbox\":\"orders\",\"command\":\"skip\","
                       "\"args\":{}}"),
                   "uncertain", "nobody owns it");
    assert_refused(ask("{\"verb\":\"rows\",\"outbox\":\"nix\"}"), "config", "no outbox is named");
}
END_TEST

START_TEST(level_of_the_log_for_a_while)
{
    json_t *json =
        ask("{\"verb\":\"log-level\",\"level\":\"debug\",\"room\":\"relay\",\"for_ms\":60000}");
    ck_assert(ok(json));
    ck_assert(ef_log_wanted(EF_LOG_DEBUG, "relay") && !ef_log_wanted(EF_LOG_DEBUG, "store"));
    json = json_object_get(ask("{\"verb\":\"status\"}"), "status");
    json_t *list = json_object_get(json_object_get(json, "log"), "overrides");
    ck_assert_uint_eq(json_array_size(list), 1);
    ck_assert_str_eq(text_of(json_array_get(list, 0), "room"), "relay");
    ck_assert_str_eq(text_of(json_array_get(list, 0), "level"), "debug");
    ck_assert(ok(ask("{\"verb\":\"log-level\",\"level\":\"reset\",\"room\":\"relay\"}")));
    ck_assert(!ef_log_wanted(EF_LOG_DEBUG, "relay"));
}
END_TEST

START_TEST(health_verbs)
{
    ck_assert(ok(ask("{\"verb\":\"livez\"}")));
    ck_assert(json_is_true(json_object_get(ask("{\"verb\":\"readyz\"}"), "ready")));
    fake.relays[0].status.ready = false;
    json_t *json = ask("{\"verb\":\"readyz\"}");
    ck_assert(ok(json)); /* the question was answered */
    ck_assert(json_is_false(json_object_get(json, "ready")));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "reasons")), 1);
    ck_assert_ptr_nonnull(
        strstr(text_of(ask("{\"verb\":\"metrics\"}"), "text"), "eventferry_build_info{"));
}
END_TEST

START_TEST(pause_one_with_actor_and_reason)
{
    struct passwd *me = getpwuid(getuid());
    json_t *json = ask("{\"verb\":\"pause\",\"outbox\":\"orders\",\"reason\":\"index build\"}");
    ck_assert(ok(json));
    json_t *outboxes = json_object_get(json, "outboxes");
    ck_assert_uint_eq(json_array_size(outboxes), 1);
    ck_assert_str_eq(text_of(json_array_get(outboxes, 0), "outbox"), "orders");
    ck_assert_int_eq(fake.relays[0].pauses, 1);
    ck_assert_int_eq(fake.relays[1].pauses, 0);
    ck_assert_str_eq(fake.relays[0].reason, "index build");
    if (me)
        ck_assert_str_eq(fake.relays[0].actor, me->pw_name);
    else
        ck_assert_int_eq(strncmp(fake.relays[0].actor, "uid ", 4), 0);
}
END_TEST

START_TEST(resume_and_drain_all)
{
    ck_assert(ok(ask("{\"verb\":\"resume\",\"outbox\":\"*\"}")));
    ck_assert_int_eq(fake.relays[0].resumes, 1);
    ck_assert_int_eq(fake.relays[1].resumes, 1);
    ck_assert_int_eq(fake.relays[2].resumes, 0);
    json_t *json = ask("{\"verb\":\"drain\",\"outbox\":\"*\"}");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "outboxes")), 2);
    ck_assert_int_eq(fake.relays[0].drains, 1);
    ck_assert_int_eq(fake.relays[1].drains, 1);
}
END_TEST

START_TEST(one_failure_among_several_is_told)
{
    ef_error_set(&fake.relays[1].fail, EF_CLASS_OUTAGE, "could not reach the database");
    json_t *json = ask("{\"verb\":\"pause\",\"outbox\":\"*\"}");
    assert_refused(json, "outage", "outbox \"mails\": could not reach the database");
    json_t *outboxes = json_object_get(json, "outboxes");
    ck_assert_uint_eq(json_array_size(outboxes), 2);
    ck_assert(ok(json_array_get(outboxes, 0)));
    assert_refused(json_array_get(outboxes, 1), "outage", "could not reach the database");
}
END_TEST

START_TEST(all_of_none_is_fine)
{
    fake.count = 0;
    json_t *json = ask("{\"verb\":\"pause\",\"outbox\":\"*\"}");
    ck_assert(ok(json));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "outboxes")), 0);
}
END_TEST

START_TEST(reload)
{
    json_t *json = ask("{\"verb\":\"reload\"}");
    ck_assert(ok(json));
    ck_assert_str_eq(text_of(json, "text"), "changed: outboxes.orders.poll_interval\n");
    ef_error_set(&fake.reload_error, EF_CLASS_CONFIG, "x.yaml:3:1: unknown key \"tabel\"");
    assert_refused(ask("{\"verb\":\"reload\"}"), "config", "x.yaml:3:1: unknown key");
    ck_assert_int_eq(fake.reloads, 2);
}
END_TEST

static void talk_several(void)
{
    int fd = dial();
    say(fd, "{\"verb\":\"livez\"}\n\n{\"verb\":\"readyz\"}\nnonsense\n{\"verb\":\"pause\","
            "\"outbox\":\"orders\"}\n{\"verb\":\"status\"}");
    shutdown(fd, SHUT_WR); /* the last line has no line feed */
    json_t *answers[5];
    for (int i = 0; i < 5; i++) {
        answers[i] = hear(fd);
        ck_assert_ptr_nonnull(answers[i]);
    }
    ck_assert_ptr_null(hear(fd));
    ck_assert_uint_eq(json_object_size(answers[0]), 1);
    ck_assert_ptr_nonnull(json_object_get(answers[1], "ready"));
    assert_refused(answers[2], "config", "not JSON");
    ck_assert_ptr_nonnull(json_object_get(answers[3], "outboxes"));
    ck_assert_ptr_nonnull(json_object_get(answers[4], "status"));
    for (int i = 0; i < 5; i++)
        json_decref(answers[i]);
    close(fd);
}

START_TEST(requests_in_a_row_are_answered_in_order)
{
    fake_run(talk_several);
    ck_assert_int_eq(fake.relays[0].pauses, 1);
}
END_TEST

static void talk_long(void)
{
    static char line[EF_CONTROL_LINE_MAX_BYTES + 2];
    int fd = dial();
    memset(line, 'x', sizeof(line));
    ck_assert_int_gt(send(fd, line, sizeof(line), MSG_NOSIGNAL), 0);
    got = hear(fd);
    assert_refused(got, "config", "longer than 8388608 bytes");
    char byte;
    ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

START_TEST(long_requests_end_the_connection)
{
    fake_run(talk_long);
    ck_assert(ok(ask("{\"verb\":\"livez\"}")));
}
END_TEST

static void talk_crowd(void)
{
    int fds[17];
    for (int i = 0; i < 17; i++)
        fds[i] = dial();
    json_t *json = hear(fds[16]);
    assert_refused(json, "busy", "16 clients");
    json_decref(json);
    say(fds[0], "{\"verb\":\"livez\"}\n");
    json = hear(fds[0]);
    ck_assert(ok(json));
    json_decref(json);
    for (int i = 0; i < 17; i++)
        close(fds[i]);
}

START_TEST(a_crowd_is_refused)
{
    fake_run(talk_crowd);
    ck_assert(ok(ask("{\"verb\":\"livez\"}")));
}
END_TEST

static void talk_and_leave(void)
{
    int fd = dial();
    say(fd, "{\"verb\":\"drain\",\"outbox\":\"orders\"}\n{\"verb\":\"livez\"}\n");
    /* the drain has begun when another client's question is answered after it */
    int other = dial();
    for (int i = 0; i < 100 * fake_scale() && fake.relays[0].drains == 0; i++) {
        say(other, "{\"verb\":\"livez\"}\n");
        json_decref(hear(other));
    }
    ck_assert_int_eq(fake.relays[0].drains, 1);
    close(fd);
    close(other);
}

/* The relay answers long after the client has gone. */
START_TEST(a_client_may_leave_during_a_verb)
{
    fake.relays[0].hold = true;
    fake_run(talk_and_leave);
    ck_assert(ok(ask("{\"verb\":\"livez\"}")));
    ck_assert_ptr_nonnull(fake.relays[0].done);
    fake_done(&fake.relays[0]);
    ck_assert(ok(ask("{\"verb\":\"livez\"}")));
}
END_TEST

/* Nor does it matter when the whole socket has gone. */
START_TEST(a_verb_may_outlive_the_socket)
{
    fake.relays[0].hold = true;
    fake_run(talk_and_leave);
    ef_control_stop(control);
    control = NULL;
    fake_done(&fake.relays[0]);
}
END_TEST

static void talk_slow_reader(void)
{
    int fd = dial();
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (int i = 0; i < 200; i++)
        say(fd, "{\"verb\":\"metrics\"}\n");
    for (int i = 0; i < 200; i++) {
        json_t *json = hear(fd);
        ck_assert(ok(json));
        json_decref(json);
    }
    close(fd);
}

START_TEST(slow_readers_get_everything)
{
    fake_run(talk_slow_reader);
}
END_TEST

/* --- the socket's file --- */

START_TEST(the_file_is_for_user_and_group_only)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0660);
    ef_control_stop(control);
    control = NULL;
    ck_assert_int_eq(stat(path, &st), -1);
}
END_TEST

START_TEST(a_living_socket_is_left_alone)
{
    struct ef_error err = {0};
    ck_assert_ptr_null(ef_control_start(fake.loop, admin, path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "another eventferryd answers there"));
    ck_assert(ok(ask("{\"verb\":\"livez\"}")));
}
END_TEST

START_TEST(a_dead_socket_is_replaced)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct ef_error err = {0};
    ef_control_stop(control);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd); /* the file stays, as after SIGKILL */
    control = ef_control_start(fake.loop, admin, path, &err);
    ck_assert_msg(control != NULL, "%s", err.text);
    ck_assert(ok(ask("{\"verb\":\"livez\"}")));
}
END_TEST

START_TEST(other_files_are_left_alone)
{
    struct ef_error err = {0};
    struct stat st;
    ef_control_stop(control);
    FILE *file = fopen(path, "w");
    fclose(file);
    control = ef_control_start(fake.loop, admin, path, &err);
    ck_assert_ptr_null(control);
    ck_assert_ptr_nonnull(strstr(err.text, "something else is there"));
    ck_assert_int_eq(stat(path, &st), 0);
}
END_TEST

START_TEST(a_successors_socket_is_not_removed)
{
    struct ef_error err = {0};
    ck_assert_int_eq(unlink(path), 0);
    struct ef_control *successor = ef_control_start(fake.loop, admin, path, &err);
    ck_assert_msg(successor != NULL, "%s", err.text);
    ef_control_stop(control);
    control = successor;
    ck_assert(ok(ask("{\"verb\":\"livez\"}")));
}
END_TEST

START_TEST(bad_paths_are_explained)
{
    struct ef_error err = {0};
    char long_path[200];
    char missing[128];
    snprintf(missing, sizeof(missing), "%s/missing/control.sock", directory);
    ck_assert_ptr_null(ef_control_start(fake.loop, admin, missing, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "its directory does not exist"));
    memset(long_path, 'x', sizeof(long_path));
    long_path[0] = '/';
    long_path[sizeof(long_path) - 1] = '\0';
    ck_assert_ptr_null(ef_control_start(fake.loop, admin, long_path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "a path of 1 to 107 bytes is wanted"));
    ck_assert_ptr_null(ef_control_start(fake.loop, admin, "", &err));
}
END_TEST

/* --- the parser --- */

/* The values stay readable, but for what they borrow from the document. */
static bool parse(const char *line, struct ef_control_request *ret, struct ef_error *err)
{
    bool good = ef_control_parse(line, strlen(line), ret, err);
    ef_control_request_done(ret);
    return good;
}

START_TEST(requests)
{
    struct ef_control_request request;
    struct ef_error err;
    ck_assert(
        parse("{\"verb\": \"pause\", \"outbox\": \"o\", \"reason\": \"\\u00fc\"}", &request, &err));
    ck_assert_int_eq(request.verb, EF_CONTROL_PAUSE);
    ck_assert_str_eq(request.outbox, "o");
    ck_assert_str_eq(request.reason, "\xc3\xbc");
    for (int verb = 0; verb < EF_CONTROL_VERB_COUNT; verb++) {
        char line[100];
        bool outbox =
            verb == EF_CONTROL_PAUSE || verb == EF_CONTROL_RESUME || verb == EF_CONTROL_DRAIN;
        if (verb == EF_CONTROL_ROWS || verb == EF_CONTROL_COMMAND)
            continue; /* rows_and_commands_reach_their_relay */
        snprintf(line, sizeof(line), "{\"verb\":\"%s\"%s}",
                 ef_control_verb_name((enum ef_control_verb)verb),
                 outbox                         ? ",\"outbox\":\"*\""
                 : verb == EF_CONTROL_LOG_LEVEL ? ",\"level\":\"debug\""
                                                : "");
        ck_assert_msg(parse(line, &request, &err), "%s: %s", line, err.text);
        ck_assert_int_eq((int)request.verb, verb);
    }
    ck_assert(parse("{\"verb\":\"status\"}", &request, &err));
    ck_assert_str_eq(request.outbox, "*");
}
END_TEST

START_TEST(refused_requests)
{
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"[]", "not a JSON object"},
        {"{}", "\"verb\" is missing"},
        {"{\"verb\":\"\"}", "\"verb\" is missing"},
        {"{\"verb\":\"stop\"}", "unknown verb \"stop\""},
        {"{\"verb\":\"PAUSE\"}", "unknown verb"},
        {"{\"verb\":1}", "\"verb\" must be a string"},
        {"{\"verb\":\"livez\",\"verb\":\"reload\"}", "not JSON"},
        {"{\"verb\":\"livez\"} {}", "not JSON"},
        {"{\"verb\":\"livez\",\"force\":true}", "unknown member \"force\""},
        {"{\"verb\":\"pause\"}", "\"outbox\" is missing"},
        {"{\"verb\":\"pause\",\"outbox\":\"\"}", "\"outbox\" is missing"},
        {"{\"verb\":\"pause\",\"outbox\":null}", "must be a string"},
        {"{\"verb\":\"pause\",\"outbox\":\"a\\nb\"}", "control character"},
        {"{\"verb\":\"pause\",\"outbox\":\"o\",\"reason\":\"\\u001b[31m\"}", "control character"},
        {"{\"verb\":\"resume\",\"outbox\":\"o\",\"reason\":\"x\"}", "takes no reason"},
        {"{\"verb\":\"reload\",\"outbox\":\"o\"}", "takes no outbox"},
        {"{\"verb\":\"pause\",\"outbox\":\"o\\u0000\"}", "not JSON"},
        {"{\"verb\":\"pau\xff\"}", "not JSON"},
        {"{\"verb\":\"log-level\"}", "\"level\" is missing"},
        {"{\"verb\":\"log-level\",\"level\":\"loud\"}", "none of debug, info"},
        {"{\"verb\":\"log-level\",\"level\":\"debug\",\"room\":\"attic\"}", "no room is named"},
        {"{\"verb\":\"log-level\",\"level\":\"debug\",\"for_ms\":0}", "\"for_ms\" must be"},
        {"{\"verb\":\"livez\",\"level\":\"debug\"}", "takes no level"},
        {"{\"verb\":\"rows\"}", "\"outbox\" must name one"},
        {"{\"verb\":\"rows\",\"outbox\":\"*\"}", "\"outbox\" must name one"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":[]}", "must be an object"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":{\"x\":1}}", "unknown member"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":{\"statuses\":[5]}}", "from 0 to 4"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":{\"ids\":[]}}", "1 to 1000 row numbers"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":{\"ids\":[\"1\"]}}", "row numbers"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":{\"limit\":1001}}", "1 to 1000"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":{\"newest\":1}}", "true or false"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":{\"topic\":1}}", "a string"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"filter\":{\"after_id\":1.5}}", "whole number"},
        {"{\"verb\":\"rows\",\"outbox\":\"o\",\"args\":{}}", "takes no command"},
        {"{\"verb\":\"command\",\"outbox\":\"o\",\"command\":\"retry\"}", "are wanted"},
        {"{\"verb\":\"command\",\"outbox\":\"o\",\"command\":\"retry\",\"args\":[]}", "an object"},
        {"{\"verb\":\"livez\",\"filter\":{}}", "takes no filter"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ef_control_request request;
        struct ef_error err = {0};
        ck_assert_msg(!parse(cases[i].line, &request, &err), "%s", cases[i].line);
        ck_assert_msg(strstr(err.text, cases[i].words) != NULL, "%s: %s", cases[i].line, err.text);
        ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
    }
}
END_TEST

START_TEST(long_members_are_refused)
{
    struct ef_control_request request;
    struct ef_error err;
    char line[700], text[301];
    memset(text, 'r', sizeof(text));
    text[255] = '\0';
    snprintf(line, sizeof(line), "{\"verb\":\"pause\",\"outbox\":\"o\",\"reason\":\"%s\"}", text);
    ck_assert(parse(line, &request, &err));
    text[255] = 'r';
    text[256] = '\0';
    snprintf(line, sizeof(line), "{\"verb\":\"pause\",\"outbox\":\"o\",\"reason\":\"%s\"}", text);
    ck_assert(!parse(line, &request, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "longer than 255 bytes"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_control");
    TCase *tc = tcase_create("socket");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, status_of_all_and_of_one);
    tcase_add_test(tc, health_verbs);
    tcase_add_test(tc, level_of_the_log_for_a_while);
    tcase_add_test(tc, rows_and_commands_reach_their_relay);
    tcase_add_test(tc, pause_one_with_actor_and_reason);
    tcase_add_test(tc, resume_and_drain_all);
    tcase_add_test(tc, one_failure_among_several_is_told);
    tcase_add_test(tc, all_of_none_is_fine);
    tcase_add_test(tc, reload);
    tcase_add_test(tc, requests_in_a_row_are_answered_in_order);
    tcase_add_test(tc, long_requests_end_the_connection);
    tcase_add_test(tc, a_crowd_is_refused);
    tcase_add_test(tc, a_client_may_leave_during_a_verb);
    tcase_add_test(tc, a_verb_may_outlive_the_socket);
    tcase_add_test(tc, slow_readers_get_everything);
    tcase_add_test(tc, the_file_is_for_user_and_group_only);
    tcase_add_test(tc, a_living_socket_is_left_alone);
    tcase_add_test(tc, a_dead_socket_is_replaced);
    tcase_add_test(tc, other_files_are_left_alone);
    tcase_add_test(tc, a_successors_socket_is_not_removed);
    tcase_add_test(tc, bad_paths_are_explained);
    suite_add_tcase(suite, tc);
    TCase *parser = tcase_create("parser");
    tcase_add_test(parser, requests);
    tcase_add_test(parser, refused_requests);
    tcase_add_test(parser, long_members_are_refused);
    suite_add_tcase(suite, parser);
    return run_suite(suite);
}
