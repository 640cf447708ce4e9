// SPDX-License-Identifier: MIT
/* The libraries below the event loop as they are at run time. libev tells its interface only. */
#pragma once

/* "4.33"; static text. Thread: the first call must not meet another. */
const char *ef_loop_libev_version(void);

const char *ef_loop_cares_version(void);
