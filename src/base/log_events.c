// SPDX-License-Identifier: MIT
#include "base/log_events.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "log_table.h"

/* Some ninety comparisons at most, for a line that costs a system call anyway. */
const char *ef_log_event(const char *message)
{
    for (size_t i = 0; i < sizeof(log_table) / sizeof(log_table[0]); i++)
        if (strcmp(log_table[i].message, message) == 0)
            return log_table[i].event;
    return NULL;
}

/* FNV-1a, 64 bits (draft-eastlake-fnv). */
static uint64_t hash(uint64_t value, const char *text)
{
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return value;
}

void ef_log_event_uuid(const char *event, char out[EF_LOG_UUID_BYTES])
{
    const uint64_t basis = UINT64_C(0xcbf29ce484222325);
    uint64_t high = hash(hash(basis, "eventferry/"), event);
    uint64_t low = hash(hash(basis, event), "/eventferry");
    snprintf(out, EF_LOG_UUID_BYTES, "%016" PRIx64 "%016" PRIx64, high, low);
}
