// SPDX-License-Identifier: MIT
/*
 * ${env:NAME}, ${file:PATH} and ${credential:NAME} in the strings of the configuration; $${ stands
 * for a literal ${. A file's last line end is not part of its value.
 *
 * Owns: nothing. Reads the environment and the files named. Thread: any one.
 */
#pragma once

#include "base/str.h"

struct ef_substitution {
    const char *dir;  /* relative paths start here: the directory of the configuration file */
    const char *word; /* "${topic}": is accepted and stays as it is; NULL: none */
    bool hide;        /* messages do not quote the text: it may be a secret */
    bool no_secrets;  /* files and credentials are not read: their place stays empty */
    bool used;        /* out: something was replaced */
    bool secret;      /* out: a part came from a file or a credential */
};

/*
 * Appends the text with everything replaced. On failure err->text is one sentence; its class is
 * CONFIG for what is written wrongly, OUTAGE for what could not be read.
 */
bool ef_substitute(struct ef_substitution *how, const char *text, struct ef_buf *out,
                   struct ef_error *err) EF_MUST_CHECK;

/* Whole content of a small file without its last line end; no NUL byte may be in it. Appends to
 * out. */
bool ef_substitute_file(int fd, const char *path, struct ef_buf *out,
                        struct ef_error *err) EF_MUST_CHECK;

/* path itself if absolute, else below dir. Caller frees. */
char *ef_substitute_path(const char *dir, const char *path);
