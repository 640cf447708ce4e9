// SPDX-License-Identifier: MIT
#include "loop/versions.h"

#include <ares.h>
#include <ev.h>
#include <stdio.h>

const char *ef_loop_libev_version(void)
{
    static char text[32];
    snprintf(text, sizeof(text), "%d.%d", ev_version_major(), ev_version_minor());
    return text;
}

const char *ef_loop_cares_version(void)
{
    return ares_version(NULL);
}
