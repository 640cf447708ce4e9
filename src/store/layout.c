// SPDX-License-Identifier: MIT
#include "store/layout.h"

#include <stdlib.h>
#include <string.h>

const char *ef_layout_name(const struct ef_config_outbox *outbox, enum ef_column col)
{
    const struct ef_column_map *map = &outbox->columns[col];
    if (col == EF_COL_ID && outbox->order_column)
        return outbox->order_column;
    if (map->column)
        return map->column;
    return map->value || map->named ? NULL : ef_column_names[col]; /* "~": there is none */
}

bool ef_layout_lacks(const struct ef_config_outbox *outbox, const struct ef_lacking *l,
                     struct ef_error *err)
{
    bool wanted = l->name && (l->required || outbox->columns[l->column].named);
    /* what migrate adds to such a table cannot be added by a plain ALTER TABLE */
    if (wanted && outbox->layout == EF_LAYOUT_DEBEZIUM)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "column %s is missing in %s; run `eventferryctl migrate`, which adds "
                            "what the relay needs, or map another under `columns`",
                            l->name, l->table);
    if (wanted)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "column %s (%s) is missing in %s; run ALTER TABLE %s ADD COLUMN %s %s, "
                            "or map another under `columns`",
                            l->quoted, ef_column_names[l->column], l->table, l->table, l->quoted,
                            l->ddl);
    if (!l->name && l->required)
        return ef_error_set(err, EF_CLASS_CONFIG, "columns.%s cannot be a constant; name a column",
                            ef_column_names[l->column]);
    if (l->column == EF_COL_TOPIC && l->name)
        return ef_error_set(
            err, EF_CLASS_CONFIG,
            "column %s (topic) is missing in %s; name another under `columns`, or give a constant: "
            "columns: {topic: {value: orders}}",
            l->quoted, l->table);
    return true;
}

bool ef_layout_topic_ok(const struct ef_config_outbox *outbox, bool has_type, const char *quoted,
                        const char *table, struct ef_error *err)
{
    const char *topic = outbox->columns[EF_COL_TOPIC].value;
    if (!topic || !strstr(topic, EF_AGGREGATE_TYPE_WORD) || has_type ||
        outbox->columns[EF_COL_AGGREGATE_TYPE].value)
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "the topic '%s' needs an aggregate_type, and %s has no column %s", topic,
                        table, quoted);
}

bool ef_layout_headers_ok(const struct ef_config_outbox *outbox, const char *table,
                          bool (*has)(const void *answer, const char *column), const void *answer,
                          struct ef_error *err)
{
    for (size_t i = 0; i < outbox->header_columns.count; i++) {
        const char *header, *entry = outbox->header_columns.items[i];
        char *column = ef_config_header_column(entry, &header);
        bool found = has(answer, column);
        free(column);
        if (!found)
            return ef_error_set(err, EF_CLASS_CONFIG, "%s has no column for '%s' of header_columns",
                                table, entry);
    }
    return true;
}

bool ef_layout_archive_ok(const char *columns, const char *table, struct ef_error *err)
{
    enum { NAMES_MAX = 28 * 1024 }; /* they stand in statements twice, which are bounded */
    if (strlen(columns) <= NAMES_MAX)
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "the names of %s's columns that are archived take %zu bytes, more than %d; "
                        "set on_delivered: mark or delete, or archive fewer columns",
                        table, strlen(columns), NAMES_MAX);
}
