// SPDX-License-Identifier: MIT
#include "ctl/account.h"

#include <stdio.h>
#include <string.h>

/* One part, quoted or up to `stop`; returns what follows it, NULL if it is none. */
static const char *take_part(const char *p, char stop, char *out, size_t size)
{
    char quote = *p == '\'' || *p == '`' || *p == '"' ? *p : '\0';
    const char *begin = quote ? p + 1 : p;
    const char *end = strchr(begin, quote ? quote : stop);
    if (!end && quote)
        return NULL;
    size_t len = end ? (size_t)(end - begin) : strlen(begin);
    if (len >= size || strcspn(begin, "'`\"\\") < len)
        return NULL;
    memcpy(out, begin, len);
    out[len] = '\0';
    return begin + len + (quote != '\0');
}

bool ef_account_parse(const char *text, struct ef_account *ret, struct ef_error *err)
{
    struct ef_account account = {.host = "%"};
    const char *p = take_part(text, '@', account.user, sizeof(account.user));
    if (p && *p == '@')
        p = take_part(p + 1, '\0', account.host, sizeof(account.host));
    if (!p || *p || !account.user[0] || !account.host[0])
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "'%s' is no account such as relay, relay@10.0.0.%% or 'relay'@'%%'",
                            text);
    snprintf(account.text, sizeof(account.text), "'%s'@'%s'", account.user, account.host);
    *ret = account;
    return true;
}
