// SPDX-License-Identifier: MIT
/* eventferryctl dead export: rows as JSON lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/asking.h"
#include "ctl/dead.h"
#include "ctl/progress.h"

/*
 * Payloads are asked for in groups whose bytes fit an answer of the control socket (16 MiB, base64
 * and the rest of the rows included); a row that alone is larger comes without.
 */
enum { GROUP_BYTES = 6 * 1024 * 1024, GROUP_ROWS = 500 };

struct export
{
    struct ef_operator *op;
    FILE *out;
    json_t *ids; /* of the group */
    int64_t bytes, rows;
    struct ef_progress progress;
    int *code;
    bool failed;
};

/* Text where it is text: what reads the lines need not decode it. */
static bool write_row(void *arg, const json_t *row)
{
    struct export *e = arg;
    size_t len;
    bool is_text = false;
    json_t *line = json_copy((json_t *)row);
    char *payload = ef_dead_payload(row, &len, &is_text);
    if (payload && is_text) {
        json_object_set_new(line, "payload", json_stringn(payload, len));
        json_object_del(line, "payload_base64");
    }
    free(payload);
    bool ok = json_dumpf(line, e->out, JSON_COMPACT) == 0 && fputc('\n', e->out) != EOF;
    json_decref(line);
    e->failed = e->failed || !ok;
    e->rows++;
    return ok;
}

static bool flush_group(struct export *e)
{
    if (json_array_size(e->ids) == 0)
        return true;
    json_t *filter = json_pack("{s:o, s:b}", "ids", json_deep_copy(e->ids), "payload", 1);
    json_array_clear(e->ids);
    e->bytes = 0;
    if (!ef_rows_each(e->op, filter, 0, write_row, e, NULL, e->code))
        e->failed = true;
    ef_progress_show(&e->progress, e->rows);
    return !e->failed;
}

static bool gather(void *arg, const json_t *row)
{
    struct export *e = arg;
    int64_t bytes = ef_ctl_number(row, "payload_bytes");
    if ((e->bytes + bytes > GROUP_BYTES || json_array_size(e->ids) >= GROUP_ROWS) &&
        !flush_group(e))
        return false;
    json_array_append(e->ids, json_object_get(row, "id"));
    e->bytes += bytes;
    return true;
}

static FILE *open_output(const char *path)
{
    FILE *out = path ? fopen(path, "we") : stdout;
    if (!out)
        ef_ctl_complain("could not write \"%s\": %s", path, strerror(errno));
    return out;
}

int ef_dead_export(struct ef_operator *op, const struct ef_dead_args *args)
{
    int code = EF_CTL_USAGE;
    json_t *filter = ef_row_choice_filter(&args->choice, ef_dead_statuses(args));
    if (!filter)
        return code;
    struct export e = {.op = op, .out = open_output(args->output), .code = &code};
    code = EF_CTL_REFUSED;
    if (!e.out) {
        json_decref(filter);
        return code;
    }
    e.ids = json_array();
    ef_progress_init(&e.progress, "rows", 0);
    bool ok = ef_rows_each(op, filter, args->limit, gather, &e, NULL, &code) && !e.failed &&
              flush_group(&e);
    ef_progress_done(&e.progress);
    if (fflush(e.out) != 0 || ferror(e.out)) {
        ef_ctl_complain("could not write: %s", strerror(errno));
        ok = false;
    }
    if (args->output) {
        fclose(e.out);
        fprintf(stderr, "%lld rows\n", (long long)e.rows);
    }
    json_decref(e.ids);
    return ok ? EF_CTL_DONE : code;
}
