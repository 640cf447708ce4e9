// SPDX-License-Identifier: MIT
/* The inside of an administrator's connection, shared by the files admin*.c. Not for others. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "kafka/admin.h"

struct ef_kafka_admin {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* where answers of admin requests come */
    char why[512];           /* what the library said last about a connection; "" nothing */
};

/*
 * Waits for the answer of the request that was just sent with admin->queue; the caller destroys the
 * event. NULL: err says why, the reason of a failed connection included.
 */
rd_kafka_event_t *ef_kafka_admin_wait(struct ef_kafka_admin *admin, const char *what,
                                      struct ef_error *err);
/* Options for a request of that kind with a timeout; the caller destroys them. */
rd_kafka_AdminOptions_t *ef_kafka_admin_options(struct ef_kafka_admin *admin,
                                                rd_kafka_admin_op_t op, int timeout_ms);
/* An error of asking, with what is known about the connection. Returns false. */
bool ef_kafka_admin_fail(struct ef_kafka_admin *admin, struct ef_error *err,
                         rd_kafka_resp_err_t code, const char *detail, const char *what);
