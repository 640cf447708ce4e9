// SPDX-License-Identifier: MIT
/* ef_config_load and what it reads: the file, its directory, the host's name. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/check.h"
#include "config/fill.h"

enum { CONFIG_MAX_BYTES = 4 * 1024 * 1024, HOST_MAX_BYTES = 63 };

/* The host's name with what a label cannot hold replaced. Caller frees. */
static char *default_instance(void)
{
    char name[HOST_MAX_BYTES + 1] = "";
    if (gethostname(name, sizeof(name) - 1) != 0 || !name[0])
        return ef_xstrdup("eventferryd");
    for (char *p = name; *p; p++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", *p))
            *p = '-';
    return ef_xstrdup(name);
}

/* Defaults that depend on other values or on where we run. */
static void derive_defaults(struct ef_config *config)
{
    const char *state_dir =
        getenv("STATE_DIRECTORY"); /* systemd.exec(5); several are split by ':' */
    if (!config->instance)
        config->instance = default_instance();
    if (!config->kafka.client_id) {
        config->kafka.client_id = ef_xprintf("eventferryd-%s", config->instance);
        if (ef_config_is_masked(config, "instance"))
            ef_config_add_masked(config, "kafka.client_id");
    }
    if (!config->state_dir && state_dir && state_dir[0])
        config->state_dir = ef_xstrndup(state_dir, strcspn(state_dir, ":"));
    if (!config->state_dir)
        config->state_dir = ef_xstrdup("/var/lib/eventferryd");
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? ef_xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : ef_xstrdup(".");
}

/*
 * The result in one error, for those who show only that: the first problem, and how many there are.
 * unread_count of them are secrets that could not be read; if all are, so says the class.
 */
static bool fail(const char *path, const struct ef_config_problems *problems, size_t unread_count,
                 struct ef_error *err)
{
    size_t errors = 0, first = 0;
    for (size_t i = problems->count; i-- > 0;)
        if (!problems->items[i].warning) {
            errors++;
            first = i;
        }
    const struct ef_config_problem *problem = &problems->items[first];
    enum ef_class class = unread_count == errors ? EF_CLASS_OUTAGE : EF_CLASS_CONFIG;
    char *more = errors > 1 ? ef_xprintf(" (and %zu more)", errors - 1) : NULL;
    ef_error_set(err, class, "%s:%d:%d: %.400s%s", path, problem->line, problem->column,
                 problem->text, more ? more : "");
    free(more);
    return false;
}

struct ef_config *ef_config_parse(const char *path, const void *data, size_t len, bool no_secrets,
                                  struct ef_config_problems *problems, struct ef_error *err)
{
    struct ef_config *config = ef_xcalloc(1, sizeof(*config));
    char *dir = directory_of(path);
    struct ef_fill fill = {
        .config = config, .problems = problems, .dir = dir, .no_secrets = no_secrets};
    struct ef_arena arena;
    ef_arena_init(&arena, 64 * 1024);
    config->path = ef_xstrdup(path);
    ef_fill_defaults("", config);
    const struct ef_node *root = ef_node_read(&arena, data, len, problems);
    if (root) {
        ef_fill_root(&fill, root);
        derive_defaults(config);
        ef_check(&fill, root);
    }
    ef_arena_done(&arena);
    free(dir);
    ef_problems_sort(problems);
    if (root && !ef_problems_fatal(problems))
        return config;
    fail(path, problems, fill.unread_count, err);
    ef_config_free(config);
    return NULL;
}

/* The whole file; *ret_public: all users may read it. */
static bool read_file(const char *path, struct ef_buf *out, bool *ret_public, struct ef_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not open \"%s\"", path);
    bool ok = fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode);
    if (!ok)
        ef_error_set(err, EF_CLASS_OUTAGE, "cannot read \"%s\": not a file", path);
    *ret_public = ok && (st.st_mode & S_IROTH);
    while (ok) {
        char chunk[16 * 1024];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            ok = ef_error_errno(err, EF_CLASS_OUTAGE, errno, "could not read \"%s\"", path);
        if (n <= 0)
            break;
        if (!ef_buf_add(out, chunk, (size_t)n))
            ok = ef_error_set(err, EF_CLASS_CONFIG, "cannot use \"%s\": more than 4 MiB", path);
    }
    close(fd);
    return ok;
}

/* A secret in a file that all may read is easily overlooked; said, and loaded all the same. */
static void warn_of_secret(const struct ef_config *config, struct ef_config_problems *problems)
{
    if (!config->secret_line)
        return;
    ef_problems_add(problems, config->secret_line, config->secret_column, true,
                    "a password stands here, and all users may read this file; chmod o= it, or use "
                    "password_file or ${file:PATH}");
    ef_problems_sort(problems);
}

static struct ef_config *load(const char *path, bool no_secrets,
                              struct ef_config_problems *problems, struct ef_error *err)
{
    struct ef_config *config = NULL;
    struct ef_error ignored;
    struct ef_buf data;
    if (!err)
        err = &ignored;
    ef_buf_init(&data, CONFIG_MAX_BYTES);
    bool public = false;
    if (read_file(path, &data, &public, err))
        config =
            ef_config_parse(path, data.data ? data.data : "", data.len, no_secrets, problems, err);
    else
        ef_problems_add(problems, 0, 0, false, "%s", err->text);
    if (config && public)
        warn_of_secret(config, problems);
    ef_buf_done(&data);
    return config;
}

struct ef_config *ef_config_load(const char *path, struct ef_config_problems *problems,
                                 struct ef_error *err)
{
    return load(path, false, problems, err);
}

struct ef_config *ef_config_load_without_secrets(const char *path,
                                                 struct ef_config_problems *problems,
                                                 struct ef_error *err)
{
    return load(path, true, problems, err);
}
