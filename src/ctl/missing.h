// SPDX-License-Identifier: MIT
/* What a migration would still do, for those who only look. Thread: the program's only one. */
#pragma once

#include "ctl/db.h"
#include "ctl/plan.h"

/* The SQL this program carries for that dialect; nothing happens if the script has it already. */
EF_MUST_CHECK bool ef_script_load(struct ef_script *script, enum ef_dialect dialect,
                                  struct ef_error *err);

/* Appends a line for people for each step that is not done; the caller frees the list. */
EF_MUST_CHECK bool ef_missing(struct ef_db *db, const struct ef_migration *migration,
                              struct ef_strings *ret, struct ef_error *err);
