// SPDX-License-Identifier: MIT
/*
 * Options whose value has parts: lists of texts and words, brokers, librdkafka's properties,
 * columns. Part of fill.c's work. Thread: any one.
 */
#pragma once

#include "config/fill.h"

void ef_lists_strings(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                      void *base, const struct ef_node *node);
void ef_lists_flags(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                    void *base, const struct ef_node *node);
void ef_lists_brokers(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                      void *base, const struct ef_node *node);
void ef_lists_properties(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                         void *base, const struct ef_node *node);
void ef_lists_column(struct ef_fill *fill, const struct ef_option *option, const char *shown,
                     void *base, const struct ef_node *node);

/* Properties whose name says that their value is a secret. */
bool ef_lists_is_secret_property(const char *name);
