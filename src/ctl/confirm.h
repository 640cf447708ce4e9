// SPDX-License-Identifier: MIT
/*
 * Before an act on many things: --yes does it, --dry-run does not, a terminal is asked, and
 * everybody else is told to choose. Thread: the program's only one.
 */
#pragma once

#include <stdbool.h>

/* False: nothing is to be done, and the program ends with *ret_code. */
bool ef_ctl_confirm(bool dry_run, bool yes, int *ret_code);
