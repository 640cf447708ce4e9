// SPDX-License-Identifier: MIT
#include "ctl/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "admin/words.h"

void ef_progress_init(struct ef_progress *p, const char *what, int64_t total)
{
    *p = (struct ef_progress){
        .terminal = isatty(STDERR_FILENO), .began = ef_clock_mono(), .total = total, .what = what};
}

void ef_progress_show(struct ef_progress *p, int64_t done)
{
    char count[32], total[32], rate[32], left[32];
    double seconds = (double)(ef_clock_mono().us - p->began.us) / 1e6;
    double per_second = seconds > 0 ? (double)done / seconds : 0;
    if (!p->terminal)
        return;
    p->drawn = true;
    fprintf(stderr, "\r\033[K%s %s", ef_words_count(done, count, sizeof(count)), p->what);
    if (p->total)
        fprintf(stderr, " of %s", ef_words_count(p->total, total, sizeof(total)));
    fprintf(stderr, ", %s", ef_words_rate(per_second, rate, sizeof(rate)));
    if (p->total > done && per_second > 0)
        fprintf(stderr, ", %s left",
                ef_words_duration((int64_t)((double)(p->total - done) / per_second * 1e3), left,
                                  sizeof(left)));
    fflush(stderr);
}

void ef_progress_done(struct ef_progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}
