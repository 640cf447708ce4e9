// SPDX-License-Identifier: MIT
/* The databases' libraries as they are at run time. Pure; thread: any. */
#pragma once

/* "15.20"; static text. Thread: the first call must not meet another. */
const char *ef_store_libpq_version(void);

const char *ef_store_libmariadb_version(void);
