// SPDX-License-Identifier: MIT
#include "store/warnings.h"

#include <stdlib.h>

const char *ef_store_warning_id(const char *sentence)
{
    static const char *const phrases[][2] = {
        {"gives ids to sessions in advance", "table.sequence_cache"},
        {"pooler in transaction mode", "pg.pooler"},
        {"no doorbell", "pg.doorbell"},
        {"no unique index of its own", "table.unique_id"},
        {"looking for waiting rows", "table.waiting_index"},
        {"no column last_error", "table.last_error"},
        {"no aggregate_id", "table.order"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (strstr(sentence, phrases[i][0]))
            return phrases[i][1];
    return "table.shape";
}

void ef_store_warnings_judge(const char *warnings, struct ef_report *report)
{
    for (const char *line = warnings; *line;) {
        size_t len = strcspn(line, "\n");
        char *sentence = ef_xstrndup(line, len);
        ef_report_add(report, ef_store_warning_id(sentence), EF_LEVEL_WARN, "%s", sentence);
        ef_report_mend_from(report, sentence);
        free(sentence);
        line += len + (line[len] == '\n');
    }
}
