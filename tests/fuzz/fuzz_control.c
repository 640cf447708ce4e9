// SPDX-License-Identifier: MIT
/*
 * The control socket's request parser on any bytes. Beyond "no crash": what it accepts is within
 * the limits the rest relies on, and what it refuses comes with a class and words.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/control_request.h"
#include "fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_plain(const char *text, size_t size)
{
    size_t len = strnlen(text, size);
    require(len < size);
    for (size_t i = 0; i < len; i++)
        require((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static void require_request(const struct ef_control_request *taken, size_t size)
{
    const struct ef_control_request request = *taken;
    require(size <= EF_CONTROL_LINE_MAX_BYTES);
    require((unsigned)request.verb < EF_CONTROL_VERB_COUNT);
    require_plain(request.outbox, sizeof(request.outbox));
    require_plain(request.reason, sizeof(request.reason));
    bool about_outbox = request.verb == EF_CONTROL_STATUS || request.verb == EF_CONTROL_PAUSE ||
                        request.verb == EF_CONTROL_RESUME || request.verb == EF_CONTROL_DRAIN ||
                        request.verb == EF_CONTROL_ROWS || request.verb == EF_CONTROL_COMMAND;
    require(about_outbox == (request.outbox[0] != '\0'));
    require(request.reason[0] == '\0' || request.verb == EF_CONTROL_PAUSE);
    require(request.for_ms > 0);
    require((request.args != NULL) == (request.verb == EF_CONTROL_COMMAND));
    require(request.filter.limit >= 1 && request.filter.limit <= EF_COMMAND_IDS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_control_request request;
    struct ef_error err = {0};
    if (ef_control_parse((const char *)data, size, &request, &err))
        require_request(&request, size);
    else
        require(err.class == EF_CLASS_CONFIG && err.text[0] != '\0');
    ef_control_request_done(&request);
    return 0;
}
