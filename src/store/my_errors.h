// SPDX-License-Identifier: MIT
/* What an error number of MySQL, MariaDB or their client library means. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Numbers below 1000 and 2000 to 2999 are the client library's (errmsg.h): all are OUTAGE. */
enum ef_class ef_my_errno_class(unsigned code);
/* True if nothing more can be done on the session that reported it. */
bool ef_my_errno_ends_session(unsigned code);
