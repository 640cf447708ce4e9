// SPDX-License-Identifier: MIT
/* Words of scenario files and of what is printed; NULL beyond the last. Constant. */
#pragma once

const char *sim_statement_name(int kind); /* enum sim_stmt_kind; cover.c */
const char *sim_partition_name(
    int label);                       /* topic times SIM_PARTITIONS plus partition; brokers.c */
const char *sim_fault_name(int kind); /* nemesis.c */
