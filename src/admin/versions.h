// SPDX-License-Identifier: MIT
/* The HTTP library as it is at run time. */
#pragma once

const char *ef_admin_microhttpd_version(void);
