// SPDX-License-Identifier: MIT
/*
 * Numbers: MariaDB's "MariaDB Error Code Reference" and MySQL 8's "Server Error Message Reference";
 * up to 1799 they agree.
 */
#include "store/my_errors.h"

#include <stddef.h>

struct row {
    unsigned code;
    enum ef_class class;
    bool ends_session;
};

#define ROW(code_, class_)                                                                         \
    {                                                                                              \
        .code = (code_), .class = EF_CLASS_##class_                                                \
    }
#define ROW_SESSION(code_, class_)                                                                 \
    {                                                                                              \
        .code = (code_), .class = EF_CLASS_##class_, .ends_session = true                          \
    }

static const struct row rows[] = {
    ROW(1020, TRANSIENT),         /* ER_CHECKREAD: innodb_snapshot_isolation found a newer row */
    ROW(1021, OUTAGE),            /* ER_DISK_FULL */
    ROW(1022, CONFIG),            /* ER_DUP_KEY: a unique key somebody put on the archive */
    ROW(1030, OUTAGE),            /* ER_GET_ERRNO: the storage engine's error */
    ROW(1034, FATAL),             /* ER_NOT_KEYFILE: corrupted */
    ROW(1036, OUTAGE),            /* ER_OPEN_AS_READONLY */
    ROW(1037, OUTAGE),            /* ER_OUTOFMEMORY */
    ROW(1038, OUTAGE),            /* ER_OUT_OF_SORTMEMORY */
    ROW_SESSION(1040, OUTAGE),    /* ER_CON_COUNT_ERROR: too many connections */
    ROW(1041, OUTAGE),            /* ER_OUT_OF_RESOURCES */
    ROW_SESSION(1042, OUTAGE),    /* ER_BAD_HOST_ERROR */
    ROW_SESSION(1043, OUTAGE),    /* ER_HANDSHAKE_ERROR */
    ROW_SESSION(1044, CONFIG),    /* ER_DBACCESS_DENIED_ERROR */
    ROW_SESSION(1045, CONFIG),    /* ER_ACCESS_DENIED_ERROR */
    ROW(1046, CONFIG),            /* ER_NO_DB_ERROR */
    ROW_SESSION(1047, OUTAGE),    /* ER_UNKNOWN_COM_ERROR: a Galera node that is not ready */
    ROW(1048, CONFIG),            /* ER_BAD_NULL_ERROR: a column somebody made NOT NULL */
    ROW_SESSION(1049, CONFIG),    /* ER_BAD_DB_ERROR */
    ROW_SESSION(1053, OUTAGE),    /* ER_SERVER_SHUTDOWN */
    ROW(1054, CONFIG),            /* ER_BAD_FIELD_ERROR */
    ROW(1062, CONFIG),            /* ER_DUP_ENTRY */
    ROW(1064, CONFIG),            /* ER_PARSE_ERROR */
    ROW(1072, CONFIG),            /* ER_KEY_COLUMN_DOES_NOT_EXIST */
    ROW_SESSION(1080, OUTAGE),    /* ER_FORCING_CLOSE */
    ROW(1105, TRANSIENT),         /* ER_UNKNOWN_ERROR */
    ROW(1114, OUTAGE),            /* ER_RECORD_FILE_FULL */
    ROW_SESSION(1129, OUTAGE),    /* ER_HOST_IS_BLOCKED: too many failed attempts */
    ROW_SESSION(1130, CONFIG),    /* ER_HOST_NOT_PRIVILEGED */
    ROW(1142, CONFIG),            /* ER_TABLEACCESS_DENIED_ERROR */
    ROW(1143, CONFIG),            /* ER_COLUMNACCESS_DENIED_ERROR */
    ROW(1146, CONFIG),            /* ER_NO_SUCH_TABLE */
    ROW_SESSION(1153, CONFIG),    /* ER_NET_PACKET_TOO_LARGE: max_allowed_packet */
    ROW_SESSION(1158, OUTAGE),    /* ER_NET_READ_ERROR */
    ROW_SESSION(1159, OUTAGE),    /* ER_NET_READ_INTERRUPTED */
    ROW_SESSION(1160, OUTAGE),    /* ER_NET_ERROR_ON_WRITE */
    ROW_SESSION(1161, OUTAGE),    /* ER_NET_WRITE_INTERRUPTED */
    ROW_SESSION(1203, OUTAGE),    /* ER_TOO_MANY_USER_CONNECTIONS */
    ROW(1205, TRANSIENT),         /* ER_LOCK_WAIT_TIMEOUT */
    ROW(1206, TRANSIENT),         /* ER_LOCK_TABLE_FULL */
    ROW(1213, TRANSIENT),         /* ER_LOCK_DEADLOCK; on Galera also at COMMIT */
    ROW(1223, OUTAGE),            /* ER_CANT_UPDATE_WITH_READLOCK: FLUSH TABLES WITH READ LOCK */
    ROW_SESSION(1226, OUTAGE),    /* ER_USER_LIMIT_REACHED */
    ROW(1227, CONFIG),            /* ER_SPECIFIC_ACCESS_DENIED_ERROR */
    ROW(1235, CONFIG),            /* ER_NOT_SUPPORTED_YET: an older server */
    ROW_SESSION(1290, OUTAGE),    /* ER_OPTION_PREVENTS_STATEMENT: read_only after a failover */
    ROW(1297, TRANSIENT),         /* ER_GET_TEMPORARY_ERRMSG */
    ROW(1305, CONFIG),            /* ER_SP_DOES_NOT_EXIST */
    ROW_SESSION(1317, TRANSIENT), /* ER_QUERY_INTERRUPTED: somebody killed the statement */
    ROW(1356, CONFIG),            /* ER_VIEW_INVALID */
    ROW(1364, CONFIG),            /* ER_NO_DEFAULT_FOR_FIELD */
    ROW(1370, CONFIG),            /* ER_PROCACCESS_DENIED_ERROR */
    ROW(1406, CONFIG),            /* ER_DATA_TOO_LONG: a column of the archive is narrower */
    ROW(1451, CONFIG),            /* ER_ROW_IS_REFERENCED_2: a foreign key to the outbox */
    ROW(1526, OUTAGE),            /* ER_NO_PARTITION_FOR_GIVEN_VALUE */
    ROW(1644, CONFIG),            /* ER_SIGNAL_EXCEPTION: a trigger of the operator's table */
    ROW(1690, CONFIG),            /* ER_DATA_OUT_OF_RANGE */
    ROW_SESSION(1792, OUTAGE),    /* ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION */
    ROW_SESSION(1820, CONFIG),    /* ER_MUST_CHANGE_PASSWORD */
    ROW_SESSION(1836, OUTAGE),    /* ER_READ_ONLY_MODE */
    ROW_SESSION(1862, CONFIG),    /* ER_MUST_CHANGE_PASSWORD_LOGIN */
    ROW(1877, OUTAGE),            /* ER_TABLESPACE_DISCARDED and its kin: being worked on */
    ROW_SESSION(1927, OUTAGE),    /* MariaDB ER_CONNECTION_KILLED */
    ROW(1969, TRANSIENT),         /* MariaDB ER_STATEMENT_TIMEOUT */
    ROW(3024, TRANSIENT),         /* MySQL ER_QUERY_TIMEOUT */
    ROW_SESSION(3032, OUTAGE),    /* MySQL ER_SERVER_OFFLINE_MODE */
    ROW_SESSION(3100, OUTAGE),    /* MySQL ER_RUN_HOOK_ERROR: group replication, semi-sync */
    ROW_SESSION(3101, TRANSIENT), /* MySQL ER_TRANSACTION_ROLLBACK_DURING_COMMIT */
    ROW_SESSION(3118, CONFIG),    /* MySQL ER_ACCOUNT_HAS_BEEN_LOCKED */
    ROW_SESSION(3159, CONFIG),    /* MySQL ER_SECURE_TRANSPORT_REQUIRED */
    ROW_SESSION(3169, OUTAGE),    /* MySQL ER_SESSION_WAS_KILLED */
    ROW(3572, TRANSIENT),         /* MySQL ER_LOCK_NOWAIT */
    ROW_SESSION(3955, CONFIG),    /* MySQL ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_... */
    ROW_SESSION(4031, OUTAGE),    /* MySQL ER_CLIENT_INTERACTION_TIMEOUT */
    ROW_SESSION(4151, CONFIG),    /* MariaDB ER_ACCOUNT_HAS_BEEN_LOCKED */
};

static const struct row *find(unsigned code)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

static bool is_client(unsigned code)
{
    return code < 1000 || (code >= 2000 && code < 3000) || (code >= 5000 && code < 6000);
}

enum ef_class ef_my_errno_class(unsigned code)
{
    const struct row *row = find(code);
    if (row)
        return row->class;
    return is_client(code) ? EF_CLASS_OUTAGE : EF_CLASS_TRANSIENT;
}

bool ef_my_errno_ends_session(unsigned code)
{
    const struct row *row = find(code);
    return row ? row->ends_session : is_client(code);
}
