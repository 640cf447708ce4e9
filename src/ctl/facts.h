// SPDX-License-Identifier: MIT
/*
 * What a database has of an outbox before a migration: read from the catalogs, nothing is changed
 * or locked. Owns its strings. Thread: the program's only one. Life: ef_facts_load ..
 * ef_facts_free.
 */
#pragma once

#include "ctl/pg.h"
#include "ctl/plan.h"

struct ef_fact_column {
    char *name;
    char *type; /* without length or precision, for an archive sets no limits: bpchar, not character
                 */
    bool not_null;
};

struct ef_facts {
    bool exists;
    bool schema_exists; /* of the table */
    char kind;          /* pg_class.relkind: r table, p partitioned, v view, f foreign ... */
    bool unlogged;
    bool is_partition;
    char *owner;
    bool may_alter; /* this session has the owner's rights */
    bool superuser; /* this session is one, so archive_maintain would run as one */
    struct ef_fact_column *columns;
    size_t column_count;
    char *sequences; /* quoted and comma separated: what column defaults call; NULL: none */
    char *sequence_literals;
    bool archive_exists;
    struct ef_fact_column *archive_columns;
    size_t archive_column_count;
    char *archive_user; /* another outbox whose archive has this name; NULL: none */
    int version;        /* of our objects; 0: none there */
    char *missing_role; /* the first of the roles to grant to that does not exist; NULL */
};

EF_MUST_CHECK bool ef_facts_load(struct ef_ctl_pg *pg, const struct ef_migration *migration,
                                 struct ef_facts *ret, struct ef_error *err);
void ef_facts_free(struct ef_facts *facts);

const struct ef_fact_column *ef_facts_column(const struct ef_facts *facts, const char *name);
