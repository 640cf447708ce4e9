// SPDX-License-Identifier: MIT
/*
 * An error is a value: the caller allocates it, the failing function fills it, the function that
 * handles it logs it, once. Policy looks only at the class; code and text are for people.
 *
 * Owns: nothing (fixed size, no allocation, may live on the stack). Thread: any. Life: the
 * caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define EF_MUST_CHECK        __attribute__((warn_unused_result))
#define EF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* What an error means for the work at hand. Never add a class without a row in policy.c. */
enum ef_class {
    EF_CLASS_NONE = 0,    /* no error */
    EF_CLASS_TRANSIENT,   /* this record may go if tried again */
    EF_CLASS_BUSY,        /* our own limit; wait for room */
    EF_CLASS_UNCERTAIN,   /* unknown whether it happened: look, or repeat what is idempotent */
    EF_CLASS_RECORD,      /* this record can never go */
    EF_CLASS_DESTINATION, /* this topic cannot take it now */
    EF_CLASS_OUTAGE,      /* nobody can take anything: brokers, network, authentication, database */
    EF_CLASS_FENCED,      /* we lost ownership */
    EF_CLASS_CONFIG,      /* the operator must act */
    EF_CLASS_FATAL,       /* the instance that reported it is of no more use */
    EF_CLASS_COUNT,
};

struct ef_error {
    enum ef_class class;
    int code;       /* the library's number: rdkafka code, errno, MySQL errno; 0 if none */
    char name[48];  /* the library's name of the code: "MSG_SIZE_TOO_LARGE", SQLSTATE "42501" */
    char text[768]; /* one sentence for people, without secrets */
};

/* Lower-case name of a class as logs, headers and metric labels show it. */
const char *ef_class_name(enum ef_class class);

/* Fill err (may be NULL) and return false, so that `return ef_error_set(...)` reads well. */
bool ef_error_set(struct ef_error *err, enum ef_class class, const char *fmt, ...) EF_PRINTF(3, 4);

/* The same with errno's number and text appended: "could not open 'x': No such file". */
bool ef_error_errno(struct ef_error *err, enum ef_class class, int errnum, const char *fmt, ...)
    EF_PRINTF(4, 5);

/* Put words before an error's text: "could not X: <text>". Returns false. */
bool ef_error_prefix(struct ef_error *err, const char *fmt, ...) EF_PRINTF(2, 3);

/* Name and number of the library's code; keeps class and text. */
void ef_error_code(struct ef_error *err, int code, const char *name);

void ef_error_clear(struct ef_error *err);
