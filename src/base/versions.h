// SPDX-License-Identifier: MIT
/* What --version says in every program: the build, the libraries as they are at run time, and what
 * was chosen when it was built. Each program hands in those libraries that it links; nothing is
 * kept. Thread: any. */
#pragma once

#include <stdio.h>

struct ef_library {
    const char *name;
    const char *version; /* borrowed; NULL: the library does not tell at run time */
};

/* Of jansson, which belongs to no room. NULL: it is older than 2.13, which does not tell. */
const char *ef_jansson_version(void);

/* What was chosen when it was built: "systemd yes, allocator libc, fortify 3". */
const char *ef_versions_features(void);

/* "PROGRAM VERSION (BUILD)", a line for each library up to the entry without a name, and the
 * features. */
void ef_versions_print(FILE *out, const char *program, const struct ef_library *libraries);
