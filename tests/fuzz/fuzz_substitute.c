// SPDX-License-Identifier: MIT
/*
 * ${env:...}, ${file:...} and ${credential:...} in any text: one byte of choices, the text, a NUL,
 * what the file and the variable hold. The bytes 1 to 5 of the text stand for references that are
 * right. Beyond "no crash": text without a reference comes out as it is, what is hidden stays
 * hidden, no message shows a secret or the text around a reference, and twice is the same. (Byte 6
 * marks both; input with it is left out.)
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/substitute.h"
#include "fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MARK "\6in the file\6"
#define TEXT_MARK "\6around it\6"

enum {
    TEXT_MAX_BYTES = 1 << 20,
    OUT_MAX_BYTES = 4096,
    OUT_SMALL_BYTES = 64,
    HIGH_FD = 900,
    MARK = 6
};

static int file_fd;

static void set_up(const uint8_t *value, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    file_fd = dup2(fd, HIGH_FD); /* always the same name */
    close(fd);
    require(file_fd == HIGH_FD);
    require(write(file_fd, FILE_MARK, strlen(FILE_MARK)) > 0);
    require(write(file_fd, value, size) == (ssize_t)size);
    char *text = ef_xstrndup((const char *)value, size);
    setenv("EF_FUZZ", text, 1);
    setenv("CREDENTIALS_DIRECTORY", "/proc/self/fd", 1);
    free(text);
}

static void put_text(struct ef_buf *b, const uint8_t *text, size_t size)
{
    ef_buf_puts(b, TEXT_MARK);
    for (size_t i = 0; i < size; i++) {
        static const char *const right[] = {"${file:900}", "${env:EF_FUZZ}", "${credential:900}",
                                            "${topic}", "$${"};
        if (text[i] >= 1 && text[i] <= 5)
            ef_buf_puts(b, right[text[i] - 1]);
        else
            ef_buf_add(b, &text[i], 1);
    }
}

/* No other file of this machine is read. */
static bool names_files(const char *text)
{
    return strstr(text, "file:/") || strstr(text, "..");
}

static bool run(uint8_t how, const char *text, struct ef_buf *out, struct ef_substitution *ret,
                struct ef_error *err)
{
    *ret = (struct ef_substitution){.dir = "/proc/self/fd",
                                    .word = how & 1 ? "${topic}" : NULL,
                                    .hide = how & 2,
                                    .no_secrets = how & 4};
    ef_buf_init(out, how & 8 ? OUT_SMALL_BYTES : OUT_MAX_BYTES);
    return ef_substitute(ret, text, out, err);
}

static void check(uint8_t how, const char *text)
{
    struct ef_substitution about, again;
    struct ef_buf out, twice;
    struct ef_error err = {0}, other = {0};
    bool ok = run(how, text, &out, &about, &err);
    require(run(how, text, &twice, &again, &other) == ok);
    require(about.used == again.used && about.secret == again.secret);
    require(strcmp(err.text, other.text) == 0);
    if (ok) {
        require(!out.overflow && out.data && strcmp(out.data, twice.data) == 0);
        require(strlen(out.data) == out.len);
        require(about.used || !about.secret);
        if (!strstr(text, "${"))
            require(strcmp(out.data, text) == 0 && !about.used);
        if (about.no_secrets || !about.secret)
            require(!strstr(out.data, FILE_MARK));
    } else {
        require(err.class == EF_CLASS_CONFIG || err.class == EF_CLASS_OUTAGE);
        require(err.text[0] && !strstr(err.text, FILE_MARK) && !strstr(err.text, TEXT_MARK));
    }
    ef_buf_done(&out);
    ef_buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_buf text;
    if (size == 0)
        return 0;
    const uint8_t *end = memchr(data + 1, '\0', size - 1);
    size_t len = end ? (size_t)(end - data) - 1 : size - 1;
    ef_buf_init(&text, TEXT_MAX_BYTES);
    put_text(&text, data + 1, len);
    if (!text.overflow && !memchr(data, MARK, size) && !names_files(text.data)) {
        set_up(end ? end + 1 : data, end ? size - len - 2 : 0);
        check(data[0], text.data);
        close(file_fd);
    }
    ef_buf_done(&text);
    return 0;
}
