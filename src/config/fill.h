// SPDX-License-Identifier: MIT
/*
 * From the tree of a file to the structs of config.h, by the option table: types, ranges, words,
 * syntax, defaults, substitution. What involves more than one option is check.c's.
 *
 * Owns: nothing; strings go to the config. Thread: any one.
 */
#pragma once

#include "config/node.h"
#include "config/options.h"

struct ef_fill {
    struct ef_config *config; /* being filled */
    struct ef_config_problems *problems;
    const char *dir;     /* of the file: relative paths start there */
    bool no_secrets;     /* secret files and credentials are neither read nor looked at */
    size_t unread_count; /* out: how many problems are files that could not be read */
};

/* Defaults of all options of a scope ("", "outboxes[].") into the zeroed struct at base. */
void ef_fill_defaults(const char *scope, void *base);
/* The whole file. */
void ef_fill_root(struct ef_fill *fill, const struct ef_node *root);
/* Frees what the options of a scope own in the struct at base. */
void ef_fill_free(const char *scope, void *base);

/* The option at this path, or an item of its list, came from a file or a credential: not to be
 * printed. */
void ef_config_add_masked(struct ef_config *config, const char *path);
bool ef_config_is_masked(const struct ef_config *config, const char *path);
