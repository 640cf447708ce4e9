// SPDX-License-Identifier: MIT
#include "store/pg_answer.h"

bool ef_pg_answer_fits(const PGresult *res, int rows, int columns, struct ef_error *err)
{
    int has = PQntuples(res);
    if (has >= rows && (has == 0 || PQnfields(res) >= columns))
        return true;
    return ef_error_set(err, EF_CLASS_CONFIG,
                        "the answer has %d rows of %d columns, the statement at least %d of %d: "
                        "something between the relay and the server changes one of them",
                        has, PQnfields(res), rows, columns);
}
