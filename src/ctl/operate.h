// SPDX-License-Identifier: MIT
/*
 * Lists of rows and commands on them, asked of the daemon, or where none answers, of a relay of our
 * own (local.h). Complaints go to stderr, here and nowhere else.
 *
 * Owns: the name of the outbox, what stands in for the daemon. Thread: the program's only one.
 * Life: ef_operator_open .. ef_operator_close.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "ctl/ctl.h"

struct ef_operator;

/*
 * outbox NULL: the only one there is. NULL: the program ends with *ret_code. The configuration is
 * read where no daemon answers.
 */
struct ef_operator *ef_operator_open(struct ef_ctl *ctl, const char *socket, const char *outbox,
                                     int *ret_code);
void ef_operator_close(struct ef_operator *op); /* NULL is fine */

const char *ef_operator_outbox(const struct ef_operator *op); /* borrowed */
/* False: no daemon answers. */
bool ef_operator_daemon(const struct ef_operator *op);

/*
 * {"rows", "more"} for a filter (admin/control_filter.h; taken over), the caller's; or NULL with
 * the exit code.
 */
json_t *ef_operator_rows(struct ef_operator *op, json_t *filter, int *ret_code);
/* The result of a command (outbox/command.h); args are taken over. NULL as above. */
json_t *ef_operator_command(struct ef_operator *op, const char *command, json_t *args,
                            int *ret_code);
/* The outbox's part of the daemon's status and, if ret_all is not NULL, all of it; the caller's.
 * NULL where there is no daemon, which is no error. */
json_t *ef_operator_status(struct ef_operator *op, json_t **ret_all);
