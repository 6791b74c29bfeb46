/*
 * limit_text: amounts, spans and rules as people write them.
 */
#pragma once

#include "limiter/limit.h"

#include <stdint.h>

enum {
    LIMIT_AMOUNT_TEXT_MAX = 48,
    LIMIT_SPAN_TEXT_MAX = 24,
    LIMIT_TEXT_MAX = 96,
    LIMIT_POLICY_MAX = 256
};

/* "600 requests", "1 token", "250 USD", "0.000123450 USD", "25 bytes", "10 requests at once". */
void limit_amount_text(enum limit_unit unit, uint64_t amount, char out[LIMIT_AMOUNT_TEXT_MAX]);

/* "minute", "10 s", "day", "week", "month", "7 days"; "" of concurrency. */
void limit_span_text(const struct limit *limit, char out[LIMIT_SPAN_TEXT_MAX]);

/* "600 requests a minute", "10 requests at once". */
void limit_text(const struct limit *limit, char out[LIMIT_TEXT_MAX]);

/* "\"rpm\";q=600;w=60": a rule as an item of RateLimit-Policy
 * (draft-ietf-httpapi-ratelimit-headers). Its name has 64 bytes at most. Returns the length. */
size_t limit_policy_text(const struct limit *limit, char out[LIMIT_POLICY_MAX]);
