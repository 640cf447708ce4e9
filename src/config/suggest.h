// SPDX-License-Identifier: MIT
/*
 * What a writer of an unknown name may have meant. Pure. Thread: any.
 */
#pragma once

#include "config/node.h"
#include "config/options.h"

/* The name of `names` nearest to text, if near enough to be a slip of the finger; NULL otherwise.
 */
const char *ef_suggest_near(const char *text, const char *const *names, size_t count);

/* Adds the problem "unknown option" for a key of a mapping, with what is known there. */
void ef_suggest_option(struct ef_config_problems *problems, const char *prefix, const char *shown,
                       const struct ef_node *child);
