// SPDX-License-Identifier: MIT
/*
 * For the targets whose input is what a database answers: a driver's store with nothing behind it,
 * and the verbs one after the other. The target's seams take the requests that the driver sends and
 * complete them with what the input says.
 *
 * The input: one byte of choices for the configuration, then for each verb its number, its
 * arguments where it has any, and the answers. Where the input ends everything is zero.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "fuzz/require.h"
#include "loop/loop.h"
#include "loop/resolver.h"
#include "store/store.h"

/* --- the input --- */

struct input {
    const uint8_t *p;
    size_t left;
};

uint8_t input_byte(struct input *in);
/* So many bytes of it, or what is left, with a NUL behind; the caller's (free), just as large. */
char *input_bytes(struct input *in, size_t want, size_t *ret_len);
/* One byte of length before it; 255 is NULL, 254 two more bytes of length. */
char *input_value(struct input *in, size_t *ret_len);
/* An error as a connection reports it; false: the answer is none. */
bool input_error(struct input *in, uint8_t kind, struct ef_error *ret);

/* --- the store --- */

struct verbs {
    struct input in;
    struct ef_loop *loop;
    struct ef_config config;
    struct ef_config_database database;
    struct ef_config_outbox outbox;
    struct ef_store *store;
    bool closed;
    bool paused; /* the driver stopped taking rows; the seams' */
    int64_t last_id;
    bool misshapen; /* a row of the read had other columns than its statement; the target's */
};

typedef struct ef_store *verbs_maker(struct ef_loop *loop, struct ef_resolver *resolver,
                                     const struct ef_config *config,
                                     const struct ef_config_outbox *outbox,
                                     const struct ef_store_user *user, void *user_arg);

/* Runs the input. `about` knows the driver's layout from two bytes before the first verb; `answer`
 * completes every request that waits, and those that follow from it. */
void verbs_run(const uint8_t *data, size_t size, const char *table, verbs_maker *make,
               void (*about)(struct verbs *v), void (*answer)(struct verbs *v));
/* After a row: goes on, or gives the read up, where it was paused. */
void verbs_after_row(struct verbs *v);
