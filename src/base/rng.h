// SPDX-License-Identifier: MIT
/*
 * Pseudo-random numbers for jitter and simulation (xoshiro256**, Blackman and Vigna 2018; seeding
 * by splitmix64), and real random bytes from the kernel for tokens. Thread: one state per thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ef_rng {
    uint64_t s[4];
};

void ef_rng_seed(struct ef_rng *rng, uint64_t seed);
void ef_rng_seed_os(struct ef_rng *rng);
uint64_t ef_rng_next(struct ef_rng *rng);
/* Uniform in [0, n); n > 0. */
uint64_t ef_rng_below(struct ef_rng *rng, uint64_t n);

/* Random UUID (version 4) as 36 characters and a NUL. */
void ef_uuid_v4(char out[37]);
