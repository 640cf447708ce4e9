// SPDX-License-Identifier: MIT
/* migrate --print: the SQL of a migration, as a script that psql, mariadb or mysql can run. */
#include <stdlib.h>
#include <string.h>

#include "ctl/apply.h"
#include "ctl/facts.h"
#include "ctl/my.h"

struct show {
    struct ef_db *db;
    const struct ef_migration *migration;
    struct ef_show_memory *memory;
    struct ef_vars vars;
    struct ef_buf sql;  /* scratch */
    struct ef_buf body; /* the statements of the transaction */
    struct ef_buf *out;
};

/* True where something a look-up names is not there, or may not be seen: then the step has
 * everything to do. */
static bool undefined(const struct ef_error *err)
{
    static const char *const states[] = {"42P01", "42703", "42883", "3F000", "42704"};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(err->name, states[i]) == 0)
            return true;
    return ef_my_is_undefined(err) || ef_my_is_denied(err);
}

bool ef_step_ask(struct ef_db *db, const struct ef_step *step, struct ef_vars *vars,
                 const char *query, struct ef_buf *scratch, bool *ret, struct ef_error *err)
{
    *ret = false;
    if (!db || !query)
        return true;
    if (!ef_step_expand(step, vars, query, scratch, err))
        return false;
    if (ef_db_true(db, scratch->data, ret, err))
        return true;
    *ret = false;
    return undefined(err);
}

static bool ask(struct show *show, const struct ef_step *step, const char *query, bool *ret,
                struct ef_error *err)
{
    return ef_step_ask(show->db, step, &show->vars, query, &show->sql, ret, err);
}

static bool shown_before(struct ef_show_memory *memory, const char *text)
{
    uint64_t hash = ef_hash64(text, strlen(text));
    for (size_t i = 0; i < memory->count; i++)
        if (memory->hashes[i] == hash)
            return true;
    memory->hashes = ef_xrealloc(memory->hashes, (memory->count + 1) * sizeof(hash));
    memory->hashes[memory->count++] = hash;
    return false;
}

static bool put_step(struct show *show, const struct ef_step *step, struct ef_buf *out,
                     struct ef_error *err)
{
    if (!ef_step_expand(step, &show->vars, step->sql, &show->sql, err))
        return false;
    if (shown_before(show->memory, show->sql.data))
        return true;
    ef_buf_puts(out, "\n");
    if (step->comment[0]) {
        ef_buf_puts(out, step->comment);
    } else {
        ef_buf_puts(out, "-- ");
        if (!ef_vars_describe(&show->vars, step->what, out, err))
            return false;
    }
    /* Clients send what is before a semicolon, unless told otherwise. */
    if (strstr(show->sql.data, "CREATE PROCEDURE"))
        ef_buf_printf(out, "\nDELIMITER $$\n%s\n$$\nDELIMITER ;\n", show->sql.data);
    else
        ef_buf_printf(out, "\n%s\n", show->sql.data);
    return true;
}

static bool put_index(struct show *show, const struct ef_step *step, struct ef_error *err)
{
    struct ef_buf name;
    bool leftover;
    ef_buf_init(&name, 256);
    bool ok = ef_vars_describe(&show->vars, step->index, &name, err);
    ef_vars_set(&show->vars, "index", name.data);
    ef_buf_done(&name);
    if (!ok || !ask(show, step, ef_step_leftover_sql, &leftover, err))
        return false;
    if (leftover) {
        ef_buf_puts(show->out, "\n-- An earlier build of this index was interrupted.\n");
        if (!ef_vars_expand(&show->vars, "DROP INDEX CONCURRENTLY :\"table_schema\".:\"index\";\n",
                            show->out, err))
            return false;
    }
    return put_step(show, step, show->out, err);
}

static bool put_steps(struct show *show, const struct ef_script *script, bool concurrent,
                      struct ef_error *err)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct ef_step *step = &script->steps[i];
        bool done;
        if ((step->index || step->repeat) != concurrent || !ef_step_wanted(step, &show->vars) ||
            (step->quiet && !show->db))
            continue;
        if (!ask(show, step, step->unless, &done, err))
            return false;
        if (done)
            continue;
        if (!(step->index  ? put_index(show, step, err)
              : concurrent ? put_step(show, step, show->out, err)
                           : put_step(show, step, &show->body, err)))
            return false;
    }
    return true;
}

static bool put_all(struct show *show, const struct ef_script *script, struct ef_error *err)
{
    char table[EF_PLAN_TABLE_SIZE];
    ef_plan_table_name(show->migration, table);
    ef_buf_printf(show->out, "-- eventferryctl migrate: %s\n", table);
    size_t before = show->out->len;
    if (!put_steps(show, script, false, err))
        return false;
    if (show->body.len && show->migration->dialect == EF_DIALECT_MYSQL)
        ef_buf_printf(show->out, "%s%s", ef_my_session_script, show->body.data);
    else if (show->body.len)
        ef_buf_printf(show->out,
                      "BEGIN;\nSET LOCAL search_path = pg_catalog;\n"
                      "SET LOCAL lock_timeout = '2s';\n%s\nCOMMIT;\n",
                      show->body.data);
    if (!put_steps(show, script, true, err))
        return false;
    if (show->out->len == before)
        ef_buf_puts(show->out, "-- nothing to do\n");
    if (show->out->overflow || show->body.overflow)
        return ef_error_set(err, EF_CLASS_FATAL, "the SQL is too long to print");
    return true;
}

static bool plan(struct show *show, struct ef_findings *findings, struct ef_error *err)
{
    struct ef_facts facts = {0};
    if (show->db && !ef_facts_load(show->db, show->migration, &facts, err))
        return ef_error_prefix(err, "could not look at what is there");
    bool ok = ef_plan_make(show->migration, show->db ? &facts : NULL, &show->vars, findings, err);
    ef_facts_free(&facts);
    return ok;
}

bool ef_show(struct ef_db *db, const struct ef_script *script, const struct ef_migration *migration,
             struct ef_show_memory *memory, struct ef_buf *out, struct ef_findings *findings,
             struct ef_error *err)
{
    struct show show = {.db = db, .migration = migration, .memory = memory, .out = out};
    ef_vars_init(&show.vars, migration->dialect);
    ef_buf_init(&show.sql, 1 << 18);
    ef_buf_init(&show.body, 1 << 20);
    bool ok = plan(&show, findings, err) && put_all(&show, script, err);
    ef_buf_done(&show.body);
    ef_buf_done(&show.sql);
    ef_vars_done(&show.vars);
    return ok;
}
