// SPDX-License-Identifier: MIT
/*
 * When an X.509 certificate ends: its one field that is of use here, read without a TLS library.
 * Pure and bounded. Owns nothing. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/*
 * The next certificate of a PEM text (RFC 7468), which moves on behind it. False: there is no
 * further one. ret_ends_at_s: its notAfter in seconds since 1970 UTC; INT64_MIN where what stands
 * between the lines is no certificate.
 */
bool ef_certificate_next(struct ef_slice *pem, int64_t *ret_ends_at_s);
