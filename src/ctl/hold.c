// SPDX-License-Identifier: MIT
/* eventferryctl pause and resume of a topic or an aggregate: commands to the table's owner. */
#include "ctl/hold.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/asking.h"
#include "ctl/operate.h"

int ef_ctl_hold(struct ef_ctl *ctl, const char *socket, const char *outbox,
                const struct ef_hold_args *hold, bool release)
{
    int code = EF_CTL_REFUSED;
    struct ef_operator *op = ef_operator_open(ctl, socket, outbox, &code);
    if (!op)
        return code;
    bool topic = hold->topic != NULL;
    const char *name = topic ? hold->topic : hold->aggregate;
    json_t *args = json_pack("{s:s, s:s}", topic ? "topic" : "aggregate", name, "reason",
                             hold->reason ? hold->reason : "");
    json_t *result = ef_operator_command(op, release ? "release" : "hold", args, &code);
    if (result) {
        code = EF_CTL_DONE;
        printf("%s: %s %s %s", ef_operator_outbox(op), topic ? "topic" : "aggregate", name,
               release ? "released" : "held");
        if (release)
            printf(", %" PRId64 " rows waited", ef_ctl_number(result, "rows"));
        puts("");
    }
    json_decref(result);
    ef_operator_close(op);
    return code;
}
