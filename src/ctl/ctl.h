// SPDX-License-Identifier: MIT
/*
 * eventferryctl's verbs: main.c has the table and reads what comes before the verb, each verb reads
 * what comes after it and gives the exit code of the program. Blocking calls are fine in this room.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"

#define EF_CTL_DEFAULT_CONFIG "/etc/eventferry/eventferry.yaml"

/* The exit codes of eventferryctl (those of sysexits.h keep their meaning). */
enum {
    EF_CTL_DONE = 0,
    EF_CTL_REFUSED = 1,
    EF_CTL_WARNED = 2,
    EF_CTL_USAGE = 64,
    EF_CTL_INTERNAL = 70,
    EF_CTL_UNREACHABLE = 69,
    EF_CTL_UNREADABLE = 77,
    EF_CTL_CONFIG = 78,
};

struct ef_ctl {
    const char *config_path; /* given or the default */
    bool config_given;
};

struct ef_ctl_verb {
    const char *name;
    const char *arguments; /* as the usage shows them */
    const char *help;      /* one line */
    /* argv[0] is the verb; --help after a verb is the verb's own to answer */
    int (*run)(struct ef_ctl *ctl, int argc, char **argv);
};

int ef_ctl_doctor(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_migrate(struct ef_ctl *ctl, int argc, char **argv);
/* Over the daemon's control socket. */
int ef_ctl_status(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_pause(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_resume(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_drain(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_reload(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_lag(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_top(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_topics(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_dead(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_purge(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_explain(struct ef_ctl *ctl, int argc, char **argv);
int ef_ctl_log_level(struct ef_ctl *ctl, int argc, char **argv);

/*
 * Loads the configuration (caller frees), or says on stderr what is wrong, line by line, and sets
 * the exit code. secrets false: secret files are not read, for operators who may not.
 */
struct ef_config *ef_ctl_load_config(const struct ef_ctl *ctl, bool secrets, int *ret_code);

/* "eventferryctl: ..." on stderr. */
void ef_ctl_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Called before each complaint: who has taken the screen gives it back. NULL: nobody. */
void ef_ctl_before_complaint(void (*fn)(void));

/* The exit code for an error that ended a verb. */
int ef_ctl_code(const struct ef_error *err);
