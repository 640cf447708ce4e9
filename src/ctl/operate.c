// SPDX-License-Identifier: MIT
#include "ctl/operate.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/control_filter.h"
#include "ctl/asking.h"
#include "ctl/control_client.h"
#include "ctl/local.h"
#include "kafka/properties.h"
#include "store/drivers.h"

/* A relay waits a minute for a command's result, and 10 s for its table before it. */
enum { OPERATE_TIMEOUT_MS = 90 * 1000, PROBE_TIMEOUT_MS = 10 * 1000 };

struct ef_operator {
    char *outbox;
    char *socket;           /* where the daemon answers; NULL: none does */
    struct ef_local *local; /* stands in for it */
};

/* --- opening --- */

static bool choose_outbox(struct ef_operator *op, const char *wanted, const char *const *names,
                          size_t count)
{
    struct ef_buf list;
    ef_buf_init(&list, 4096);
    for (size_t i = 0; i < count; i++) {
        if (wanted ? strcmp(wanted, names[i]) == 0 : count == 1)
            op->outbox = ef_xstrdup(names[i]);
        ef_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    if (!op->outbox && wanted)
        ef_ctl_complain("no outbox is named \"%s\"; there are: %s", wanted,
                        list.len ? list.data : "none");
    else if (!op->outbox)
        ef_ctl_complain("name an outbox; there are: %s", list.len ? list.data : "none");
    ef_buf_done(&list);
    return op->outbox != NULL;
}

static bool take_daemon(struct ef_operator *op, const char *wanted, const json_t *status)
{
    size_t i;
    json_t *outbox;
    const json_t *outboxes = json_object_get(status, "outboxes");
    const char **names = ef_xcalloc(json_array_size(outboxes) + 1, sizeof(*names));
    json_array_foreach(outboxes, i, outbox)
    {
        names[i] = ef_ctl_text(outbox, "name");
    }
    bool ok = choose_outbox(op, wanted, names, i);
    free(names);
    return ok;
}

static bool take_config(struct ef_operator *op, struct ef_ctl *ctl, const char *wanted,
                        int *ret_code)
{
    ef_config_use_kafka_checks(&ef_kafka_config_checks);
    ef_config_use_driver_checks(&ef_store_config_checks);
    struct ef_config *config = ef_ctl_load_config(ctl, true, ret_code);
    if (!config)
        return false;
    const char **names = ef_xcalloc(config->outbox_count + 1, sizeof(*names));
    for (size_t i = 0; i < config->outbox_count; i++)
        names[i] = config->outboxes[i].name;
    bool ok = choose_outbox(op, wanted, names, config->outbox_count);
    free(names);
    *ret_code = EF_CTL_REFUSED;
    if (ok)
        op->local = ef_local_open(config, op->outbox);
    else
        ef_config_free(config);
    return ok;
}

/* Whether a daemon answers at the socket: then its status. */
static json_t *probe(const char *path, struct ef_error *err)
{
    json_t *answer = NULL;
    if (!ef_ctl_ask(path, json_pack("{s:s}", "verb", "status"), PROBE_TIMEOUT_MS, &answer, err))
        return NULL;
    return answer;
}

static bool open_operator(struct ef_operator *op, struct ef_ctl *ctl, const char *socket,
                          const char *outbox, int *ret_code)
{
    struct ef_error err;
    char *path = ef_ctl_socket(ctl, socket, ret_code);
    if (!path)
        return false;
    json_t *answer = probe(path, &err);
    if (answer) {
        *ret_code = EF_CTL_REFUSED;
        op->socket = path;
        bool ok = take_daemon(op, outbox, json_object_get(answer, "status"));
        json_decref(answer);
        return ok;
    }
    free(path);
    /* what listens but does not answer is a daemon all the same, and no reason to go round it */
    if (!ef_ctl_nobody_listens(&err)) {
        ef_ctl_complain("%s", err.text);
        *ret_code = EF_CTL_UNREACHABLE;
        return false;
    }
    fprintf(stderr, "no daemon runs here, so eventferryctl asks the database itself\n");
    return take_config(op, ctl, outbox, ret_code);
}

struct ef_operator *ef_operator_open(struct ef_ctl *ctl, const char *socket, const char *outbox,
                                     int *ret_code)
{
    struct ef_operator *op = ef_xcalloc(1, sizeof(*op));
    if (open_operator(op, ctl, socket, outbox, ret_code))
        return op;
    ef_operator_close(op);
    return NULL;
}

void ef_operator_close(struct ef_operator *op)
{
    if (!op)
        return;
    ef_local_close(op->local);
    free(op->outbox);
    free(op->socket);
    free(op);
}

const char *ef_operator_outbox(const struct ef_operator *op)
{
    return op->outbox;
}

bool ef_operator_daemon(const struct ef_operator *op)
{
    return op->local == NULL;
}

/* --- asking --- */

static json_t *local_answer(struct ef_operator *op, const struct ef_operation *operation,
                            int *ret_code)
{
    struct ef_error err;
    char *text;
    if (!ef_local_operate(op->local, operation, &text, &err)) {
        ef_ctl_complain_plainly(err.text);
        *ret_code = ef_ctl_code(&err);
        return NULL;
    }
    json_t *json = json_loads(text, 0, NULL);
    free(text);
    return json;
}

static json_t *local_rows(struct ef_operator *op, json_t *filter, int *ret_code)
{
    struct ef_error err;
    json_t *answer = NULL;
    struct ef_operation operation = {.kind = EF_OPERATION_ROWS};
    if (ef_control_filter(filter, &operation.filter, &err)) {
        answer = local_answer(op, &operation, ret_code);
    } else {
        ef_ctl_complain("%s", err.text);
        *ret_code = EF_CTL_USAGE;
    }
    ef_control_filter_done(&operation.filter);
    json_decref(filter);
    return answer;
}

static json_t *local_command(struct ef_operator *op, const char *command, json_t *args,
                             int *ret_code)
{
    const struct passwd *entry = getpwuid(getuid());
    char actor[64];
    char *text = json_dumps(args, JSON_COMPACT);
    if (entry)
        snprintf(actor, sizeof(actor), "%s", entry->pw_name);
    else
        snprintf(actor, sizeof(actor), "uid %u", (unsigned)getuid());
    struct ef_operation operation = {
        .kind = EF_OPERATION_COMMAND, .verb = command, .args = text, .actor = actor};
    json_t *answer = local_answer(op, &operation, ret_code);
    free(text);
    json_decref(args);
    return answer;
}

/* The class of a refusal counts as that of an error of our own. */
static int refused(const json_t *answer)
{
    ef_ctl_complain_plainly(ef_ctl_text(answer, "error"));
    return strcmp(ef_ctl_text(answer, "class"), "outage") == 0 ? EF_CTL_UNREACHABLE
                                                               : EF_CTL_REFUSED;
}

static json_t *ask_daemon(struct ef_operator *op, json_t *request, int *ret_code)
{
    struct ef_error err;
    json_t *answer = NULL;
    if (!ef_ctl_ask(op->socket, request, OPERATE_TIMEOUT_MS, &answer, &err)) {
        ef_ctl_complain("%s", err.text);
        *ret_code = EF_CTL_UNREACHABLE;
        return NULL;
    }
    if (ef_ctl_is_ok(answer))
        return answer;
    *ret_code = refused(answer);
    json_decref(answer);
    return NULL;
}

json_t *ef_operator_rows(struct ef_operator *op, json_t *filter, int *ret_code)
{
    if (op->local)
        return local_rows(op, filter, ret_code);
    return ask_daemon(
        op, json_pack("{s:s, s:s, s:o}", "verb", "rows", "outbox", op->outbox, "filter", filter),
        ret_code);
}

json_t *ef_operator_command(struct ef_operator *op, const char *command, json_t *args,
                            int *ret_code)
{
    if (op->local)
        return local_command(op, command, args, ret_code);
    json_t *answer = ask_daemon(op,
                                json_pack("{s:s, s:s, s:s, s:o}", "verb", "command", "outbox",
                                          op->outbox, "command", command, "args", args),
                                ret_code);
    json_t *result = answer ? json_incref(json_object_get(answer, "result")) : NULL;
    if (answer && !result)
        result = json_object();
    json_decref(answer);
    return result;
}

json_t *ef_operator_status(struct ef_operator *op, json_t **ret_all)
{
    struct ef_error err;
    json_t *answer = op->socket ? probe(op->socket, &err) : NULL;
    json_t *status = json_object_get(answer, "status"), *outbox, *found = NULL;
    size_t i;
    json_array_foreach(json_object_get(status, "outboxes"), i, outbox)
    {
        if (strcmp(ef_ctl_text(outbox, "name"), op->outbox) == 0)
            found = json_incref(outbox);
    }
    if (ret_all)
        *ret_all = json_incref(status);
    json_decref(answer);
    return found;
}
