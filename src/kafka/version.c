// SPDX-License-Identifier: MIT
#include "kafka/version.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <string.h>

struct trap {
    int from, until;       /* versions, the last one not included; of four bytes the upper three */
    const char *mechanism; /* begins so; NULL: whatever the login */
    const char *text;
};

static const struct trap traps[] = {
    {0, 0x020800, "SCRAM",
     "cannot log in to Kafka 4 with SCRAM: the broker refuses the right password"},
    {0x020200, 0x020500, NULL,
     "can end an idempotent producer with \"unable to reconstruct MessageSet\""},
    {0x020a00, 0x020a01, NULL, "is a release that its makers warn of"},
    {0x020a01, 0x020a02, NULL, "sends the first message up to a second late"},
};

const char *ef_kafka_version(void)
{
    return rd_kafka_version_str();
}

int ef_kafka_version_number(void)
{
    return rd_kafka_version();
}

const char *ef_kafka_version_trap(int version, const char *mechanism)
{
    int number = version >> 8;
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
        const struct trap *trap = &traps[i];
        if (number >= trap->from && number < trap->until &&
            (!trap->mechanism || strncmp(mechanism, trap->mechanism, strlen(trap->mechanism)) == 0))
            return trap->text;
    }
    return NULL;
}
