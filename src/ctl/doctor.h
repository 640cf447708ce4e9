// SPDX-License-Identifier: MIT
/*
 * The doctor's parts: doctor.c chooses what is looked at and ends with the exit code, the others
 * look and add findings. All of them only read. Thread: the program's only one.
 */
#pragma once

#include "config/config.h"
#include "ctl/db.h"
#include "ctl/findings.h"
#include "ctl/topic_names.h"
#include "store/store.h"
#include "store/tell.h"

struct ef_doctor {
    const struct ef_config *config;
    const struct ef_config_outbox **outboxes; /* chosen; owned list */
    size_t outbox_count;
    struct ef_report report;
    int64_t old_ms;               /* a transaction open for longer is a finding */
    struct ef_topic_names topics; /* that unfinished rows or the configuration name */
    int tried, reached;           /* databases and the Kafka cluster */
};

/* doctor_host.c */
void ef_doctor_host(struct ef_doctor *doctor);

/* doctor_database.c: a database and its chosen outboxes */
void ef_doctor_database(struct ef_doctor *doctor, const struct ef_config_database *database);
/* First row, each value a copy (NULL for a null) in values[0..count); the caller frees them with
 * ef_doctor_row_free. False without a row, or after an error, which is then in err. */
bool ef_doctor_row(struct ef_db *db, const char *sql, char **values, int count,
                   struct ef_error *err);
void ef_doctor_row_free(char **values, int count);

/* doctor_pg.c */
void ef_doctor_pg_server(struct ef_doctor *doctor, struct ef_db *db,
                         const struct ef_config_database *database);
void ef_doctor_pg_table(struct ef_doctor *doctor, struct ef_db *db,
                        const struct ef_config_outbox *outbox, struct ef_store *store,
                        const struct ef_store_names *names);
/* A transaction of one look, with settings that stay in it: there may be a pooler in between. */
EF_MUST_CHECK bool ef_doctor_pg_begin(struct ef_db *db, struct ef_error *err);
void ef_doctor_pg_end(struct ef_db *db);

/* doctor_plan.c: plans of the relay's statements on PostgreSQL */
void ef_doctor_plan(struct ef_doctor *doctor, struct ef_db *db, struct ef_store *store,
                    const struct ef_store_names *names);

/* doctor_my.c */
void ef_doctor_my_server(struct ef_doctor *doctor, struct ef_db *db,
                         const struct ef_config_database *database);

/* doctor_kafka.c */
void ef_doctor_kafka(struct ef_doctor *doctor);
