// SPDX-License-Identifier: MIT
/* The librdkafka that is linked at run time, for rooms that do not include rdkafka.h. */
#pragma once

const char *ef_kafka_version(void);
/* As rd_kafka_version gives it: 0x020002ff is 2.0.2. */
int ef_kafka_version_number(void);
/*
 * A fault of that version which the daemon cannot work around (the library's CHANGELOG.md, and what
 * was seen), to complete "librdkafka 2.0.2 ..."; NULL: none. mechanism: of the login, "" for none.
 */
const char *ef_kafka_version_trap(int version, const char *mechanism);
