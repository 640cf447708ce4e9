// SPDX-License-Identifier: MIT
#include "ctl/missing.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/apply.h"
#include "ctl/facts.h"
#include "sql_files.h"

enum { STATEMENT_MAX = 1 << 18 }; /* bytes of one step's SQL */

bool ef_script_load(struct ef_script *script, enum ef_dialect dialect, struct ef_error *err)
{
    const char *folder = dialect == EF_DIALECT_MYSQL ? "sql/mysql/" : "sql/postgresql/";
    if (script->count)
        return true;
    for (const struct ef_sql_file *file = ef_sql_files; file->path; file++)
        if (strncmp(file->path, folder, strlen(folder)) == 0 &&
            !ef_script_parse(script, file->path, file->text, err))
            return false;
    return true;
}

static bool look_at_steps(struct ef_db *db, const struct ef_script *script, struct ef_vars *vars,
                          struct ef_strings *ret, struct ef_error *err)
{
    struct ef_buf scratch, what;
    bool ok = true;
    ef_buf_init(&scratch, STATEMENT_MAX);
    ef_buf_init(&what, STATEMENT_MAX);
    for (size_t i = 0; ok && i < script->count; i++) {
        const struct ef_step *step = &script->steps[i];
        bool done;
        if (!step->unless || !ef_step_wanted(step, vars))
            continue; /* a step that is always done says nothing */
        ok = ef_step_ask(db, step, vars, step->unless, &scratch, &done, err);
        if (!ok || done)
            continue;
        ef_buf_clear(&what);
        ok = ef_vars_describe(vars, step->what, &what, err);
        if (ok)
            ef_plan_say(ret, "%s", what.data);
    }
    ef_buf_done(&what);
    ef_buf_done(&scratch);
    return ok;
}

bool ef_missing(struct ef_db *db, const struct ef_migration *migration, struct ef_strings *ret,
                struct ef_error *err)
{
    struct ef_script script = {0};
    struct ef_facts facts = {0};
    struct ef_findings ignored = {0};
    struct ef_vars vars;
    ef_vars_init(&vars, migration->dialect);
    bool ok = ef_script_load(&script, migration->dialect, err) &&
              ef_facts_load(db, migration, &facts, err);
    facts.may_alter = true; /* somebody may, and nothing is altered here */
    ok = ok && ef_plan_make(migration, &facts, &vars, &ignored, err) &&
         look_at_steps(db, &script, &vars, ret, err);
    ef_findings_done(&ignored);
    ef_facts_free(&facts);
    ef_vars_done(&vars);
    ef_script_free(&script);
    return ok;
}
