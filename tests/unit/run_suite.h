// SPDX-License-Identifier: MIT
/* The end of a test program's main. */
#pragma once

#include <check.h>

/* Runs it, prints Check's summary, frees it; the exit status: 0 if every test passed. */
int run_suite(Suite *suite);
