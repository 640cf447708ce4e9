// SPDX-License-Identifier: MIT
/* Certificates in PEM on any text. Beyond "no crash": each one found moves on, and within the text.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_slice pem = {(const char *)data, size};
    int64_t ends_at_s;
    while (ef_certificate_next(&pem, &ends_at_s)) {
        if (pem.len >= size || pem.p + pem.len != (const char *)data + size)
            abort();
        size = pem.len;
        data = (const uint8_t *)pem.p;
    }
    return 0;
}
