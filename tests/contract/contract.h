// SPDX-License-Identifier: MIT
/* The fixtures of the store contract that need a server, which the environment names. */
#pragma once

#include "unit/store_suite.h"

/* The environment's variable; without it the program ends: the integration tests start it. */
const char *contract_variable(const char *name);

extern const struct store_fixture contract_mysql;
