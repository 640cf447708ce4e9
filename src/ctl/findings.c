// SPDX-License-Identifier: MIT
#include "ctl/findings.h"

#include <stdlib.h>
#include <string.h>

const struct ef_finding_kind ef_finding_kinds[] = {
    {"host.unit", "the systemd unit of the daemon"},
    {"host.secret", "who may read the files that hold secrets"},
    {"host.certificate", "when certificates that the configuration names expire"},
    {"db.connect", "whether the database answers and lets the relay in"},
    {"db.version", "whether the server is new enough"},
    {"db.clock", "how far this host's clock is from the database's"},
    {"db.connections", "whether the server has room for the relay's connections"},
    {"db.durability", "whether a commit of the application survives a crash"},
    {"db.transactions", "transactions that have been open for long"},
    {"table.shape",
     "the table, its columns and eventferry's own objects, as the relay checks them"},
    {"table.privileges", "what the relay's role may do"},
    {"table.migration", "what `eventferryctl migrate` would still make"},
    {"table.sequence_cache", "ids that sessions take in advance"},
    {"table.unique_id", "a unique index of the id alone"},
    {"table.waiting_index", "an index for the look at waiting rows"},
    {"table.last_error", "a column that keeps why a row failed"},
    {"table.order", "whether events have an order at all"},
    {"table.payloads", "the largest unfinished row against max_payload"},
    {"lease.owner", "which relay owns the outbox"},
    {"lease.server", "whether the lease was made on the server that answers"},
    {"outbox.paused", "whether an operator has paused the outbox"},
    {"pg.standby", "whether the server takes writes"},
    {"pg.pooler", "a pooler in transaction mode that the configuration does not know of"},
    {"pg.doorbell", "the trigger that wakes the relay"},
    {"pg.notify", "whether a notification arrives"},
    {"pg.plan", "whether a statement of the relay would read the whole table"},
    {"pg.autovacuum", "whether dead rows are removed from the table"},
    {"pg.dead_rows", "dead rows that are in the table now"},
    {"pg.xmin", "what keeps dead rows from being removed"},
    {"pg.timeouts", "settings of the server that end the relay's sessions"},
    {"my.binlog_format", "whether the relay's isolation level can write"},
    {"my.timeouts", "settings of the server that end the relay's sessions"},
    {"kafka.connect", "whether a broker answers and lets the daemon in"},
    {"kafka.broker", "each broker of the cluster"},
    {"kafka.rights", "what the daemon may do there"},
    {"kafka.topic", "whether the topics that rows name exist"},
    {"kafka.replicas", "copies of a message when it counts as delivered"},
    {"kafka.message_size", "whether the topics take messages as large as the rows"},
    {"kafka.cleanup", "whether a topic is compacted and takes no rows without a key"},
    {"kafka.library", "faults of the librdkafka that is in use"},
    {NULL, NULL},
};

/* One that --list does not know is a fault of the program, which ends: the tests provoke each. */
static const char *known(const char *id)
{
    for (const struct ef_finding_kind *kind = ef_finding_kinds; kind->id; kind++)
        if (strcmp(kind->id, id) == 0)
            return id;
    abort();
}

static size_t count_of(const struct ef_report *report, enum ef_level level)
{
    size_t count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += report->items[i].level == level;
    return count;
}

void ef_report_print(const struct ef_report *report, bool all, FILE *out)
{
    const char *subject = "";
    for (size_t i = 0; i < report->count; i++) {
        const struct ef_finding *finding = &report->items[i];
        if (finding->level == EF_LEVEL_OK && !all)
            continue;
        if (strcmp(finding->subject, subject) != 0)
            fprintf(out, "%s\n", finding->subject);
        subject = finding->subject;
        fprintf(out, "  %-4s  %-22s %s\n", ef_level_name(finding->level), known(finding->id),
                finding->text);
        for (size_t j = 0; j < finding->mends.count; j++)
            fprintf(out, "        %s %s\n", j ? "  " : "->", finding->mends.items[j]);
    }
    fprintf(out, "%zu failed, %zu warned, %zu fine\n", count_of(report, EF_LEVEL_FAIL),
            count_of(report, EF_LEVEL_WARN), count_of(report, EF_LEVEL_OK));
}

static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("(not UTF-8)"); /* a server's message in another encoding */
}

json_t *ef_finding_json(const struct ef_finding *finding)
{
    json_t *mends = json_array();
    for (size_t i = 0; i < finding->mends.count; i++)
        json_array_append_new(mends, text_json(finding->mends.items[i]));
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "id", known(finding->id), "level",
                     ef_level_name(finding->level), "subject", text_json(finding->subject), "text",
                     text_json(finding->text), "mend", mends);
}

void ef_report_print_json(const struct ef_report *report, FILE *out)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < report->count; i++)
        json_array_append_new(findings, ef_finding_json(&report->items[i]));
    json_t *root = json_pack("{s:s, s:o}", "worst", ef_level_name(ef_report_worst(report)),
                             "findings", findings);
    json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
}
