// SPDX-License-Identifier: MIT
/*
 * Files that hold a secret or a lease's token, with any mode and content: two bytes of mode, then
 * the content. Beyond "no crash": a token is a UUID that stands in the file, a secret is the
 * content without its last line end, it is used only where nobody else may read or its group write
 * it, and no message shows any of it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/secret.h"
#include "fuzz/require.h"
#include "relay/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARK "5ecret-"

enum { MARK_LEN = sizeof(MARK) - 1, SECRET_MAX_BYTES = 1 << 20 };

/* In memory, but a regular file by its path. */
static int file_of(unsigned mode, const char *mark, const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    size_t mark_len = strlen(mark);
    require(fd >= 0 && fchmod(fd, mode) == 0);
    require(write(fd, mark, mark_len) == (ssize_t)mark_len);
    require(write(fd, data, size) == (ssize_t)size);
    return fd;
}

static void check_token(const uint8_t *data, size_t size)
{
    char token[EF_TOKEN_LEN + 1] = "as it was";
    int fd = file_of(0600, "", data, size);
    if (ef_token_read(fd, token)) {
        require(size >= EF_TOKEN_LEN && memcmp(token, data, EF_TOKEN_LEN) == 0);
        require(strlen(token) == EF_TOKEN_LEN);
        static const size_t groups[] = {8, 4, 4, 4, 12};
        const char *at = token;
        for (int i = 0; i < 5; i++) {
            require(strspn(at, "0123456789abcdef") == groups[i]);
            at += groups[i];
            require(*at++ == (i < 4 ? '-' : '\0'));
        }
    } else {
        require(strcmp(token, "as it was") == 0);
    }
    close(fd);
}

static size_t without_line_end(const uint8_t *data, size_t size)
{
    if (size > 0 && data[size - 1] == '\n')
        size--;
    if (size > 0 && data[size - 1] == '\r')
        size--;
    return size;
}

static void check_secret(unsigned mode, const uint8_t *data, size_t size)
{
    char path[64];
    struct ef_buf out;
    struct ef_error err = {0};
    int fd = file_of(mode, MARK, data, size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ef_buf_init(&out, SECRET_MAX_BYTES);
    bool usable = ef_secret_check(path, &err);
    require(usable == !(mode & 0027));
    if (ef_secret_read(path, &out, &err)) {
        size_t len = without_line_end(data, size);
        require(usable && out.len == MARK_LEN + len && strlen(out.data) == out.len);
        require(memcmp(out.data, MARK, MARK_LEN) == 0);
        require(len == 0 || memcmp(out.data + MARK_LEN, data, len) == 0);
    } else {
        require(err.class == EF_CLASS_CONFIG && err.text[0] && !strstr(err.text, MARK));
        require(!usable || memchr(data, '\0', size) || size > 200000);
    }
    ef_buf_done(&out);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned mode = (unsigned)(data[0] << 8 | data[1]) & 0777;
    check_token(data + 2, size - 2);
    check_secret(mode | 0400, data + 2, size - 2);
    return 0;
}
