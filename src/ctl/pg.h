// SPDX-License-Identifier: MIT
/* PostgreSQL's kind of session (ctl/db.h). The options' TLS words are libpq's. */
#pragma once

#include "ctl/db.h"

/* search_path is pg_catalog and row_security off in the session, as in each of the relay's. */
EF_MUST_CHECK struct ef_db *ef_ctl_pg_open(const struct ef_db_options *options,
                                           struct ef_error *err);
