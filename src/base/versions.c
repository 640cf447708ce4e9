// SPDX-License-Identifier: MIT
#include "base/versions.h"

#include <jansson.h>

#include "version.h"

/* features.h of the C library: 0 where nothing is fortified, as under the sanitizers. */
#ifdef __USE_FORTIFY_LEVEL
#define FORTIFY __USE_FORTIFY_LEVEL
#else
#define FORTIFY 0
#endif
#if EF_HAVE_SYSTEMD
#define SYSTEMD "yes"
#else
#define SYSTEMD "no"
#endif
#define TEXT(value)    TEXT_OF(value)
#define TEXT_OF(value) #value

const char *ef_jansson_version(void)
{
#if JANSSON_VERSION_HEX >= 0x020d00
    return jansson_version_str();
#else
    return NULL;
#endif
}

const char *ef_versions_features(void)
{
    return "systemd " SYSTEMD ", allocator " EF_ALLOCATOR ", fortify " TEXT(FORTIFY);
}

void ef_versions_print(FILE *out, const char *program, const struct ef_library *libraries)
{
    fprintf(out, "%s %s (%s)\n", program, EF_VERSION, EF_BUILD_ID);
    for (; libraries->name; libraries++)
        fprintf(out, "%s %s\n", libraries->name,
                libraries->version ? libraries->version : "(linked)");
    fprintf(out, "features: %s\n", ef_versions_features());
}
