// SPDX-License-Identifier: MIT
/* The world's answers to the product's calls of the operating system (seams.c). */
#pragma once

#include <stddef.h>
#include <stdint.h>

void sim_files_reset(void);
/* A process whose state directory this is has ended: its locks are gone, its files stay. */
void sim_files_closed_by_kernel(const char *dir);
/* How often row i of the relay's table was taken, over all schedules. */
uint64_t sim_edge_taken(size_t i);
