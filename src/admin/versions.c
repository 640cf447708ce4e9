// SPDX-License-Identifier: MIT
#include "admin/versions.h"

#include <microhttpd.h>

const char *ef_admin_microhttpd_version(void)
{
    return MHD_get_version();
}
