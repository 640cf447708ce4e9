// SPDX-License-Identifier: MIT
/*
 * What is asked of a MySQL or MariaDB server about transactions that have been open for long, and
 * what the answer means: the doctor's question and a running relay's. innodb_trx is only for
 * accounts with PROCESS, which the relay need not be.
 *
 * Pure: texts in, texts out. Owns: nothing. Thread: any.
 */
#pragma once

#include "base/report.h"

/* The caller's. Whatever the session's time zone: trx_started is written in the server's. */
char *ef_my_judge_transactions_sql(int64_t old_ms);
/* One row of the answer. */
void ef_my_judge_transaction(char *const *values, struct ef_report *report);
