// SPDX-License-Identifier: MIT
/*
 * What a table must have for its outbox, said the same for every database: columns, columns for
 * headers, what a topic's pattern needs. The driver looks the columns up. Pure. Thread: any.
 *
 * All fail with class CONFIG and a text that says what to do. Names in texts are quoted as the
 * driver quotes them.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "config/config.h"

/* The column's name in the table; NULL: the configuration gives a constant, or says there is none.
 */
const char *ef_layout_name(const struct ef_config_outbox *outbox, enum ef_column col);

/* A column that was looked for and is not there. */
struct ef_lacking {
    enum ef_column column;
    const char *name;   /* ef_layout_name's */
    const char *quoted; /* the name, or the default one */
    const char *table;
    bool required;
    const char *ddl; /* its type in ALTER TABLE ... ADD COLUMN */
};

/* True: the outbox can do without. */
EF_MUST_CHECK bool ef_layout_lacks(const struct ef_config_outbox *outbox,
                                   const struct ef_lacking *lacking, struct ef_error *err);
/* The names of the columns that go into the archive, as a statement has them. */
EF_MUST_CHECK bool ef_layout_archive_ok(const char *columns, const char *table,
                                        struct ef_error *err);
/* has_type: a column for aggregate types is there; quoted: its name. */
EF_MUST_CHECK bool ef_layout_topic_ok(const struct ef_config_outbox *outbox, bool has_type,
                                      const char *quoted, const char *table, struct ef_error *err);
EF_MUST_CHECK bool ef_layout_headers_ok(const struct ef_config_outbox *outbox, const char *table,
                                        bool (*has)(const void *answer, const char *column),
                                        const void *answer, struct ef_error *err);
