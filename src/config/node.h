// SPDX-License-Identifier: MIT
/*
 * A YAML document as a tree with positions, read strictly: aliases, anchors, tags, merge keys,
 * several documents and duplicate keys are problems; scalars stay text, whose meaning the option
 * table gives.
 *
 * Owns: the nodes live in the arena given. Thread: any one. Life: the arena's. Bounded in depth and
 * in the number of nodes, so that a file cannot make the reader grow or recurse without end.
 */
#pragma once

#include "base/arena.h"
#include "config/problems.h"

enum ef_node_kind {
    EF_NODE_SCALAR,
    EF_NODE_MAPPING,
    EF_NODE_SEQUENCE,
    EF_NODE_BAD, /* a problem was already reported for it: everyone else leaves it alone */
};

struct ef_node {
    enum ef_node_kind kind;
    bool plain;       /* scalar written without quotes */
    char *text;       /* scalar */
    int line, column; /* of the value, from 1 */
    char *key;        /* in a mapping: the key of this value, and where it stands */
    int key_line, key_column;
    struct ef_node *children; /* mapping: in the order written; sequence: the items */
    struct ef_node *last;
    struct ef_node *next;
    size_t count;
};

/* NULL where nothing usable could be read; problems then has the reason. */
struct ef_node *ef_node_read(struct ef_arena *arena, const void *data, size_t len,
                             struct ef_config_problems *problems);

/* The value of a key; NULL if there is none, or node is no mapping. */
const struct ef_node *ef_node_get(const struct ef_node *node, const char *key);
/* The same along a path of keys: "batch.max_rows". */
const struct ef_node *ef_node_find(const struct ef_node *node, const char *path);
/* Plain null, ~ or nothing at all. */
bool ef_node_is_null(const struct ef_node *node);
/* For messages: "a single value", "a list", "a mapping". */
const char *ef_node_kind_name(enum ef_node_kind kind);
