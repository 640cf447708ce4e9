// SPDX-License-Identifier: MIT
/* The topics that rows in the table name: those that no configuration has. */
#include "ctl/asking.h"
#include "ctl/rows.h"
#include "ctl/topics.h"

/* Of the oldest; a backlog's topics repeat, and the table may hold millions. */
enum { ROWS_MAX = 10000 };

struct gathering {
    struct ef_topic_names *names;
    const struct ef_config_outbox *outbox;
};

static bool take_row(void *arg, const json_t *row)
{
    struct gathering *gathering = arg;
    const char *topic = ef_ctl_text(row, "topic");
    if (topic[0])
        ef_topic_names_add(gathering->names, gathering->outbox, topic);
    return true;
}

bool ef_topic_names_of_rows(struct ef_topic_names *names, struct ef_ctl *ctl, const char *socket,
                            const struct ef_config_outbox *outbox, int *ret_code)
{
    const struct ef_row_choice all = {0};
    struct gathering gathering = {names, outbox};
    struct ef_operator *op = ef_operator_open(ctl, socket, outbox->name, ret_code);
    if (!op)
        return false;
    /* pending, processing, waiting, dead */
    json_t *filter = ef_row_choice_filter(&all, 1u << 0 | 1u << 1 | 1u << 3 | 1u << 4);
    bool ok = ef_rows_each(op, filter, ROWS_MAX, take_row, &gathering, NULL, ret_code);
    ef_operator_close(op);
    return ok;
}
