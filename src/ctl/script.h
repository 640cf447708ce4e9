// SPDX-License-Identifier: MIT
/*
 * The SQL of a migration as steps. The files below sql/ are plain SQL with comments that say what a
 * step is and when it is done already, and with names after a colon; the READMEs beside them
 * describe both. Pure: no database here. Owns: copies of all text. Thread: the program's only one.
 * Life: ef_script_parse .. ef_script_free; ef_vars_init .. ef_vars_done.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

struct ef_step {
    char *what;       /* "table :"schema".lease": what the step makes, for people */
    char *comment;    /* the lines above it in the file, as they are; may be "" */
    char *conditions; /* names of variables that must all be set; "" for always */
    char *unless; /* query with one boolean: true when there is nothing to do; NULL: always do */
    char *verb;   /* "created" if the file does not say */
    char *index;  /* an index made concurrently, outside a transaction: its name; else NULL */
    bool repeat;  /* outside a transaction, again and again until unless holds */
    bool quiet;   /* corrects what a database has: not a word where there is nothing to correct */
    char *sql;    /* the statements */
};

struct ef_script {
    struct ef_step *steps;
    size_t count;
};

/* Append the steps of one file; path is for errors. A malformed file is a fault of the build:
 * FATAL. */
EF_MUST_CHECK bool ef_script_parse(struct ef_script *script, const char *path, const char *text,
                                   struct ef_error *err);
void ef_script_free(struct ef_script *script);

/* Eight hexadecimal digits that change when the step's statements change. */
void ef_step_text_id(const struct ef_step *step, char out[9]);

/* --- variables --- */

struct ef_var {
    const char *name; /* static */
    char *value;      /* owned; NULL: the SQL value NULL, and a condition that does not hold */
};

enum { EF_VARS_MAX = 64 };

/* How literals are written. Names are in double quotes everywhere: MySQL's sessions have
 * ANSI_QUOTES, and NO_BACKSLASH_ESCAPES. */
enum ef_dialect { EF_DIALECT_POSTGRES, EF_DIALECT_MYSQL };

struct ef_vars {
    enum ef_dialect dialect;
    struct ef_var items[EF_VARS_MAX];
    size_t count;
};

void ef_vars_init(struct ef_vars *vars, enum ef_dialect dialect);
void ef_vars_done(struct ef_vars *vars);
/* Sets or replaces; value may be NULL. name must be static. */
void ef_vars_set(struct ef_vars *vars, const char *name, const char *value);
/* Append a name in double quotes; for people only where it needs them. */
void ef_put_ident(struct ef_buf *out, const char *name);
void ef_put_name(struct ef_buf *out, const char *name);

/* False for a name that was never set. */
bool ef_vars_get(const struct ef_vars *vars, const char *name, const char **ret);

/* All of these names are set and not NULL. */
bool ef_vars_hold(const struct ef_vars *vars, const char *conditions);

/*
 * Replace :"name" by a quoted identifier, :'name' by a quoted literal (or NULL), :{name} by the
 * text as it is. A colon after a colon (a cast) means nothing here. An unknown name is FATAL.
 */
EF_MUST_CHECK bool ef_vars_expand(const struct ef_vars *vars, const char *text, struct ef_buf *out,
                                  struct ef_error *err);
/* The same for people: names unquoted where they may be, literals without quotes. */
EF_MUST_CHECK bool ef_vars_describe(const struct ef_vars *vars, const char *text,
                                    struct ef_buf *out, struct ef_error *err);
