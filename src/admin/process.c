// SPDX-License-Identifier: MIT
#include "admin/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

static int64_t count_fds(void)
{
    int64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            count++;
    closedir(dir);
    return count - 1; /* the directory itself */
}

/* proc(5), /proc/pid/stat: fields are counted from 1; the second holds any bytes, up to the last
 * ')'. */
static void read_stat(struct ef_process *ret)
{
    char text[1024];
    unsigned long long user = 0, system = 0, start = 0;
    long resident_pages = 0;
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *rest = strrchr(text, ')');
    /* state is field 3, utime 14, stime 15, starttime 22, rss 24 */
    if (!rest || sscanf(rest + 1,
                        " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu"
                        " %*s %*s %*s %*s %*s %*s %llu %*s %ld",
                        &user, &system, &start, &resident_pages) != 4)
        return;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    ret->cpu_seconds = (double)(user + system) / ticks;
    ret->resident_bytes = resident_pages * sysconf(_SC_PAGESIZE);
    ret->uptime_ms = (int64_t)((double)ef_clock_mono().us / 1e3 - (double)start * 1e3 / ticks);
    ret->started_at = (double)ef_clock_wall().us / 1e6 - (double)ret->uptime_ms / 1e3;
}

void ef_process_read(struct ef_process *ret)
{
    struct rlimit limit;
    *ret = (struct ef_process){.pid = (int)getpid(), .open_fds = count_fds()};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret->max_fds = (int64_t)limit.rlim_cur;
    read_stat(ret);
}
