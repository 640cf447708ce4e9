// SPDX-License-Identifier: MIT
#include "base/certificate.h"

#include <string.h>
#include <time.h>

#include "base/base64.h"

static const char begin_line[] = "-----BEGIN CERTIFICATE-----";
static const char end_line[] = "-----END CERTIFICATE-----";

enum { DER_MAX = 64 * 1024, SEQUENCE = 0x30, VERSION = 0xa0, UTC_TIME = 0x17, TIME = 0x18 };

/* --- base64 --- */

/* Characters that are none are left out, as line ends have to be. */
static size_t decode(struct ef_slice text, unsigned char *out, size_t size)
{
    unsigned bits = 0;
    int count = 0;
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < size; i++) {
        int digit = ef_base64_digit(text.p[i]);
        if (digit < 0)
            continue;
        bits = (bits << 6 | (unsigned)digit) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[len++] = (unsigned char)(bits >> count & 0xff);
        }
    }
    return len;
}

/* --- DER (X.690, section 8.1) --- */

struct der {
    const unsigned char *p, *end;
};

/* The next element of any tag; false at the end, or where its length does not fit. */
static bool next(struct der *der, int *ret_tag, struct der *ret_content)
{
    if (der->end - der->p < 2)
        return false;
    int tag = der->p[0];
    size_t len = der->p[1];
    const unsigned char *p = der->p + 2;
    if (len & 0x80) { /* that many bytes of length follow */
        size_t bytes = len & 0x7f;
        if (bytes == 0 || bytes > 4 || (size_t)(der->end - p) < bytes)
            return false;
        for (len = 0; bytes; bytes--)
            len = len << 8 | *p++;
    }
    if ((size_t)(der->end - p) < len)
        return false;
    *ret_tag = tag;
    *ret_content = (struct der){p, p + len};
    der->p = p + len;
    return true;
}

static bool enter(struct der *der, struct der *ret)
{
    int tag;
    return next(der, &tag, ret) && tag == SEQUENCE;
}

static bool skip(struct der *der)
{
    int tag;
    struct der ignored;
    return next(der, &tag, &ignored);
}

static int number(const unsigned char **p, int digits)
{
    int n = 0;
    for (; digits; digits--, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        n = n * 10 + (**p - '0');
    }
    return n;
}

/* RFC 5280, section 4.1.2.5: YYMMDDHHMMSSZ means 1950 to 2049, YYYYMMDDHHMMSSZ is for later ones.
 */
static bool time_of(int tag, struct der content, int64_t *ret)
{
    int year_digits = tag == UTC_TIME ? 2 : 4;
    if ((tag != UTC_TIME && tag != TIME) || content.end - content.p < year_digits + 10)
        return false;
    const unsigned char *p = content.p;
    int year = number(&p, year_digits), fields[5];
    bool ok = year >= 0;
    for (int i = 0; i < 5; i++)
        ok = (fields[i] = number(&p, 2)) >= 0 && ok;
    if (year_digits == 2)
        year += year < 50 ? 2000 : 1900;
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = fields[0] - 1,
                    .tm_mday = fields[1],
                    .tm_hour = fields[2],
                    .tm_min = fields[3],
                    .tm_sec = fields[4]};
    if (ok)
        *ret = (int64_t)timegm(&tm);
    return ok;
}

/* Certificate { tbs { [version], serial, signature, issuer, validity { notBefore, notAfter } ... */
static int64_t ends_at(struct der der)
{
    struct der certificate, tbs, validity, content;
    int64_t at;
    int tag;
    if (!enter(&der, &certificate) || !enter(&certificate, &tbs))
        return INT64_MIN;
    if (tbs.p < tbs.end && *tbs.p == VERSION && !skip(&tbs))
        return INT64_MIN;
    if (!skip(&tbs) || !skip(&tbs) || !skip(&tbs) || !enter(&tbs, &validity) || !skip(&validity) ||
        !next(&validity, &tag, &content) || !time_of(tag, content, &at))
        return INT64_MIN;
    return at;
}

bool ef_certificate_next(struct ef_slice *pem, int64_t *ret_ends_at_s)
{
    unsigned char der[DER_MAX] = {0};
    const char *begin = pem->len ? memmem(pem->p, pem->len, begin_line, strlen(begin_line)) : NULL;
    if (!begin)
        return false;
    begin += strlen(begin_line);
    size_t left = pem->len - (size_t)(begin - pem->p);
    const char *end = memmem(begin, left, end_line, strlen(end_line));
    size_t len = end ? (size_t)(end - begin) : left;
    size_t bytes = decode((struct ef_slice){begin, len}, der, sizeof(der));
    *ret_ends_at_s = ends_at((struct der){der, der + bytes});
    *pem = (struct ef_slice){begin + len, left - len};
    return true;
}
