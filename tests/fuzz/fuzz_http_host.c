// SPDX-License-Identifier: MIT
/*
 * The Host header's check and the listen address on any bytes. Beyond "no crash": a name that
 * nobody wrote into the configuration never passes, and a listen address that is accepted prints as
 * one that is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/http_host.h"
#include "base/str.h"
#include "fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Letters other than those of hexadecimal numbers: then it is a name and no address. */
static bool is_name(const char *host)
{
    return host[strcspn(host, "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ")] != '\0';
}

static void check_host(const char *host)
{
    static char *names[] = {"relay.example"};
    const struct ef_strings hosts = {names, 1};
    struct ef_http_address local, all;
    struct ef_error err;
    require(ef_http_address_parse("127.0.0.1:1", &local, &err));
    require(ef_http_address_parse("0.0.0.0:1", &all, &err));
    enum ef_host_check here = ef_http_host_check(host, &local, &hosts);
    enum ef_host_check anywhere = ef_http_host_check(host, &all, &hosts);
    require((here == EF_HOST_MALFORMED) == (anywhere == EF_HOST_MALFORMED));
    require(here != EF_HOST_OK || anywhere == EF_HOST_OK);
    if (anywhere == EF_HOST_OK && is_name(host))
        require(strncasecmp(host, "localhost", 9) == 0 ||
                strncasecmp(host, "relay.example", 13) == 0 ||
                strncasecmp(host, "[relay.example", 14) == 0);
}

static void check_listen(const char *listen)
{
    struct ef_http_address address, again;
    struct ef_error err = {0};
    char text[64];
    if (!ef_http_address_parse(listen, &address, &err)) {
        require(err.class == EF_CLASS_CONFIG);
        return;
    }
    ef_http_address_print(&address.addr, text, sizeof(text));
    require(ef_http_address_parse(text, &again, &err));
    require(again.any == address.any && again.len == address.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = ef_xstrndup((const char *)data, size);
    check_host(text);
    check_listen(text);
    free(text);
    return 0;
}
