// SPDX-License-Identifier: MIT
/* What has to hold of any input; the fuzzer keeps the one that ends here. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

static inline void require(bool condition)
{
    if (!condition)
        abort();
}
