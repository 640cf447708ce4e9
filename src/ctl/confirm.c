// SPDX-License-Identifier: MIT
#include "ctl/confirm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

bool ef_ctl_confirm(bool dry_run, bool yes, int *ret_code)
{
    char answer[16] = "";
    fflush(stdout);
    *ret_code = EF_CTL_DONE;
    if (dry_run) {
        puts("nothing was changed (--dry-run)");
        return false;
    }
    if (yes)
        return true;
    *ret_code = EF_CTL_REFUSED;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        ef_ctl_complain("nothing was changed: --yes does it, --dry-run only shows it");
        return false;
    }
    fputs("do it? [y/N] ", stderr);
    bool answered = fgets(answer, sizeof(answer), stdin) != NULL;
    if (answer[0] == 'y' || answer[0] == 'Y')
        return true;
    if (!answered) /* Ctrl-D leaves the cursor behind the question */
        fputs("\n", stderr);
    ef_ctl_complain("nothing was changed");
    return false;
}
