// SPDX-License-Identifier: MIT
/*
 * The inside of the memory driver, shared by memory.c (verbs, life) and memory_link.c (how
 * questions and answers travel, and get lost).
 */
#pragma once

#include "store/memory.h"

/* What a verb asks; copies, since the caller's are borrowed until the call returns. */
struct ef_memory_question {
    int64_t epoch, ttl_ms;
    struct ef_fetch fetch;
    struct ef_run *gaps;           /* owned */
    struct ef_settle_run *runs;    /* owned */
    struct ef_decision *decisions; /* owned, with their errors */
    int count;
    char *a, *b, *c, *d; /* owned texts */
    size_t a_len;
    bool flag;
    enum ef_operate_kind operate;
    struct ef_row_filter filter; /* its ids are `ids` */
    int64_t *ids;                /* owned */
    struct ef_command command;   /* owned */
    int64_t number;
};

struct ef_memory_answer {
    bool fenced;
    int64_t rows;
    struct ef_lease lease;
    struct ef_renewal renewal;
    struct ef_memory_read read;
    struct ef_waiting waiting;
    struct ef_lag lag;
    char *json;                       /* owned */
    struct ef_command_row command;    /* owned copies; number 0: there is none */
    struct ef_memory_hold_list holds; /* owned copy */
};

struct ef_memory_request;

/* On its way to the database. */
struct ef_memory_statement {
    struct ef_memory_statement *prev, *next;
    struct ef_memory_server *server;
    struct ef_memory_request *request; /* NULL: nobody waits for the answer any more */
    enum ef_store_verb verb;
    struct ef_memory_question question;
    struct ef_timer arrival; /* on the server's loop */
};

struct ef_memory_server {
    struct ef_loop *loop;
    struct ef_memory *db;
    struct ef_memory_statement *statements;
};

/* A store's side of a verb; at most one of each is under way. */
struct ef_memory_request {
    struct ef_memory_store *store;
    enum ef_store_verb verb;
    bool active;
    bool lost;                             /* its connection broke */
    struct ef_memory_statement *statement; /* NULL: has arrived, or was never sent */
    struct ef_timer back;
    struct ef_memory_answer answer;
    struct ef_error err; /* class NONE: answered */
    int next_batch;      /* of answer.read */
    bool waits;          /* a paused fetch waits for its continue */
};

struct ef_memory_store {
    struct ef_store store; /* first */
    struct ef_loop *loop;
    struct ef_memory_server *server;
    struct ef_memory_request requests[EF_VERB_COUNT];
    bool opened, connected;
    unsigned filenode; /* that the last read saw; 0: there was none */
    bool broke;        /* and `down` is still to be told */
    int64_t (*delay_us)(void *arg, enum ef_store_verb verb, bool back);
    void *delay_arg;
    bool lose[EF_VERB_COUNT];
    struct ef_error fail[EF_VERB_COUNT]; /* class NONE: none */
    struct ef_deferred changed_later, closed_later;
    struct ef_timer bell;
};

static inline struct ef_memory_store *ef_memory_store_of(struct ef_store *store)
{
    return (struct ef_memory_store *)store;
}

/* Starts the verb; returns the question to fill, or NULL if the database is away (it is completed
 * then). */
struct ef_memory_question *ef_memory_ask(struct ef_store *store, enum ef_store_verb verb);
int64_t ef_memory_delay(const struct ef_memory_store *s, enum ef_store_verb verb, bool back);
/* Nobody waits for the request's statement any more. */
void ef_memory_detach(struct ef_memory_request *r);
/* Completes the verb with what the request holds. */
void ef_memory_finish(struct ef_memory_request *r);
/* Unreference the batches from this one on. */
void ef_memory_read_free(struct ef_memory_read *read, int from);
void ef_memory_statement_free(struct ef_memory_statement *statement);
/* Of the timer `back` (arg: request) and of changed_later (arg: store). */
void ef_memory_back(void *arg);
void ef_memory_changed(void *arg);
