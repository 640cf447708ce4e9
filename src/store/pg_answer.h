// SPDX-License-Identifier: MIT
/*
 * Whether an answer has the shape that its statement has. libpq gives NULL for a row or column
 * that is not there; a pooler that mixes sessions up, a proxy that rewrites statements, or a
 * function that somebody put before PostgreSQL's own may send one without. Pure. Thread: any.
 */
#pragma once

#include <libpq-fe.h>

#include "base/error.h"

/* At least so many rows, each with at least so many columns. Class CONFIG. */
EF_MUST_CHECK bool ef_pg_answer_fits(const PGresult *res, int rows, int columns,
                                     struct ef_error *err);
