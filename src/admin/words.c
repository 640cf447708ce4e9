// SPDX-License-Identifier: MIT
#include "admin/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *ef_words_duration(int64_t ms, char *out, size_t size)
{
    int64_t s = ms / 1000;
    if (ms < 1000)
        snprintf(out, size, "%" PRId64 " ms", ms);
    else if (s < 60)
        snprintf(out, size, "%" PRId64 ".%d s", s, (int)(ms % 1000 / 100));
    else if (s < 3600)
        snprintf(out, size, "%" PRId64 " min %d s", s / 60, (int)(s % 60));
    else if (s < 86400)
        snprintf(out, size, "%" PRId64 " h %d min", s / 3600, (int)(s / 60 % 60));
    else
        snprintf(out, size, "%" PRId64 " d %d h", s / 86400, (int)(s / 3600 % 24));
    return out;
}

char *ef_words_bytes(int64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(out, size, "%" PRId64 " B", bytes);
        return out;
    }
    double value = (double)bytes / 1024;
    int unit = 0;
    while (value >= 1023.95) { /* what would print as 1024.0 */
        value /= 1024;
        unit++;
    }
    snprintf(out, size, "%.1f %s", value, units[unit]);
    return out;
}

char *ef_words_count(int64_t count, char *out, size_t size)
{
    char digits[24];
    size_t used = 0;
    int len = snprintf(digits, sizeof(digits), "%" PRId64, count);
    int first = digits[0] == '-';
    for (int i = 0; i < len && used + 2 < size; i++) {
        if (i > first && (len - i) % 3 == 0)
            out[used++] = ' ';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

char *ef_words_rate(double per_second, char *out, size_t size)
{
    char number[32];
    if (per_second > 0 && per_second < 9.95)
        snprintf(out, size, "%.1f/s", per_second);
    else
        snprintf(out, size, "%s/s",
                 ef_words_count((int64_t)(per_second + 0.5), number, sizeof(number)));
    return out;
}
