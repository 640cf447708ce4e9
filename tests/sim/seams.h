// SPDX-License-Identifier: MIT
/* The world's answers to the product's calls of the operating system (seams.c). */
#pragma once

#include <stddef.h>
#include <stdint.h>

void sim_files_reset(void);
/* How often row i of the relay's table was taken, over all schedules. */
uint64_t sim_edge_taken(size_t i);
