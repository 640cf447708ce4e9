// SPDX-License-Identifier: MIT
#include "relay/token.h"

#include <string.h>
#include <unistd.h>

static bool is_uuid(const char *text)
{
    for (int i = 0; i < EF_TOKEN_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (dash ? text[i] != '-' : !digit)
            return false;
    }
    return true;
}

bool ef_token_read(int fd, char ret[EF_TOKEN_LEN + 1])
{
    char text[EF_TOKEN_LEN];
    if (pread(fd, text, sizeof(text), 0) != EF_TOKEN_LEN || !is_uuid(text))
        return false;
    memcpy(ret, text, EF_TOKEN_LEN);
    ret[EF_TOKEN_LEN] = '\0';
    return true;
}
