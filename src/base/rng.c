// SPDX-License-Identifier: MIT
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void ef_rng_seed(struct ef_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64: no state of zeros, whatever the seed */
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        rng->s[i] = z ^ (z >> 31);
    }
}

static void os_random(void *out, size_t size)
{
    char *p = out;
    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);
        if (n < 0)
            continue; /* EINTR: the only error possible with these arguments */
        p += n;
        size -= (size_t)n;
    }
}

void ef_rng_seed_os(struct ef_rng *rng)
{
    uint64_t seed;
    os_random(&seed, sizeof(seed));
    ef_rng_seed(rng, seed);
}

uint64_t ef_rng_next(struct ef_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t ef_rng_below(struct ef_rng *rng, uint64_t n)
{
    /* the bias of a plain modulo is below 2^-32 for every n used here */
    return ef_rng_next(rng) % n;
}

void ef_uuid_v4(char out[37])
{
    unsigned char b[16];
    os_random(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 9562 section 5.4: version */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* and variant */
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}
