// SPDX-License-Identifier: MIT
#include "ctl/asking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/control_client.h"
#include "ctl/table.h"

#define DEFAULT_SOCKET "/run/eventferryd/control.sock"

char *ef_ctl_socket(const struct ef_ctl *ctl, const char *given, int *ret_code)
{
    if (given)
        return ef_xstrdup(given);
    /* who may use the socket need not be allowed to read the configuration */
    if (!ctl->config_given && access(ctl->config_path, R_OK) != 0)
        return ef_xstrdup(DEFAULT_SOCKET);
    struct ef_config *config = ef_ctl_load_config(ctl, false, ret_code);
    if (!config)
        return NULL;
    char *path = NULL;
    if (config->control.socket && config->control.socket[0]) {
        path = ef_xstrdup(config->control.socket);
    } else {
        ef_ctl_complain("%s switches the control socket off (control.socket)", ctl->config_path);
        *ret_code = EF_CTL_CONFIG;
    }
    ef_config_free(config);
    return path;
}

void ef_ctl_complain_plainly(const char *text)
{
    struct ef_buf plain;
    ef_buf_init(&plain, 1 << 20);
    ef_ctl_plain(text, &plain);
    ef_ctl_complain("%s", plain.len ? plain.data : "no reason was given");
    ef_buf_done(&plain);
}

static int unanswered(const struct ef_error *err, const char *verb, int64_t timeout_ms)
{
    if (err->class != EF_CLASS_UNCERTAIN) {
        ef_ctl_complain("%s", err->text);
        return err->class == EF_CLASS_CONFIG ? EF_CTL_USAGE : EF_CTL_UNREACHABLE;
    }
    if (strcmp(verb, "drain") == 0) {
        ef_ctl_complain("not drained after %lld ms; it goes on, eventferryctl status shows how far "
                        "it is",
                        (long long)timeout_ms);
        return EF_CTL_REFUSED;
    }
    ef_ctl_complain(
        "eventferryd did not answer within %lld s; whether it did what was asked is not "
        "known, eventferryctl status shows it",
        (long long)timeout_ms / 1000);
    return EF_CTL_UNREACHABLE;
}

json_t *ef_ctl_request(const struct ef_ctl *ctl, const char *socket, json_t *request,
                       int64_t timeout_ms, int *ret_code)
{
    struct ef_error err;
    json_t *answer = NULL;
    char verb[32];
    snprintf(verb, sizeof(verb), "%s", ef_ctl_text(request, "verb"));
    char *path = ef_ctl_socket(ctl, socket, ret_code);
    if (!path) {
        json_decref(request);
        return NULL;
    }
    if (!ef_ctl_ask(path, request, timeout_ms, &answer, &err)) {
        *ret_code = unanswered(&err, verb, timeout_ms);
        answer = NULL;
    }
    free(path);
    return answer;
}

json_t *ef_ctl_request_ok(const struct ef_ctl *ctl, const char *socket, json_t *request,
                          int64_t timeout_ms, int *ret_code)
{
    json_t *answer = ef_ctl_request(ctl, socket, request, timeout_ms, ret_code);
    if (!answer || ef_ctl_is_ok(answer))
        return answer;
    ef_ctl_complain_plainly(ef_ctl_text(answer, "error"));
    json_decref(answer);
    *ret_code = EF_CTL_REFUSED;
    return NULL;
}

const char *ef_ctl_text(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "";
}

bool ef_ctl_is(const json_t *json, const char *name)
{
    return json_is_true(json_object_get(json, name));
}

int64_t ef_ctl_number(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return json_is_integer(value) ? (int64_t)json_integer_value(value)
                                  : (int64_t)json_number_value(value);
}

double ef_ctl_real(const json_t *json, const char *name)
{
    return json_number_value(json_object_get(json, name));
}

bool ef_ctl_is_ok(const json_t *answer)
{
    return ef_ctl_is(answer, "ok");
}

void ef_ctl_print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

bool ef_ctl_wants_colors(void)
{
    const char *no_color = getenv("NO_COLOR"); /* https://no-color.org */
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no_color && no_color[0]) &&
           !(terminal && strcmp(terminal, "dumb") == 0);
}
