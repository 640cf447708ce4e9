// SPDX-License-Identifier: MIT
/*
 * The invariants of the protocol, checked after every step, by what the database committed, what
 * the topics show and what was acknowledged: nothing here looks into a relay.
 *
 * loss         a row leaves "unfinished" only after its ack, its dead letter's ack, or (where no
 *              dead letter is configured) its refusal
 * invention    a message without a committed row, or one that differs from its row
 * order        first appearances of an aggregate in a topic are not in id order
 * hold         an event appears although an earlier one of its aggregate is neither delivered nor
 *              dead
 *              or an owner sends an event whose topic an operator holds
 * dead-order   an event that was dead, or that an operator gave up, appears again though nobody
 * asked for it owner        a relay produces although another was granted the table after it fence
 * a statement of a former owner changes a row repeat       a relay produces what was acknowledged
 * to it since it was granted the table attempts     more tries are counted than failures were
 * reported bounded      more in the window, or with the publisher, than was configured, at any time
 * stop         a clean stop leaves acknowledged rows unsettled, messages under way or its lease
 *              held
 * stuck        not everything is finished in time once there are no faults any more
 * prompt       with nothing wrong and nothing else to do, a row waits longer than poll_interval
 * isolation    with nothing wrong but single topics and rows, others do not go on
 *
 * Thread: the only one. Life: sim_check_reset begins a schedule.
 */
#pragma once

#include "outbox/message.h"
#include "sim/db.h"
#include "sim/run.h"

struct sim_check_config {
    bool dead_letters; /* configured */
    bool archive;
    int max_attempts; /* the lowest that any of the configurations has */
    bool serialised;  /* the application keeps its precondition for order */
};

void sim_check_reset(const struct sim_check_config *config);
void sim_violated(enum sim_violation violation, const char *fmt, ...) EF_PRINTF(2, 3);
/* The first violation; SIM_VIOLATIONS: none. */
enum sim_violation sim_check_result(const char **ret_text);

/* --- the database --- */
void sim_check_inserted(const struct sim_row *row);
void sim_check_committed(const struct sim_row *row);
/* About to change; stmt is the relay's statement. */
void sim_check_settled(const struct sim_row *row, const struct sim_stmt *stmt);
void sim_check_marked(const struct sim_row *row, const struct ef_decision *d,
                      const struct sim_stmt *stmt);
void sim_check_undone(const struct sim_row *now, const struct sim_row_state *then, bool born,
                      bool failover);
/* An operator sets a dead row to wait. */
void sim_check_asked_again(const struct sim_row *row);
/* Or gives it up: it may leave without having gone. */
void sim_check_skipped(const struct sim_row *row);
/* Or deletes it; or the table was emptied. */
void sim_check_truncated(const struct sim_row *row);
void sim_check_ids_begin_again(void);
void sim_check_granted(int relay, uint32_t serial);
/* Another kind of relay finished it. */
void sim_check_foreign(const struct sim_row *row);

/* --- the brokers and the publisher --- */
/* The uid that the message names, or -1 (and a violation) if it is no faithful message of its row.
 */
int sim_check_message(const struct ef_message *msg, bool dead_letter);
void sim_check_produced(int relay);
uint32_t sim_check_sent(int uid, int relay); /* returns its grant, for the ack */
/* late: the request of a dead producer or process. */
void sim_check_appended(int uid, int topic, bool late);
void sim_check_acked(int uid, int relay, uint32_t grant, bool dead_letter);
uint32_t sim_check_grant(int relay);
void sim_check_refused(int uid, enum ef_class class, bool dead_letter);

/* --- relays --- */
void sim_check_started(int relay); /* a new process */
/* Acked by this process since it was granted the table last, and not settled. */
int sim_check_unsettled(int relay);

/* --- the end --- */
bool sim_check_finished(const struct sim_row *row);
/* Every row again, from the whole history. */
void sim_check_everything(void);
