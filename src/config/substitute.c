// SPDX-License-Identifier: MIT
#include "config/substitute.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPTED "use ${env:NAME}, ${file:PATH} or ${credential:NAME}, or $${ for a literal ${"

enum { FILE_MAX_BYTES = 256 * 1024 }; /* a chain of certificates fits many times */

char *ef_substitute_path(const char *dir, const char *path)
{
    if (path[0] == '/' || !dir || strcmp(dir, ".") == 0)
        return ef_xstrdup(path);
    return ef_xprintf("%s%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", path);
}

bool ef_substitute_file(int fd, const char *path, struct ef_buf *out, struct ef_error *err)
{
    size_t start = out->len, total = 0;
    char chunk[4096];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not read \"%s\"", path);
        if (n == 0)
            break;
        total += (size_t)n;
        if (total > FILE_MAX_BYTES || !ef_buf_add(out, chunk, (size_t)n))
            return ef_error_set(err, EF_CLASS_CONFIG, "cannot use \"%s\": more than 256 KiB", path);
    }
    if (out->len > start && memchr(out->data + start, '\0', out->len - start))
        return ef_error_set(err, EF_CLASS_CONFIG, "cannot use \"%s\": it holds a NUL byte", path);
    if (out->len > start && out->data[out->len - 1] == '\n')
        out->data[--out->len] = '\0';
    if (out->len > start && out->data[out->len - 1] == '\r')
        out->data[--out->len] = '\0';
    return true;
}

static bool add_file(struct ef_substitution *how, const char *path, struct ef_buf *out,
                     struct ef_error *err)
{
    how->secret = true;
    if (how->no_secrets)
        return true;
    struct stat st;
    if (stat(path, &st) != 0)
        return ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not open \"%s\"", path);
    if (!S_ISREG(st.st_mode)) /* opening a device or a fifo can do more than read */
        return ef_error_set(err, EF_CLASS_OUTAGE, "cannot read \"%s\": not a regular file", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not open \"%s\"", path);
    bool ok = ef_substitute_file(fd, path, out, err);
    close(fd);
    return ok;
}

static bool add_env(const char *name, struct ef_buf *out, struct ef_error *err)
{
    const char *value = getenv(name);
    if (!value)
        return ef_error_set(err, EF_CLASS_CONFIG, "environment variable \"%.64s\" is not set",
                            name);
    ef_buf_puts(out, value);
    return true;
}

/* systemd.exec(5), Credentials: files of the directory the service manager names. */
static bool add_credential(struct ef_substitution *how, const char *name, struct ef_buf *out,
                           struct ef_error *err)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    how->secret = true;
    if (how->no_secrets)
        return true;
    if (strchr(name, '/') || strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
        return ef_error_set(err, EF_CLASS_CONFIG, "\"%.64s\" is not the name of a credential",
                            name);
    if (!dir || !dir[0])
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "credential \"%.64s\" is not there: $CREDENTIALS_DIRECTORY is not set "
                            "(LoadCredential= in the systemd unit sets it)",
                            name);
    char *path = ef_substitute_path(dir, name);
    bool ok = add_file(how, path, out, err);
    free(path);
    return ok;
}

enum { ACCEPTED_MAX = 128 };

static const char *accepted_by(const struct ef_substitution *how, char out[ACCEPTED_MAX])
{
    if (!how->word)
        return ACCEPTED;
    snprintf(out, ACCEPTED_MAX, "use %s, ${env:NAME}, ${file:PATH} or ${credential:NAME}",
             how->word);
    return out;
}

static bool refuse_reference(const struct ef_substitution *how, const char *reference,
                             struct ef_error *err)
{
    char accepted[ACCEPTED_MAX];
    if (how->hide)
        return ef_error_set(err, EF_CLASS_CONFIG, "holds a ${...} that is not accepted; %s",
                            accepted_by(how, accepted));
    return ef_error_set(err, EF_CLASS_CONFIG, "\"${%.64s}\" is not accepted here; %s", reference,
                        accepted_by(how, accepted));
}

/* What is between ${ and }. */
static bool add_reference(struct ef_substitution *how, const char *reference, struct ef_buf *out,
                          struct ef_error *err)
{
    const char *argument = strchr(reference, ':');
    size_t len = strlen(reference);
    if (how->word && strncmp(how->word + 2, reference, len) == 0 && !how->word[len + 3])
        return ef_buf_puts(out, how->word) || ef_error_set(err, EF_CLASS_CONFIG, "is too long");
    if (!argument || argument[1] == '\0')
        return refuse_reference(how, reference, err);
    size_t kind = (size_t)(argument++ - reference);
    how->used = true;
    if (kind == 3 && strncmp(reference, "env", kind) == 0)
        return add_env(argument, out, err);
    if (kind == 10 && strncmp(reference, "credential", kind) == 0)
        return add_credential(how, argument, out, err);
    if (kind != 4 || strncmp(reference, "file", kind) != 0)
        return refuse_reference(how, reference, err);
    char *path = ef_substitute_path(how->dir, argument);
    bool ok = add_file(how, path, out, err);
    free(path);
    return ok;
}

bool ef_substitute(struct ef_substitution *how, const char *text, struct ef_buf *out,
                   struct ef_error *err)
{
    char accepted[ACCEPTED_MAX];
    ef_buf_puts(out, "");
    while (*text) {
        const char *dollar = strstr(text, "${");
        if (!dollar) {
            ef_buf_puts(out, text);
            break;
        }
        bool escaped = dollar > text && dollar[-1] == '$';
        ef_buf_add(out, text, (size_t)(dollar - text) - escaped);
        if (escaped) {
            ef_buf_puts(out, "${");
            text = dollar + 2;
            continue;
        }
        const char *end = strchr(dollar, '}');
        if (!end)
            return ef_error_set(err, EF_CLASS_CONFIG, "\"${\" has no closing brace; %s",
                                accepted_by(how, accepted));
        char *reference = ef_xstrndup(dollar + 2, (size_t)(end - dollar) - 2);
        bool ok = add_reference(how, reference, out, err);
        free(reference);
        if (!ok)
            return false;
        text = end + 1;
    }
    if (out->overflow)
        return ef_error_set(err, EF_CLASS_CONFIG, "is too long");
    return true;
}
