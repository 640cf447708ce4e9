// SPDX-License-Identifier: MIT
/*
 * Which outboxes a migration is for, and in which databases: from the command line and the
 * configuration. Owns: the list; what it points to is the arguments' and the configuration's.
 * Thread: the program's only one.
 */
#pragma once

#include "ctl/ctl.h"
#include "ctl/plan.h"

struct ef_migrate_arguments {
    const char *outbox; /* name in the configuration */
    const char *table;  /* instead of that */
    char *url;          /* owned: the copy on the command line is wiped */
    bool print;
    bool no_doorbell, doorbell, remove_doorbell;
    bool mysql;            /* --driver mysql */
    bool existing_pending; /* --existing pending */
    const char *grant_to, *app_role;
    int64_t wait_ms;
};

/* One outbox to migrate and the database it is in. */
struct ef_target {
    struct ef_migration migration;
    const struct ef_config_database *database; /* NULL without a configuration */
};

struct ef_targets {
    struct ef_target *items;
    size_t count;
};

/*
 * Loads the configuration if it is needed (the caller frees it). False after saying why not, with
 * the exit code.
 */
bool ef_targets_choose(struct ef_ctl *ctl, struct ef_migrate_arguments *arguments,
                       struct ef_config **ret_config, struct ef_targets *targets, int *ret_code);

/* One outbox of the configuration; false after saying why not. */
bool ef_targets_add(struct ef_targets *targets, const struct ef_migrate_arguments *arguments,
                    const struct ef_config *config, const struct ef_config_outbox *outbox);
