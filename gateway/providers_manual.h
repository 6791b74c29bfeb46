/* providers_manual: docs/PROVIDERS.md, from the profiles. */
#pragma once

#include "base/status.h"

struct buffer;
struct price_book;
struct profile_set;

/* STATUS_TOO_LARGE: the buffer is full. */
MUST_USE enum status providers_manual_write(const struct profile_set *set,
                                            const struct price_book *prices, struct buffer *out);
