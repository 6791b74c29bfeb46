/*
 * quota_values: amounts, spans, shares and `each` as quotas write them. Pure; whole numbers only.
 * Messages say what is wrong and what to write, not what was read.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "limiter/limit.h"

#include <stdint.h>

/* "600", "2k"; of LIMIT_COST "250 USD", "0.50 USD" as nano-USD; of LIMIT_BYTES "64KiB". From 1 to
 * LIMIT_AMOUNT_MAX. */
MUST_USE enum status quota_amount_parse(enum limit_unit unit, struct slice text, uint64_t *ret,
                                        struct error *err);
/* "250 USD", "0.50 USD", "0 USD" as nano-USD, up to LIMIT_AMOUNT_MAX. */
MUST_USE enum status quota_money_parse(struct slice text, uint64_t *ret, struct error *err);
/* "600", "250 USD", "10GiB": what to write, for messages. */
const char *quota_amount_example(enum limit_unit unit);

struct quota_span {
    enum limit_span span;
    usec_t period; /* of LIMIT_RATE */
    unsigned days; /* of LIMIT_DAYS */
};
/* "1s" to "1h", "day", "week", "month", "1d" to "366d". */
MUST_USE enum status quota_span_parse(struct slice text, struct quota_span *ret, struct error *err);

/* "1%" to "99%". */
MUST_USE enum status quota_share_parse(struct slice text, unsigned *ret_percent, struct error *err);

/* "tenant", "route", "ip", "header:NAME"; *ret_header is a part of the text, empty unless
 * EACH_HEADER. */
MUST_USE enum status quota_each_parse(struct slice text, enum limit_each *ret,
                                      struct slice *ret_header, struct error *err);
