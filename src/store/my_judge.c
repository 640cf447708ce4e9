// SPDX-License-Identifier: MIT
#include "store/my_judge.h"

enum { SHOWN = 5 };

#define NOW_AS_SERVER "CONVERT_TZ(NOW(6), @@session.time_zone, 'SYSTEM')"

char *ef_my_judge_transactions_sql(int64_t old_ms)
{
    return ef_xprintf(
        "SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, " NOW_AS_SERVER "),"
        " trx_rows_modified FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <>"
        " CONNECTION_ID() AND trx_mysql_thread_id <> 0 AND"
        " TIMESTAMPDIFF(MICROSECOND, trx_started, " NOW_AS_SERVER ") > %lld"
        " ORDER BY trx_started LIMIT %d",
        (long long)old_ms * 1000, SHOWN);
}

void ef_my_judge_transaction(char *const *values, struct ef_report *report)
{
    ef_report_add(report, "db.transactions", EF_LEVEL_WARN,
                  "connection %s has had a transaction open for %s s (%s rows changed): rows it "
                  "inserted are waited for, old versions stay",
                  values[0], values[1], values[2]);
    ef_report_key(report, "connection %s", values[0]);
    ef_report_mend(report, "KILL %s", values[0]);
}
