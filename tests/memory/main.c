// SPDX-License-Identifier: MIT
/*
 * Lets every allocation of a scenario fail: the first, then the second, ... until all have been
 * made; each alone, and with all that come behind it. A child must end with a status that is
 * defined or answer as if nothing had been, never by a signal, and never tell the secret.
 *
 * PROGRAM [--every N] [SCENARIO...]: every N-th, 1 for all; only these scenarios.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/failing.h"
#include "memory/scenarios.h"

enum { LIMIT_S = 30, OUTPUT_MAX_BYTES = 1 << 20, COMPLAINTS_MAX = 20 };

static struct failing_report *report;
static int output_fd;
static char output[OUTPUT_MAX_BYTES + 1], reference[OUTPUT_MAX_BYTES + 1];
static int complaints;

static unsigned scaled(unsigned seconds)
{
    const char *text = getenv("EF_TEST_TIMEOUT_SCALE");
    int scale = text ? atoi(text) : 1;
    return seconds * (unsigned)(scale > 0 ? scale : 1);
}

static int run_child(const struct memory_scenario *scenario, long number, bool onwards)
{
    report->count = 0;
    report->reached = false;
    if (ftruncate(output_fd, 0) != 0 || lseek(output_fd, 0, SEEK_SET) != 0)
        abort();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(output_fd, STDOUT_FILENO);
        dup2(output_fd, STDERR_FILENO);
        alarm(scaled(LIMIT_S));
        failing_plan(number, onwards, report);
        int code = scenario->run(scenario->argument);
        failing_end();
        fflush(NULL);
        _exit(code);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    ssize_t n = pread(output_fd, output, OUTPUT_MAX_BYTES, 0);
    output[n < 0 ? 0 : n] = '\0';
    return status;
}

static void complain(const struct memory_scenario *scenario, long number, bool onwards, int status,
                     const char *what)
{
    if (complaints++ >= COMPLAINTS_MAX)
        return;
    printf("%s: allocation %ld%s: %s (wait status 0x%x)\n%.3000s\n", scenario->name, number,
           onwards ? " and all behind it" : "", what, (unsigned)status, output);
}

static bool is_allowed(const struct memory_scenario *scenario, int code)
{
    for (const int *each = scenario->allowed; *each >= 0; each++)
        if (*each == code)
            return true;
    return false;
}

static void judge(const struct memory_scenario *scenario, long number, bool onwards, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        complain(scenario, number, onwards, status, "did not end");
    else if (WIFSIGNALED(status))
        complain(scenario, number, onwards, status, "ended by a signal");
    else if (!is_allowed(scenario, WEXITSTATUS(status)))
        complain(scenario, number, onwards, status, "this exit status is not defined");
    else if (strstr(output, MEMORY_SECRET))
        complain(scenario, number, onwards, status, "told the secret");
    else if (scenario->exact && WEXITSTATUS(status) == 0 && strcmp(output, reference) != 0)
        complain(scenario, number, onwards, status, "success, but another result");
}

/* Returns how many allocations were made to fail. */
static long fail_each(const struct memory_scenario *scenario, long every, long codes[256])
{
    static unsigned char given[FAILING_MAX];
    memset(report->given, 0, sizeof(report->given));
    int status = run_child(scenario, 0, false);
    long count = report->count, failed = 0;
    memcpy(given, report->given, sizeof(given));
    memcpy(reference, output, sizeof(reference));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || count == 0) {
        complain(scenario, 0, false, status, "does not succeed with all its memory");
        return 0;
    }
    if (count >= FAILING_MAX)
        abort();
    for (long number = 1; number <= count; number++) {
        if (given[number] || failed++ % every != 0)
            continue;
        for (int onwards = 0; onwards < 2; onwards++) {
            status = run_child(scenario, number, onwards);
            judge(scenario, number, onwards, status);
            if (WIFEXITED(status) && report->reached)
                codes[WEXITSTATUS(status)]++;
        }
    }
    return failed;
}

static void run_scenario(const struct memory_scenario *scenario, long every)
{
    long codes[256] = {0};
    long failed = fail_each(scenario, every, codes);
    printf("memory: %s: %ld allocations;", scenario->name, failed);
    for (int code = 0; code < 256; code++)
        if (codes[code])
            printf(" %ld ended with %d", codes[code], code);
    printf("\n");
    fflush(stdout);
}

static bool is_wanted(const char *name, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/ef-memory-XXXXXX";
    long every = 0;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--every") == 0) {
        every = atol(argv[2]);
        first = 3;
    }
    if (every < 0 || !mkdtemp(directory))
        return 1;
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    output_fd = memfd_create("output", MFD_CLOEXEC);
    if (report == MAP_FAILED || output_fd < 0)
        return 1;
    failing_find();
    memory_prepare(directory);
    for (int i = 0; i < memory_scenario_count; i++)
        if (is_wanted(memory_scenarios[i].name, argv + first, argc - first))
            run_scenario(&memory_scenarios[i], every ? every : memory_scenarios[i].every);
    char command[sizeof(directory) + 16];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    if (system(command) != 0)
        return 1;
    printf("memory: %d complaints\n", complaints);
    return complaints ? 1 : 0;
}
