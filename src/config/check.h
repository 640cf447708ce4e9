// SPDX-License-Identifier: MIT
/*
 * What can only be judged with the whole file at hand: names that refer to each other, limits that
 * depend on each other, files that hold secrets, librdkafka's properties. Thread: any one.
 */
#pragma once

#include "config/fill.h"

/* Adds problems to fill; root is the tree that the config was filled from. */
void ef_check(struct ef_fill *fill, const struct ef_node *root);
