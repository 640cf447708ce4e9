// SPDX-License-Identifier: MIT
#include "memory/failing.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#ifdef EF_ADDRESS_SANITIZER
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t size);
void *REAL(memalign)(size_t alignment, size_t size);

static struct {
    long number;
    bool onwards;
    struct failing_report *report;
} plan;
static __thread bool counting, inside;

enum { RANGES_MAX = 16 };
static struct {
    uintptr_t first, last;
} spared[RANGES_MAX];
static int spared_count;

static int see_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    if (!strstr(info->dlpi_name, "librdkafka"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum && spared_count < RANGES_MAX; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        spared[spared_count].first = info->dlpi_addr + part->p_vaddr;
        spared[spared_count].last = spared[spared_count].first + part->p_memsz;
        spared_count++;
    }
    return 0;
}

void failing_find(void)
{
    spared_count = 0;
    dl_iterate_phdr(see_module, NULL);
}

static _Unwind_Reason_Code see_frame(struct _Unwind_Context *context, void *arg)
{
    uintptr_t at = _Unwind_GetIP(context);
    for (int i = 0; i < spared_count; i++)
        if (at >= spared[i].first && at < spared[i].last) {
            *(bool *)arg = true;
            return _URC_NORMAL_STOP;
        }
    return _URC_NO_REASON;
}

static bool is_spared(void)
{
    bool found = false;
    inside = true; /* walking may allocate */
    _Unwind_Backtrace(see_frame, &found);
    inside = false;
    return found;
}

static bool fails(void)
{
    if (!counting || inside)
        return false;
    struct failing_report *report = plan.report;
    long number = ++report->count;
    if (plan.number == 0) {
        if (number < FAILING_MAX)
            report->given[number] = is_spared();
        return false;
    }
    if (number < plan.number || (number > plan.number && !plan.onwards) || is_spared())
        return false;
    report->reached = true;
    errno = ENOMEM;
    return true;
}

void failing_plan(long number, bool onwards, struct failing_report *report)
{
    plan.number = number;
    plan.onwards = onwards;
    plan.report = report;
}

bool failing_onwards(void)
{
    return plan.onwards;
}

void failing_begin(void)
{
    counting = true;
}

void failing_end(void)
{
    counting = false;
}

/* --- in the place of the C library's --- */

void *malloc(size_t size)
{
    return fails() ? NULL : REAL(malloc)(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : REAL(calloc)(n, size);
}

void *realloc(void *p, size_t size)
{
    return fails() ? NULL : REAL(realloc)(p, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : REAL(memalign)(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *p = memalign(alignment, size);
    if (!p)
        return ENOMEM;
    *ret = p;
    return 0;
}
