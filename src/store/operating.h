// SPDX-License-Identifier: MIT
/*
 * Operators' questions at a driver, whatever its database: the connection that is opened for them
 * and given back when none has come for a while, listings as JSON, what an edit may name and what
 * its refusal says. The driver writes the statements and takes their answers.
 *
 * Owns: a request that waits for the connection. Thread: the loop's. Life: _init .. _stop.
 */
#pragma once

#include "config/config.h"
#include "loop/loop.h"
#include "store/store.h"

/* A driver's connection and requests. */
struct ef_operate_ops {
    void (*start)(void *conn);
    void (*stop)(void *conn);
    void (*submit)(void *conn, void *request);
    /* Completes and frees a request that was not submitted. */
    void (*fail)(void *request, const struct ef_error *err);
};

struct ef_operating {
    /* private */
    const struct ef_operate_ops *ops;
    struct ef_store *store;
    void *conn;
    bool started, up;
    void *waiting; /* a request, for the connection; NULL: none */
    struct ef_timer idle;
    int limit; /* of the listing under way */
    bool newest;
    char columns[512];       /* that an edit under way writes; "" for other commands */
    struct ef_error refusal; /* of a command that cannot be a statement; class NONE: none */
};

void ef_operating_init(struct ef_operating *o, const struct ef_operate_ops *ops,
                       struct ef_store *store, void *conn, struct ef_loop *loop);
void ef_operating_stop(struct ef_operating *o);
/* The connection's upcalls. */
void ef_operating_up(struct ef_operating *o);
void ef_operating_down(struct ef_operating *o, const struct ef_error *err);
/* Takes the request over: it goes at once, or when the connection is up. */
void ef_operating_submit(struct ef_operating *o, void *request);

/* --- listings --- */

/* The filter as it is to be asked: with payloads, for no more rows than may be in memory. */
struct ef_row_filter ef_operating_list(struct ef_operating *o, const struct ef_row_filter *filter,
                                       int64_t max_payload_bytes);
/* Completes the question with the rows of its answer: each is a JSON object, in the order they came
 * (the newest first if those were asked for), one more than the limit if there are more. */
void ef_operating_listed(struct ef_operating *o, int count,
                         const char *(*row)(const void *arg, int i), const void *arg);

/* --- commands --- */

/* Begin one. */
void ef_operating_command(struct ef_operating *o);
enum ef_column ef_operating_column(enum ef_edit_column column);
/*
 * One column of an edit: notes its quoted name, or says that the table has none, or that the value
 * is none of its type. text_type: of a payload column that holds texts; NULL: it takes any bytes.
 */
EF_MUST_CHECK bool ef_operating_edit(struct ef_operating *o, const struct ef_edit *edits,
                                     enum ef_edit_column column, bool has, const char *quoted,
                                     const char *table, const char *text_type,
                                     struct ef_error *err);
/* The error of a command that was denied a right (own: its place), with the GRANT where it was an
 * edit: rows may be edited only where somebody has allowed it. */
const struct ef_error *ef_operating_denied(const struct ef_operating *o, const struct ef_error *err,
                                           const char *table, const char *to, struct ef_error *own);
/* Where delivered rows are found; NULL: nowhere, they are deleted. */
const char *ef_operating_gone(const struct ef_config_outbox *outbox, const char *table,
                              const char *archive);
