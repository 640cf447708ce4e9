// SPDX-License-Identifier: MIT
#include "loop/known_host.h"

#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

static _Thread_local const char *known_host, *known_address;

void ef_known_host_set(const char *host, const char *address)
{
    known_host = host;
    known_address = address;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    static lookup *_Atomic found; /* librdkafka's threads call this, too */
    lookup *libc = found;
    if (!libc)
        found = libc = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!libc)
        return EAI_SYSTEM;
    if (node && known_host && known_address && strcmp(node, known_host) == 0)
        node = known_address;
    return libc(node, service, hints, ret);
}

bool ef_known_host_in_place(void)
{
    return dlsym(RTLD_DEFAULT, "getaddrinfo") == (void *)getaddrinfo;
}
