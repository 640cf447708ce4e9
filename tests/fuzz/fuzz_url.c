// SPDX-License-Identifier: MIT
/*
 * Database URLs on any text. Beyond "no crash": a password that libpq finds in one is not in what
 * is printed of it, and each attempt goes to one host.
 */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/url.h"
#include "fuzz/require.h"
#include "store/pg_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A shorter one may stand in the URL for something else, too. */
enum { PASSWORD_MIN = 8, MASKED_MAX = 1 << 16 };

static bool once(const char *text, const char *part)
{
    const char *first = strstr(text, part);
    return first && !strstr(first + 1, part);
}

/* The configuration accepts no other form of libpq's connection strings. */
static bool is_uri(const char *url)
{
    return strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0;
}

static void check_mask(const char *url)
{
    struct ef_buf masked;
    ef_buf_init(&masked, MASKED_MAX);
    ef_url_mask(url, &masked);
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    for (const PQconninfoOption *o = options; o && o->keyword; o++) {
        if (strcmp(o->keyword, "password") != 0 || !o->val || strlen(o->val) < PASSWORD_MIN ||
            !once(url, o->val))
            continue;
        require(ef_url_has_password(url));
        require(!masked.data || !strstr(masked.data, o->val));
    }
    PQconninfoFree(options);
    ef_buf_done(&masked);
}

static void check_target(const char *url, int turn)
{
    struct ef_pg_target target;
    struct ef_error err;
    if (!ef_pg_target_of(url, turn, &target, &err)) {
        require(err.class == EF_CLASS_CONFIG);
        return;
    }
    require(!target.host || !strchr(target.host, ','));
    require(!target.port || !strchr(target.port, ','));
    require(!target.lookup || (target.host && target.hosts > 0));
    ef_pg_target_done(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = ef_xstrndup((const char *)data, size);
    if (is_uri(url))
        check_mask(url);
    for (int turn = 0; turn < 3; turn++)
        check_target(url, turn);
    free(url);
    return 0;
}
