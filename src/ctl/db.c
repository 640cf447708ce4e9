// SPDX-License-Identifier: MIT
#include "ctl/db.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct first_value {
    bool seen; /* a row */
    char *text;
};

static void take_first(void *arg, char **values)
{
    struct first_value *first = arg;
    if (!first->seen)
        first->text = ef_xstrdup(values[0]);
    first->seen = true;
}

void ef_db_close(struct ef_db *db)
{
    if (db)
        db->driver->close(db);
}

bool ef_db_run(struct ef_db *db, const char *sql, struct ef_error *err)
{
    return db->driver->rows(db, sql, NULL, NULL, err);
}

bool ef_db_rows(struct ef_db *db, const char *sql, ef_db_row *row, void *arg, struct ef_error *err)
{
    return db->driver->rows(db, sql, row, arg, err);
}

bool ef_db_text(struct ef_db *db, const char *sql, char **ret, struct ef_error *err)
{
    struct first_value first = {0};
    if (!db->driver->rows(db, sql, take_first, &first, err))
        return false;
    *ret = first.text;
    return true;
}

bool ef_db_true(struct ef_db *db, const char *sql, bool *ret, struct ef_error *err)
{
    char *text;
    if (!ef_db_text(db, sql, &text, err))
        return false;
    *ret = text && (strcmp(text, "t") == 0 || strcmp(text, "1") == 0);
    free(text);
    return true;
}
