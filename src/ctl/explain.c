// SPDX-License-Identifier: MIT
/* eventferryctl explain: the message of a row as it would be sent, and why it has not gone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/asking.h"
#include "ctl/explain_row.h"
#include "ctl/rows.h"
#include "ctl/table.h"
#include "kafka/admin.h"
#include "kafka/properties.h"
#include "store/drivers.h"

enum { KAFKA_TIMEOUT_MS = 3000, VALUE_SHOWN_BYTES = 4096, DEFAULT_LAST = 1 };

static const char usage_text[] =
    "usage: eventferryctl explain [--last N] [--no-kafka] [--json] [OUTBOX] [ID]...\n\n"
    "Shows what message a row becomes, with topic, partition, key, headers and value as they would "
    "be\n"
    "sent, and why it has not gone yet. Reads the configuration, and asks the brokers how many\n"
    "partitions the topic has.\n\n"
    "  --last N        the newest N rows of the table (1)\n"
    "  --no-kafka      ask no broker\n"
    "  --json          JSON\n";

struct explaining {
    struct ef_explain explain;
    struct ef_config *config;
    struct ef_kafka_admin *admin; /* NULL: nobody to ask */
    char last_topic[256];
    int last_count;
    json_t *list; /* explained rows */
};

static int partitions(void *arg, const char *topic)
{
    struct explaining *e = arg;
    struct ef_error err;
    struct ef_kafka_admin_topic look;
    if (!e->admin)
        return 0;
    if (strcmp(e->last_topic, topic) == 0)
        return e->last_count;
    if (!ef_kafka_admin_topic(e->admin, topic, KAFKA_TIMEOUT_MS, &look, &err)) {
        ef_ctl_complain("%s, so its partition is not known", err.text);
        ef_kafka_admin_free(e->admin);
        e->admin = NULL;
        return 0;
    }
    snprintf(e->last_topic, sizeof(e->last_topic), "%s", topic);
    e->last_count = look.exists ? look.partitions : 0;
    return e->last_count;
}

/* --- showing --- */

static void show_text(const char *name, const json_t *object, const char *member)
{
    struct ef_buf out;
    const char *text = ef_ctl_text(object, member);
    char *other = ef_xprintf("%s_base64", member);
    bool encoded = json_object_get(object, other) != NULL;
    ef_buf_init(&out, 1 << 20);
    ef_ctl_plain(encoded ? ef_ctl_text(object, other) : text, &out);
    bool null = !encoded && !json_is_string(json_object_get(object, member));
    printf("  %-10s %s%s\n", name,
           null      ? "null"
           : out.len ? out.data
                     : "\"\"",
           encoded ? " (base64)" : "");
    ef_buf_done(&out);
    free(other);
}

static void show_partition(const json_t *message)
{
    const char *by = ef_ctl_text(message, "partition_by");
    int64_t count = ef_ctl_number(message, "partitions");
    const json_t *partition = json_object_get(message, "partition");
    printf("  %-10s ", "partition");
    if (json_is_integer(partition))
        printf("%lld", (long long)json_integer_value(partition));
    else
        printf("%s", strcmp(by, "turn") == 0 ? "any, in turn: it has no key" : "by the key");
    if (count)
        printf(" of %" PRId64, count);
    else
        printf(" of N");
    puts(strcmp(by, "key") == 0   ? ", murmur2 of the key"
         : strcmp(by, "row") == 0 ? ", as the row says"
                                  : "");
}

static void show_message(const json_t *message)
{
    size_t i;
    json_t *header;
    show_text("topic", message, "topic");
    show_partition(message);
    show_text("key", message, "key");
    show_text("timestamp", message, "timestamp");
    json_array_foreach(json_object_get(message, "headers"), i, header)
    {
        struct ef_buf line;
        const char *value = json_string_value(json_object_get(header, "value"));
        ef_buf_init(&line, 1 << 17);
        ef_ctl_plain(ef_ctl_text(header, "name"), &line);
        ef_buf_puts(&line, ": ");
        ef_ctl_plain(value ? value : "null", &line);
        printf("  %-10s %s\n", i ? "" : "headers", line.data);
        ef_buf_done(&line);
    }
    printf("  %-10s %" PRId64 " bytes\n", "value", ef_ctl_number(message, "bytes"));
    if (ef_ctl_number(message, "bytes") <= VALUE_SHOWN_BYTES)
        show_text("", message, "value");
}

static void show(const json_t *row)
{
    size_t i;
    json_t *sentence;
    const json_t *message = json_object_get(row, "message");
    printf("row %" PRId64 ": %s\n", ef_ctl_number(row, "id"), ef_ctl_text(row, "status"));
    json_array_foreach(json_object_get(row, "why"), i, sentence)
    {
        struct ef_buf line;
        ef_buf_init(&line, 1 << 16);
        ef_ctl_plain(json_string_value(sentence), &line);
        printf("  %-10s %s\n", i ? "" : "why", line.data);
        ef_buf_done(&line);
    }
    if (message)
        show_message(message);
    else if (json_object_get(row, "refused"))
        show_text("message", row, "refused");
}

/* --- finding --- */

static bool take_row(void *arg, const json_t *row)
{
    struct explaining *e = arg;
    json_array_append_new(e->list, ef_explain_row(&e->explain, row));
    return true;
}

/* The last row of this id, NULL if there is none; the list's. */
static const json_t *row_of(const json_t *list, json_int_t id)
{
    for (size_t i = json_array_size(list); i > 0; i--) {
        const json_t *row = json_array_get(list, i - 1);
        if (json_integer_value(json_object_get(row, "id")) == id)
            return row;
    }
    return NULL;
}

/* What the archive has of those that are not in the table; NULL: nothing, or it cannot be read. */
static json_t *find_archived(struct explaining *e, struct ef_operator *op, const json_t *ids)
{
    size_t i;
    json_t *id, *missing = json_array();
    int code = EF_CTL_DONE;
    json_array_foreach(ids, i, id)
    {
        if (!row_of(e->list, json_integer_value(id)))
            json_array_append(missing, id);
    }
    if (e->explain.outbox->on_delivered != EF_ON_DELIVERED_ARCHIVE || !json_array_size(missing)) {
        json_decref(missing);
        return NULL;
    }
    json_t *answer =
        ef_operator_rows(op, json_pack("{s:b, s:o}", "archived", 1, "ids", missing), &code);
    json_t *rows = json_incref(json_object_get(answer, "rows"));
    e->explain.archive_unread = answer == NULL;
    json_decref(answer);
    return rows;
}

static void add_missing(struct explaining *e, struct ef_operator *op, const json_t *ids)
{
    size_t i;
    json_t *id, *archived = find_archived(e, op, ids);
    json_array_foreach(ids, i, id)
    {
        json_int_t number = json_integer_value(id);
        if (!row_of(e->list, number))
            json_array_append_new(
                e->list, ef_explain_missing(&e->explain, number, row_of(archived, number)));
    }
    json_decref(archived);
}

/* What the daemon tells its producer is the largest message. */
static int64_t message_max_bytes(const struct ef_config *config)
{
    int64_t most = 0;
    for (size_t i = 0; i < config->outbox_count; i++)
        if (config->outboxes[i].max_payload_bytes > most)
            most = config->outboxes[i].max_payload_bytes;
    return most + 256 * 1024;
}

struct explain_args {
    struct ef_row_choice choice;
    int64_t last;
    bool no_kafka, json;
};

static json_t *filter_of(const struct explain_args *args)
{
    json_t *filter = ef_row_choice_filter(&args->choice, 0);
    if (!filter)
        return NULL;
    json_object_del(filter, "statuses");
    json_object_set_new(filter, "payload", json_true());
    if (!args->choice.ids.count)
        json_object_set_new(filter, "newest", json_true());
    return filter;
}

static int explain(struct explaining *e, struct ef_operator *op, const struct explain_args *args)
{
    size_t i;
    json_t *row;
    int code = EF_CTL_USAGE;
    json_t *filter = filter_of(args);
    if (!filter)
        return code;
    json_t *ids = json_incref(json_object_get(filter, "ids"));
    json_t *status = ef_operator_status(op, NULL);
    e->explain.status = status;
    int64_t limit = args->choice.ids.count ? 0 : args->last ? args->last : DEFAULT_LAST;
    if (ef_rows_each(op, filter, limit, take_row, e, NULL, &code)) {
        code = EF_CTL_DONE;
        add_missing(e, op, ids);
        if (args->json)
            ef_ctl_print_json(e->list);
        else if (json_array_size(e->list) == 0)
            puts("the table is empty");
        if (!args->json)
            json_array_foreach(e->list, i, row)
            {
                show(row);
            }
    }
    json_decref(status);
    json_decref(ids);
    return code;
}

/* The brokers can be asked only with the configuration's secrets, which not everybody may read. */
static void load(struct explaining *e, struct ef_ctl *ctl, bool no_kafka, int *ret_code)
{
    struct ef_config_problems problems = {0};
    struct ef_error err;
    ef_config_use_kafka_checks(&ef_kafka_config_checks);
    ef_config_use_driver_checks(&ef_store_config_checks);
    if (!no_kafka)
        e->config = ef_config_load(ctl->config_path, &problems, &err);
    ef_config_problems_free(&problems);
    if (e->config && !e->config->kafka.embedded)
        e->admin = ef_kafka_admin_new(&e->config->kafka, NULL, &err);
    if (!e->config)
        e->config = ef_ctl_load_config(ctl, false, ret_code);
}

static int run(struct ef_ctl *ctl, const struct ef_args *words, const char *outbox,
               const struct explain_args *args)
{
    int code = EF_CTL_REFUSED;
    struct explaining e = {.list = json_array()};
    struct ef_operator *op = ef_operator_open(ctl, words->socket, outbox, &code);
    if (op)
        load(&e, ctl, args->no_kafka, &code);
    if (op && e.config) {
        e.explain = (struct ef_explain){
            .outbox = ef_config_outbox(e.config, ef_operator_outbox(op)),
            .message_max_bytes = message_max_bytes(e.config),
            .partitions = partitions,
            .arg = &e,
        };
        if (e.explain.outbox)
            code = explain(&e, op, args);
        else
            ef_ctl_complain("%s has no outbox named \"%s\"", ctl->config_path,
                            ef_operator_outbox(op));
    }
    ef_operator_close(op);
    ef_kafka_admin_free(e.admin);
    ef_config_free(e.config);
    json_decref(e.list);
    return code;
}

int ef_ctl_explain(struct ef_ctl *ctl, int argc, char **argv)
{
    struct explain_args given = {0};
    int code;
    const struct ef_arg options[] = {{"id", EF_ARG_WORDS, &given.choice.ids},
                                     {"last", EF_ARG_NUMBER, &given.last},
                                     {"no-kafka", EF_ARG_FLAG, &given.no_kafka},
                                     {"json", EF_ARG_FLAG, &given.json},
                                     {.kind = EF_ARG_END}};
    struct ef_args words = {
        .verb = "explain", .usage = usage_text, .options = options, .words_max = EF_ARGS_WORDS_MAX};
    if (ef_args_read(ctl, &words, argc, argv, &code)) {
        const char *outbox = ef_row_choice_words(&given.choice, &words, 0);
        code = run(ctl, &words, outbox, &given);
    }
    ef_row_choice_done(&given.choice);
    return code;
}
