// SPDX-License-Identifier: MIT
/* eventferryctl dead edit: one row changed, by options or in an editor. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/str.h"
#include "ctl/asking.h"
#include "ctl/dead.h"
#include "ctl/dead_document.h"

enum {
    FILE_MAX_BYTES = 5 * 1024 * 1024,     /* in base64 it fits the command's arguments */
    DOCUMENT_MAX_BYTES = 64 * 1024 * 1024 /* a payload of that size, escaped */
};

static bool read_stream(FILE *in, const char *name, struct ef_buf *out)
{
    char part[16384];
    size_t n;
    while ((n = fread(part, 1, sizeof(part), in)) > 0)
        if (!ef_buf_add(out, part, n))
            break;
    if (!ferror(in) && !out->overflow)
        return true;
    ef_ctl_complain("could not read \"%s\": %s", name,
                    out->overflow ? "it is too large" : strerror(errno));
    return false;
}

static bool read_file(const char *path, struct ef_buf *out)
{
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input", out);
    FILE *in = fopen(path, "re");
    if (!in) {
        ef_ctl_complain("could not read \"%s\": %s", path, strerror(errno));
        return false;
    }
    bool ok = read_stream(in, path, out);
    fclose(in);
    return ok;
}

static bool is_number(const char *text)
{
    return text[0] && strspn(text, "0123456789") == strlen(text) && strlen(text) < 10;
}

/* --- by options --- */

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static bool put_partition(const char *text, json_t *set)
{
    if (text[0] && !is_number(text)) {
        ef_ctl_complain("--partition '%s' is no number", text);
        return false;
    }
    json_object_set_new(set, "partition", text[0] ? json_integer(atoll(text)) : json_null());
    return true;
}

static bool put_payload(const struct ef_dead_args *args, json_t *set)
{
    struct ef_buf bytes;
    if (args->tombstone)
        json_object_set_new(set, "payload_base64", json_null());
    if (!args->payload_file)
        return true;
    ef_buf_init(&bytes, FILE_MAX_BYTES);
    bool ok = read_file(args->payload_file, &bytes);
    if (ok) {
        char *text = ef_base64_encode(bytes.data ? bytes.data : "", bytes.len);
        json_object_set_new(set, "payload_base64", json_string(text));
        free(text);
    }
    ef_buf_done(&bytes);
    return ok;
}

/* False: an option makes no sense, which was said. */
static bool set_of_options(const struct ef_dead_args *args, json_t *set)
{
    if (args->new_topic)
        json_object_set_new(set, "topic", json_string(args->new_topic));
    if (args->key)
        json_object_set_new(set, "key", text_or_null(args->key));
    if (args->headers)
        json_object_set_new(set, "headers", text_or_null(args->headers));
    if (args->partition && !put_partition(args->partition, set))
        return false;
    return put_payload(args, set);
}

/* --- in an editor --- */

/* Ctrl-C at the terminal is the editor's: it may mean something there, and must not end us. */
static void ignore_keys(bool ignore)
{
    static struct sigaction interrupt, quit;
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, ignore ? &ignored : &interrupt, ignore ? &interrupt : NULL);
    sigaction(SIGQUIT, ignore ? &ignored : &quit, ignore ? &quit : NULL);
}

static bool run_editor(const char *path)
{
    const char *editor = getenv("VISUAL");
    if (!editor || !editor[0])
        editor = getenv("EDITOR");
    /* the shell between us has to live through those keys as well, and the editor to get them */
    char *command = ef_xprintf("trap : INT QUIT; %s \"$1\"", editor && editor[0] ? editor : "vi");
    int status = -1;
    fflush(NULL);
    ignore_keys(true);
    pid_t pid = fork();
    if (pid == 0) {
        ignore_keys(false);
        execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
        _exit(127);
    }
    free(command);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    ignore_keys(false);
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    ef_ctl_complain("the editor failed; nothing was changed");
    return false;
}

static bool read_edited(const json_t *before, const char *path, json_t *set)
{
    struct ef_buf text;
    ef_buf_init(&text, DOCUMENT_MAX_BYTES);
    bool ok = read_file(path, &text) &&
              ef_dead_document_changes(before, text.data ? text.data : "", text.len, set);
    ef_buf_done(&text);
    return ok;
}

/* Nobody is to write the same again because a comma was missing. */
static void keep_edited(char *path)
{
    if (path)
        ef_ctl_complain("what you wrote is kept in \"%s\"", path);
    free(path);
}

static void remove_edited(char *path)
{
    if (path)
        unlink(path);
    free(path);
}

/* ret_path: the file that was edited, to be kept or removed. False: nothing is to be done. */
static bool set_of_editor(const json_t *row, json_t *set, char **ret_path)
{
    const char *directory = getenv("TMPDIR");
    char *path = ef_xprintf("%s/eventferry-row-XXXXXX.json", directory ? directory : "/tmp");
    json_t *before = ef_dead_document(row);
    int fd = mkstemps(path, 5); /* mode 0600 */
    bool ok = fd >= 0 && json_dumpfd(before, fd, JSON_INDENT(2)) == 0;
    if (fd >= 0)
        close(fd);
    if (!ok)
        ef_ctl_complain("could not write \"%s\": %s", path, strerror(errno));
    ok = ok && run_editor(path);
    if (!ok && fd >= 0)
        unlink(path);
    if (ok && !read_edited(before, path, set)) {
        keep_edited(path);
        path = NULL;
        ok = false;
    }
    json_decref(before);
    if (ok)
        *ret_path = path;
    else
        free(path);
    return ok;
}

/* --- the act --- */

static bool keep_row(void *arg, const json_t *row)
{
    json_t **ret = arg;
    *ret = json_incref((json_t *)row);
    return false;
}

static json_t *find_row(struct ef_operator *op, const struct ef_dead_args *args, int *ret_code)
{
    json_t *row = NULL;
    *ret_code = EF_CTL_USAGE;
    json_t *filter = ef_row_choice_filter(&args->choice, EF_DEAD_STATUSES | EF_WAITING_STATUSES);
    size_t count = json_array_size(json_object_get(filter, "ids"));
    if (filter && count != 1) {
        ef_ctl_complain("edit wants the id of one row");
        json_decref(filter);
        return NULL;
    }
    if (!filter)
        return NULL;
    json_object_set_new(filter, "payload", json_true());
    if (ef_rows_each(op, filter, 1, keep_row, &row, NULL, ret_code) && !row) {
        ef_ctl_complain("there is no such dead or waiting row");
        *ret_code = EF_CTL_REFUSED;
    }
    return row;
}

static int send_again(struct ef_operator *op, const struct ef_dead_args *args, int64_t id)
{
    struct ef_selection one = {.ids = &id, .count = 1};
    int64_t rows;
    int code = EF_CTL_REFUSED;
    if (!args->retry) {
        printf("row %" PRId64 " changed; eventferryctl dead retry %s %" PRId64 " sends it again\n",
               id, ef_operator_outbox(op), id);
        return EF_CTL_DONE;
    }
    if (!ef_dead_command(op, "retry", args->reason, &one, &rows, &code))
        return code;
    printf("row %" PRId64 " changed and will be sent again\n", id);
    return rows == 1 ? EF_CTL_DONE : EF_CTL_REFUSED;
}

static int change(struct ef_operator *op, const struct ef_dead_args *args, int64_t id, json_t *set)
{
    int code;
    json_t *arguments = json_pack("{s:I, s:O, s:s}", "id", (json_int_t)id, "set", set, "reason",
                                  args->reason ? args->reason : "");
    json_t *result = ef_operator_command(op, "edit", arguments, &code);
    if (!result)
        return code;
    bool done = ef_ctl_number(result, "rows") == 1;
    json_decref(result);
    if (!done) {
        ef_ctl_complain("row %" PRId64 " was no dead or waiting row any more", id);
        return EF_CTL_REFUSED;
    }
    return send_again(op, args, id);
}

static int apply(struct ef_operator *op, const struct ef_dead_args *args, int64_t id, json_t *set)
{
    if (json_object_size(set) == 0) {
        puts("nothing was changed");
        return EF_CTL_DONE;
    }
    if (args->dry_run) {
        ef_ctl_print_json(set);
        puts("nothing was changed (--dry-run)");
        return EF_CTL_DONE;
    }
    return change(op, args, id, set);
}

static int edit(struct ef_operator *op, const struct ef_dead_args *args, const json_t *row,
                json_t *set)
{
    int64_t id = ef_ctl_number(row, "id");
    char *path = NULL;
    if (!set_of_options(args, set))
        return EF_CTL_USAGE;
    if (json_object_size(set) == 0) {
        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
            ef_ctl_complain("edit wants what to change: --set-topic, --key, --headers, "
                            "--partition, --payload-file or --tombstone");
            return EF_CTL_USAGE;
        }
        if (!set_of_editor(row, set, &path))
            return EF_CTL_REFUSED;
    }
    int code = apply(op, args, id, set);
    if (code == EF_CTL_DONE)
        remove_edited(path);
    else
        keep_edited(path);
    return code;
}

int ef_dead_edit(struct ef_operator *op, const struct ef_dead_args *args)
{
    int code;
    json_t *row = find_row(op, args, &code);
    if (!row)
        return code;
    json_t *set = json_object();
    code = edit(op, args, row, set);
    json_decref(set);
    json_decref(row);
    return code;
}
